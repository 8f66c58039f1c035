package controller

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
	"github.com/rollout-dev/rollout/rollout/controller/engine"
)

// Sources reads Deployments and their ReplicaSets with the bytes of their pod templates. The usual Go types would drop what is
// newer than this program, and a change of that alone would be no new revision.
type Sources struct {
	connection rest.Interface
	parameters runtime.ParameterCodec
}

// NewSources connects to the cluster that the config describes; the config itself stays untouched. No request is sent yet.
func NewSources(config *rest.Config) (*Sources, error) {
	scheme := runtime.NewScheme()
	for kind, object := range map[string]runtime.Object{
		"Deployment": &deployment{}, "DeploymentList": &deploymentList{},
		"ReplicaSet": &lentSet{}, "ReplicaSetList": &lentSets{},
	} {
		scheme.AddKnownTypeWithName(appsv1.SchemeGroupVersion.WithKind(kind), object)
	}
	metav1.AddToGroupVersion(scheme, appsv1.SchemeGroupVersion)
	// Errors come back as a metav1.Status, which belongs to the core group's v1.
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})

	own := rest.CopyConfig(config)
	own.GroupVersion = &appsv1.SchemeGroupVersion
	own.APIPath = "/apis"
	own.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	own.ContentType = runtime.ContentTypeJSON
	own.AcceptContentTypes = runtime.ContentTypeJSON
	connection, err := rest.RESTClientFor(own)
	if err != nil {
		return nil, fmt.Errorf("connect to %s for Deployments: %w", config.Host, err)
	}
	return &Sources{connection: connection, parameters: runtime.NewParameterCodec(scheme)}, nil
}

func (s *Sources) deployments(namespace string) *gentype.ClientWithList[*deployment, *deploymentList] {
	return gentype.NewClientWithList("deployments", s.connection, s.parameters, namespace,
		func() *deployment { return &deployment{} }, func() *deploymentList { return &deploymentList{} })
}

// deployment reads a Deployment; it is nil if there is none.
func (s *Sources) deployment(ctx context.Context, key engine.Key) (*deployment, error) {
	d, err := s.deployments(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return d, err
}

func (s *Sources) replicaSets(namespace string) *gentype.ClientWithList[*lentSet, *lentSets] {
	return gentype.NewClientWithList("replicasets", s.connection, s.parameters, namespace,
		func() *lentSet { return &lentSet{} }, func() *lentSets { return &lentSets{} })
}

// deployment is what the engine reads of a Deployment.
type deployment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   deploymentSpec          `json:"spec"`
	Status appsv1.DeploymentStatus `json:"status"`
}

type deploymentSpec struct {
	Replicas *int32                `json:"replicas"`
	Paused   bool                  `json:"paused"`
	Selector *metav1.LabelSelector `json:"selector"`
	Template v1alpha1.PodTemplate  `json:"template"`
}

type deploymentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []deployment `json:"items"`
}

// lentSet is what the engine reads of a ReplicaSet that it takes over, or gives back.
type lentSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   lentSpec                `json:"spec"`
	Status appsv1.ReplicaSetStatus `json:"status"`
}

type lentSpec struct {
	Replicas *int32               `json:"replicas"`
	Template v1alpha1.PodTemplate `json:"template"`
}

type lentSets struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []lentSet `json:"items"`
}

// DeepCopyObject copies the Deployment.
func (d *deployment) DeepCopyObject() runtime.Object {
	out := &deployment{TypeMeta: d.TypeMeta, Spec: deploymentSpec{Paused: d.Spec.Paused, Selector: d.Spec.Selector.DeepCopy()}}
	meta := &d.ObjectMeta
	meta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Replicas = copyOf(d.Spec.Replicas)
	d.Spec.Template.DeepCopyInto(&out.Spec.Template)
	d.Status.DeepCopyInto(&out.Status)
	return out
}

// DeepCopyObject copies the list.
func (l *deploymentList) DeepCopyObject() runtime.Object {
	out := &deploymentList{TypeMeta: l.TypeMeta}
	meta := &l.ListMeta
	meta.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		out.Items = append(out.Items, *l.Items[i].DeepCopyObject().(*deployment))
	}
	return out
}

// DeepCopyObject copies the ReplicaSet.
func (s *lentSet) DeepCopyObject() runtime.Object {
	out := &lentSet{TypeMeta: s.TypeMeta}
	meta := &s.ObjectMeta
	meta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Replicas = copyOf(s.Spec.Replicas)
	s.Spec.Template.DeepCopyInto(&out.Spec.Template)
	s.Status.DeepCopyInto(&out.Status)
	return out
}

// DeepCopyObject copies the list.
func (l *lentSets) DeepCopyObject() runtime.Object {
	out := &lentSets{TypeMeta: l.TypeMeta}
	meta := &l.ListMeta
	meta.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		out.Items = append(out.Items, *l.Items[i].DeepCopyObject().(*lentSet))
	}
	return out
}

func copyOf(value *int32) *int32 {
	if value == nil {
		return nil
	}
	out := *value
	return &out
}
