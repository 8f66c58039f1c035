// Package release holds the end-to-end tests: releases of the sample application on real pods in kind, behind a real
// gateway and watched by a real Prometheus, while clients send requests all the time. What these clients received is what
// the tests assert.
//
// The tests have the build tag e2e. They start a cluster of their own and take it down however they end. To work on them,
// keep one and name it:
//
//	bin/cluster up --tier kind --name mine
//	ROLLOUT_E2E_CLUSTER=mine ROLLOUT_BIN=$PWD/bin go test -tags e2e -count 1 -v ./e2e/release -run Slow
//
// TestNoTransitionLosesARequest has a table of everything that can happen to a Rollout, and prints what clients noticed of it.
// ROLLOUT_E2E_ALL plays all of it instead of the most typical part (make transitions), and ROLLOUT_E2E_SEED repeats the moments
// at which an earlier run killed controllers.
//
// TestEveryDataPlaneFollowsTheSteps plays releases on every data plane that there is here: Istio with gRPC clients that speak xDS
// themselves, Traefik and kube-proxy. It prints what was asked for and what clients received; ROLLOUT_E2E_ALL plays more of it (make dataplanes).
//
// TestAnOutageOfPrometheusHoldsAReleaseAndNoMore puts somebody between a controller and Prometheus who refuses connections, answers
// too late or answers nonsense, in the middle of a release.
package release
