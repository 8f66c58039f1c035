package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// glance is how often it is looked what a load elsewhere has recorded.
	glance = 500 * time.Millisecond
	// lookTime bounds one look, so that one that hangs is none for ever; lastTime all looks after the end.
	lookTime = 30 * time.Second
	lastTime = time.Minute
	// page is how many answers a look brings at most: where nobody could look for long, all of them might take longer than lookTime
	// again and again.
	page = 5000
)

// wireAnswer is an Answer as JSON: errors have no form of their own.
type wireAnswer struct {
	Sent     time.Time     `json:"sent"`
	Latency  time.Duration `json:"latency"`
	Version  string        `json:"version,omitempty"`
	Pod      string        `json:"pod,omitempty"`
	Status   int           `json:"status,omitempty"`
	Injected bool          `json:"injected,omitempty"`
	Err      string        `json:"err,omitempty"`
}

// MarshalJSON writes the answer with the text of its error.
func (a Answer) MarshalJSON() ([]byte, error) {
	w := wireAnswer{Sent: a.Sent, Latency: a.Latency, Version: a.Version, Pod: a.Pod, Status: a.Status, Injected: a.Injected}
	if a.Err != nil {
		w.Err = a.Err.Error()
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (a *Answer) UnmarshalJSON(text []byte) error {
	var w wireAnswer
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*a = Answer{Sent: w.Sent, Latency: w.Latency, Version: w.Version, Pod: w.Pod, Status: w.Status, Injected: w.Injected}
	if w.Err != "" {
		a.Err = errors.New(w.Err)
	}
	return nil
}

// Handler lets another process follow the load: GET /answers?from=n has answers from the n-th on, counted from 0, 5000 at most, and POST /stop
// stops it and answers when the last answer has arrived.
func (l *Load) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /answers", func(w http.ResponseWriter, r *http.Request) {
		answers := l.Answers()
		from, err := strconv.Atoi(r.URL.Query().Get("from"))
		if err != nil || from < 0 || from > len(answers) {
			http.Error(w, fmt.Sprintf("from is %q: want a number from 0 to %d", r.URL.Query().Get("from"), len(answers)), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// Whoever has gone asks again for the same.
		_ = json.NewEncoder(w).Encode(append(Answers{}, answers[from:min(len(answers), from+page)]...))
	})
	mux.HandleFunc("POST /stop", func(http.ResponseWriter, *http.Request) { l.Stop() })
	return mux
}

// Elsewhere is a load in another process, which offers its Handler there.
type Elsewhere struct {
	// Answers are those from the n-th on, or the first of them; none if there are no more.
	Answers func(ctx context.Context, from int) (Answers, error)
	// Stop stops it.
	Stop func(context.Context) error
}

// Follow makes a load out of one elsewhere: it has the same answers, some milliseconds later, and Stop stops the other as well. What
// can't be learned within a minute after that is a failed answer, so that nobody takes silence for success.
func Follow(ctx context.Context, other Elsewhere) *Load {
	ctx, cancel := context.WithTimeout(ctx, defaultLongest)
	l := newLoad(Options{Concurrency: 1}, cancel)
	go l.follow(ctx, other)
	return l
}

func (l *Load) follow(ctx context.Context, other Elsewhere) {
	defer close(l.ended)
	defer l.cancel()
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	known := 0
	look := func(ctx context.Context) (n int, err error) {
		ctx, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		more, err := other.Answers(ctx, known)
		if err == nil && len(more) > 0 {
			known += len(more)
			l.record(more...)
		}
		return len(more), err
	}
	take := func(ctx context.Context) error {
		n, err := look(ctx)
		for err == nil && n >= page {
			n, err = look(ctx)
		}
		return err
	}
	for ctx.Err() == nil {
		// One look that fails is made up for by the next.
		_ = take(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTime)
	defer cancel()
	for {
		err := errors.Join(other.Stop(last), take(last))
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-last.Done():
			l.record(Answer{Sent: time.Now(), Err: fmt.Errorf("follow the load to its end: %w", err)})
			return
		}
	}
}
