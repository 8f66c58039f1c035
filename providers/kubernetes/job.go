package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedbatchv1 "k8s.io/client-go/kubernetes/typed/batch/v1"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

const (
	// deadline is how long a Job may take that doesn't say so itself: every wait ends.
	deadline = 10 * time.Minute
	// kept is how long a finished Job stays whose template doesn't say so itself. It must outlast the time between its end and
	// the moment at which its answer is stored, controllers that are down included: a Job that is gone would be run again.
	kept = time.Hour
	// mostName is how long the readable part of a Job's name is at most, so that all of it fits into a label of its pods.
	mostName = 40
	// measurementAnnotation holds the whole ID that the name is made from.
	measurementAnnotation = "rollout.dev/measurement"
)

// JobOptions say what is run.
type JobOptions struct {
	Client    typedbatchv1.BatchV1Interface
	Namespace string
	// Name is what the names of Jobs begin with, for people.
	Name string
	// Owner is deleted together with its Jobs.
	Owner metav1.OwnerReference
	Spec  batchv1.JobSpec
	// Labels and Annotations are for the Job.
	Labels, Annotations map[string]string
}

// Job implements analysis.Source: a Job that succeeds is the number 1, one that fails is 0. It may be used by any number of goroutines.
type Job struct {
	JobOptions
	server outbound.Server
}

var _ analysis.Source = (*Job)(nil)

// NewJob makes a source. The error names what is wrong with the options.
func NewJob(o JobOptions) (*Job, error) {
	switch policy := o.Spec.Template.Spec.RestartPolicy; {
	case len(o.Spec.Template.Spec.Containers) == 0:
		return nil, errors.New("spec.template.spec.containers is empty; write the container that measures")
	case policy == corev1.RestartPolicyAlways:
		return nil, fmt.Errorf("spec.template.spec.restartPolicy is %s; a Job knows Never and OnFailure", policy)
	case policy == "":
		o.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
	if o.Spec.ActiveDeadlineSeconds == nil {
		seconds := int64(deadline / time.Second)
		o.Spec.ActiveDeadlineSeconds = &seconds
	}
	if o.Spec.TTLSecondsAfterFinished == nil {
		seconds := int32(kept / time.Second)
		o.Spec.TTLSecondsAfterFinished = &seconds
	}
	if o.Spec.BackoffLimit == nil {
		o.Spec.BackoffLimit = new(int32) // A measurement that needs luck isn't one.
	}
	return &Job{JobOptions: o, server: outbound.Server{Kind: "Kubernetes", Address: "jobs.batch in namespace " + o.Namespace}}, nil
}

// Query starts the Job of the query's ID, or finds it where it was started before, and gives its answer. While it runs the
// error wraps analysis.ErrPending.
func (s *Job) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	name := s.name(q.ID)
	fail := func(err error, text string) (analysis.Sample, error) {
		return analysis.Sample{}, s.server.Failed("Job "+name, err, text)
	}
	found, err := s.start(ctx, name, q.ID)
	if err != nil {
		return fail(err, reason(err))
	}
	if owner := metav1.GetControllerOf(found); owner == nil || owner.UID != s.Owner.UID || found.Annotations[measurementAnnotation] != q.ID {
		return fail(errors.New("foreign"), "a Job of this name is there that belongs to somebody else; delete or rename it")
	}
	for _, condition := range found.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			continue
		}
		if condition.Type == batchv1.JobComplete {
			return analysis.Number(1), nil
		}
		if condition.Type == batchv1.JobFailed {
			return s.failed(condition)
		}
	}
	if found.Spec.Suspend != nil && *found.Spec.Suspend {
		return fail(analysis.ErrPending, "it is suspended")
	}
	return fail(analysis.ErrPending, "it runs")
}

// start gives the Job of an ID, which may be there already: the process before this one may have started it.
func (s *Job) start(ctx context.Context, name, id string) (*batchv1.Job, error) {
	jobs := s.Client.Jobs(s.Namespace)
	found, err := jobs.Get(ctx, name, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return found, err
	}
	if found, err = jobs.Create(ctx, s.job(name, id), metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
		return jobs.Get(ctx, name, metav1.GetOptions{})
	}
	return found, err
}

// failed tells a Job that said no from one that could say nothing: one that was out of time is an error, not a measurement.
func (s *Job) failed(condition batchv1.JobCondition) (analysis.Sample, error) {
	if condition.Reason == batchv1.JobReasonDeadlineExceeded {
		return analysis.Sample{}, s.server.Failed("Job", errors.New(condition.Reason), "it took longer than its activeDeadlineSeconds: "+condition.Message)
	}
	return analysis.Number(0), nil
}

// name is the same for the same ID, in every process.
func (s *Job) name(id string) string {
	sum := sha256.Sum256([]byte(string(s.Owner.UID) + "\x00" + id))
	readable := s.Name
	if len(readable) > mostName {
		readable = readable[:mostName]
	}
	return readable + "-" + hex.EncodeToString(sum[:8])
}

func (s *Job) job(name, id string) *batchv1.Job {
	annotations := maps.Clone(s.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[measurementAnnotation] = id
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Namespace, Labels: s.Labels, Annotations: annotations, OwnerReferences: []metav1.OwnerReference{s.Owner}},
		Spec:       *s.Spec.DeepCopy(),
	}
}
