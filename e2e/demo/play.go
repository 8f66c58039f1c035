package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/rollout-dev/rollout/e2e/demo/picture"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const (
	// frame is how often the picture is drawn anew while the Rollout stands still.
	frame = 250 * time.Millisecond
	// releaseLimit bounds one release; the longest one takes half a minute.
	releaseLimit = 3 * time.Minute
	// proof is the number of requests, after a release has ended, of which not one may go astray.
	proof = 3 * requestsPerSecond
)

// release is one that the demo plays.
type release struct {
	version
	title string
	want  picture.Outcome
}

// releases are played after v1 was installed.
func releases() []release {
	return []release{
		{version{"v2", "0", "20ms"}, "a good version", picture.Promoted},
		{version{"v3", "0.3", "20ms"}, "answers 30% with errors", picture.TakenBack},
		{version{"v4", "0", "800ms"}, "takes 800ms to answer", picture.TakenBack},
	}
}

// play is the demo while it runs in its cluster.
type play struct {
	app     *app
	clients clients
	history history
	display display
	place   string
	started time.Time

	events <-chan watch.Event
	// rollout, got and versions are what was last heard.
	rollout  *v1alpha1.Rollout
	got      received
	versions map[string]string
	// scene is what was last shown, told the one that events were last made of.
	scene, told picture.Scene
	// sampled is when the history of the scene last grew.
	sampled time.Time
}

// run installs the first version and plays the releases.
func (p *play) run(ctx context.Context) ([]result, error) {
	var stop func()
	p.events, stop = p.app.watch()
	defer stop()
	p.scene = picture.Scene{Started: p.started, Place: p.place, Current: -1}
	all := releases()
	for _, r := range all {
		p.scene.Releases = append(p.scene.Releases, picture.Release{Version: r.Version, Title: r.title})
	}
	if err := p.install(ctx); err != nil {
		return nil, fmt.Errorf("install the application: %w", err)
	}
	var results []result
	for i, r := range all {
		p.begin(i)
		result, err := p.release(ctx, r)
		if err != nil {
			return results, fmt.Errorf("release %s: %w", r.Version, err)
		}
		results = append(results, result)
	}
	return results, nil
}

// install brings the first version up and lets the clients in.
func (p *play) install(ctx context.Context) error {
	first := version{"v1", "0", "20ms"}
	if err := p.app.open(ctx); err != nil {
		return err
	}
	if err := p.app.release(ctx, first); err != nil {
		return err
	}
	if err := p.until(ctx, "the first version to serve", func() (bool, error) { return p.isStable(first.Version), nil }); err != nil {
		return err
	}
	if err := p.clients.start(ctx); err != nil {
		return err
	}
	return p.until(ctx, fmt.Sprintf("%d answers of the first version", proof), func() (bool, error) {
		if p.got.Lost > 0 {
			return false, fmt.Errorf("%d requests were lost before any release", p.got.Lost)
		}
		return p.got.Versions[first.Version].Requests >= proof, nil
	})
}

// begin turns the picture to the release at a position.
func (p *play) begin(index int) {
	p.scene.Current = index
	p.scene.Releases = slices.Clone(p.scene.Releases)
	p.scene.Releases[index].Outcome = picture.Running
	p.scene.History = nil
	r := p.scene.Releases[index]
	p.tell("%s is released: %s", r.Version, r.Title)
}

// release plays one release until its outcome, and on until enough clients have proved it.
func (p *play) release(ctx context.Context, r release) (result, error) {
	begun, before := time.Now(), p.got
	if err := p.app.release(ctx, r.version); err != nil {
		return result{}, err
	}
	out := result{release: r}
	if err := p.until(ctx, "its outcome", func() (bool, error) {
		out.outcome = p.outcome(r.Version)
		return out.outcome != picture.Running, nil
	}); err != nil {
		return out, err
	}
	out.took = time.Since(begun)
	ended := p.rollout
	p.end(out.outcome)
	if err := p.prove(ctx, r.Version, out.outcome); err != nil {
		return out, err
	}
	answered := p.got.Versions[r.Version]
	out.served, out.errors, out.last, out.lost = answered.Requests, answered.Errors, answered.Last, p.got.Lost-before.Lost
	if out.outcome == picture.TakenBack {
		var err error
		if out.breach, err = p.history.breach(ctx, ended); err != nil {
			return out, fmt.Errorf("find the first scrape that shows that %s is bad: %w", r.Version, err)
		}
	}
	return out, nil
}

// end shows the outcome of the current release.
func (p *play) end(outcome picture.Outcome) {
	p.scene.Releases = slices.Clone(p.scene.Releases) // Scenes of before keep theirs, to be compared with.
	p.scene.Releases[p.scene.Current].Outcome = outcome
	p.narrate()
}

// prove waits for more answers: all of a version that was promoted, none of one that was taken back.
func (p *play) prove(ctx context.Context, version string, outcome picture.Outcome) error {
	before := p.got
	return p.until(ctx, fmt.Sprintf("%d more answers", proof), func() (bool, error) {
		sent := p.got.Sent - before.Sent
		own := p.got.Versions[version].Requests - before.Versions[version].Requests
		if outcome == picture.TakenBack && own > 0 {
			return false, fmt.Errorf("clients still received %d answers of %s after it was taken back", own, version)
		}
		if outcome == picture.Promoted && own < sent-(p.got.Lost-before.Lost) {
			return false, fmt.Errorf("clients received %d of %d answers from another version after %s was promoted", sent-own, sent, version)
		}
		return sent >= proof, nil
	})
}

// outcome is that of the release of a version, Running before it has one.
func (p *play) outcome(version string) picture.Outcome {
	status := p.rollout.Status
	switch {
	case status.ObservedGeneration < p.rollout.Generation:
	case p.isStable(version):
		return picture.Promoted
	case status.Release != nil && status.Release.Phase == string(rollout.Aborted) && p.versions[status.Release.Revision] == version:
		return picture.TakenBack
	}
	return picture.Running
}

// isStable says whether a version serves everything and nothing is left to do.
func (p *play) isStable(version string) bool {
	r := p.rollout
	return r != nil && r.Status.ObservedGeneration == r.Generation &&
		r.Status.Phase == v1alpha1.PhaseHealthy && p.versions[r.Status.StableRevision] == version
}

// until shows what happens until done says so.
func (p *play) until(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, releaseLimit, fmt.Errorf("it took longer than %s", releaseLimit))
	defer cancel()
	ticker := time.NewTicker(frame)
	defer ticker.Stop()
	for {
		err := p.hear(ctx, ticker.C)
		if err == nil {
			err = p.refresh(ctx)
		}
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx) // Whatever failed was only cut short.
		}
		if err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if finished, err := done(); finished || err != nil {
			return err
		}
	}
}

// hear waits for the next thing to show.
func (p *play) hear(ctx context.Context, tick <-chan time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.app.stage.broken():
		return errors.New("the controller has ended by itself")
	case event, open := <-p.events:
		if !open {
			return errors.New("the watch of the Rollout has ended")
		}
		if r, is := event.Object.(*v1alpha1.Rollout); is && r.Name == appName {
			p.rollout = r
		}
	case <-tick:
		// What comes and goes between two ticks is too short for people.
		p.narrate()
	}
	return nil
}

// refresh asks the clients what they received, and shows everything.
func (p *play) refresh(ctx context.Context) error {
	var err error
	if p.got, err = p.clients.received(ctx); err != nil {
		return err
	}
	if err := p.learnVersions(ctx); err != nil {
		return err
	}
	next := sceneOf(p.rollout, p.versions, p.got)
	last := p.scene
	next.Started, next.Place, next.Releases, next.Current = last.Started, last.Place, last.Releases, last.Current
	next.History, next.Events, next.Now = last.History, last.Events, time.Now()
	if last.Current >= 0 && next.Now.Sub(p.sampled) >= time.Second {
		p.sampled = next.Now
		next.History = append(next.History, p.got.Versions[last.Releases[last.Current].Version].Share)
	}
	p.scene = next
	p.display.show(p.scene)
	return nil
}

// narrate makes events of what has changed since it was last called.
func (p *play) narrate() {
	for _, text := range picture.Changes(p.told, p.scene) {
		p.tell("%s", text)
	}
	p.told = p.scene
}

// learnVersions finds out which versions new revisions are.
func (p *play) learnVersions(ctx context.Context) error {
	if p.rollout == nil {
		return nil
	}
	for _, revision := range p.rollout.Status.Revisions {
		if _, known := p.versions[revision.Hash]; known {
			continue
		}
		found, err := p.app.versions(ctx)
		if err != nil {
			return err
		}
		maps.Copy(p.versions, found)
		return nil
	}
	return nil
}

// tell adds an event.
func (p *play) tell(format string, args ...any) {
	p.scene.Events = append(p.scene.Events, picture.Event{At: time.Now(), Text: fmt.Sprintf(format, args...)})
}
