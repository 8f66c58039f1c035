# Everything that is done with this repository more than once. `make` lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CLUSTER ?= sandbox
TIER ?= sandbox
NAME ?= dev
SEEDS ?= 10000
FRESH ?=
FUZZTIME ?= 30s
IMAGE ?= rollout.dev/rollout-controller:dev
PROMETHEUS ?=
TESTFLAGS ?=

# Tests that start clusters find the built commands here.
export ROLLOUT_BIN := $(CURDIR)/bin

##@ Try it

.PHONY: demo
demo: bin ## Play a good and two bad releases against live traffic (CLUSTER=sandbox or kind)
	go run ./e2e/demo --tier $(CLUSTER)

.PHONY: cluster-up
cluster-up: bin/cluster ## Start a cluster to try things in (TIER=sandbox or kind, NAME=dev)
	bin/cluster up --tier $(TIER) --name $(NAME)

.PHONY: cluster-down
cluster-down: bin/cluster ## Remove that cluster (NAME=dev)
	bin/cluster down --name $(NAME)

.PHONY: install
install: ## Install the engine where your kubeconfig points (IMAGE=name:tag, PROMETHEUS=http://host:9090)
	go run ./hack/install --image $(IMAGE) $(if $(PROMETHEUS),--prometheus-address $(PROMETHEUS))

.PHONY: uninstall
uninstall: ## Remove the engine again; Rollouts and their pods stay
	go run ./hack/install remove

##@ Test it

.PHONY: test
test: generate-check lint bin ## Everything but end to end: generated code, lint, unit, simulator, integration (TESTFLAGS=-race)
	bin/cluster build --tier sandbox
	go test -timeout 20m $(TESTFLAGS) ./...
	cd e2e/cluster && go test -timeout 20m $(TESTFLAGS) ./...
	cd e2e/meshapp && go test -timeout 5m $(TESTFLAGS) ./...
	go test -tags integration -parallel 8 -timeout 20m -count 1 -v $(TESTFLAGS) ./e2e/sandbox
	go test -tags integration -timeout 20m -count 1 -v -run "Safety|TwoWrites|BothLead" $(TESTFLAGS) ./e2e/crash

# One package at a time: only then does go test show what happens while it happens.
.PHONY: e2e
e2e: bin ## End to end with real pods in kind
	bin/cluster build --tier kind --istio
	go test -tags e2e -p 1 -timeout 45m -count 1 -v $(TESTFLAGS) ./e2e/release

.PHONY: transitions
transitions: bin ## Every transition under load in kind, calm and with the controller killed, and whether both end the same
	bin/cluster build --tier kind
	ROLLOUT_E2E_ALL=1 go test -tags e2e -p 1 -timeout 60m -count 1 -v -run TestNoTransitionLosesARequest $(TESTFLAGS) ./e2e/release

.PHONY: dataplanes
dataplanes: bin ## Releases on every data plane in kind, also while the API server answers every call
	bin/cluster build --tier kind --istio
	ROLLOUT_E2E_ALL=1 go test -tags e2e -p 1 -timeout 30m -count 1 -v -run TestEveryDataPlaneFollowsTheSteps $(TESTFLAGS) ./e2e/release

.PHONY: crash
crash: bin ## Kill the controller after its n-th write, for every n of every scenario (takes half an hour)
	bin/cluster build --tier sandbox
	go test -tags integration -timeout 90m -count 1 -v $(TESTFLAGS) ./e2e/crash

.PHONY: sim
sim: ## Simulate many histories of releases with faults (SEEDS=10000, FRESH=1 for new ones)
	@from=$(if $(FRESH),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' '),0); echo "$(SEEDS) seeds from $$from"; \
	go test ./rollout/sim -count 1 -v -timeout 60m -args -seeds $(SEEDS) -from $$from

.PHONY: fuzz
fuzz: ## Fuzz everything that reads text from people (FUZZTIME=30s for each)
	hack/fuzz.sh $(FUZZTIME)

##@ Work on it

.PHONY: build
build: bin ## Build all commands into bin/

.PHONY: bin
bin: bin/rollout bin/rollout-controller bin/cluster

# The go command knows best what is out of date.
.PHONY: bin/rollout bin/rollout-controller bin/cluster
bin/rollout bin/rollout-controller:
	go build -o $@ ./cmd/$(@F)

bin/cluster:
	cd e2e/cluster && go build -o ../../bin/cluster .

.PHONY: image
image: bin/cluster ## Write the controller's container image to dist/, without Docker
	mkdir -p dist
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o dist/rollout-controller ./cmd/rollout-controller
	bin/cluster image --binary dist/rollout-controller --ref $(IMAGE) --out dist/rollout-controller.tar

.PHONY: generate
generate: ## Generate deep copies and the CRD from rollout/api
	hack/generate.sh .

.PHONY: generate-check
generate-check: ## Fail if a generated file isn't what make generate would write
	hack/generate-check.sh

# The modules below e2e/cluster/parts only name what to build; to lint them would mean to compile Kubernetes.
.PHONY: lint
lint: ## Run the linters of .golangci.yml
	@golangci_lint=$$(hack/tool.sh golangci-lint) && \
	$$golangci_lint run ./... && \
	for module in e2e/cluster e2e/meshapp; do \
		(cd $$module && $$golangci_lint run --config ../../.golangci.yml ./...); \
	done

.PHONY: clean
clean: ## Remove what was built here; caches outside of the checkout stay
	rm -rf bin dist

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
