package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
)

// completionTime bounds what a person waits after pressing the tab key.
const completionTime = 2 * time.Second

// completeNames offers the Rollouts of the namespace, with what they are doing as the description.
func (p *program) completeNames(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := p.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	list, err := c.client.Rollouts(c.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]cobra.Completion, len(list.Items))
	for i := range list.Items {
		names[i] = cobra.CompletionWithDesc(list.Items[i].Name, string(list.Items[i].Status.Phase))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeRevisions offers the revisions that the Rollout named before can go back to.
func (p *program) completeRevisions(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := p.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	rollout, err := c.get(ctx, nameOf(args[0]))
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	revisions, err := c.kept(ctx, rollout)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for _, k := range revisions {
		name := k.hash
		if k.number > 0 {
			name = strconv.FormatInt(k.number, 10)
		}
		names = append(names, cobra.CompletionWithDesc(name, k.describe(p.now())))
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeImages offers the containers of the Rollout named before, with their images as the description.
func (p *program) completeImages(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return p.completeNames(cmd, args, typed)
	}
	c, err := p.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	rollout, err := c.get(ctx, nameOf(args[0]))
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	o, err := c.origin(ctx, rollout)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var containers []cobra.Completion
	for _, container := range containersOf(o.template) {
		given := func(arg string) bool { return strings.HasPrefix(arg, container.name+"=") }
		if !slices.ContainsFunc(args[1:], given) {
			containers = append(containers, cobra.CompletionWithDesc(container.name+"=", container.image))
		}
	}
	return containers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeFlags offers the values of the kubeconfig flags that people type.
func (p *program) completeFlags(root *cobra.Command) {
	// They fail only for flags that don't exist.
	_ = root.RegisterFlagCompletionFunc("namespace", p.completeNamespaces)
	_ = root.RegisterFlagCompletionFunc("context", p.completeContexts)
}

func (p *program) completeNamespaces(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, err := p.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	core, err := coreclient.NewForConfig(c.config)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	list, err := core.Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]cobra.Completion, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (p *program) completeContexts(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	raw, err := p.flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for name := range raw.Contexts {
		names = append(names, name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
