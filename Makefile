# One line a target; `make help` prints them. Everything below also works as the plain cargo command it shows.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build demo test format lint deny unit look bench bench-runtime conformance-onnx conformance-tabular conformance-networks fuzz cross cross-test cross-all packages size clean

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
ONCE_FLAG := $(if $(filter 1 yes true,$(ONCE)),--once)

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: ## Check for Rust and a C compiler; as root, install what Debian has
	@scripts/setup

build: setup ## Build dunlin, dunlin-server, dunlin-agent and dunlin-sim (as one workspace: nothing is built twice)
	cargo build --locked --workspace --bins

demo: build ## Tell the whole story on this machine until Ctrl-C; ONCE=1 checks it and stops
	"$(CARGO_TARGET_DIR)/debug/dunlin" demo $(ONCE_FLAG)

test: ## Format, lints, licences, unit, property and end-to-end tests, the demo once with a browser look
	@scripts/setup browser
	@$(MAKE) --no-print-directory format lint deny unit look

format: ## Fail where the code is not formatted
	cargo fmt --all --check

lint: ## Clippy over everything, warnings are errors
	cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## Licences, bans, sources and known advisories of every dependency, where cargo-deny is installed
	@scripts/deny

unit: build ## Unit, property and end-to-end tests with the real programs
	@if cargo nextest --version >/dev/null 2>&1; \
	then echo "cargo nextest run --workspace"; cargo nextest run --locked --workspace --no-fail-fast; \
	else echo "cargo test --workspace"; cargo test --locked --workspace --no-fail-fast; fi

look: build ## The demo once, every dashboard page opened in headless Chromium; pictures go to target/pages
	@scripts/look
	"$(CARGO_TARGET_DIR)/debug/dunlin" demo --once --then scripts/look-live

bench: ## Measure what things cost, next to their budgets
	@scripts/bench

CASES := $(CARGO_TARGET_DIR)/conformance

bench-runtime: ## What one call costs in Dunlin's runtime and in ONNX Runtime, side by side
	@mkdir -p "$(CASES)"
	@[ -e "$(CASES)/tabular/ready" ] || { scripts/python scripts/tabular-models "$(CASES)/tabular" && touch "$(CASES)/tabular/ready"; }
	@scripts/python scripts/network-models "$(CASES)/networks"
	cargo build --locked --profile board -p dunlin-runtime --example latency
	@scripts/python scripts/bench-runtime "$(CARGO_TARGET_DIR)/board/examples/latency" "$(CASES)" $(MODELS)

conformance-onnx: ## Run the ONNX project's node tests against agent/runtime/tests/onnx.txt; UPDATE=1 writes it and docs/operators.md
	@[ -e "$(CASES)/onnx/cases.json" ] || scripts/python scripts/onnx-cases "$(CASES)/onnx"
	cargo build --locked -p dunlin-runtime --example conformance
	@"$(CARGO_TARGET_DIR)/debug/examples/conformance" "$(CASES)/onnx" agent/runtime/tests/onnx.txt docs/operators.md $(if $(UPDATE),--update)

conformance-tabular: ## Run more than a hundred exports of scikit-learn, XGBoost and LightGBM against ONNX Runtime's answers
	@[ -e "$(CASES)/tabular/ready" ] || { scripts/python scripts/tabular-models "$(CASES)/tabular" && touch "$(CASES)/tabular/ready"; }
	DUNLIN_MODELS="$(CASES)/tabular" cargo test --locked -p dunlin-runtime --test all_models

conformance-networks: ## Run networks that people run (speech, text in pictures, file types, int8), and random ones, against ONNX Runtime
	@[ -e "$(CASES)/networks/cases.json" ] || scripts/python scripts/real-networks "$(CASES)/networks"
	cargo build --locked -p dunlin-runtime --example conformance
	@"$(CARGO_TARGET_DIR)/debug/examples/conformance" "$(CASES)/networks" agent/runtime/tests/networks.txt $(if $(UPDATE),--update)
	@[ -e "$(CASES)/random/cases.json" ] || scripts/python scripts/random-networks "$(CASES)/random"
	@"$(CARGO_TARGET_DIR)/debug/examples/conformance" "$(CASES)/random" "$(CASES)/random/expected.txt"

fuzz: ## Feed mutated models to the runtime for ten minutes, or SECONDS=…
	@scripts/fuzz $(or $(SECONDS),600)

TARGET ?= aarch64-unknown-linux-gnu
PROGRAMS ?= dunlin-agent

cross: ## Build the agent for a board: TARGET=aarch64-unknown-linux-gnu or another of cross/targets.txt
	@scripts/setup boards
	@cross/build "$(TARGET)" $(PROGRAMS)

cross-test: build ## Run what `make cross` built on an emulator: the runtime's tests, and the whole life of a board
	@cross/test $(TARGET)

cross-all: ## Build the agent for every board
	@scripts/setup boards
	@cross/build all

packages: cross ## Make the packages for a board; PROGRAMS="dunlin-agent dunlin-server dunlin" makes the server's too
	@cross/package $(TARGET)

size: ## Say where the bytes of what `make cross` built are, against cross/sizes.txt; UPDATE=1 accepts them
	@scripts/size $(TARGET) $(if $(UPDATE),--update)

clean: ## Remove everything that was built, and the demo's folder
	cargo clean
	rm -rf demo
