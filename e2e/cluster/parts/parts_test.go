package parts

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/e2e/cluster/cache"
)

// module writes a module with one program into a folder like this package's.
func module(t *testing.T, p part, goMod, goSum, main string) (sources string) {
	t.Helper()
	sources = t.TempDir()
	for name, content := range map[string]string{"go.mod": goMod, "go.sum": goSum, "cmd/main.go": main} {
		path := filepath.Join(sources, p.module, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return sources
}

func TestKeyChangesWithEverythingTheProgramIsMadeOf(t *testing.T) {
	base := part{module: "m", pkg: "./cmd", ldflags: "-s", sources: []string{"cmd/main.go"}}
	tagged, flagged, other := base, base, base
	tagged.tags, flagged.ldflags, other.pkg = "tag", "-w", "./other"

	seen := map[string]string{}
	for name, variant := range map[string]struct {
		part
		goMod, goSum, main string
	}{
		"base":             {base, "mod", "sum", "main"},
		"go.mod":           {base, "mod2", "sum", "main"},
		"go.sum":           {base, "mod", "sum2", "main"},
		"main.go":          {base, "mod", "sum", "main2"},
		"shifted contents": {base, "mods", "um", "main"},
		"tags":             {tagged, "mod", "sum", "main"},
		"flags":            {flagged, "mod", "sum", "main"},
		"package":          {other, "mod", "sum", "main"},
	} {
		key, err := variant.key(module(t, variant.part, variant.goMod, variant.goSum, variant.main))
		require.NoError(t, err)
		require.Empty(t, seen[key], "%s has the key of %s", name, seen[key])
		seen[key] = name
	}
}

func TestVersionIsThatOfTheRequiredModule(t *testing.T) {
	sources, err := sourceFolder()
	require.NoError(t, err)
	for _, name := range []Name{ControlPlane, Node, Etcd, Kwok, Prometheus, Traefik, CoreDNS, Istiod} {
		p, err := describe(name)
		require.NoError(t, err)
		version, err := p.version(sources)
		require.NoError(t, err)
		require.Regexp(t, `^v\d+\.\d+\.\d+(-\d+-[0-9a-f]+)?$`, version, name)
	}
}

func TestLinkerFlagsCarryTheVersion(t *testing.T) {
	flags := part{ldflags: "{version}|{major}|{minor}"}.linkerFlags("v1.35.4")
	require.Equal(t, "v1.35.4|1|35", flags)
}

func TestFailedBuildShowsTheCompilersWordsAndLeavesNothing(t *testing.T) {
	p := part{module: "m", pkg: "./cmd", contents: "broken", sources: []string{"cmd/main.go"}}
	sources := module(t, p, "module m\n\ngo 1.26.0\n", "", "package main\n\nfunc main() { undefinedName() }\n")
	target := filepath.Join(t.TempDir(), "broken")

	err := compile(t.Context(), io.Discard, job{part: p, version: "v1.0.0", module: filepath.Join(sources, "m"), target: target})
	require.ErrorContains(t, err, "undefined: undefinedName")
	require.ErrorContains(t, err, "Try: ")
	left, err := os.ReadDir(filepath.Dir(target))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestInterruptedBuildSaysThatTheNextContinues(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Contains(t, advice(ctx, ""), "interrupted")
}

func TestProgressCountsModulesAndPackages(t *testing.T) {
	o := &output{}
	for _, written := range []string{"go: downloading k8s.io/api v0.35.4\n", "go: downloading k8s.io/ut", "ils v0.1\n"} {
		_, err := io.WriteString(o, written)
		require.NoError(t, err)
	}
	require.Equal(t, "2 modules downloaded", o.progress())
	_, err := io.WriteString(o, "k8s.io/api/core/v1\nmain.go:1:2: something is wrong\n")
	require.NoError(t, err)
	require.Equal(t, "1 packages compiled", o.progress())
	require.Equal(t, "main.go:1:2: something is wrong", o.tail(5))
}

func TestSourceVariableMustNameThisFolder(t *testing.T) {
	t.Setenv(cache.Variable, t.TempDir())
	t.Setenv(SourceVariable, t.TempDir())
	_, err := Build(t.Context(), io.Discard, Etcd)
	require.ErrorContains(t, err, SourceVariable)
}
