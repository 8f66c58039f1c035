package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/strict"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// analyzeFlags say what to analyse.
type analyzeFlags struct {
	file            string
	template        string
	clusterTemplate string
	args            []string
	wait            bool
	timeout         time.Duration
	keep            time.Duration
}

func (p *program) analyzeCommand() *cobra.Command {
	var flags analyzeFlags
	cmd := &cobra.Command{
		Use:   "analyze (-f FILE | --template NAME | --cluster-template NAME)",
		Short: "Carry an analysis out by itself, without a release",
		Long: `Carry an analysis out by itself, without a release: one from a file (an AnalysisRun, an AnalysisTemplate or a
ClusterAnalysisTemplate), or one that the cluster has as a template.

It makes an AnalysisRun, which the controller measures. With --wait the command ends when there is a verdict: with 0 if it
passed and 1 if it didn't.`,
		Example: `  rollout analyze --template checkout-errors --arg service=checkout --wait
  rollout analyze -f analysis.yaml --arg host=shop.example`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%s takes no NAME; say what to analyse with -f, --template or --cluster-template", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return p.analyze(cmd.Context(), flags) },
	}
	f := cmd.Flags()
	f.StringVarP(&flags.file, "filename", "f", "", "File with an AnalysisRun or a template")
	f.StringVar(&flags.template, "template", "", "Name of an AnalysisTemplate")
	f.StringVar(&flags.clusterTemplate, "cluster-template", "", "Name of a ClusterAnalysisTemplate")
	f.StringArrayVar(&flags.args, "arg", nil, "Value of an argument as NAME=VALUE; may be given several times")
	f.BoolVar(&flags.wait, "wait", false, "Wait for the verdict")
	f.DurationVar(&flags.timeout, "timeout", 10*time.Minute, "How long the analysis waits for a verdict")
	f.DurationVar(&flags.keep, "keep", time.Hour, "How long the AnalysisRun is kept afterwards")
	cmd.MarkFlagsOneRequired("filename", "template", "cluster-template")
	cmd.MarkFlagsMutuallyExclusive("filename", "template", "cluster-template")
	return cmd
}

func (p *program) analyze(ctx context.Context, flags analyzeFlags) error {
	run, err := flags.run()
	if err != nil {
		return err
	}
	c, err := p.connect()
	if err != nil {
		return err
	}
	if run.Namespace == "" {
		run.Namespace = c.namespace
	}
	runs := c.client.AnalysisRuns(run.Namespace)
	created, err := runs.Create(ctx, run, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("create an AnalysisRun in namespace %s: %w", run.Namespace, err)
	}
	fmt.Fprintf(p.streams.Out, "AnalysisRun %s/%s begins\n", created.Namespace, created.Name)
	if !flags.wait {
		return nil
	}
	ended, err := p.awaitVerdict(ctx, c, created, flags.timeout+time.Minute)
	if err != nil {
		return err
	}
	fmt.Fprint(p.streams.Out, view.Run(ended, p.style(), p.now()))
	if ended.Status.Phase != v1alpha1.RunPassed {
		return &exitError{exitFailure, fmt.Sprintf("the analysis is not passed: %s", ended.Status.Phase)}
	}
	return nil
}

// awaitVerdict follows an AnalysisRun until it is over.
func (p *program) awaitVerdict(ctx context.Context, c *cluster, run *v1alpha1.AnalysisRun, patience time.Duration) (*v1alpha1.AnalysisRun, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNoAnswer)
	defer cancel()
	runs, said := c.client.AnalysisRuns(run.Namespace), ""
	one := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", run.Name).String()}
	for ctx.Err() == nil {
		events, err := runs.Watch(ctx, one)
		if err != nil {
			return nil, fmt.Errorf("follow AnalysisRun %s: %w", run.Name, err)
		}
		for event := range events.ResultChan() {
			now, ok := event.Object.(*v1alpha1.AnalysisRun)
			if !ok { // an error of the watch, which is made again
				break
			}
			if event.Type == watch.Deleted {
				return nil, fmt.Errorf("AnalysisRun %s was deleted before there was a verdict", run.Name)
			}
			if now.Finished() {
				events.Stop()
				return now, nil
			}
			if now.Status.Message != said {
				said = now.Status.Message
				fmt.Fprintln(p.streams.Out, said)
			}
		}
		events.Stop()
		select {
		case <-time.After(p.retry):
		case <-ctx.Done():
		}
	}
	if errors.Is(context.Cause(ctx), errNoAnswer) {
		return nil, &exitError{exitTimeout, fmt.Sprintf("AnalysisRun %s has no verdict after %s. Is the controller running? %s", run.Name, patience, seeController)}
	}
	return nil, errors.New("interrupted before there was a verdict; the analysis goes on")
}

// run is the AnalysisRun that the flags describe.
func (f analyzeFlags) run() (*v1alpha1.AnalysisRun, error) {
	run := &v1alpha1.AnalysisRun{}
	switch {
	case f.file != "":
		var err error
		if run, err = readAnalysis(f.file); err != nil {
			return nil, err
		}
	case f.template != "":
		run.GenerateName = f.template + "-"
		run.Spec.Analysis = &v1alpha1.Analysis{Templates: []v1alpha1.TemplateReference{{Name: f.template}}}
	default:
		run.GenerateName = f.clusterTemplate + "-"
		run.Spec.Analysis = &v1alpha1.Analysis{Templates: []v1alpha1.TemplateReference{{Name: f.clusterTemplate, ClusterScope: true}}}
	}
	if run.Spec.TimeoutSeconds == nil {
		run.Spec.TimeoutSeconds = new(int32(f.timeout / time.Second))
	}
	if run.Spec.TTLSecondsAfterFinished == nil {
		run.Spec.TTLSecondsAfterFinished = new(int32(f.keep / time.Second))
	}
	return run, f.giveArguments(run)
}

func (f analyzeFlags) giveArguments(run *v1alpha1.AnalysisRun) error {
	for _, text := range f.args {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return fmt.Errorf("--arg %q: write NAME=VALUE", text)
		}
		given := false
		for i := range run.Spec.Analysis.Args {
			if arg := &run.Spec.Analysis.Args[i]; arg.Name == name {
				arg.Value, arg.ValueFrom, given = &value, nil, true
			}
		}
		if !given {
			run.Spec.Analysis.Args = append(run.Spec.Analysis.Args, v1alpha1.Argument{Name: name, Value: &value})
		}
	}
	return nil
}

// readAnalysis reads a file. A template in it is used as it stands there, whatever the cluster has under its name.
func readAnalysis(file string) (*v1alpha1.AnalysisRun, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read -f: %w", err)
	}
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(text, &kind); err != nil {
		return nil, fmt.Errorf("-f %s is no YAML: %w", file, err)
	}
	run := &v1alpha1.AnalysisRun{}
	switch kind.Kind {
	case "AnalysisRun":
		if err := yaml.UnmarshalStrict(text, run); err != nil {
			return nil, fmt.Errorf("-f %s is no AnalysisRun: %w", file, err)
		}
		if run.Spec.Analysis == nil {
			return nil, fmt.Errorf("-f %s: spec.analysis is missing; it says what to analyse", file)
		}
		return run, providerMistakes(file, "spec.analysis.metrics", run.Spec.Analysis.Metrics)
	case "AnalysisTemplate", "ClusterAnalysisTemplate":
		var template v1alpha1.AnalysisTemplate
		if err := yaml.UnmarshalStrict(text, &template); err != nil {
			return nil, fmt.Errorf("-f %s is no %s: %w", file, kind.Kind, err)
		}
		run.GenerateName = template.Name + "-"
		run.Spec.Analysis = &v1alpha1.Analysis{Metrics: template.Spec.Metrics, Templates: template.Spec.Templates, Args: template.Spec.Args}
		return run, providerMistakes(file, "spec.metrics", template.Spec.Metrics)
	}
	return nil, fmt.Errorf("-f %s holds a %q; it must be an AnalysisRun, an AnalysisTemplate or a ClusterAnalysisTemplate", file, kind.Kind)
}

// providerMistakes says what is wrong with the fields of providers, which neither the parser nor the API server refuses.
func providerMistakes(file, field string, metrics []v1alpha1.Metric) error {
	for i, m := range metrics {
		if m.Provider == nil {
			continue
		}
		if mistakes, ok := errors.AsType[*strict.Error](m.Provider.Mistakes()); ok {
			return fmt.Errorf("-f %s: %w", file, mistakes.Under(fmt.Sprintf("%s[%d].provider", field, i)))
		}
	}
	return nil
}
