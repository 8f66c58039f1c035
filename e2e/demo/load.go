package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollout-dev/rollout/e2e/load"
)

// routeLimit bounds how long the gateway may take to serve a new route.
const routeLimit = time.Minute

// realClients send requests through a real gateway.
type realClients struct {
	url  string
	load *load.Load
}

// start begins once the gateway answers: how long it takes to serve a new route says nothing about releases.
func (r *realClients) start(ctx context.Context) error {
	probing, err := load.Start(ctx, load.Options{URL: r.url, Rate: requestsPerSecond})
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, routeLimit, errors.New("the gateway does not serve the application"))
	defer cancel()
	err = probing.Wait(limited, "a good answer", func(all load.Answers) bool { return len(all) > len(all.Failures()) })
	probing.Stop()
	if err != nil {
		return fmt.Errorf("wait until %s answers: %w", r.url, err)
	}
	// Not ended by ctx: the last requests before stop are answered and counted.
	r.load, err = load.Start(context.WithoutCancel(ctx), load.Options{URL: r.url, Rate: requestsPerSecond})
	return err
}

func (r *realClients) stop() {
	if r.load != nil {
		r.load.Stop()
	}
}

func (r *realClients) received(context.Context) (received, error) {
	if r.load == nil {
		return received{}, nil
	}
	return tally(r.load.Answers(), time.Now()), nil
}

// tally counts answers; shares are those of the last second before now.
func tally(all load.Answers, now time.Time) received {
	got := received{Sent: len(all), Versions: map[string]answers{}}
	recent, lately := 0, map[string]int{}
	for _, answer := range all {
		if answer.Failed() {
			got.Lost++
		}
		if now.Sub(answer.Sent.Add(answer.Latency)) < time.Second {
			recent++
			lately[answer.Version]++
		}
		if answer.Version == "" {
			continue
		}
		version := got.Versions[answer.Version]
		version.Requests++
		if answer.Injected {
			version.Errors++
		}
		if answer.Sent.After(version.Last) {
			version.Last = answer.Sent
		}
		got.Versions[answer.Version] = version
	}
	for name, version := range got.Versions {
		version.Share = float64(lately[name]) / float64(max(recent, 1))
		got.Versions[name] = version
	}
	return got
}
