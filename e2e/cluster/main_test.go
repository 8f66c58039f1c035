package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/e2e/cluster/cache"
	"github.com/rollout-dev/rollout/e2e/cluster/parts"
	"github.com/rollout-dev/rollout/e2e/cluster/process"
	"github.com/rollout-dev/rollout/e2e/cluster/sandbox/gateway"
	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

// actVariable makes this test binary act as the command, so that the tests start, kill and ask what people run.
const actVariable = "CLUSTER_TEST_ACTS_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(actVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// limit bounds every wait of these tests; a sandbox takes some seconds.
const limit = 3 * time.Minute

// home is a cache of the test's own, but with the programs from the user's, which are built if need be. What runs in it
// is taken down at the end.
func home(t *testing.T) {
	t.Helper()
	_, err := parts.Build(t.Context(), os.Stderr, parts.Etcd, parts.ControlPlane, parts.Kwok, parts.Prometheus)
	require.NoError(t, err)
	built, err := cache.Dir("parts")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(built, filepath.Join(dir, "parts")))
	t.Setenv(cache.Variable, dir)
	t.Setenv(actVariable, "1")
	t.Cleanup(func() {
		// The test's context has ended by now.
		output, err := command(context.Background(), "down", "--all").CombinedOutput()
		require.NoError(t, err, string(output))
	})
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, os.Args[0], args...)
}

// run runs the command to its end and returns what it prints on standard output.
func run(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c := command(ctx, args...)
	var out, progress bytes.Buffer
	c.Stdout, c.Stderr = &out, &progress
	require.NoError(t, c.Run(), "cluster %s\n%s", strings.Join(args, " "), &progress)
	return strings.TrimSpace(out.String())
}

// eventually waits for the condition, which says what is missing.
func eventually(t *testing.T, condition func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for err := condition(); err != nil; err = condition() {
		select {
		case <-ctx.Done():
			require.NoError(t, err)
		case <-ticker.C:
		}
	}
}

func requireNothingLeft(t *testing.T, st state.State) {
	t.Helper()
	require.NoDirExists(t, st.Dir)
	for _, p := range st.Processes {
		require.False(t, p.Alive(), p.Name)
	}
	left, err := process.Marked(st.Dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestSandboxComesUpServesTrafficAndLeavesNothing(t *testing.T) {
	home(t)
	kubeconfig := run(t, "up", "--name", "trip", "--scrape-interval", "200ms", "--nodes", "2")
	var st report
	require.NoError(t, json.Unmarshal([]byte(run(t, "status", "--name", "trip", "-o", "json")), &st))
	require.True(t, st.Healthy, st.Problem)
	require.Equal(t, st.Kubeconfig, kubeconfig)
	require.Len(t, st.Processes, 7)

	createShop(t, kubeconfig)
	eventually(t, func() error { return receives(st.URLs.Traffic, map[string]float64{"v1": 0.8, "v2": 0.2}) })
	eventually(t, func() error { return measures(st.URLs.Prometheus, "default-canary-http-80@kubernetesgateway") })

	var again report
	require.Equal(t, kubeconfig, run(t, "up", "--name", "trip", "--scrape-interval", "200ms", "--nodes", "2"))
	require.NoError(t, json.Unmarshal([]byte(run(t, "status", "--name", "trip", "-o", "json")), &again))
	require.Equal(t, st.Processes, again.Processes, "up of a running cluster starts nothing")

	run(t, "down", "--name", "trip")
	requireNothingLeft(t, st.State)
	for _, address := range []string{st.URLs.Prometheus, st.URLs.Traffic} {
		_, err := net.Dial("tcp", hostOf(t, address))
		require.Error(t, err, address)
	}
	run(t, "down", "--name", "trip")
}

func TestDownCleansUpAfterAnUpThatWasKilled(t *testing.T) {
	home(t)
	up := command(t.Context(), "up", "--name", "killed", "--only", "apiserver")
	require.NoError(t, up.Start())
	var st state.State
	eventually(t, func() (err error) {
		if st, err = state.Load("killed"); err == nil && len(st.Processes) < 2 {
			err = fmt.Errorf("%d processes are recorded", len(st.Processes))
		}
		return err
	})
	require.NoError(t, up.Process.Kill())
	require.Error(t, up.Wait())
	require.True(t, st.Processes[0].Alive(), "what up started outlives it")

	run(t, "down", "--name", "killed")
	requireNothingLeft(t, st)
}

func TestForegroundClusterEndsWithTheProcessThatWantedIt(t *testing.T) {
	home(t)
	parent := exec.CommandContext(t.Context(), "/bin/sh", "-c", `"$0" up --foreground --name held --only apiserver & wait`, os.Args[0])
	require.NoError(t, parent.Start())
	var st state.State
	eventually(t, func() (err error) {
		if st, err = state.Load("held"); err == nil && st.Phase != state.Ready {
			err = fmt.Errorf("it is %s", st.Phase)
		}
		return err
	})
	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	eventually(t, func() error {
		if _, err := os.Stat(st.Dir); err == nil {
			return fmt.Errorf("%s is still there", st.Dir)
		}
		return nil
	})
	requireNothingLeft(t, st)
}

func TestFailedStartShowsTheCulpritsLogAndStopsTheRest(t *testing.T) {
	home(t)
	breakEtcd(t)
	output, err := command(t.Context(), "up", "--name", "broken", "--only", "apiserver").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "etcd exited while the cluster waited")
	require.Contains(t, string(output), "the disk is on fire")

	st, err := state.Load("broken")
	require.NoError(t, err)
	require.Equal(t, state.Failed, st.Phase)
	require.FileExists(t, st.Log("etcd"), "the logs stay for a closer look")
	left, err := process.Marked(st.Dir)
	require.NoError(t, err)
	require.Empty(t, left)
	run(t, "down", "--name", "broken")
	requireNothingLeft(t, st)
}

// breakEtcd gives the test's cache an etcd that fails.
func breakEtcd(t *testing.T) {
	t.Helper()
	dir, err := cache.Dir("parts")
	require.NoError(t, err)
	built, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	entries, err := os.ReadDir(built)
	require.NoError(t, err)
	require.NoError(t, os.Remove(dir))
	require.NoError(t, os.Mkdir(dir, 0o755))
	for _, entry := range entries {
		target := filepath.Join(dir, entry.Name())
		if !strings.HasPrefix(entry.Name(), "etcd-") {
			require.NoError(t, os.Symlink(filepath.Join(built, entry.Name()), target))
			continue
		}
		require.NoError(t, os.Mkdir(target, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(target, "etcd"), []byte("#!/bin/sh\necho the disk is on fire\nexit 1\n"), 0o700))
	}
}

func TestUnusableFlagsAreRefusedByName(t *testing.T) {
	home(t)
	for flag, args := range map[string][]string{
		"--name":            {"down", "--name", "../escape"},
		"--tier":            {"up", "--tier", "minikube"},
		"--scrape-interval": {"up", "--scrape-interval", "1ms"},
		"-o":                {"status", "-o", "xml"},
	} {
		output, err := command(t.Context(), args...).CombinedOutput()
		require.Error(t, err, flag)
		require.Contains(t, string(output), flag)
	}
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	return parsed.Host
}

// receives tells whether each version got its share of the last second's requests, and none failed.
func receives(trafficURL string, shares map[string]float64) error {
	var got gateway.Report
	if err := fetch(trafficURL, &got); err != nil {
		return err
	}
	if len(got.Routes) != 1 || len(got.Routes[0].Versions) != len(shares) || got.Routes[0].Total.Last1s.Failed > 0 {
		return fmt.Errorf("clients received %+v", got)
	}
	for _, version := range got.Routes[0].Versions {
		if off := version.Last1s.Share - shares[version.Version]; off > 0.03 || off < -0.03 {
			return fmt.Errorf("clients received %+v", got)
		}
	}
	return nil
}

// measures tells whether Prometheus knows a rate for the service.
func measures(prometheusURL, service string) error {
	query := fmt.Sprintf(`sum(rate(traefik_service_requests_total{service=%q}[2s])) > 10`, service)
	var got struct {
		Data struct{ Result []any }
	}
	if err := fetch(prometheusURL+"/api/v1/query?query="+url.QueryEscape(query), &got); err != nil {
		return err
	}
	if len(got.Data.Result) != 1 {
		return fmt.Errorf("Prometheus has no result for %s", query)
	}
	return nil
}

func fetch(address string, into any) error {
	response, err := http.Get(address)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	return json.NewDecoder(response.Body).Decode(into)
}

const shop = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: shop, image: shop, env: [{name: VERSION, value: %[2]s}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {selector: {app: %[1]s}, ports: [{port: 80}]}
`

const shopRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: web, namespace: gateway}]
  rules: [{backendRefs: [{name: stable, port: 80, weight: 80}, {name: canary, port: 80, weight: 20}]}]
`

func createShop(t *testing.T, kubeconfig string) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	require.NoError(t, err)
	client, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	resources := map[string]schema.GroupVersionResource{
		"Deployment": {Group: "apps", Version: "v1", Resource: "deployments"},
		"Service":    {Version: "v1", Resource: "services"},
		"HTTPRoute":  {Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"},
	}
	manifests := fmt.Sprintf(shop, "stable", "v1") + "---" + fmt.Sprintf(shop, "canary", "v2") + "---" + shopRoute
	for document := range strings.SplitSeq(manifests, "---") {
		object := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte(document), &object.Object))
		_, err := client.Resource(resources[object.GetKind()]).Namespace("default").Create(t.Context(), object, metav1.CreateOptions{})
		require.NoError(t, err)
	}
}
