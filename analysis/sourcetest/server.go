package sourcetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// Server starts a double that gives the answers it is told to. It hangs and floods by itself; speak writes every other
// answer, in the protocol of what is doubled. It ends with the test.
func Server(t *testing.T, speak func(w http.ResponseWriter, r *http.Request, a Answer)) (address string, answer func(Answer)) {
	var now atomic.Pointer[Answer]
	now.Store(&Answer{})
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch a := *now.Load(); {
		case a.Hang:
			select {
			case <-r.Context().Done():
			case <-stop:
			}
		case a.Flood:
			flood(w, stop)
		default:
			speak(w, r, a)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stop) }) // before the server, which waits for its requests
	return server.URL, func(a Answer) { now.Store(&a) }
}

// flood writes until the reader goes away.
func flood(w http.ResponseWriter, stop <-chan struct{}) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"text":"`)
	piece := strings.Repeat("a", 64<<10)
	for {
		select {
		case <-stop:
			return
		default:
		}
		if _, err := fmt.Fprint(w, piece); err != nil {
			return
		}
	}
}

// Fail writes an answer's status and body, and reports whether it had any. Where there is only a status, the body is
// the error document of what is doubled.
func Fail(w http.ResponseWriter, a Answer, document string) bool {
	if a.Status == 0 && a.Body == "" {
		return false
	}
	if a.Body == "" {
		w.Header().Set("Content-Type", "application/json")
		a.Body = document
	}
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	fmt.Fprint(w, a.Body)
	return true
}
