package main

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/rollout-dev/rollout/rollout/api/client"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// change is a Rollout as it is now, or as it last was if it is gone.
type change struct {
	rollout *v1alpha1.Rollout
	gone    bool
}

// update is what a follower has to tell. The first one holds all Rollouts that there are, so it may be empty.
type update struct {
	changes []change
	// trouble is why nothing is heard at the moment; the follower tries again.
	trouble error
	// err is why it gave up; it is the last update.
	err error
}

// follower tells what happens to Rollouts until its context ends. It survives a server that restarts, because a release
// outlasts that.
type follower struct {
	rollouts client.Rollouts
	options  metav1.ListOptions
	// retry is the first wait after a lost connection; it doubles up to ten times that.
	retry time.Duration

	updates chan update
	known   map[types.NamespacedName]*v1alpha1.Rollout
}

// follow starts a follower. The channel is closed when the context ends or after an err.
func (p *program) follow(ctx context.Context, rollouts client.Rollouts, options metav1.ListOptions) <-chan update {
	f := &follower{rollouts: rollouts, options: options, retry: p.retry,
		updates: make(chan update), known: map[types.NamespacedName]*v1alpha1.Rollout{}}
	go f.run(ctx)
	return f.updates
}

func (f *follower) run(ctx context.Context) {
	defer close(f.updates)
	wait := f.retry
	for first := true; ctx.Err() == nil; first = false {
		heard, err := f.session(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && (first && !heard || hopeless(err)):
			f.tell(ctx, update{err: err})
			return
		case err != nil:
			f.tell(ctx, update{trouble: err})
		}
		if heard {
			wait = f.retry
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 10*f.retry)
	}
}

// hopeless errors come back however often one asks.
func hopeless(err error) bool {
	return kindMissing(err) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
}

// session lists and then watches until the server ends it, as it does every few minutes. It also says whether the list
// came.
func (f *follower) session(ctx context.Context) (heard bool, err error) {
	version, err := f.list(ctx)
	if err != nil {
		return false, err
	}
	options := f.options
	options.ResourceVersion = version
	options.AllowWatchBookmarks = true
	events, err := f.rollouts.Watch(ctx, options)
	if err != nil {
		return true, err
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		if event.Type == watch.Error {
			// The server no longer has what followed the list; a new list has.
			if err := apierrors.FromObject(event.Object); !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
				return true, err
			}
			return true, nil
		}
		if rollout, ok := event.Object.(*v1alpha1.Rollout); ok && event.Type != watch.Bookmark {
			f.tell(ctx, update{changes: f.note(rollout, event.Type == watch.Deleted)})
		}
	}
	return true, nil
}

// list tells what differs from what was known, including what went while nobody watched.
func (f *follower) list(ctx context.Context) (version string, err error) {
	bounded, cancel := context.WithTimeout(ctx, oneRequest)
	defer cancel()
	list, err := f.rollouts.List(bounded, f.options)
	if err != nil {
		return "", err
	}
	changes := []change{}
	there := map[types.NamespacedName]bool{}
	for i := range list.Items {
		rollout := &list.Items[i]
		there[key(rollout)] = true
		if old, known := f.known[key(rollout)]; known && old.UID != rollout.UID {
			changes = append(changes, f.note(old, true)...)
		} else if known && old.ResourceVersion == rollout.ResourceVersion {
			continue
		}
		changes = append(changes, f.note(rollout, false)...)
	}
	for name, old := range f.known {
		if !there[name] {
			changes = append(changes, f.note(old, true)...)
		}
	}
	f.tell(ctx, update{changes: changes})
	return list.ResourceVersion, nil
}

func (f *follower) note(rollout *v1alpha1.Rollout, gone bool) []change {
	if gone {
		delete(f.known, key(rollout))
	} else {
		f.known[key(rollout)] = rollout
	}
	return []change{{rollout: rollout, gone: gone}}
}

func (f *follower) tell(ctx context.Context, u update) {
	select {
	case f.updates <- u:
	case <-ctx.Done():
	}
}

func key(r *v1alpha1.Rollout) types.NamespacedName {
	return types.NamespacedName{Namespace: r.Namespace, Name: r.Name}
}

// viewer looks at one Rollout.
type viewer struct {
	// see is called with every state of it, and says when it has seen enough.
	see func(*v1alpha1.Rollout) (enough bool, err error)
	// tick calls see again with the last state; nil never does.
	tick <-chan time.Time
	// trouble is told why nothing is heard for a while.
	trouble func(error)
}

// followOne shows one Rollout to a viewer until that has seen enough. It returns an error if the Rollout isn't there, is
// deleted or can't be read, and nil if the context ended first.
func (p *program) followOne(ctx context.Context, c *cluster, name string, v viewer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates := p.follow(ctx, c.client.Rollouts(c.namespace), only(name))
	var last *v1alpha1.Rollout
	for {
		select {
		case u, open := <-updates:
			if !open {
				return nil
			}
			if u.trouble != nil {
				v.trouble(c.explain(watching(c, name), name, u.trouble))
				continue
			}
			rollout, enough, err := c.show(u, name, last, v)
			if enough || err != nil {
				return err
			}
			last = rollout
		case <-v.tick:
			if last == nil {
				continue
			}
			if enough, err := v.see(last); enough || err != nil {
				return err
			}
		}
	}
}

func watching(c *cluster, name string) string {
	return fmt.Sprintf("watch Rollout %s/%s", c.namespace, name)
}

// show hands the changes of one update to the viewer and returns the last state.
func (c *cluster) show(u update, name string, last *v1alpha1.Rollout, v viewer) (*v1alpha1.Rollout, bool, error) {
	if u.err != nil {
		return nil, false, c.explain(watching(c, name), name, u.err)
	}
	if last == nil && len(u.changes) == 0 {
		return nil, false, c.notFound(name)
	}
	for _, change := range u.changes {
		if change.gone {
			return nil, false, c.deleted(name)
		}
		last = change.rollout
		if enough, err := v.see(last); enough || err != nil {
			return last, enough, err
		}
	}
	return last, false, nil
}

// warn says something on the side, which neither output nor exit code depend on.
func (p *program) warn(format string, args ...any) {
	fmt.Fprintln(p.streams.ErrOut, "warning: "+oneLine(fmt.Sprintf(format, args...)))
}

// warnOnce returns a viewer's trouble that warns of every new kind of it.
func (p *program) warnOnce() func(error) {
	said := ""
	return func(err error) {
		if err.Error() != said {
			said = err.Error()
			p.warn("%v; trying again", err)
		}
	}
}
