package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// written is a template as a user writes it, with a field that no library knows.
func written(version string) v1alpha1.PodTemplate {
	return v1alpha1.NewPodTemplate([]byte(`{"metadata":{"labels":{"app":"checkout","version":"` + version + `"}},` +
		`"spec":{"newerThanThisProgram":{"b":1,"a":2},"containers":[{"name":"app","image":"shop/checkout:` + version + `"},` +
		`{"name":"proxy","image":"shop/proxy:1"}],"initContainers":[{"name":"migrate","image":"shop/migrate:` + version + `"}]}}`))
}

// keptSet is the ReplicaSet of a revision whose template was kept as it was written.
func keptSet(owner *v1alpha1.Rollout, hash, number string, age time.Duration) appsv1.ReplicaSet {
	set := replicaSet(owner, hash, "shop/checkout:defaulted")
	set.CreationTimestamp = metav1.NewTime(noon().Add(-age))
	set.Annotations = map[string]string{v1alpha1.RevisionAnnotation: number, v1alpha1.TemplateAnnotation: string(written("v" + number).Raw())}
	return set
}

// past is a server with the revisions aaa (number 3), bbb (4) and two older ones, some of somebody else's, and a Rollout
// whose spec asks for a version.
func past(t *testing.T, r *v1alpha1.Rollout, version string) *apiServer {
	s := newAPIServer(t)
	other := healthy()
	other.UID = "u-2"
	r.Spec.Template = written(version)
	s.put(r)
	s.sets = []any{
		keptSet(r, "old", "1", 30*24*time.Hour), keptSet(other, "theirs", "9", time.Minute), keptSet(r, "bbb", "4", time.Hour),
		keptSet(r, "aaa", "3", 24*time.Hour), keptSet(r, "mid", "2", 48*time.Hour),
	}
	return s
}

func requestOf(t *testing.T, s *apiServer) *v1alpha1.Request {
	t.Helper()
	request, err := v1alpha1.ReadRequest(s.stored().Annotations)
	require.NoError(t, err)
	return request
}

func TestUndoGoesBackToTheRevisionThatPeopleMean(t *testing.T) {
	// The release of bbb was promoted, undone, and mid failed.
	undone := healthy()
	undone.Status.FormerRevisions = []string{"old", "bbb"}
	again := undone.DeepCopy()
	again.Status.StableRevision, again.Status.FormerRevisions = "bbb", []string{"old", "mid"}
	for name, c := range map[string]struct {
		rollout *v1alpha1.Rollout
		version string
		args    []string
		goal    string
		number  string
	}{
		"while a release is under way":       {stepping(), "v4", nil, "aaa", "3"},
		"after a release was taken back":     {takenBackRollout(), "v4", nil, "aaa", "3"},
		"before the release has even begun":  {healthy(), "v4", nil, "aaa", "3"},
		"without a release":                  {healthy(), "v3", nil, "mid", "2"},
		"past what was undone and failed":    {undone, "v3", nil, "old", "1"},
		"to what was stable, not the newest": {again, "v4", nil, "mid", "2"},
		"to a hash":                          {healthy(), "v3", []string{"--to-revision=mid"}, "mid", "2"},
		"to a number":                        {healthy(), "v3", []string{"--to-revision", "1"}, "old", "1"},
		"to another one than stable of both": {stepping(), "v4", []string{"--to-revision", "2"}, "mid", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := past(t, c.rollout, c.version)
			answering(s, v1alpha1.OutcomeAccepted, "")
			got := invoke(t, s, append([]string{"undo", "checkout"}, c.args...)...)
			require.Equal(t, result{0, "checkout: undo to revision " + c.number + ", " + c.goal + " accepted\n", ""}, got)

			require.JSONEq(t, string(written("v"+c.number).Raw()), string(s.stored().Spec.Template.Raw()))
			require.Equal(t, 1, s.patches, "the engine must never see the template without the request")
			request := requestOf(t, s)
			require.Equal(t, v1alpha1.VerbUndo, request.Verb)
			require.Equal(t, c.goal, request.Revision)
			require.Equal(t, []string{"rollout.dev/managed=true,app=checkout"}, s.selectors)
		})
	}
}

func TestUndoToWhatNeverServedIsCarriedOutWithAWarning(t *testing.T) {
	s := past(t, healthy(), "v3")
	got := invoke(t, s, "undo", "checkout", "--to-revision=4", "--wait=0")
	require.Equal(t, result{0, "checkout: undo to revision 4, bbb requested\n",
		"warning: revision 4, bbb was never stable, as far as is known; it skips the steps and the analysis all the same\n"}, got)
	require.Equal(t, "bbb", requestOf(t, s).Revision)
}

func TestUndoKeepsOtherAnnotationsAndTheRestOfTheSpec(t *testing.T) {
	r := stepping()
	r.Annotations = map[string]string{"team": "payments"}
	s := past(t, r, "v4")
	require.Equal(t, result{0, "checkout: undo to revision 3, aaa requested\n", ""}, invoke(t, s, "undo", "checkout", "--wait=0"))
	after := s.stored()
	require.Equal(t, "payments", after.Annotations["team"])
	require.Equal(t, r.Spec.Strategy, after.Spec.Strategy)
}

func TestUndoThatMakesNoSenseChangesNothing(t *testing.T) {
	first := stepping()
	first.Status.StableRevision, first.Status.Release.Phase = "", "Installing"
	oldest := healthy()
	oldest.Status.StableRevision, oldest.Status.FormerRevisions = "old", []string{"mid", "aaa"}
	gone := healthy()
	gone.Status.StableRevision = "gone"
	for name, c := range map[string]struct {
		rollout *v1alpha1.Rollout
		version string
		to      string
		says    string
	}{
		"the first revision":      {first, "v4", "", "nothing to go back to: no revision of checkout has been stable yet"},
		"the oldest revision":     {oldest, "v1", "", "nothing to go back to: revision 1, old is stable, and no older revision that was stable is kept; --to-revision goes to any of those that are: revision 4, bbb (shop/checkout:v4"},
		"stable without a trace":  {gone, "v1", "", "there is no ReplicaSet of the stable revision gone; name one with --to-revision"},
		"already stable":          {healthy(), "v3", "3", "nothing to undo: revision 3, aaa is stable, and the spec asks for it already"},
		"already going back":      {stepping(), "v3", "", "nothing to undo: revision 3, aaa is stable, and the spec asks for it already"},
		"being released":          {stepping(), "v4", "bbb", "nothing to undo: revision 4, bbb is being released already; rollout promote checkout --full skips what is left"},
		"taken back":              {takenBackRollout(), "v4", "4", "nothing to undo: the spec asks for revision 4, bbb, which was taken back (success-rate was 0.5); rollout retry checkout starts it again"},
		"a revision that is gone": {healthy(), "v3", "7", "there is no revision 7 of checkout; there are: revision 4, bbb (shop/checkout:v4 shop/proxy:1, 60m old); revision 3, aaa (shop/checkout:v3 shop/proxy:1, 24h old); revision 2, mid"},
		"somebody else's":         {healthy(), "v3", "theirs", "there is no revision theirs of checkout; there are: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := past(t, c.rollout, c.version)
			got := invoke(t, s, "undo", "checkout", "--to-revision="+c.to)
			require.Equal(t, exitFailure, got.code)
			require.Contains(t, got.errOut, c.says)
			require.Zero(t, s.patches)
		})
	}
	s := past(t, healthy(), "v3")
	s.sets = nil
	require.Contains(t, invoke(t, s, "undo", "checkout", "--to-revision=2").errOut, "there is no revision 2 of checkout: none is kept")
}

func TestUndoIsTriedAgainWhateverTheReleaseDoesMeanwhile(t *testing.T) {
	s := past(t, stepping(), "v4")
	tries := 0
	s.beforePatch = func(s *apiServer) {
		if tries++; tries < 3 {
			s.change(func(r *v1alpha1.Rollout) { r.Status.Release.StepIndex++ })
		}
	}
	answering(s, v1alpha1.OutcomeAccepted, "")
	require.Zero(t, invoke(t, s, "undo", "checkout").code)
	require.Equal(t, 3, tries)
	require.Equal(t, "aaa", requestOf(t, s).Revision)
}

func TestUndoDoesNotOverwriteWhatSomebodyElseWroteMeanwhile(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.Rollout){
		"another push": func(r *v1alpha1.Rollout) { r.Spec.Template = written("v5") },
		"another life": func(r *v1alpha1.Rollout) { r.UID = "u-3" },
	} {
		t.Run(name, func(t *testing.T) {
			s := past(t, stepping(), "v4")
			s.beforePatch = func(s *apiServer) { s.change(change) }
			got := invoke(t, s, "undo", "checkout")
			require.Equal(t, exitFailure, got.code)
			require.Contains(t, got.errOut, "undo to revision 3, aaa was not requested: meanwhile somebody else changed the template of Rollout checkout")
			require.Zero(t, s.patches)
		})
	}
}

func TestTemplateThatTheServerRefusesEndsTheUndoAtOnce(t *testing.T) {
	s := past(t, stepping(), "v4")
	tries := 0
	s.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		tries++
		s.refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "checkout")
		return true
	}
	got := invoke(t, s, "undo", "checkout")
	require.Equal(t, result{1, "", "error: write the request to shop/checkout: the server refused: Invalid\n"}, got)
	require.Equal(t, 1, tries)
}

func TestUndoOfASpecThatAsksForTheGoalAlreadyOnlyAsksTheEngine(t *testing.T) {
	s := past(t, healthy(), "v2")
	answering(s, v1alpha1.OutcomeAccepted, "")
	require.Zero(t, invoke(t, s, "undo", "checkout", "--to-revision=mid").code)
	require.Equal(t, "mid", requestOf(t, s).Revision)
}

func TestRefusedUndoSaysThatTheTemplateIsChangedAllTheSame(t *testing.T) {
	for number, consequence := range map[string]string{
		"3, aaa": "what is released instead of it is taken back",
		"2, mid": "its release takes all steps; rollout promote checkout --full skips them",
	} {
		s := past(t, stepping(), "v4")
		answering(s, v1alpha1.OutcomeRefused, "it is too late")
		require.Equal(t, result{1, "", "error: undo to revision " + number + " was refused: it is too late; the template of Rollout checkout is that of " +
			"revision " + number + " all the same, and " + consequence + "\n"}, invoke(t, s, "undo", "checkout", "--to-revision", number[:1]))
	}
}

func TestUndoLeavesAnEarlierRequestItsPlace(t *testing.T) {
	r := stepping()
	r.Annotations = pending(v1alpha1.VerbAbort, 3*time.Second).Annotations
	s := past(t, r, "v4")
	got := invoke(t, s, "undo", "checkout")
	require.Equal(t, exitFailure, got.code)
	require.Contains(t, got.errOut, "undo to revision 3, aaa was not requested: the controller has not answered an earlier request yet (abort by bob, 3s ago)")
	require.Zero(t, s.patches)
}

func TestEqualUndoOfSomebodyElseIsNoSubstituteForTheTemplate(t *testing.T) {
	r := stepping()
	r.Annotations = map[string]string{v1alpha1.RequestAnnotation: v1alpha1.Request{
		ID: "first", Verb: v1alpha1.VerbUndo, Revision: "aaa", By: "bob", At: metav1.NewTime(noon().Add(-time.Second))}.Annotation()}
	s := past(t, r, "v4")
	require.Contains(t, invoke(t, s, "undo", "checkout").errOut, "has not answered an earlier request yet (undo by bob, 1s ago)")
	answering(s, v1alpha1.OutcomeAccepted, "")
	require.Zero(t, invoke(t, s, "undo", "checkout", "--force").code)
	require.JSONEq(t, string(written("v3").Raw()), string(s.stored().Spec.Template.Raw()))
}

func TestRevisionWhoseTemplateWasNotKeptIsRebuiltAndSaysSo(t *testing.T) {
	s := past(t, stepping(), "v4")
	s.sets = []any{map[string]any{
		"metadata": map[string]any{"name": "checkout-aaa", "labels": map[string]any{"pod-template-hash": "aaa"},
			"annotations":     map[string]any{"rollout.dev/revision": "3"},
			"ownerReferences": []any{map[string]any{"kind": "Rollout", "name": "checkout", "uid": "u-1", "controller": true}}},
		"spec": map[string]any{"template": map[string]any{
			"metadata": map[string]any{"creationTimestamp": nil, "labels": map[string]any{"app": "checkout", "pod-template-hash": "aaa"}},
			"spec":     map[string]any{"newerThanThisProgram": 1, "containers": []any{map[string]any{"name": "app", "image": "shop/checkout:v3"}}},
		}},
	}}
	got := invoke(t, s, "undo", "checkout")
	require.Zero(t, got.code, got.errOut)
	require.Contains(t, got.out, "checkout: the template of Rollout checkout is that of the ReplicaSet of revision 3, aaa now. It was not kept as it was written, so this is a new revision")
	require.JSONEq(t, `{"metadata":{"labels":{"app":"checkout"}},"spec":{"newerThanThisProgram":1,"containers":[{"name":"app","image":"shop/checkout:v3"}]}}`,
		string(s.stored().Spec.Template.Raw()))
	require.Nil(t, requestOf(t, s), "the revision of the request would not be the one that is released")
}

func TestUndoWaitsForAControllerIfOnlyThatCanTellWhatIsMeant(t *testing.T) {
	r := healthy()
	r.Generation++
	s := past(t, r, "v4")
	stable := keptSet(r, "aaa", "3", time.Hour)
	delete(stable.Annotations, v1alpha1.TemplateAnnotation)
	s.sets = []any{stable, keptSet(r, "mid", "2", 2*time.Hour)}
	got := invoke(t, s, "undo", "checkout")
	require.Equal(t, exitFailure, got.code)
	require.Contains(t, got.errOut, "can't tell which revision to go back to: the controller has not seen the last change yet")
	require.Zero(t, s.patches)
}

// withDeployment makes the template of a Rollout that of a Deployment, which asks for v4.
func withDeployment(t *testing.T, s *apiServer, r *v1alpha1.Rollout) {
	t.Helper()
	r.Spec.Template, r.Spec.Selector, r.Spec.WorkloadRef = v1alpha1.PodTemplate{}, nil, &v1alpha1.WorkloadRef{Name: "web"}
	r.Status.Selector = "app=checkout,tier in (web)"
	s.put(r)
	var template any
	require.NoError(t, json.Unmarshal(written("v4").Raw(), &template))
	s.storeDeployment("web", map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "web", "namespace": "shop", "uid": "d-1"},
		"spec":     map[string]any{"template": template, "newerThanThisProgram": true},
	})
}

func deploymentTemplate(t *testing.T, s *apiServer) string {
	t.Helper()
	text, err := json.Marshal(s.deployments["web"]["spec"].(map[string]any)["template"])
	require.NoError(t, err)
	return string(text)
}

func TestUndoOfARolloutWithADeploymentChangesTheDeploymentFirst(t *testing.T) {
	s := past(t, stepping(), "v4")
	withDeployment(t, s, stepping())
	tries := 0
	s.beforePatch = func(s *apiServer) {
		if tries++; tries == 1 {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.storeDeployment("web", s.deployments["web"])
		}
	}
	answering(s, v1alpha1.OutcomeAccepted, "")
	got := invoke(t, s, "undo", "checkout")
	require.Equal(t, result{0, "checkout: undo to revision 3, aaa accepted\n", ""}, got)
	require.JSONEq(t, string(written("v3").Raw()), deploymentTemplate(t, s))
	require.Equal(t, true, s.deployments["web"]["spec"].(map[string]any)["newerThanThisProgram"])
	require.Equal(t, "aaa", requestOf(t, s).Revision)
	require.Equal(t, []string{"rollout.dev/managed=true,rollout.dev/borrower=u-1"}, s.selectors)
	require.Equal(t, 3, tries, "a conflict of the Deployment, its change and the request")
	require.JSONEq(t, "{}", string(s.stored().Spec.Template.Raw()))
}

func TestUndoWhoseRequestCanNotFollowTheDeploymentSaysSo(t *testing.T) {
	s := past(t, stepping(), "v4")
	withDeployment(t, s, stepping())
	s.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch || strings.Contains(r.URL.Path, "deployments") {
			return false
		}
		s.refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden, "checkout")
		return true
	}
	got := invoke(t, s, "undo", "checkout")
	require.Equal(t, exitFailure, got.code)
	require.Contains(t, got.errOut, "write the request to shop/checkout: the server refused: Forbidden")
	require.Contains(t, got.errOut, "; the template of Deployment web is that of revision 3, aaa all the same, and what is released instead of it is taken back")
	require.Equal(t, 1, s.patches)
}

func TestDeploymentThatIsMissingIsNamed(t *testing.T) {
	s := past(t, stepping(), "v4")
	withDeployment(t, s, stepping())
	delete(s.deployments, "web")
	for _, command := range [][]string{{"undo", "checkout"}, {"set", "image", "checkout", "app=x"}} {
		got := invoke(t, s, command...)
		require.Equal(t, result{1, "", "error: checkout takes its template from Deployment web (spec.workloadRef), and namespace shop has none of that name\n"}, got)
	}
}

func TestPersonWhoseSpecIsKeptInGitIsRemindedOfIt(t *testing.T) {
	for mark, tool := range map[string]string{
		"argocd.argoproj.io/tracking-id": "Argo CD", "kustomize.toolkit.fluxcd.io/name": "Flux", "helm.toolkit.fluxcd.io/name": "Flux",
	} {
		for _, command := range [][]string{{"undo", "checkout", "--wait=0"}, {"set", "image", "checkout", "app=shop/checkout:v9"}} {
			for _, where := range []string{"label", "annotation"} {
				r := stepping()
				if where == "label" {
					r.Labels = map[string]string{mark: "shop"}
				} else {
					r.Annotations = map[string]string{mark: "shop"}
				}
				got := invoke(t, past(t, r, "v4"), command...)
				require.Zero(t, got.code, got.errOut)
				require.Equal(t, "warning: "+tool+" applies checkout from Git ("+mark+"): change it there as well, or "+tool+
					" brings the other revision back\n", got.errOut)
			}
		}
	}
}

func TestPersonWhoChangesWhatIsPausedIsTold(t *testing.T) {
	for _, command := range [][]string{{"undo", "checkout", "--wait=0"}, {"set", "image", "checkout", "app=shop/checkout:v9"}} {
		got := invoke(t, past(t, pausedByRequest(), "v4"), command...)
		require.Zero(t, got.code, got.errOut)
		require.Equal(t, "warning: checkout is paused by request: rollout resume checkout ends it; until then no release starts\n", got.errOut)
	}
}

func TestRevisionsAreCompleted(t *testing.T) {
	s := past(t, stepping(), "v4")
	require.Equal(t, "4\trevision 4, bbb (shop/checkout:v4 shop/proxy:1, 60m old)\n"+
		"3\trevision 3, aaa (shop/checkout:v3 shop/proxy:1, 24h old)\n"+
		"2\trevision 2, mid (shop/checkout:v2 shop/proxy:1, 2d old)\n"+
		"1\trevision 1, old (shop/checkout:v1 shop/proxy:1, 30d old)\n:36\n", complete(t, s, "undo", "checkout", "--to-revision", ""))
	require.Equal(t, ":4\n", complete(t, s, "undo", "--to-revision", ""))
	require.Equal(t, ":1\n", complete(t, s, "undo", "nobody", "--to-revision", ""))
}
