# `make` lists the targets.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
CLUSTER  := examples/docker-cluster/cluster

# Tools of one known version each, built into bin/ by the Go command.
LINT_VERSION := v2.15.0
VULN_VERSION := v1.8.0
LINT := bin/golangci-lint-$(LINT_VERSION)
VULN := bin/govulncheck-$(VULN_VERSION)

GO_FILES := $(shell git ls-files --cached --others --exclude-standard -- '*.go' 2>/dev/null)
SCRIPTS  := .ci/run .ci/test .ci/fuzz .ci/tool .ci/vulnerabilities $(CLUSTER) examples/docker-cluster/node/cluster-node examples/docker-cluster/node/reboot \
            $(wildcard playbooks/scripts/*.sh)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/cvsplay
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/cvsplay ./cmd/cvsplay

.PHONY: man
man: build ## Write the manual pages into bin/man
	./bin/cvsplay docs --man bin/man

.PHONY: demo
demo: build ## Run the main playbook on four simulated hosts
	./bin/cvsplay run playbooks/rvs.hcl

.PHONY: test
test: ## Run all tests, on the real parts that are here (sshd, Docker: starts a cluster)
	@.ci/test

# Modules, playbooks and commands start what is in these packages, and take minutes more with the race detector. It has every process wait for
# a second before it ends, if it is not told otherwise.
.PHONY: race
race: ## Run the tests of the engine and the inventory again, with the race detector
	GORACE=atexit_sleep_ms=0 $(GO) test -race ./engine/... ./inventory/...

.PHONY: check
check: format-check vet lint scripts vulnerabilities ## Look at the code without running it: format, vet, lint, scripts, known holes

.PHONY: format-check
format-check:
	@bad=$$(gofmt -l $(GO_FILES)) && if [ -n "$$bad" ]; then echo "not formatted (make fmt):"; echo "$$bad"; exit 1; fi

.PHONY: vet
vet:
	$(GO) vet ./... ./.ci/testlog
	$(GO) test ./.ci/testlog

.PHONY: fmt
fmt: ## Format the Go files
	gofmt -w $(GO_FILES)

.PHONY: lint
lint: ## Lint, imports between packages included
	@$(MAKE) --no-print-directory $(LINT) || echo "lint: golangci-lint $(LINT_VERSION) cannot be had here; not run"
	@[ ! -x $(LINT) ] || $(LINT) run

$(LINT):
	@.ci/tool $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

.PHONY: scripts
scripts:
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); else echo "scripts: no shellcheck here; not run"; fi

.PHONY: vulnerabilities
vulnerabilities: ## Look for known vulnerabilities in what is linked
	@$(MAKE) --no-print-directory $(VULN) || echo "vulnerabilities: govulncheck $(VULN_VERSION) cannot be had here; not run"
	@[ ! -x $(VULN) ] || .ci/vulnerabilities $(VULN)

$(VULN):
	@.ci/tool $@ golang.org/x/vuln/cmd/govulncheck@$(VULN_VERSION)

FUZZTIME ?= 30s

.PHONY: fuzz
fuzz: ## Feed every reader with what nobody would write, for FUZZTIME each
	@.ci/fuzz $(FUZZTIME)

.PHONY: cover
cover: ## Tell which code the tests reach
	$(GO) test -coverpkg=./... -coverprofile=bin/cover.out ./...
	$(GO) tool cover -func=bin/cover.out | tail -n 1
	$(GO) tool cover -html=bin/cover.out -o bin/cover.html

# BENCH chooses rows (BENCH='P1,P2'), BENCH_HOSTS the simulated hosts; BENCH_FLAGS is for the rest (BENCH_FLAGS=--help tells).
.PHONY: bench
bench: ## Measure speed and cost against the floor and other tools (bin/bench has the table and the charts; takes 20 minutes)
	@mkdir -p bin && $(GO) build -o bin/bench-run ./cmd/bench
	@bin/bench-run $(if $(BENCH),--rows '$(BENCH)') $(if $(BENCH_HOSTS),--hosts $(BENCH_HOSTS)) $(BENCH_FLAGS)

.PHONY: cluster-up
cluster-up: ## Start three nodes and a registry on the local Docker Engine
	$(CLUSTER) up 3

.PHONY: cluster-images
cluster-images: ## Build their images, as cluster-up and test do where there are none yet
	$(CLUSTER) build

.PHONY: cluster-down
cluster-down: ## Remove them
	$(CLUSTER) down

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist
