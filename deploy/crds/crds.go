// Package crds holds the custom resource definitions as files for kubectl and Kustomize, and as bytes for Go programs.
package crds

import _ "embed"

// Rollouts is the CustomResourceDefinition of the Rollout, as YAML.
//
//go:embed rollout.dev_rollouts.yaml
var Rollouts []byte
