package state

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/e2e/cluster/cache"
)

func options(name string) Options {
	return Options{Name: name, Tier: Sandbox, Nodes: 1, ScrapeInterval: time.Second}
}

func TestSavedStateIsLoadedAndListed(t *testing.T) {
	t.Setenv(cache.Variable, t.TempDir())
	for _, name := range []string{"b", "a"} {
		st, err := New(options(name))
		require.NoError(t, err)
		st.Details["docker"] = "unix:///" + name
		require.NoError(t, st.Save())
		loaded, err := Load(name)
		require.NoError(t, err)
		require.Equal(t, st, loaded)
	}
	all, err := List()
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "a", all[0].Options.Name)
}

func TestRemovedClusterIsNotFound(t *testing.T) {
	t.Setenv(cache.Variable, t.TempDir())
	st, err := New(options("a"))
	require.NoError(t, err)
	require.NoError(t, st.Save())
	require.NoError(t, os.WriteFile(filepath.Join(st.Dir, "kubeconfig"), nil, 0o600))
	require.NoError(t, st.Remove())
	require.NoDirExists(t, st.Dir)
	require.NoError(t, st.Remove(), "removing twice is no error")
	_, err = Load("a")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestInvalidOptionsAreRefusedByTheirFlag(t *testing.T) {
	for flag, change := range map[string]func(*Options){
		"--name":            func(o *Options) { o.Name = "../escape" },
		"--tier":            func(o *Options) { o.Tier = "minikube" },
		"--only":            func(o *Options) { o.Only = "etcd" },
		"--only apiserver":  func(o *Options) { o.Tier, o.Only = Kind, APIServer },
		"--nodes":           func(o *Options) { o.Nodes = 0 },
		"--scrape-interval": func(o *Options) { o.ScrapeInterval = time.Millisecond },
		"--rps":             func(o *Options) { o.RequestsPerSecond = -1 },
	} {
		o := options("good")
		require.NoError(t, o.Validate())
		change(&o)
		require.ErrorContains(t, o.Validate(), flag)
	}
}
