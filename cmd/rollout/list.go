package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) listCommand() *cobra.Command {
	var everywhere, watch bool
	var selector string
	var output output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List Rollouts",
		Example: `  rollout list
  rollout list -A -w
  rollout list -l team=payments -o json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			printer, err := output.printer()
			if err != nil {
				return err
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			if everywhere {
				c.namespace = metav1.NamespaceAll
			}
			l := lister{program: p, cluster: c, options: metav1.ListOptions{LabelSelector: selector}, print: printer}
			l.table = &view.Table{Style: p.style(), Namespaces: everywhere}
			if watch {
				return l.watch(cmd.Context())
			}
			return l.once(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&everywhere, "all-namespaces", "A", false, "List those of all namespaces")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false,
		"Keep showing them until interrupted; without a terminal, print a line for every change")
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "List those with these labels, for example team=payments")
	output.addTo(cmd)
	return cmd
}

// lister shows many Rollouts.
type lister struct {
	*program
	cluster *cluster
	options metav1.ListOptions
	table   *view.Table
	// print writes objects, nil for a table.
	print printObject
}

func (l lister) attempt() string {
	if l.cluster.namespace == metav1.NamespaceAll {
		return "list Rollouts of all namespaces"
	}
	return "list Rollouts of namespace " + l.cluster.namespace
}

func (l lister) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, oneRequest)
	defer cancel()
	list, err := l.cluster.client.Rollouts(l.cluster.namespace).List(ctx, l.options)
	if err != nil {
		return l.cluster.explain(l.attempt(), "", err)
	}
	if l.print != nil {
		return l.print(l.streams.Out, list)
	}
	rollouts := make([]*v1alpha1.Rollout, len(list.Items))
	for i := range list.Items {
		rollouts[i] = &list.Items[i]
	}
	if len(rollouts) == 0 {
		fmt.Fprintln(l.streams.ErrOut, l.none())
		return nil
	}
	_, err = fmt.Fprint(l.streams.Out, l.draw(rollouts))
	return err
}

func (l lister) none() string {
	if l.cluster.namespace == metav1.NamespaceAll {
		return "There are no Rollouts in this cluster."
	}
	return fmt.Sprintf("There are no Rollouts in namespace %s; -A lists those of all namespaces.", l.cluster.namespace)
}

func (l lister) draw(rollouts []*v1alpha1.Rollout) string {
	view.Sort(rollouts)
	if columns, _, terminal := l.size(); terminal {
		l.table.Width = columns
	}
	return l.table.Render(rollouts, l.now())
}

// watch shows all changes until the context ends.
func (l lister) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates := l.follow(ctx, l.cluster.client.Rollouts(l.cluster.namespace), l.options)
	if _, _, terminal := l.size(); terminal && l.print == nil {
		return l.live(updates)
	}
	trouble := l.warnOnce()
	first := true
	for u := range updates {
		switch {
		case u.err != nil:
			return l.cluster.explain(l.attempt(), "", u.err)
		case u.trouble != nil:
			trouble(l.cluster.explain(l.attempt(), "", u.trouble))
			continue
		}
		if err := l.lines(u.changes, first); err != nil {
			return err
		}
		first = false
	}
	return nil
}

// lines prints changes below what was printed before; all that there is comes first, with a heading.
func (l lister) lines(changes []change, first bool) error {
	if first && l.print == nil {
		var rollouts []*v1alpha1.Rollout
		for _, c := range changes {
			rollouts = append(rollouts, c.rollout)
		}
		_, err := fmt.Fprint(l.streams.Out, l.draw(rollouts))
		return err
	}
	for _, c := range changes {
		if err := l.line(c); err != nil {
			return err
		}
	}
	return nil
}

func (l lister) line(c change) error {
	if l.print != nil {
		// A reader of objects sees that one is gone by its deletionTimestamp, which only finalizers make observable;
		// kubectl get -w prints the last state, too.
		return l.print(l.streams.Out, c.rollout)
	}
	if c.gone {
		_, err := fmt.Fprintf(l.streams.Out, "%s was deleted\n", key(c.rollout))
		return err
	}
	_, err := fmt.Fprint(l.streams.Out, l.table.Row(c.rollout, l.now()))
	return err
}

// live redraws the table at most four times a second, however many Rollouts change, and every second because ages grow.
func (l lister) live(updates <-chan update) error {
	screen := openScreen(l.streams.Out, l.size)
	defer screen.close()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	shown := map[types.NamespacedName]*v1alpha1.Rollout{}
	note, changed, drawn := "", false, time.Time{}
	for {
		select {
		case u, open := <-updates:
			if !open {
				return nil
			}
			if u.err != nil {
				return l.cluster.explain(l.attempt(), "", u.err)
			}
			note, changed = l.take(shown, u), true
		case tick := <-ticker.C:
			if !changed && tick.Sub(drawn) < time.Second {
				continue
			}
			changed, drawn = false, tick
			if err := screen.draw(l.draw(slices.Collect(maps.Values(shown))) + note); err != nil {
				return err
			}
		}
	}
}

// take changes what is shown, and returns a note if nothing is heard at the moment.
func (l lister) take(shown map[types.NamespacedName]*v1alpha1.Rollout, u update) (note string) {
	if u.trouble != nil {
		return "\n" + oneLine(l.cluster.explain(l.attempt(), "", u.trouble).Error()) + "; trying again\n"
	}
	for _, c := range u.changes {
		if c.gone {
			delete(shown, key(c.rollout))
		} else {
			shown[key(c.rollout)] = c.rollout
		}
	}
	return ""
}
