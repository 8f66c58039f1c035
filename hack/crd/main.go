// Command crd writes the CustomResourceDefinitions that controller-gen made from our types; into that of the Rollout the schema
// of a pod template is grafted.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const (
	rolloutFile     = "rollout.dev_rollouts.yaml"
	podTemplateFile = "podtemplate.rollout.dev_holders.yaml"
)

func main() {
	in := flag.String("in", "", "directory with the files that controller-gen wrote")
	out := flag.String("out", "", "directory to write the CRDs to")
	flag.Parse()
	if err := run(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, "crd:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	rollouts, err := read(filepath.Join(in, rolloutFile))
	if err != nil {
		return err
	}
	holders, err := read(filepath.Join(in, podTemplateFile))
	if err != nil {
		return err
	}
	spec := rootSchema(rollouts).Properties["spec"]
	description := spec.Properties["template"].Description
	template := rootSchema(holders).Properties["template"]
	podTemplate(&template)
	template.Description = description
	spec.Properties["template"] = template
	boundSelector(&spec)
	strategy := spec.Properties["strategy"]
	openProviders(&strategy)
	sayOnce(strategy)
	spec.Properties["strategy"] = strategy
	rootSchema(rollouts).Properties["spec"] = spec
	if err := write(filepath.Join(out, rolloutFile), rollouts); err != nil {
		return err
	}
	for _, file := range analysisFiles() {
		crd, err := read(filepath.Join(in, file))
		if err != nil {
			return err
		}
		root := rootSchema(crd).Properties["spec"]
		openProviders(&root)
		rootSchema(crd).Properties["spec"] = root
		if err := write(filepath.Join(out, file), crd); err != nil {
			return err
		}
	}
	return nil
}

// analysisFiles hold no pod template.
func analysisFiles() []string {
	return []string{"rollout.dev_analysisruns.yaml", "rollout.dev_analysistemplates.yaml", "rollout.dev_clusteranalysistemplates.yaml"}
}

func rootSchema(crd *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.JSONSchemaProps {
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

func read(path string) (*apiextensionsv1.CustomResourceDefinition, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read what controller-gen wrote: %w", err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}
	if len(crd.Spec.Versions) != 1 {
		return nil, fmt.Errorf("parse %s: it has %d versions, this program knows what to do with one", path, len(crd.Spec.Versions))
	}
	return &crd, nil
}

func write(path string, crd *apiextensionsv1.CustomResourceDefinition) error {
	text, err := yaml.Marshal(crd)
	if err != nil {
		return fmt.Errorf("render %s: %w", path, err)
	}
	// The status belongs to the API server; applied as null or empty it would only cause a difference for GitOps tools.
	text, _, found := bytes.Cut(text, []byte("\nstatus:\n"))
	if !found {
		return fmt.Errorf("render %s: the part that starts with status was not found at the end", path)
	}
	text = append([]byte("# Made by make generate; change rollout/api/v1alpha1 instead.\n"), append(text, '\n')...)
	if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // a file of the checkout is for everyone to read
		return fmt.Errorf("write the CRD: %w", err)
	}
	return nil
}
