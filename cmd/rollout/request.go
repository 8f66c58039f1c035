package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// patience is how long an unanswered request of somebody else keeps its place. The engine answers within a second; what
// is older than this was asked while no controller was running.
const patience = 30 * time.Second

// writeAttempts bounds how often something is written again because something else of the object changed.
const writeAttempts = 10

// requestFlags are the flags of every verb that is a request.
type requestFlags struct {
	wait  time.Duration
	force bool
}

func (f *requestFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.wait, "wait", 10*time.Second, "How long to wait for the controller's answer; 0 does not wait")
	cmd.Flags().BoolVar(&f.force, "force", false, "Ask even if an earlier request has not been answered yet; it is lost then")
}

func (f *requestFlags) check() error {
	if f.wait < 0 {
		return fmt.Errorf("--wait %s: it must not be negative; 0 does not wait", f.wait)
	}
	return nil
}

// requester hands one request on to the engine.
type requester struct {
	*program
	cluster *cluster
	name    string
	verb    v1alpha1.Verb
	// words name the request to people.
	words string
	// objection says why the request makes no sense in the state of a Rollout, empty if it does. It spares a round trip;
	// the engine decides.
	objection func(*v1alpha1.Rollout) string
	// remains says what has been changed even if the request is refused, empty if nothing has.
	remains string
	flags   requestFlags
}

// errand is a request with the way it is written.
type errand struct {
	request v1alpha1.Request
	// write puts the request into the Rollout; it is a conflict if that has changed since it was read.
	write func(context.Context, *v1alpha1.Rollout, v1alpha1.Request) error
	// more says that write changes more than the request, so that an equal request of somebody else is no substitute.
	more bool
	// stands returns an error if a Rollout that has changed since is no longer the one that the request was made for.
	stands func(*v1alpha1.Rollout) error
}

// request binds what a person asks for to the state they see now, sends it and waits for the answer.
func (p *program) request(cmd *cobra.Command, arg string, verb v1alpha1.Verb, objection func(*v1alpha1.Rollout) string, flags requestFlags) error {
	if err := flags.check(); err != nil {
		return err
	}
	c, err := p.connect()
	if err != nil {
		return err
	}
	r := requester{program: p, cluster: c, name: nameOf(arg), verb: verb, words: string(verb), objection: objection, flags: flags}
	id, err := r.ask(cmd.Context())
	if err != nil {
		return err
	}
	return r.conclude(cmd.Context(), id)
}

// ask writes the request and returns its id. It is bound to the first state that was read: if the release moves on
// before the request is written, it is not, unless it is meant for the Rollout wherever its release is.
func (r requester) ask(ctx context.Context) (id string, err error) {
	rollout, err := r.cluster.get(ctx, r.name)
	if err != nil {
		return "", err
	}
	if err := r.sensible(rollout); err != nil {
		return "", err
	}
	request := r.newRequest()
	request.Revision, request.Step = position(rollout)
	return r.send(ctx, rollout, errand{request: request, write: r.annotate, stands: func(now *v1alpha1.Rollout) error {
		revision, step := position(now)
		if !boundToStep(r.verb) || revision == request.Revision && step == request.Step {
			return nil
		}
		return fmt.Errorf("%s was not requested: meanwhile %s moved on (%s); look at it with %s get %s and ask again",
			r.words, r.name, view.Line(now, view.Style{}), r.program.name, r.name)
	}})
}

func (r requester) newRequest() v1alpha1.Request {
	return v1alpha1.Request{ID: rand.Text(), Verb: r.verb, By: r.person(), At: metav1.NewTime(r.now())}
}

// send carries an errand out and returns the id of the request that is answered in the end.
func (r requester) send(ctx context.Context, rollout *v1alpha1.Rollout, e errand) (id string, err error) {
	for range writeAttempts {
		if pending := view.Unanswered(rollout); pending != nil {
			if !e.more && same(pending, e.request) {
				return pending.ID, nil
			}
			if err := r.yield(pending); err != nil {
				return "", err
			}
			r.warn("an earlier request was not answered and is replaced (%s)", view.Request(pending, r.now()))
		}
		err := e.write(ctx, rollout, e.request)
		if err == nil {
			return e.request.ID, nil
		}
		if !apierrors.IsConflict(err) {
			return "", r.cluster.explain(fmt.Sprintf("write the request to %s/%s", rollout.Namespace, r.name), r.name, err)
		}
		if rollout, err = r.cluster.get(ctx, r.name); err != nil {
			return "", err
		}
		if err := e.stands(rollout); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("%s was not requested: %s changed between reading and writing %d times in a row; ask again",
		r.words, r.name, writeAttempts)
}

// sensible refuses what can be known to lead nowhere.
func (r requester) sensible(rollout *v1alpha1.Rollout) error {
	why := r.objection(rollout)
	if why == "" {
		return nil
	}
	// A state that is about to change is no reason: say that instead of something that may be wrong in a moment.
	if behind := view.Behind(rollout); behind != "" {
		return fmt.Errorf("can't %s %s: %s; try again in a moment, or see whether the controller is running: %s",
			r.words, r.name, behind, seeController)
	}
	return errors.New(why)
}

// position is the revision under test and the current step, as far as a person can see them.
func position(rollout *v1alpha1.Rollout) (revision string, step int32) {
	if release := rollout.Status.Release; release != nil {
		return release.Revision, release.StepIndex
	}
	return rollout.Status.StableRevision, 0
}

// boundToStep says whether a request means the very step that the person saw. Who pauses, resumes or restarts means the
// Rollout, and would only be surprised that it went on instead because a step ended in that moment.
func boundToStep(verb v1alpha1.Verb) bool {
	switch verb {
	case v1alpha1.VerbPause, v1alpha1.VerbResume, v1alpha1.VerbRestart:
		return false
	default:
		return true
	}
}

func same(pending *v1alpha1.Request, request v1alpha1.Request) bool {
	return pending.Verb == request.Verb && pending.Revision == request.Revision && pending.Step == request.Step &&
		request.At.Sub(pending.At.Time) < patience
}

// yield returns an error if an earlier request must be left its place. An abort always goes first: it is for when
// something is wrong, and what else was asked hardly matters then.
func (r requester) yield(pending *v1alpha1.Request) error {
	old := r.now().Sub(pending.At.Time) >= patience
	if old || r.flags.force || r.verb == v1alpha1.VerbAbort {
		return nil
	}
	return fmt.Errorf("%s was not requested: the controller has not answered an earlier request yet (%s); try again in a "+
		"moment, or with --force to replace it", r.words, view.Request(pending, r.now()))
}

// annotate puts the request into the annotation, unless the Rollout has changed since it was read.
func (r requester) annotate(ctx context.Context, rollout *v1alpha1.Rollout, request v1alpha1.Request) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":             rollout.UID,
		"resourceVersion": rollout.ResourceVersion,
		"annotations":     map[string]string{v1alpha1.RequestAnnotation: request.Annotation()},
	}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, oneRequest)
	defer cancel()
	_, err = r.cluster.client.Rollouts(rollout.Namespace).Patch(ctx, r.name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager})
	return err
}

const seeController = "kubectl -n rollout-system get deploy"

var errNoAnswer = errors.New("no answer in time")

// conclude tells what became of a request that was written.
func (r requester) conclude(ctx context.Context, id string) error {
	if r.flags.wait == 0 {
		_, err := fmt.Fprintf(r.streams.Out, "%s: %s requested\n", r.name, r.words)
		return err
	}
	return r.await(ctx, id)
}

// await waits for the engine's answer and passes it on.
func (r requester) await(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.flags.wait, errNoAnswer)
	defer cancel()
	var answer *v1alpha1.RequestStatus
	err := r.followOne(ctx, r.cluster, r.name, viewer{trouble: r.warnOnce(), see: func(rollout *v1alpha1.Rollout) (bool, error) {
		if last := rollout.Status.LastRequest; last != nil && last.ID == id {
			answer = last
			return true, nil
		}
		if other, err := v1alpha1.ReadRequest(rollout.Annotations); err == nil && (other == nil || other.ID != id) {
			return false, errors.New(r.replaced(other))
		}
		return false, nil
	}})
	switch {
	case err != nil:
		return err
	case answer == nil && errors.Is(context.Cause(ctx), errNoAnswer):
		return &exitError{exitTimeout, fmt.Sprintf("the controller has not answered within %s; the request stays and is "+
			"answered when it can be. Is the controller running? %s", r.flags.wait, seeController)}
	case answer == nil:
		return errors.New("interrupted before the controller answered; the request stays")
	}
	return r.report(answer)
}

func (r requester) replaced(other *v1alpha1.Request) string {
	by := "removed"
	if other != nil {
		by = "replaced by " + view.Request(other, r.now())
	}
	return fmt.Sprintf("the request to %s %s was %s before its answer was seen; %s get %s shows what came of it",
		r.verb, r.name, by, r.program.name, r.name)
}

func (r requester) report(answer *v1alpha1.RequestStatus) error {
	if answer.Outcome == v1alpha1.OutcomeRefused {
		text := fmt.Sprintf("%s was refused: %s", r.words, answer.Message)
		if r.remains != "" {
			text += "; " + r.remains
		}
		return errors.New(text)
	}
	text := fmt.Sprintf("%s: %s accepted", r.name, r.words)
	if answer.Message != "" {
		text += ", " + answer.Message
	}
	_, err := fmt.Fprintf(r.streams.Out, "%s\n", text)
	return err
}
