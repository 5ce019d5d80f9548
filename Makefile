# The one task runner; CI calls the same targets. `make up` and `make test` are all that a fresh
# machine with Python >= 3.11 and make needs; the JavaScript client's tests need Node >= 20 too.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv from the PATH, else one of our own, fetched by pip into .tools.
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
LOCK = $(UV) pip compile -q --universal --generate-hashes --no-header --no-annotate
# Programs that look at what is shipped, in an environment of their own: they pin much that we use.
TOOLS := .tools-ops
# What the images contain of Python, each by its hash.
SHIPPED := requirements-server.lock ops/allinone/requirements.lock
LICENCES := MIT;BSD;Apache;ISC;PSF;Python Software Foundation;Mozilla Public License 2.0;MPL-2.0;LGPL;Lesser General Public License;ZPL;Repoze
ARGS ?=
# Images of containers often set this; then each of the hundreds of processes that tests start would
# compile every module anew, three times what importing takes.
unexport PYTHONDONTWRITEBYTECODE
JS := src/clientlib/js
CONFORMANCE := tests/conformance
PROMETHEUS := .prometheus
# `yes` when Node is there and new enough. Without it everything else works, and `make test` says so.
NODE := $(shell node -e 'console.log(parseInt(process.versions.node) >= 20 ? "yes" : "")' 2>/dev/null)
JS_DEV := $(if $(NODE),$(JS)/node_modules/.ready)
NO_NODE := NOT TESTED: the JavaScript client, because Node >= 20 is missing

# They take minutes, and what they are about changes seldom: `make ops-test`.
OPS_TESTS := $(patsubst %,tests/integration/ops/test_%.py,upgrade backup tls)

.PHONY: help up down test test-python ops-test node lint types format lock conformance tap-public bench bench-store bench-query bench-client bench-client-js chaos chaos-test soak stress prometheus-test dashboards image-test ops-lint supply bandit secret-scan licences sbom audit-deps clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/.ready ## run the whole system here: embedded servers, worker, MCP servers, metrics
	@$(BIN)/godot up $(ARGS)

down: $(VENV)/.ready ## stop what `make up` started
	@$(BIN)/godot down $(ARGS)

test: $(VENV)/.dev $(JS_DEV) ## run every test that CI runs, on real servers; ARGS go to pytest, which then runs alone
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(addprefix --ignore=,$(OPS_TESTS)) $(ARGS)
ifeq ($(ARGS),)
	@$(if $(NODE),npm --prefix $(JS) --silent test,echo "$(NO_NODE)")
endif

test-python: ## the same with another Python, in an environment of its own; PYTHON=python3.13
	@$(MAKE) test VENV=.venv-$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

ops-test: $(VENV)/.dev ## upgrades under load, backup and restore, TLS on every way; not part of CI
	$(BIN)/python -m pytest $(OPS_TESTS)

node: ## fail unless the JavaScript client can be tested
	@$(if $(NODE),true,echo "$(NO_NODE)" >&2; exit 1)

lint: $(VENV)/.dev ## ruff: style, imports, complexity, security
	$(BIN)/ruff check src tests ops examples
	$(BIN)/ruff format --check src tests ops examples

format: $(VENV)/.dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix src tests ops examples
	$(BIN)/ruff format src tests ops examples

types: $(VENV)/.dev $(JS_DEV) ## mypy, strict; tsc over the JavaScript client and its declarations
	$(BIN)/mypy
	@$(if $(NODE),npm --prefix $(JS) --silent run types,echo "$(NO_NODE)")

bench: $(VENV)/.dev ## measure; one JSON line and one readable line each
	$(BIN)/python -m tests.bench $(ARGS)

bench-store: $(VENV)/.dev ## measure writing: the store alone, one worker over two million records, layouts, retention
	$(BIN)/python -m tests.bench store drain sustained layout $(ARGS)

bench-query: $(VENV)/.dev ## measure reading: ten million rows over eight days, every kind of question, every answer checked
	$(BIN)/python -m tests.bench query $(ARGS)

bench-client: $(VENV)/.dev ## measure the Python client beside six others, while Redis is dead, and at every kind of end
	$(BIN)/python -m tests.bench client peers limits $(ARGS)

bench-client-js: node $(VENV)/.dev $(JS_DEV) ## measure the JavaScript client beside pino and winston
	node $(JS)/bench

chaos: $(VENV)/.dev ## inject faults into real servers and account for every record; ARGS="--seed 7 --seconds 60"
	$(BIN)/python -m tests.chaos $(ARGS)

chaos-test: $(VENV)/.dev ## prove that chaos can fail: mutants of the worker, single lasting faults, a state machine
	$(BIN)/python -m pytest $(or $(ARGS),tests/chaos)

MINUTES ?=
soak: $(VENV)/.dev ## a steady load with a fault now and then, and what memory every process holds; MINUTES=20
	$(BIN)/python -m tests.chaos.soak --minutes $(or $(MINUTES),20) $(ARGS)

stress: $(VENV)/.dev ## ten programs as fast as they may, everything must arrive; MINUTES=10
	$(BIN)/python -m tests.chaos.stress --minutes $(or $(MINUTES),10) $(ARGS)

conformance: $(VENV)/.dev $(CONFORMANCE)/node_modules/.ready ## ask both MCP servers by the protocol's public suite and inspector; installs them, 330 MB
	$(BIN)/python -m tests.conformance

tap-public: $(VENV)/.dev $(CONFORMANCE)/node_modules/.ready $(CONFORMANCE)/.servers/.ready ## public MCP servers behind `godot tap` and without; installs them
	$(BIN)/python -m tests.conformance.tapped

prometheus-test: $(VENV)/.dev $(PROMETHEUS)/.ready ## try metrics, alerts and dashboards on Debian's Prometheus, unpacked here; ARGS=rules is quick
	$(BIN)/python -m tests.prometheus $(ARGS)

dashboards: $(VENV)/.dev ## write the dashboards in ops/grafana anew
	$(BIN)/python -m ops.grafana

image-test: $(VENV)/.dev ## build the four images and run them hardened; ends with 77 where what it takes is missing
	@$(BIN)/python -m tests.images $(ARGS)

ops-lint: $(TOOLS)/.ready ## compose.yml against the specification's schema, the Dockerfile, and what compose.yml must say
	$(TOOLS)/bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yml
	$(TOOLS)/bin/hadolint ops/Dockerfile
	$(TOOLS)/bin/python ops/check-compose compose.yml

supply: bandit secret-scan licences sbom audit-deps ## everything about what is shipped; audit-deps needs the network

bandit: $(TOOLS)/.ready ## look for what is usually unsafe in Python
	$(TOOLS)/bin/bandit -q -c pyproject.toml -r src ops

secret-scan: $(TOOLS)/.ready ## look for secrets in every file of the repository; known false alarms: ops/secrets.baseline
	git ls-files -z | xargs -0 $(TOOLS)/bin/detect-secrets-hook --baseline ops/secrets.baseline

licences: $(TOOLS)/.ready ## list the licences of what the images contain; fails for one that was never looked at
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(TOOLS)/shipped
	@$(UV) pip install -q --python $(TOOLS)/shipped/bin/python --require-hashes $(addprefix -r ,$(SHIPPED))
	@$(TOOLS)/bin/pip-licenses --python $(TOOLS)/shipped/bin/python --from mixed --partial-match --allow-only "$(LICENCES)"

sbom: $(TOOLS)/.ready ## write dist/sbom.json: what the images contain, in CycloneDX
	@mkdir -p dist
	cat $(SHIPPED) | $(TOOLS)/bin/cyclonedx-py requirements - --pyproject pyproject.toml --of JSON -o dist/sbom.json

audit-deps: $(TOOLS)/.ready ## ask for known vulnerabilities; fails where it cannot ask
	$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes $(addprefix -r ,requirements.lock $(SHIPPED))
	npm --prefix $(JS) audit --omit=dev

lock: $(UV) ## resolve the dependencies again, into names, versions and hashes
	$(LOCK) --extra embedded pyproject.toml -o requirements.lock
	$(LOCK) --extra embedded --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(LOCK) --extra server -c requirements.lock pyproject.toml -o requirements-server.lock
	$(LOCK) ops/requirements-build.in -o ops/requirements-build.lock
	$(LOCK) ops/allinone/requirements.in -o ops/allinone/requirements.lock
	$(LOCK) ops/requirements-tools.in -o ops/requirements-tools.lock
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate $(CONFORMANCE)/servers.in -o $(CONFORMANCE)/servers.lock

clean: ## remove the environment and every cache
	rm -rf $(VENV) .venv-* $(TOOLS) $(JS)/node_modules $(CONFORMANCE)/node_modules $(CONFORMANCE)/.servers $(PROMETHEUS) .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build

.tools/bin/uv:
	@echo "fetching uv, which sets up $(VENV) ..." >&2
	@rm -rf .tools
	@$(PYTHON) -m venv .tools 2>/dev/null && .tools/bin/python -m pip install -q --disable-pip-version-check uv \
	  || { rm -rf .tools; $(PYTHON) -m pip install -q --disable-pip-version-check --target .tools uv; }

$(BIN)/python: | $(UV)
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(VENV)

$(VENV)/.ready: requirements.lock pyproject.toml
$(VENV)/.dev: requirements-dev.lock $(VENV)/.ready

ifdef SETTING_UP
$(VENV)/.ready: | $(UV) $(BIN)/python
	@echo "setting up $(VENV) ..." >&2
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/.dev:
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@
else
# Two at once in a fresh clone would set it up in each other's way, so the second one waits. The shell
# holds what Python locks, because macOS has no flock(1); where there are no such locks nobody waits.
$(VENV)/.ready $(VENV)/.dev:
	@exec 9>>Makefile; $(PYTHON) -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' || true; \
	  $(MAKE) -s SETTING_UP=yes $@ 9>&-
endif

# Unpacked, never installed: nothing is started.
$(PROMETHEUS)/.ready:
	@rm -rf $(PROMETHEUS) && mkdir -p $(PROMETHEUS)
	@cd $(PROMETHEUS) && { apt-get download -qq prometheus 2>/dev/null \
	  || { apt-get update -qq && apt-get download -qq prometheus; }; } && dpkg -x prometheus_*.deb . && rm prometheus_*.deb
	@touch $@

$(TOOLS)/.ready: ops/requirements-tools.lock | $(UV)
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(TOOLS)
	@$(UV) pip install -q --python $(TOOLS)/bin/python --require-hashes -r ops/requirements-tools.lock
	@touch $@

$(JS)/node_modules/.ready: $(JS)/package-lock.json
	@npm --prefix $(JS) ci --loglevel=error
	@touch $@

$(CONFORMANCE)/node_modules/.ready: $(CONFORMANCE)/package-lock.json
	@npm --prefix $(CONFORMANCE) ci --ignore-scripts --loglevel=error
	@touch $@

$(CONFORMANCE)/.servers/.ready: $(CONFORMANCE)/servers.lock | $(UV)
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(CONFORMANCE)/.servers
	@$(UV) pip install -q --python $(CONFORMANCE)/.servers/bin/python --require-hashes -r $(CONFORMANCE)/servers.lock
	@touch $@
