package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// output is the flag -o, for machines.
type output struct {
	format string
	flags  genericclioptions.JSONYamlPrintFlags
}

// printObject writes a Rollout or a list of them.
type printObject func(io.Writer, runtime.Object) error

func (o *output) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", "", "Print objects instead of a picture: json or yaml")
	o.flags.AddFlags(cmd)
	// It fails only for a flag that doesn't exist.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// printer is nil if people are to read the output.
func (o *output) printer() (printObject, error) {
	if o.format == "" {
		return nil, nil
	}
	printer, err := o.flags.ToPrinter(o.format)
	if err != nil {
		return nil, fmt.Errorf("--output %s: there is no such format; use json or yaml", o.format)
	}
	return func(w io.Writer, object runtime.Object) error {
		setKind(object)
		return printer.PrintObj(object, w)
	}, nil
}

// setKind writes apiVersion and kind into objects: decoding drops them, and readers of the output need them.
func setKind(object runtime.Object) {
	switch o := object.(type) {
	case *v1alpha1.Rollout:
		o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	case *v1alpha1.RolloutList:
		o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind + "List"))
		for i := range o.Items {
			setKind(&o.Items[i])
		}
	}
}
