package kind

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

func TestTheBoundingSetTellsWhetherLimitsMayBeRaised(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{
		"Name:\tx\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n": true,
		"CapEff:\t000001ffffffffff\nCapBnd:\t000001fffeffffff\n":           false,
	} {
		got, err := boundingSetHas([]byte(status), sysResource)
		require.NoError(t, err)
		require.Equal(t, want, got, status)
	}
	_, err := boundingSetHas([]byte("Name:\tx\n"), sysResource)
	require.ErrorContains(t, err, "CapBnd")
}

func TestMountPointsWithSpacesAreRead(t *testing.T) {
	t.Parallel()
	got := parseMounts(`24 30 0:22 / /proc rw,relatime shared:12 - proc proc rw
36 35 98:0 /mnt1 /a\040b rw,noatime master:1 - ext3 /dev/root rw
malformed
`)
	require.Equal(t, []mount{{point: "/proc", kind: "proc"}, {point: "/a b", kind: "ext3"}}, got)
}

func TestLibrariesAreTakenFromEveryFormOfLddLine(t *testing.T) {
	t.Parallel()
	got := librariesIn("\tlinux-vdso.so.1 (0x00007ffd)\n\tlibnftables.so.1 => /lib/x86_64-linux-gnu/libnftables.so.1 (0x00007f)\n" +
		"\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n")
	require.Equal(t, []string{"/lib/x86_64-linux-gnu/libnftables.so.1", "/lib64/ld-linux-x86-64.so.2"}, got)
}

func TestAnImageIsLookedForUnderItsFullName(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]string{
		"app:dev":                       "docker.io/library/app:dev",
		"team/app:dev":                  "docker.io/team/app:dev",
		"example.com/team/app:dev":      "example.com/team/app:dev",
		"registry.k8s.io/pause:3.10.1":  "registry.k8s.io/pause:3.10.1",
		"index.docker.io/library/app:1": "docker.io/library/app:1",
	} {
		got, err := fullName(tag)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestTheNameOfABridgeFitsIntoALinkName(t *testing.T) {
	t.Parallel()
	e := daemon{root: "/home/somebody/.cache/rollout/docker"}
	require.LessOrEqual(t, len(e.bridge(strings.Repeat("x", 40))), 15)
	require.NotEqual(t, e.bridge("a"), e.bridge("b"))
	require.True(t, strings.HasPrefix(e.bridge("a"), e.linkPrefix()))
}

func TestContainerdAsksForNothingThatMayBeWithheld(t *testing.T) {
	t.Parallel()
	module := kindFiles(t)
	config, err := os.ReadFile(filepath.Join(module, "etc/containerd/config.toml"))
	require.NoError(t, err)
	adapted := adaptContainerd(string(config), "example.com/pause:1")
	require.Contains(t, adapted, `sandbox_image = "example.com/pause:1"`)
	require.Contains(t, adapted, "restrict_oom_score_adj = true")
	require.NotContains(t, adapted, "base_runtime_spec")

	unit, err := os.ReadFile(filepath.Join(module, "etc/systemd/system/containerd.service"))
	require.NoError(t, err)
	require.Contains(t, adaptContainerdUnit(string(unit)), "\nOOMScoreAdjust=0\n")
	require.NotContains(t, adaptContainerdUnit(string(unit)), "\nLimit")
}

// kindFiles is where kind's own files for a node are, in the version that this module requires.
func kindFiles(t *testing.T) string {
	t.Helper()
	folder, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", kindModule).Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(folder)), "images", "base", "files")
}

func TestEveryManifestIsWholeOnceFilledIn(t *testing.T) {
	t.Parallel()
	with := settingsFor(state.Options{ScrapeInterval: 1500 * time.Millisecond},
		addonImages{traefik: addonImage{ref: "traefik:1"}, prometheus: addonImage{ref: "prometheus:1"}})
	with.IstioNamespace, with.IstiodImage = istioNamespace, "istiod:1"
	for _, name := range []string{"coredns.yaml", "traefik.yaml", "prometheus.yaml", "istiod.yaml"} {
		manifest, err := render(name, with)
		require.NoError(t, err)
		require.NotContains(t, string(manifest), "<no value>")
		for document := range strings.SplitSeq(string(manifest), "\n---\n") {
			var object unstructured.Unstructured
			require.NoError(t, yaml.Unmarshal([]byte(document), &object.Object), document)
			require.NotEmpty(t, object.GetKind(), document)
			require.NotEmpty(t, object.GetName(), document)
		}
	}
}

func TestAScrapeNeverTakesLongerThanTheInterval(t *testing.T) {
	t.Parallel()
	for interval, want := range map[time.Duration]string{500 * time.Millisecond: "500ms", time.Second: "1000ms", time.Minute: "5000ms"} {
		require.Equal(t, want, settingsFor(state.Options{ScrapeInterval: interval}, addonImages{}).ScrapeTimeout)
	}
}

func TestANodeImageDoesNotDependOnWhereTheCacheIs(t *testing.T) {
	t.Parallel()
	tree := func(cache string) fileTree {
		return fileTree{"/usr/lib/kubernetes/node": {source: cache + "/parts/node-v1-abc/node", mode: 0o755}}
	}
	require.Equal(t, tree("/a").hash("base"), tree("/b").hash("base"))
	require.NotEqual(t, tree("/a").hash("base"), tree("/a").hash("other"))
}
