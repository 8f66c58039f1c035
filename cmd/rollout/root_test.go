package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTheProgramIsCalledWhatThePersonCallsIt(t *testing.T) {
	for _, c := range []struct {
		args []string
		name string
		rest []string
	}{
		{[]string{"/usr/bin/rollout", "get"}, "rollout", []string{"get"}},
		{[]string{"renamed", "get"}, "rollout", []string{"get"}},
		{[]string{"/x/kubectl-ro", "get"}, "kubectl ro", []string{"get"}},
		{[]string{"kubectl-ro.exe"}, "kubectl ro", []string{}},
		{[]string{"kubectl-release_it-now"}, "kubectl release-it now", []string{}},
		{[]string{"kubectl_complete-ro", "get", ""}, "kubectl ro", []string{"__complete", "get", ""}},
	} {
		name, rest := calledAs(c.args)
		require.Equal(t, c.name, name)
		require.Equal(t, c.rest, rest)
	}
}

func TestHelpOfAPluginNamesThePlugin(t *testing.T) {
	for binary, name := range map[string]string{"kubectl-ro": "kubectl ro", "rollout": "rollout"} {
		var out bytes.Buffer
		env := testEnvironment(&out, &out, "status", "--help")
		env.args[0] = binary
		require.Zero(t, run(t.Context(), env))
		require.Contains(t, out.String(), "  "+name+" status NAME [flags]\n")
		require.Contains(t, out.String(), "  "+name+" status checkout --timeout 30m\n")
		require.Contains(t, out.String(), "  3  Degraded")
	}
}

func TestExamplesOfAPluginNameThePluginEverywhere(t *testing.T) {
	for _, command := range [][]string{{"set", "image"}, {"restart"}} {
		var out bytes.Buffer
		env := testEnvironment(&out, &out, append(command, "--help")...)
		env.args[0] = "kubectl-ro"
		require.Zero(t, run(t.Context(), env))
		require.Contains(t, out.String(), "  kubectl ro "+strings.Join(command, " ")+" checkout")
		_, examples, _ := strings.Cut(out.String(), "Examples:")
		examples, _, _ = strings.Cut(examples, "Flags:")
		require.NotContains(t, strings.ReplaceAll(examples, "kubectl ro ", ""), "rollout ")
	}
}

func TestHelpListsTheVerbsByWhatAPersonIsAfter(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}} {
		help := invoke(t, newAPIServer(t), args...).out
		var order []int
		for _, words := range []string{"See what happens:", "  get ", "  list ", "  status ",
			"Steer a release:", "  abort ", "  pause ", "  promote ", "  resume ", "  retry ", "Change what runs:", "  restart ", "  set ", "  undo "} {
			order = append(order, strings.Index(help, words))
		}
		require.IsNonDecreasing(t, order, help)
		require.NotContains(t, order, -1, help)
	}
	require.Contains(t, invoke(t, newAPIServer(t), "set").out, "Change the images of containers")
}

func TestWrongUsageSaysInOneLineWhatIsRight(t *testing.T) {
	s := newAPIServer(t)
	for want, args := range map[string][]string{
		"rollout get needs the NAME of a Rollout; rollout list shows them":  {"get"},
		"rollout abort takes one NAME, not 2 (a, b)":                        {"abort", "a", "b"},
		`there is no command "promot"; did you mean rollout promote?`:       {"promot", "x"},
		`there is no command "frobnicate"; rollout --help lists them`:       {"frobnicate"},
		`there is no command "img"; rollout set --help lists them`:          {"set", "img"},
		`there is no command "imag"; did you mean rollout set image?`:       {"set", "imag"},
		"rollout undo needs the NAME of a Rollout; rollout list shows them": {"undo"},
		"--wait -1s: it must not be negative; 0 does not wait":              {"undo", "x", "--wait=-1s"},
		"unknown flag: --forse; rollout abort --help lists the flags":       {"abort", "x", "--forse"},
	} {
		require.Equal(t, result{1, "", "error: " + want + "\n"}, invoke(t, s, args...))
	}
}

func TestErrorsOfTheServerSayWhatToDo(t *testing.T) {
	status := func(code int, reason metav1.StatusReason) func(*apiServer) func(http.ResponseWriter, *http.Request) bool {
		return func(s *apiServer) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, _ *http.Request) bool {
				s.refuse(w, code, reason, "")
				return true
			}
		}
	}
	noKind := func(*apiServer) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			http.NotFound(w, r)
			return true
		}
	}
	for name, c := range map[string]struct {
		fail func(*apiServer) func(http.ResponseWriter, *http.Request) bool
		says []string
	}{
		"no Rollout kind": {noKind, []string{"has no Rollout kind; install it with make install"}},
		"forbidden":       {status(http.StatusForbidden, metav1.StatusReasonForbidden), []string{"kubectl auth can-i --list -n shop"}},
		"unauthorized":    {status(http.StatusUnauthorized, metav1.StatusReasonUnauthorized), []string{"does not accept your credentials"}},
		"anything else":   {status(http.StatusConflict, metav1.StatusReasonConflict), []string{"the server refused"}},
	} {
		for _, command := range [][]string{{"get", "x"}, {"get", "x", "-w"}, {"list"}, {"list", "-w"}, {"status", "x"}, {"abort", "x"},
			{"undo", "x"}, {"set", "image", "x", "app=y"}} {
			t.Run(name+" "+strings.Join(command, " "), func(t *testing.T) {
				s := newAPIServer(t)
				s.fail = c.fail(s)
				got := invoke(t, s, command...)
				require.Equal(t, exitFailure, got.code)
				require.Empty(t, got.out)
				require.Equal(t, 1, strings.Count(got.errOut, "\n"))
				for _, words := range c.says {
					require.Contains(t, got.errOut, words)
				}
			})
		}
	}
}

func TestRolloutThatDoesNotExistIsNamed(t *testing.T) {
	for _, command := range []string{"get", "status", "promote", "abort", "retry", "pause", "resume", "restart", "undo"} {
		got := invoke(t, newAPIServer(t), command, "x")
		require.Equal(t, result{1, "", "error: there is no Rollout x in namespace shop; rollout list -A shows all\n"}, got)
	}
}

func TestClusterThatCanNotBeReachedIsNamed(t *testing.T) {
	// Nothing listens on the port of a server that was closed.
	s := &apiServer{url: "http://127.0.0.1:1"}
	for _, command := range [][]string{{"get", "x"}, {"list"}, {"status", "x"}, {"abort", "x"}} {
		got := invoke(t, s, command...)
		require.Equal(t, exitFailure, got.code)
		require.Contains(t, got.errOut, "no connection to the cluster at http://127.0.0.1:1")
		require.Contains(t, got.errOut, "; check --context and --kubeconfig\n")
	}
}

func TestKubeconfigThatIsWrongIsAnErrorOfOneLine(t *testing.T) {
	s := newAPIServer(t)
	got := invoke(t, s, "list", "--context", "nowhere")
	require.Equal(t, exitFailure, got.code)
	require.Contains(t, got.errOut, `error: read the kubeconfig: context "nowhere" does not exist`)
	require.Equal(t, 1, strings.Count(got.errOut, "\n"))

	t.Setenv("KUBECONFIG", t.TempDir()+"/missing")
	t.Setenv("HOME", t.TempDir())
	var out bytes.Buffer
	require.Equal(t, exitFailure, run(t.Context(), testEnvironment(&out, &out, "list")))
	require.Equal(t, "error: there is no kubeconfig; set KUBECONFIG or give --kubeconfig\n", out.String())
}

func complete(t *testing.T, s *apiServer, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	args = append([]string{"--kubeconfig", kubeconfig(t, s.url)}, args...)
	env := testEnvironment(&out, &bytes.Buffer{}, args...)
	env.args[0] = "kubectl_complete-ro"
	require.Zero(t, run(t.Context(), env))
	return out.String()
}

func TestNamesAreCompleted(t *testing.T) {
	s := newAPIServer(t)
	s.put(stepping())
	for _, verb := range []string{"get", "status", "promote", "abort", "retry", "pause", "resume", "restart", "undo"} {
		require.Equal(t, "checkout\tPaused\n:4\n", complete(t, s, verb, ""))
		require.Equal(t, ":4\n", complete(t, s, verb, "checkout", ""))
	}
	require.Equal(t, ":4\n", complete(t, s, "list", ""))
	require.Equal(t, "test\n:4\n", complete(t, s, "--context", ""))
	require.Contains(t, complete(t, s, "get", "x", "-o", ""), "json\nyaml\n")
}

func TestCompletionWithoutAClusterOffersNothing(t *testing.T) {
	require.Equal(t, ":1\n", complete(t, &apiServer{url: "http://127.0.0.1:1"}, "get", ""))
}

func TestCompletionIsWrittenForEveryShell(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var out bytes.Buffer
		require.Zero(t, run(t.Context(), testEnvironment(&out, &out, "completion", shell)))
		require.Contains(t, out.String(), "rollout")
	}
}

func TestVersionNamesTheProgramAndItsPlatform(t *testing.T) {
	require.Regexp(t, `^rollout \S+ go1\.\S+ \w+/\w+\n$`, invoke(t, newAPIServer(t), "version").out)
}
