package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func replicaSet(owner *v1alpha1.Rollout, hash, image string) appsv1.ReplicaSet {
	set := appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Labels:            map[string]string{v1alpha1.PodTemplateHashLabel: hash},
		CreationTimestamp: metav1.NewTime(noon().Add(-time.Minute)),
		OwnerReferences:   []metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))},
	}}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Image: image}}
	return set
}

func TestGetDrawsTheRolloutWithItsImages(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	s.sets = []any{replicaSet(stepping(), "bbb", "shop/checkout:v2")}
	for _, name := range []string{"checkout", "rollout/checkout"} {
		got := invoke(t, s, "get", name)
		require.Zero(t, got.code, got.errOut)
		require.Contains(t, got.out, "Message  step 2 of 3: waiting for rollout promote at canary weight 25\n")
		require.Contains(t, got.out, "revision 2, bbb  canary  1/1    -        60s  shop/checkout:v2\n")
	}
}

func TestGetWithoutThePermissionToReadReplicaSetsShowsTheRest(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	s.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "replicasets") {
			return false
		}
		s.refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden, "")
		return true
	}
	got := invoke(t, s, "get", "checkout")
	require.Zero(t, got.code)
	require.Contains(t, got.out, "Ages and images are missing: list ReplicaSets: ")
}

func TestObjectsAreForMachines(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	var one v1alpha1.Rollout
	require.NoError(t, json.Unmarshal([]byte(invoke(t, s, "get", "checkout", "-o", "json").out), &one))
	require.Equal(t, "Rollout", one.Kind)
	require.Equal(t, "rollout.dev/v1alpha1", one.APIVersion)
	require.Equal(t, "bbb", one.Status.Release.Revision)

	var all v1alpha1.RolloutList
	require.NoError(t, yaml.UnmarshalStrict([]byte(invoke(t, s, "list", "-o", "yaml").out), &all))
	require.Equal(t, "RolloutList", all.Kind)
	require.Equal(t, "Rollout", all.Items[0].Kind)

	require.Equal(t, result{1, "", "error: --output table: there is no such format; use json or yaml\n"}, invoke(t, s, "list", "-o", "table"))
}

func TestGetWatchPrintsLinesWithoutATerminal(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	i := start(t, s, nil, "get", "checkout", "-w")
	require.Equal(t, "12:00:00 Paused 1/3: step 2 of 3: waiting for rollout promote at canary weight 25", i.line())
	s.change(func(r *v1alpha1.Rollout) { r.Status.Message = "something else" })
	require.Equal(t, "12:00:00 Paused 1/3: something else", i.line())
	i.stop()
	require.Equal(t, result{0, "", ""}, i.end())
}

func TestGetWatchRedrawsOnATerminalAndLeavesTheLastPicture(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	terminal := func(env *environment) { env.size = func() (int, int, bool) { return 80, 40, true } }
	i := start(t, s, terminal, "get", "checkout", "-w")
	require.True(t, strings.HasPrefix(i.line(), enterScreen+toTop+"Rollout"))
	for !strings.Contains(i.line(), "revision 1, aaa") {
	}
	s.change(func(r *v1alpha1.Rollout) { r.Status.Message = "something else" })
	for !strings.Contains(i.line(), "something else"+clearRight) {
	}
	i.stop()
	_, after, left := strings.Cut(i.end().out, leaveScreen)
	require.True(t, left)
	require.Contains(t, after, "something else\n")
}

func TestListIsSortedAndCanSpanNamespaces(t *testing.T) {
	s := newAPIServer(t)
	other := stepping()
	other.Namespace, other.Name = "alpha", "zeta"
	second := healthy()
	second.Name = "basket"
	s.put(stepping())
	s.put(second)
	s.put(other)

	lines := strings.Split(invoke(t, s, "list").out, "\n")
	require.Len(t, lines, 4)
	require.True(t, strings.HasPrefix(lines[1], "basket "))
	require.True(t, strings.HasPrefix(lines[2], "checkout "))

	lines = strings.Split(invoke(t, s, "list", "-A").out, "\n")
	require.Len(t, lines, 5)
	require.True(t, strings.HasPrefix(lines[1], "alpha      zeta "))

	require.Contains(t, invoke(t, s, "list", "-n", "empty").errOut, "There are no Rollouts in namespace empty")
}

func TestListWatchPrintsChangesBelowTheTable(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	i := start(t, s, nil, "list", "-w")
	require.Contains(t, i.line(), "NAME")
	require.Contains(t, i.line(), "step 2 of 3: waiting for rollout promote at canary weight 25")
	s.change(func(r *v1alpha1.Rollout) { r.Status.Message = "something else" })
	require.Contains(t, i.line(), "something else")
	s.remove("shop/checkout")
	require.Equal(t, "shop/checkout was deleted", i.line())
	i.stop()
	require.Equal(t, result{0, "", ""}, i.end())
}

func TestListWatchRedrawsOnATerminal(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	terminal := func(env *environment) { env.size = func() (int, int, bool) { return 120, 40, true } }
	i := start(t, s, terminal, "list", "-w")
	for !strings.Contains(i.line(), "checkout") {
	}
	s.remove("shop/checkout")
	for !strings.HasPrefix(i.line(), clearBelow+toTop+"NAME") {
	}
	i.stop()
	require.Contains(t, i.end().out, leaveScreen+"NAME")
}

func TestColorsAreForTerminalsOfPeopleWhoWantThem(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	for name, c := range map[string]struct {
		terminal bool
		env      map[string]string
		colored  bool
	}{
		"terminal":      {true, nil, true},
		"pipe":          {false, nil, false},
		"NO_COLOR":      {true, map[string]string{"NO_COLOR": "1"}, false},
		"dumb terminal": {true, map[string]string{"TERM": "dumb"}, false},
	} {
		i := start(t, s, func(env *environment) {
			env.size = func() (int, int, bool) { return 80, 40, c.terminal }
			env.getenv = func(name string) string { return c.env[name] }
		}, "get", "checkout")
		require.Equal(t, c.colored, strings.Contains(i.end().out, "\x1b["), name)
	}
}

func TestPictureIsCutWhereTheWindowEnds(t *testing.T) {
	picture := "one\n\x1b[31mtwo\x1b[0m\n" + strings.Repeat("x", 25) + "\nfour\n"
	require.Equal(t, picture, crop(picture, 10, 7), "the long line takes three rows, one is the cursor's")
	require.Equal(t, "one\n\x1b[31mtwo\x1b[0m\n… the window is too small for the rest\n", crop(picture, 10, 6))
	require.Equal(t, "… the window is too small for the rest\n", crop(picture, 10, 1))
}

func TestOutputThatCanNotBeWrittenIsAnError(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	reader, writer := io.Pipe()
	require.NoError(t, reader.Close())
	env := testEnvironment(writer, io.Discard, "get", "checkout", "--kubeconfig", kubeconfig(t, s.url))
	require.Equal(t, exitFailure, run(t.Context(), env))
}
