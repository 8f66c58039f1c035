//go:build e2e

package release

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// controllerLabel tells the controllers of one shop from all others.
const controllerLabel = "e2e.rollout.dev/shop"

// startController starts a controller that looks after this shop alone, made like the one that is installed: killing it disturbs
// no other test. There must be no controller for all namespaces meanwhile.
func (s *shop) startController() {
	s.t.Helper()
	s.applyManifest("controller.yaml", map[string]any{"Installed": controllerNamespace})
	deployments := s.kube.AppsV1().Deployments(controllerNamespace)
	installed, err := deployments.Get(s.ctx, controllerName, metav1.GetOptions{})
	require.NoError(s.t, err)

	labels := map[string]string{controllerLabel: s.namespace}
	spec := *installed.Spec.DeepCopy()
	spec.Replicas = new(int32(1))
	spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	spec.Template.ObjectMeta = metav1.ObjectMeta{Labels: labels}
	program := &spec.Template.Spec.Containers[0]
	// Nobody waits for this lease: a container that is started again has the name of the one before.
	program.Args = append(program.Args, "--namespace="+s.namespace, "--leader-election-namespace="+s.namespace, "--lease-duration=15s")
	own := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: controllerName + "-" + s.namespace}, Spec: spec}
	_, err = deployments.Create(s.ctx, own, metav1.CreateOptions{})
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 20*time.Second)
		defer cancel()
		if s.t.Failed() {
			s.printLogs(ctx, s.t.Output(), controllerLabel+"="+s.namespace)
		}
		if err := deployments.Delete(ctx, own.Name, metav1.DeleteOptions{}); err != nil {
			s.t.Errorf("remove controller %s: %v", own.Name, err)
		}
	})
}

// killAfter kills the controller of this shop after a time. The channel says what came of it.
func (s *shop) killAfter(d time.Duration) <-chan error {
	killed := make(chan error, 1)
	go func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			killed <- s.killController(s.ctx, s.namespace)
		case <-s.ctx.Done():
			killed <- fmt.Errorf("kill the controller after %s: %w", d, context.Cause(s.ctx))
		}
	}()
	return killed
}
