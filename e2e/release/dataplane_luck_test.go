//go:build e2e

package release

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"

	process "github.com/rollout-dev/rollout/e2e/stage"
	"github.com/rollout-dev/rollout/e2e/wire"
)

// restartDelay is how long a controller that has ended isn't started again.
const restartDelay = time.Second

// loseCalls replaces the shop's controller by one whose calls to the API server fail now and then, for the rest of the test.
func (s *shop) loseCalls(percent int) {
	s.t.Helper()
	require.NoError(s.t, s.scale(s.ctx, controllerNamespace, controllerName+"-"+s.namespace, controllerLabel+"="+s.namespace, 0))
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	require.NoError(s.t, err)
	seed := rand.Uint64()
	s.t.Logf("calls fail by seed %d", seed)
	way, err := wire.Open(s.t.TempDir(), config, func(upstream http.RoundTripper) http.RoundTripper {
		return &unlucky{upstream: upstream, percent: percent, chance: rand.New(rand.NewPCG(seed, 0))}
	})
	require.NoError(s.t, err)
	s.t.Cleanup(way.Close)
	controller := (&process.Cluster{Kubeconfig: way.Kubeconfig, Prometheus: s.URLs.Prometheus}).NewController(s.namespace, "unlucky")
	s.t.Cleanup(s.keepAlive(controller))
}

// keepAlive starts a controller, and starts it again when it ends, as a kubelet does, until the function that it returns is called.
func (s *shop) keepAlive(controller *process.Controller) (end func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	running, err := controller.Start()
	require.NoError(s.t, err)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for err == nil {
			select {
			case <-ctx.Done():
				return
			case <-running:
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(restartDelay):
			}
			running, err = controller.Start()
		}
	}()
	return func() {
		cancel()
		<-over
		controller.Kill()
		if err != nil {
			s.t.Errorf("start the controller again: %v", err)
		}
		if s.t.Failed() {
			s.t.Logf("what the controller said whose calls failed:\n%s", controller.Output())
		}
	}
}

// unlucky makes a share of all calls fail, in percent; half of those that change something are carried out all the same.
type unlucky struct {
	upstream http.RoundTripper
	percent  int

	mu     sync.Mutex
	chance *rand.Rand // follows mu
}

// RoundTrip carries a request to the API server and an answer back, as far as luck will have it.
func (u *unlucky) RoundTrip(r *http.Request) (*http.Response, error) {
	failure, done := u.roll()
	if failure == 0 {
		return u.upstream.RoundTrip(r)
	}
	if done && r.Method != http.MethodGet {
		response, err := u.upstream.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, response.Body) // Nobody hears it.
		_ = response.Body.Close()
	}
	return wire.Fail(r, failure)
}

// roll decides about a call: how it fails, 0 if it doesn't, and whether it is carried out.
func (u *unlucky) roll() (failure int, done bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.chance.IntN(100) >= u.percent {
		return 0, true
	}
	ways := wire.Failures()
	return ways[u.chance.IntN(len(ways))], u.chance.IntN(2) == 0
}
