package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) getCommand() *cobra.Command {
	var watch bool
	var output output
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Show a Rollout: what it does and why, its plan, revisions and metrics",
		Example: `  rollout get checkout
  rollout get checkout -w
  rollout get checkout -o yaml`,
		Args:              p.oneName,
		ValidArgsFunction: p.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			printer, err := output.printer()
			if err != nil {
				return err
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			get := getter{program: p, cluster: c, name: nameOf(args[0]), print: printer}
			if watch {
				return get.watch(cmd.Context())
			}
			return get.once(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false,
		"Keep showing it until interrupted; without a terminal, print a line for every change")
	output.addTo(cmd)
	return cmd
}

// getter shows one Rollout.
type getter struct {
	*program
	cluster *cluster
	name    string
	// print writes objects, nil for a picture.
	print printObject
}

func (g getter) once(ctx context.Context) error {
	rollout, err := g.cluster.get(ctx, g.name)
	if err != nil {
		return err
	}
	if g.print != nil {
		return g.print(g.streams.Out, rollout)
	}
	_, err = fmt.Fprint(g.streams.Out, view.Tree(g.picture(ctx, rollout), g.style(), g.now()))
	return err
}

func (g getter) watch(ctx context.Context) error {
	if _, _, terminal := g.size(); terminal && g.print == nil {
		return g.live(ctx)
	}
	last := ""
	return g.followOne(ctx, g.cluster, g.name, viewer{trouble: g.warnOnce(), see: func(r *v1alpha1.Rollout) (bool, error) {
		if g.print != nil {
			return false, g.print(g.streams.Out, r)
		}
		return false, g.printLine(r, &last)
	}})
}

// printLine prints the state as a line, unless it is the same as the last one.
func (p *program) printLine(r *v1alpha1.Rollout, last *string) error {
	return p.printText(view.Line(r, p.style()), last)
}

func (p *program) printText(line string, last *string) error {
	if line == *last {
		return nil
	}
	*last = line
	_, err := fmt.Fprintf(p.streams.Out, "%s %s\n", p.now().Format(time.TimeOnly), line)
	return err
}

// live draws the picture again for every change, and every second because ages grow.
func (g getter) live(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	screen := openScreen(g.streams.Out, g.size)
	defer screen.close()

	var picture view.Picture
	return g.followOne(ctx, g.cluster, g.name, viewer{
		tick: ticker.C,
		see: func(r *v1alpha1.Rollout) (bool, error) {
			if r != picture.Rollout {
				picture = g.picture(ctx, r)
			}
			return false, screen.draw(view.Tree(picture, g.style(), g.now()))
		},
		trouble: func(err error) { picture.Note = oneLine(err.Error()) + "; trying again" },
	})
}

// picture adds the ReplicaSets to a Rollout. Somebody who may not read them still gets the rest.
func (g getter) picture(ctx context.Context, r *v1alpha1.Rollout) view.Picture {
	sets, err := g.cluster.replicaSets(ctx, r)
	picture := view.Picture{Rollout: r, ReplicaSets: sets}
	if err != nil {
		picture.Note = "Ages and images are missing: " + oneLine(err.Error())
	}
	return picture
}

func (c *cluster) replicaSets(ctx context.Context, r *v1alpha1.Rollout) ([]appsv1.ReplicaSet, error) {
	options, err := ofRollout(r)
	if err != nil {
		return nil, err
	}
	apps, err := c.apps()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, oneRequest)
	defer cancel()
	list, err := apps.ReplicaSets(r.Namespace).List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("list ReplicaSets: %w", err)
	}
	return list.Items, nil
}
