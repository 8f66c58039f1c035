// Package istio carries splits in the weights of Istio's VirtualServices, and points the subsets of DestinationRules at revisions.
//
// It writes the weights of two destinations, http rules with names that were set aside for it, and one label of a subset, and
// nothing else. Objects are read as the JSON that they are: the Go types that are generated of Istio's protobuf definitions drop
// fields that are newer than they, and fail on an object that two teams have different ideas of, which would make one odd
// VirtualService somewhere in the cluster everybody's problem.
package istio

import (
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Object is a VirtualService or a DestinationRule as the API server sent it.
type Object struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   json.RawMessage `json:"spec,omitempty"`
	Status json.RawMessage `json:"status,omitempty"`
}

// ObjectList is a list of objects of one kind.
type ObjectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []Object `json:"items"`
}

// DeepCopyObject copies the object.
func (o *Object) DeepCopyObject() runtime.Object {
	out := &Object{TypeMeta: o.TypeMeta, Spec: slices.Clone(o.Spec), Status: slices.Clone(o.Status)}
	o.DeepCopyInto(&out.ObjectMeta)
	return out
}

// DeepCopyObject copies the list.
func (l *ObjectList) DeepCopyObject() runtime.Object {
	out := &ObjectList{TypeMeta: l.TypeMeta}
	l.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		out.Items = append(out.Items, *l.Items[i].DeepCopyObject().(*Object))
	}
	return out
}

// Strip drops what neither a Router nor a Pointer reads, for a cache; it changes its argument. The spec stays as it is: a managed
// rule is a copy of a rule in it.
func Strip(o *Object) *Object {
	o.ObjectMeta = metav1.ObjectMeta{
		Namespace: o.Namespace, Name: o.Name, UID: o.UID, ResourceVersion: o.ResourceVersion, Generation: o.Generation,
	}
	return o
}
