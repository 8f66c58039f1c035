// Package heartbeat shows that something long goes on.
package heartbeat

import (
	"sync"
	"time"
)

// Every calls f in intervals until stop is called; when stop returns, f is not running and will not run again. stop may be
// called once.
func Every(interval time.Duration, f func()) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				f()
			}
		}
	})
	return func() { close(done); running.Wait() }
}
