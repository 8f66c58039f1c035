package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) undoCommand() *cobra.Command {
	var to string
	var flags requestFlags
	cmd := &cobra.Command{
		Use:   "undo NAME",
		Short: "Go back to a revision that has served before",
		Long: `Go back to a revision that has served before: the template of the spec becomes the one of that revision again, and its
release skips the steps and the analysis.

While a release is under way, or after it was taken back, undo goes back to the stable revision; otherwise to the one that
was stable before it. --to-revision names another one of those that are kept (spec.revisionHistoryLimit).

abort is the faster way out of a release: it needs nothing but the stable revision and leaves the spec as it is.`,
		Example: `  rollout undo checkout
  rollout undo checkout --to-revision 3`,
		Args:              p.oneName,
		ValidArgsFunction: p.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			r := requester{program: p, cluster: c, name: nameOf(args[0]), verb: v1alpha1.VerbUndo, flags: flags}
			return r.undo(cmd.Context(), to)
		},
	}
	cmd.Flags().StringVar(&to, "to-revision", "", "The number or the hash of the revision to go back to")
	// It fails only for a flag that doesn't exist.
	_ = cmd.RegisterFlagCompletionFunc("to-revision", p.completeRevisions)
	flags.addTo(cmd)
	return cmd
}

// undoer changes the template back and asks the engine to release it at once.
type undoer struct {
	requester
	// rollout, seen and goal are what is changed, the template that it had, and the revision to go back to.
	rollout *v1alpha1.Rollout
	seen    origin
	goal    kept
}

func (r requester) undo(ctx context.Context, to string) error {
	rollout, err := r.cluster.get(ctx, r.name)
	if err != nil {
		return err
	}
	seen, err := r.cluster.origin(ctx, rollout)
	if err != nil {
		return err
	}
	revisions, err := r.cluster.kept(ctx, rollout)
	if err != nil {
		return err
	}
	past := history{program: r.program.name, rollout: rollout, template: seen.template, kept: revisions}
	goal, err := past.goal(to, r.now())
	if err != nil {
		return err
	}
	if !goal.rebuilt && past.neverServed(goal) {
		r.warn("%s was never stable, as far as is known; it skips the steps and the analysis all the same", goal)
	}
	r.words = "undo to " + goal.String()
	if pending := view.Unanswered(rollout); pending != nil {
		if err := r.yield(pending); err != nil {
			return err
		}
	}
	return undoer{requester: r, rollout: rollout, seen: seen, goal: goal}.run(ctx)
}

func (u undoer) run(ctx context.Context) error {
	e := errand{request: u.newRequest(), write: u.annotate, stands: func(*v1alpha1.Rollout) error { return nil }}
	e.request.Revision = u.goal.hash
	if !sameTemplate(u.seen.template, u.goal.template) {
		u.remains = fmt.Sprintf("the template of %s is that of %s all the same, and %s", u.seen, u.goal, u.consequence())
		if u.seen.kind == inRollout && !u.goal.rebuilt {
			e.more, e.write, e.stands = true, u.writeBoth, func(now *v1alpha1.Rollout) error {
				return u.unmoved(origin{meta: now.ObjectMeta, template: now.Spec.Template})
			}
		} else if err := u.rewrite(ctx); err != nil {
			return err
		}
	}
	if u.goal.rebuilt {
		u.notes()
		_, err := fmt.Fprintf(u.streams.Out, "%s: the template of %s is that of the ReplicaSet of %s now. It was not kept as it was written, "+
			"so this is a new revision unless it was written with every default; its release takes all steps, and %s promote %s --full skips them\n",
			u.name, u.seen, u.goal, u.program.name, u.name)
		return err
	}
	id, err := u.send(ctx, u.rollout, e)
	switch {
	case err != nil && u.remains != "" && !e.more:
		return fmt.Errorf("%w; %s", err, u.remains)
	case err != nil:
		return err
	}
	u.notes()
	return u.conclude(ctx, id)
}

// consequence is what follows from the template alone, without the request.
func (u undoer) consequence() string {
	if u.goal.hash == u.rollout.Status.StableRevision {
		return "what is released instead of it is taken back"
	}
	return fmt.Sprintf("its release takes all steps; %s promote %s --full skips them", u.program.name, u.name)
}

// notes are what a person who goes back should know.
func (u undoer) notes() {
	u.noteGitOps(u.rollout, u.seen)
	u.notePaused(u.rollout)
}

// writeBoth writes the template and the request at once, so that the engine never sees one without the other.
func (u undoer) writeBoth(ctx context.Context, now *v1alpha1.Rollout, request v1alpha1.Request) error {
	operations := append(unchanged(now.ObjectMeta), replaceTemplate(u.goal.template))
	if now.Annotations == nil {
		operations = append(operations, operation{"add", "/metadata/annotations", map[string]string{}})
	}
	path := "/metadata/annotations/" + strings.ReplaceAll(v1alpha1.RequestAnnotation, "/", "~1")
	operations = append(operations, operation{"add", path, request.Annotation()})
	return u.cluster.patch(ctx, now, origin{kind: inRollout, meta: now.ObjectMeta}, operations)
}

// rewrite changes the template without a request.
func (u undoer) rewrite(ctx context.Context) error {
	return u.cluster.rewrite(ctx, u.name, func(_ *v1alpha1.Rollout, now origin) ([]operation, error) {
		if err := u.unmoved(now); err != nil {
			return nil, err
		}
		return append(unchanged(now.meta), replaceTemplate(u.goal.template)), nil
	})
}

// unmoved returns an error if the template is not the one that the person saw any more: what somebody else has written
// since must not be lost.
func (u undoer) unmoved(now origin) error {
	if now.meta.UID == u.seen.meta.UID && sameTemplate(now.template, u.seen.template) {
		return nil
	}
	return fmt.Errorf("%s was not requested: meanwhile somebody else changed the template of %s; look at it with %s get %s and ask again",
		u.words, u.seen, u.program.name, u.name)
}
