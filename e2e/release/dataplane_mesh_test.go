//go:build e2e

package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rollout-dev/rollout/e2e/load"
)

const (
	meshImage = "rollout.dev/e2e-meshapp:dev"
	// clientPort is where a client in the mesh offers what it received.
	clientPort = "8080"
)

// addMesh puts Istio's control plane and the sample application for it into the cluster. No other test needs them.
func (c *cluster) addMesh(t *testing.T) {
	t.Helper()
	began := time.Now()
	_, err := c.command(c.ctx, "istio", "--name", c.name)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		c.mapper.Reset()
		_, err := c.mapper.RESTMapping(schema.GroupKind{Group: "networking.istio.io", Kind: "VirtualService"}, "v1")
		return err == nil
	}, time.Minute, 100*time.Millisecond, "the API server offers VirtualServices")
	archive, err := c.buildImage(c.ctx, t.TempDir(), meshImage, "e2e/meshapp")
	require.NoError(t, err)
	_, err = c.command(c.ctx, "load", "--name", c.name, archive)
	require.NoError(t, err)
	c.figures.add("Istio installed, its sample application built", "%s", time.Since(began).Round(time.Second))
}

// callThroughMesh starts a client in the shop's namespace and follows what it receives. It calls as soon as somebody answers.
func (s *shop) callThroughMesh(name string, rate int, headers string) *clients {
	s.t.Helper()
	s.startMeshClient(name, rate, headers)
	return s.followMeshClient(name, rate)
}

func (s *shop) startMeshClient(name string, rate int, headers string) {
	s.t.Helper()
	s.applyManifest("mesh-client.yaml", map[string]any{"Name": name, "Image": meshImage, "Namespace": s.namespace, "Rate": rate, "Headers": headers})
}

func (s *shop) followMeshClient(name string, rate int) *clients {
	s.t.Helper()
	require.NoError(s.t, poll(s.ctx, "the client "+name+" to be answered", func(ctx context.Context) error {
		pod, err := s.kube.CoreV1().Pods(s.namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case err != nil:
			return err
		case pod.Status.Phase == corev1.PodFailed:
			return fmt.Errorf("it has ended: %s", s.lastWords(ctx, name))
		case !isReady(*pod):
			return errors.New("it is not ready")
		}
		return nil
	}))
	l := load.Follow(s.ctx, load.Elsewhere{
		Answers: func(ctx context.Context, from int) (answers load.Answers, err error) {
			text, err := s.kube.CoreV1().Pods(s.namespace).
				ProxyGet("http", name, clientPort, "answers", map[string]string{"from": strconv.Itoa(from)}).DoRaw(ctx)
			if err != nil {
				return nil, fmt.Errorf("ask client %s for its answers: %w", name, err)
			}
			return answers, json.Unmarshal(text, &answers)
		},
		Stop: func(ctx context.Context) error {
			_, err := s.kube.CoreV1().RESTClient().Post().Namespace(s.namespace).Resource("pods").
				Name("http:" + name + ":" + clientPort).SubResource("proxy").Suffix("stop").DoRaw(ctx)
			return err
		},
	})
	s.t.Cleanup(l.Stop)
	c := &clients{loads: []*load.Load{l}, s: s}
	c.awaitRequests(rate, time.Time{})
	c.requireNoFailure()
	return c
}

// lastWords is the end of what a pod has printed.
func (s *shop) lastWords(ctx context.Context, pod string) string {
	text, err := s.kube.CoreV1().Pods(s.namespace).GetLogs(pod, &corev1.PodLogOptions{TailLines: new(int64(listed))}).DoRaw(ctx)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
