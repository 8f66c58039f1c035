package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/sourcetest"
	"github.com/rollout-dev/rollout/providers/kubernetes"
)

const token = "service-account-token"

// apiServer keeps Jobs, and lets each be in the state that condition says.
type apiServer struct {
	mu        sync.Mutex
	jobs      map[string]batchv1.Job
	condition *batchv1.JobCondition
	created   int
}

func (s *apiServer) serve(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
	if sourcetest.Fail(w, a, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no"}`) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(a.Series) > 0 {
		s.condition = &batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonBackoffLimitExceeded}
		if a.Series[0] == 1 {
			s.condition = &batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	name := path.Base(r.URL.Path)
	if r.Method == http.MethodPost {
		var created batchv1.Job
		_ = json.NewDecoder(r.Body).Decode(&created)
		name = created.Name
		if _, there := s.jobs[name]; there {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"AlreadyExists","code":409}`)
			return
		}
		s.jobs[name] = created
		s.created++
	}
	found, there := s.jobs[name]
	if !there {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
		return
	}
	if s.condition != nil {
		found.Status.Conditions = []batchv1.JobCondition{*s.condition}
	}
	found.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
	_ = json.NewEncoder(w).Encode(found)
}

func newJob(t *testing.T, address string) *kubernetes.Job {
	kube, err := clientset.NewForConfig(&rest.Config{Host: address, BearerToken: token, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	require.NoError(t, err)
	controller := true
	source, err := kubernetes.NewJob(kubernetes.JobOptions{
		Client: kube.BatchV1(), Namespace: "shop", Name: "checkout-smoke-test",
		Owner: metav1.OwnerReference{APIVersion: "rollout.dev/v1alpha1", Kind: "Rollout", Name: "checkout", UID: "1234", Controller: &controller},
		Spec:  batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "test", Image: "test"}}}}},
	})
	require.NoError(t, err)
	return source
}

func start(t *testing.T) (*apiServer, string, func(sourcetest.Answer)) {
	server := &apiServer{jobs: map[string]batchv1.Job{}}
	address, answer := sourcetest.Server(t, server.serve)
	return server, address, answer
}

func TestJobKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		_, address, answer := start(t)
		return sourcetest.Harness{
			Source: newJob(t, address), Answer: answer, Server: "jobs.batch in namespace shop", Secret: token, Query: analysis.Query{ID: "run 7"},
			// A Job answers yes or no, and the API server is the cluster's own: it floods nobody.
			Unspeakable: func(a sourcetest.Answer) bool {
				return a.Flood || len(a.Series) != 1 || !slices.Contains([]float64{0, 1}, a.Series[0])
			},
		}
	})
}

func TestAJobIsStartedOnceForEachMeasurementWhoeverAsks(t *testing.T) {
	server, address, answer := start(t)
	first, second := newJob(t, address), newJob(t, address)
	for range 3 {
		for _, process := range []*kubernetes.Job{first, second} {
			_, err := process.Query(t.Context(), analysis.Query{ID: "run 7, step 1"})
			require.ErrorIs(t, err, analysis.ErrPending)
		}
	}
	require.Equal(t, 1, server.created)
	answer(sourcetest.Answer{Series: []float64{1}})
	got, err := second.Query(t.Context(), analysis.Query{ID: "run 7, step 1"})
	require.NoError(t, err)
	require.Equal(t, analysis.Number(1), got)
	got, err = first.Query(t.Context(), analysis.Query{ID: "run 7, step 1"})
	require.NoError(t, err)
	require.Equal(t, analysis.Number(1), got, "a process that asks after the end still learns it")
	require.Equal(t, 1, server.created)
	_, err = first.Query(t.Context(), analysis.Query{ID: "run 7, step 2"})
	require.NoError(t, err)
	require.Equal(t, 2, server.created)
}

func TestAJobEndsAndGoesByItself(t *testing.T) {
	server, address, _ := start(t)
	_, err := newJob(t, address).Query(t.Context(), analysis.Query{ID: "x"})
	require.ErrorIs(t, err, analysis.ErrPending)
	for name, created := range server.jobs {
		require.LessOrEqual(t, len(name), 63)
		require.EqualValues(t, 600, *created.Spec.ActiveDeadlineSeconds)
		require.EqualValues(t, 3600, *created.Spec.TTLSecondsAfterFinished)
		require.Zero(t, *created.Spec.BackoffLimit)
		require.Equal(t, corev1.RestartPolicyNever, created.Spec.Template.Spec.RestartPolicy)
		require.Equal(t, "checkout", created.OwnerReferences[0].Name, "it is deleted together with the Rollout")
	}
}

func TestAJobOutOfTimeIsNoAnswer(t *testing.T) {
	server, address, _ := start(t)
	server.condition = &batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonDeadlineExceeded}
	_, err := newJob(t, address).Query(t.Context(), analysis.Query{ID: "x"})
	require.ErrorContains(t, err, "activeDeadlineSeconds")
	require.NotErrorIs(t, err, analysis.ErrPending)
}

func TestAForeignJobIsLeftAlone(t *testing.T) {
	server, address, answer := start(t)
	_, err := newJob(t, address).Query(t.Context(), analysis.Query{ID: "x"})
	require.ErrorIs(t, err, analysis.ErrPending)
	for name, foreign := range server.jobs {
		foreign.OwnerReferences[0].UID = "somebody else"
		server.jobs[name] = foreign
	}
	answer(sourcetest.Answer{Series: []float64{1}})
	_, err = newJob(t, address).Query(t.Context(), analysis.Query{ID: "x"})
	require.ErrorContains(t, err, "belongs to somebody else")
}

func TestNewSaysWhatIsWrongWithATemplate(t *testing.T) {
	_, err := kubernetes.NewJob(kubernetes.JobOptions{})
	require.ErrorContains(t, err, "spec.template.spec.containers is empty")
	_, err = kubernetes.NewJob(kubernetes.JobOptions{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: "Always", Containers: []corev1.Container{{}}}}}})
	require.ErrorContains(t, err, "restartPolicy is Always")
}
