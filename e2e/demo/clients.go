package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// requestsPerSecond is the constant traffic that the application gets.
const requestsPerSecond = 100

// clients are those who use the application all the time. The demo judges the engine by what they received.
type clients interface {
	// start sends requests until stop.
	start(ctx context.Context) error
	// received is what they got so far.
	received(ctx context.Context) (received, error)
	// stop ends them; it may be called more than once.
	stop()
}

// received is what clients got.
type received struct {
	// Sent counts all requests that were answered or lost, Lost those that the application did not answer.
	Sent, Lost int
	// Versions are what each version of the application answered.
	Versions map[string]answers
}

// answers are those of one version.
type answers struct {
	// Requests counts all of them, Errors those that the version itself answered with an error.
	Requests, Errors int
	// Last is when the last of these requests was sent.
	Last time.Time
	// Share is the part, 0 to 1, of all requests of the last second.
	Share float64
}

// simulatedClients are those of the sandbox's gateway.
type simulatedClients struct {
	// url is where the gateway reports.
	url   string
	route string
}

func (s simulatedClients) start(ctx context.Context) error {
	return s.call(ctx, http.MethodPost, "/rate?rps="+strconv.Itoa(requestsPerSecond), nil)
}

// stop does nothing: these clients go with their gateway.
func (s simulatedClients) stop() {}

func (s simulatedClients) received(ctx context.Context) (received, error) {
	type tally struct {
		Version                   string
		Requests, Failed, Dropped int
		Last                      time.Time
		Last1s                    struct{ Share float64 }
	}
	var report struct {
		Routes []struct {
			Name     string
			Total    tally
			Versions []tally
		}
	}
	if err := s.call(ctx, http.MethodGet, "", &report); err != nil {
		return received{}, err
	}
	got := received{Versions: map[string]answers{}}
	for _, route := range report.Routes {
		if route.Name != s.route {
			continue
		}
		got.Sent, got.Lost = route.Total.Requests, route.Total.Dropped
		for _, v := range route.Versions {
			got.Versions[v.Version] = answers{Requests: v.Requests, Errors: v.Failed - v.Dropped, Last: v.Last, Share: v.Last1s.Share}
		}
	}
	return got, nil
}

func (s simulatedClients) call(ctx context.Context, method, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the simulated gateway: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask the simulated gateway: %w", err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("it answers %s", response.Status)
	} else if into != nil {
		err = json.NewDecoder(response.Body).Decode(into)
	}
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("%s %s%s of the simulated gateway: %w", method, s.url, path, err)
	}
	return nil
}
