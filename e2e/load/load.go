// Package load sends requests at a constant rate, as many independent clients would, and records every answer. Tests and
// the demo judge releases by what these clients received, not by what some object says.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	defaultRate    = 100
	defaultTimeout = 10 * time.Second
	defaultLongest = 30 * time.Minute
)

// errWithheld is the error of a request that could not be sent at its time because too many were under way.
var errWithheld = errors.New("not sent: too many requests under way")

// Options say what to send. Only URL is required, or Send.
type Options struct {
	// URL is what is asked for, with GET.
	URL string
	// Host is sent as the Host header; empty means the host of URL.
	Host string
	// Header is sent with every request.
	Header http.Header
	// Send makes a request of another kind instead, within Timeout. It says who answered and what went wrong; when it was sent and
	// how long it took is noted for it.
	Send func(context.Context) Answer
	// Rate is the number of requests per second, 1 or more. Default 100.
	Rate int
	// Concurrency bounds the requests under way. A request that would be one too many is not sent and counts as failed:
	// leaving it out silently would hide an outage. Default: those of Timeout and a second, so that whoever answers late, but within
	// Timeout, loses none.
	Concurrency int
	// Timeout bounds one request. Default 10s.
	Timeout time.Duration
	// Longest bounds the whole load, in case nobody stops it. Default 30m.
	Longest time.Duration
	// Transport is used instead of one with keep-alive connections of its own.
	Transport http.RoundTripper
}

func (o Options) withDefaults() (Options, error) {
	if o.Rate == 0 {
		o.Rate = defaultRate
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Concurrency == 0 {
		o.Concurrency = max(1, int(float64(o.Rate)*(o.Timeout+longestBurst).Seconds()))
	}
	if o.Longest == 0 {
		o.Longest = defaultLongest
	}
	if o.Transport == nil {
		// Connections are kept, as any client of a gateway does, and never so many that the ports of this machine run out.
		o.Transport = &http.Transport{MaxIdleConns: o.Concurrency, MaxIdleConnsPerHost: o.Concurrency, IdleConnTimeout: time.Minute}
	}
	switch {
	case o.URL == "" && o.Send == nil:
		return o, errors.New("load: URL is empty; name what to ask for")
	case o.Rate < 0:
		return o, fmt.Errorf("load: Rate is %d; want 1 or more requests per second", o.Rate)
	case o.Concurrency < 0:
		return o, fmt.Errorf("load: Concurrency is %d; want 1 or more", o.Concurrency)
	}
	return o, nil
}

// Load is a stream of requests and the record of their answers.
type Load struct {
	Options
	client *http.Client
	slots  chan struct{}
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	answers Answers       // in the order of their arrival; follows mu
	changed chan struct{} // closed and replaced with every answer; follows mu
}

// Start sends requests until Stop, the end of ctx, or Options.Longest.
func Start(ctx context.Context, o Options) (*Load, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if _, err := http.NewRequestWithContext(ctx, http.MethodGet, o.URL, nil); err != nil {
		return nil, fmt.Errorf("load: URL is %q: %w", o.URL, err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.Longest)
	l := newLoad(o, cancel)
	// A redirect is an answer that nobody asked for, not something to follow.
	l.client = &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if l.Send == nil {
		l.Send = l.get
	}
	go l.run(ctx)
	return l, nil
}

func newLoad(o Options, cancel context.CancelFunc) *Load {
	return &Load{Options: o, slots: make(chan struct{}, o.Concurrency), cancel: cancel, ended: make(chan struct{}), changed: make(chan struct{})}
}

// Stop sends no more requests and returns when the last answer has arrived. It may be called more than once.
func (l *Load) Stop() {
	l.cancel()
	<-l.ended
}

// run keeps to a schedule that no answer can delay.
func (l *Load) run(ctx context.Context) {
	defer close(l.ended)
	var underWay sync.WaitGroup
	defer l.client.CloseIdleConnections()
	defer underWay.Wait()
	defer l.cancel()
	ticker := time.NewTicker(time.Second / time.Duration(l.Rate))
	defer ticker.Stop()
	plan := schedule{rate: l.Rate, start: time.Now()}
	for {
		for range plan.due(time.Now()) {
			select {
			case l.slots <- struct{}{}:
				underWay.Go(func() {
					defer func() { <-l.slots }()
					// The last requests are answered also after the end.
					l.record(l.send(context.WithoutCancel(ctx)))
				})
			default:
				l.record(Answer{Sent: time.Now(), Err: errWithheld})
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// send makes one request.
func (l *Load) send(ctx context.Context) Answer {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	sent := time.Now()
	a := l.Send(ctx)
	a.Sent, a.Latency = sent, time.Since(sent)
	return a
}

// get asks for the URL and reads the answer to its end.
func (l *Load) get(ctx context.Context) (a Answer) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.URL, nil)
	if err != nil {
		a.Err = err
		return a
	}
	request.Host = l.Host
	maps.Copy(request.Header, l.Header)
	response, err := l.client.Do(request)
	if err != nil {
		a.Err = err
		return a
	}
	a.Status = response.StatusCode
	a.Version, a.Pod = response.Header.Get("X-Version"), response.Header.Get("X-Pod")
	a.Injected = response.Header.Get("X-Injected") != ""
	_, err = io.Copy(io.Discard, response.Body)
	a.Err = errors.Join(err, response.Body.Close())
	return a
}

func (l *Load) record(answers ...Answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, answers...)
	close(l.changed)
	l.changed = make(chan struct{})
}

// Answers are all answers so far.
func (l *Load) Answers() Answers {
	answers, _ := l.snapshot()
	return answers
}

func (l *Load) snapshot() (Answers, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Only ever appended to, so that what is handed out never changes.
	return slices.Clip(l.answers), l.changed
}

// WaitFor returns when n requests that were sent after since have been answered, or with an error when ctx or the load
// ends before.
func (l *Load) WaitFor(ctx context.Context, n int, since time.Time) error {
	looked, found := 0, 0
	return l.Wait(ctx, fmt.Sprintf("%d answers", n), func(a Answers) bool {
		// There are many, and this is asked with every one that is added.
		found += len(a[looked:].Since(since))
		looked = len(a)
		return found >= n
	})
}

// Wait returns when the answers so far meet a condition, or with an error that says what was waited for when ctx or the
// load ends before.
func (l *Load) Wait(ctx context.Context, what string, met func(Answers) bool) error {
	for {
		answers, changed := l.snapshot()
		if met(answers) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (so far %s)", what, context.Cause(ctx), l.Answers())
		case <-l.ended:
			if met(l.Answers()) {
				return nil
			}
			return fmt.Errorf("wait for %s: the load has ended (%s)", what, l.Answers())
		}
	}
}
