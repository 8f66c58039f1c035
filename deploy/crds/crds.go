// Package crds holds the custom resource definitions as files for kubectl and Kustomize, and as bytes for Go programs.
package crds

import _ "embed"

// Rollouts is the CustomResourceDefinition of the Rollout, as YAML.
//
//go:embed rollout.dev_rollouts.yaml
var Rollouts []byte

// AnalysisRuns is that of the AnalysisRun.
//
//go:embed rollout.dev_analysisruns.yaml
var AnalysisRuns []byte

// AnalysisTemplates is that of the AnalysisTemplate.
//
//go:embed rollout.dev_analysistemplates.yaml
var AnalysisTemplates []byte

// ClusterAnalysisTemplates is that of the ClusterAnalysisTemplate.
//
//go:embed rollout.dev_clusteranalysistemplates.yaml
var ClusterAnalysisTemplates []byte

// All are all of them.
func All() [][]byte {
	return [][]byte{Rollouts, AnalysisRuns, AnalysisTemplates, ClusterAnalysisTemplates}
}
