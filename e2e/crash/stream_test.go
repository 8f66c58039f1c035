//go:build integration

package crash

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// stream hands on what a watch has to say, in its order, and each part as late as it is told.
type stream struct {
	call  call
	parts chan part
	// begun is what is left of the part that is being read.
	begun []byte
	end   chan struct{}
	close func() error
}

// part is something that the watch said, and when it arrives. The last one is an error.
type part struct {
	due  time.Time
	text []byte
	err  error
}

// mostParts may be on their way at a time; a watch that has more to say waits.
const mostParts = 4096

// newStream calls ended once when the stream is closed, by whomever.
func newStream(c call, source io.ReadCloser, late func(call) time.Duration, ended func(*stream)) *stream {
	s := &stream{call: c, parts: make(chan part, mostParts), end: make(chan struct{})}
	s.close = sync.OnceValue(func() error {
		close(s.end)
		ended(s)
		return source.Close()
	})
	go s.listen(source, late)
	return s
}

// listen ends with the source, which Close closes.
func (s *stream) listen(source io.Reader, late func(call) time.Duration) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := source.Read(buffer)
		due := time.Now().Add(late(s.call))
		if n > 0 && !s.send(part{due: due, text: bytes.Clone(buffer[:n])}) {
			return
		}
		if err != nil {
			s.send(part{due: due, err: err})
			return
		}
	}
}

func (s *stream) send(p part) bool {
	select {
	case s.parts <- p:
		return true
	case <-s.end:
		return false
	}
}

// Read waits for the next part.
func (s *stream) Read(into []byte) (int, error) {
	if len(s.begun) == 0 {
		select {
		case next := <-s.parts:
			if err := s.await(next.due); err != nil {
				return 0, err
			}
			if next.err != nil {
				return 0, next.err
			}
			s.begun = next.text
		case <-s.end:
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(into, s.begun)
	s.begun = s.begun[n:]
	return n, nil
}

func (s *stream) await(due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.end:
		return io.ErrUnexpectedEOF
	}
}

// Close ends the stream in the middle of whatever it says.
func (s *stream) Close() error { return s.close() }
