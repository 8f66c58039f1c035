//go:build integration

package crash

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/rollout-dev/rollout/e2e/stage"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

const (
	// quiet is how long nothing may be written at the end of a play before it counts as the end.
	quiet = time.Second
	// longQuiet is the same for the play that the others are compared with; longer than any timer of the scenarios.
	longQuiet = 4 * time.Second
	// mostLives of one controller: more is a crash loop that nothing will end.
	mostLives = 200
)

// play is one performance of a scenario in a namespace of its own.
type play struct {
	scenario
	// dir is where the play keeps its files.
	dir string
	// luck has one entry for each controller.
	luck []luck
	// like is the outcome to reach; nil for the play without bad luck, which sets it.
	like *outcome

	user    user
	safety  safety
	players []*player
}

// player is one controller of a play, with its line to the API server.
type player struct {
	line    *line
	process *stage.Controller
	ended   chan struct{}

	mu   sync.Mutex
	over bool // follows mu
}

// report is what is told of a play.
type report struct {
	outcome        outcome
	writes, deaths int
	took           time.Duration
}

// perform plays the scenario from the beginning to the end.
func (p *play) perform(ctx context.Context) (report, error) {
	r, err := p.run(ctx)
	if err == nil {
		return r, nil
	}
	text := []string{fmt.Sprintf("%s, namespace %s", p.name, p.user.namespace)}
	for i, player := range p.players {
		text = append(text, fmt.Sprintf("--- controller %d\n%s", i+1, player.process.Output()))
	}
	return r, fmt.Errorf("%s: %w\n%s", p.name, err, strings.Join(text, "\n"))
}

func (p *play) run(ctx context.Context) (r report, err error) {
	namespace, err := cluster.NewNamespace(ctx)
	if err != nil {
		return r, err
	}
	p.user = user{namespace: namespace, replicas: p.replicas, strategy: p.strategy, borrows: p.borrows}
	p.safety.namespace = namespace
	defer func() { err = errors.Join(err, p.clear(context.WithoutCancel(ctx))) }()
	if err := cluster.Apply(ctx, namespace, p.objects); err != nil {
		return r, err
	}
	for i := range p.luck {
		c, err := p.start(ctx, i)
		if err != nil {
			return r, err
		}
		defer c.stop()
	}
	if err := p.act(ctx, p.before...); err != nil {
		return r, err
	}
	if err := p.user.remember(ctx); err != nil {
		return r, err
	}
	begin := time.Now()
	for i, luck := range p.luck {
		defer p.players[i].meets(luck)()
	}
	script := slices.Clip(p.script)
	if p.end.phase != gone {
		// To wait for a change costs the cluster a fraction of what it costs to look again and again.
		script = append(script, until(p.end.phase))
	}
	if err := p.act(ctx, script...); err != nil {
		return r, err
	}
	r.outcome, err = p.awaitEnd(ctx)
	r.took = time.Since(begin)
	for _, player := range p.players {
		writes, deaths, _ := player.line.tally()
		r.writes, r.deaths = r.writes+writes, r.deaths+deaths
	}
	return r, errors.Join(err, p.safety.verdict())
}

func (p *play) act(ctx context.Context, script ...deed) error {
	for _, deed := range script {
		if err := deed.do(ctx, &p.user); err != nil {
			return fmt.Errorf("%s: %w", deed.what, err)
		}
	}
	return nil
}

// start starts a controller, which holds a lease of its own: several of them all believe that they lead.
func (p *play) start(ctx context.Context, number int) (c *player, err error) {
	lease := p.user.namespace
	if number > 0 {
		if lease, err = cluster.NewNamespace(ctx); err != nil {
			return nil, err
		}
	}
	c = &player{ended: make(chan struct{})}
	if c.line, err = newLine(filepath.Join(p.dir, lease), &p.safety, func() { c.process.Kill() }); err != nil {
		return nil, err
	}
	c.process = cluster.NewController(p.user.namespace, "player", "--kubeconfig", c.line.Kubeconfig, "--leader-election-namespace", lease)
	running, err := c.process.Start()
	if err != nil {
		return nil, err
	}
	p.players = append(p.players, c)
	go c.keepAlive(running)
	return c, nil
}

// meets changes the luck of a controller until the function that it returns is called.
func (c *player) meets(luck luck) (done func()) {
	c.line.meets(luck)
	if luck.anew {
		c.process.Kill()
	}
	if luck.cuts == nil {
		return func() {}
	}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			after, kind := luck.cuts()
			timer := time.NewTimer(after)
			select {
			case <-timer.C:
				c.line.cut(kind)
			case <-over:
				timer.Stop()
				return
			}
		}
	}()
	return func() {
		close(over)
		<-ended
	}
}

// keepAlive starts the process again when it has ended, as the kubelet does, until the play is over.
func (c *player) keepAlive(running <-chan struct{}) {
	defer close(c.ended)
	for lives := 1; running != nil; lives++ {
		<-running
		if lives == mostLives {
			return
		}
		running = c.revive()
	}
}

// revive returns nil when there is nothing to start any more.
func (c *player) revive() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return nil
	}
	running, err := c.process.Start()
	if err != nil {
		return nil
	}
	return running
}

// stop ends the process and its line.
func (c *player) stop() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.process.Kill()
	<-c.ended
	c.line.Close()
}

// awaitEnd waits for the outcome that is asked for, and for calm.
func (p *play) awaitEnd(ctx context.Context) (outcome, error) {
	wanted := quiet
	if p.like == nil {
		wanted = longQuiet
	}
	var now outcome
	err := stage.Wait(ctx, "the end", func(ctx context.Context) (err error) {
		for _, c := range p.players {
			if _, _, calm := c.line.tally(); calm < wanted {
				return fmt.Errorf("the last write was only %s ago", calm)
			}
		}
		if now, err = p.user.see(ctx); err == nil && (now.ending != p.end || p.like != nil && now != *p.like) {
			err = fmt.Errorf("it is\n%v\n--- it should be\n%v\n%v", now, p.end, p.like)
		}
		return err
	})
	return now, err
}

// clear removes what would cost the cluster something; an empty namespace does not. The pods go with the Rollout.
func (p *play) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	// A controller that would give the pods back to their Deployment doesn't live any more.
	_, failed := cluster.Rollouts.Rollouts(p.user.namespace).
		Patch(ctx, appName, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	if apierrors.IsNotFound(failed) {
		failed = nil
	}
	for _, resource := range []schema.GroupVersionResource{
		v1alpha1.GroupVersion.WithResource("rollouts"), appsv1.SchemeGroupVersion.WithResource("deployments"),
		corev1.SchemeGroupVersion.WithResource("services"), {Group: gatewayv1.GroupName, Version: "v1", Resource: "httproutes"},
	} {
		err := cluster.Objects.Resource(resource).Namespace(p.user.namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		failed = errors.Join(failed, err)
	}
	return failed
}
