#!/usr/bin/env bash
# Generates what is derived from rollout/api/v1alpha1, below the directory $1 (the checkout itself for make generate).
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
controller_gen=$(hack/tool.sh controller-gen)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$out/rollout/api/v1alpha1" "$out/deploy/crds"
"$controller_gen" object paths=./rollout/api/v1alpha1 output:object:dir="$out/rollout/api/v1alpha1"
"$controller_gen" crd:ignoreUnexportedFields=true paths=./rollout/api/v1alpha1 paths=./hack/crd/podtemplate output:crd:dir="$work"
go run ./hack/crd -in "$work" -out "$out/deploy/crds"
