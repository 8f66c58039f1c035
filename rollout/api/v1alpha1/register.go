package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of everything in this package.
var GroupVersion = schema.GroupVersion{Group: "rollout.dev", Version: "v1alpha1"}

// Kind and Resource are the names of the Rollout custom resource in manifests and in URLs.
const (
	Kind     = "Rollout"
	Resource = "rollouts"
)

// The names of the other resources in URLs.
const (
	AnalysisRunResource             = "analysisruns"
	AnalysisTemplateResource        = "analysistemplates"
	ClusterAnalysisTemplateResource = "clusteranalysistemplates"
)

// AddToScheme makes the types of this package known to a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &Rollout{}, &RolloutList{}, &AnalysisTemplate{}, &AnalysisTemplateList{},
		&ClusterAnalysisTemplate{}, &ClusterAnalysisTemplateList{}, &AnalysisRun{}, &AnalysisRunList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
