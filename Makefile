# The two that matter: `make demo` shows the product, `make test` proves it. Neither needs root, Docker, Java or a GPU.
# Another Python: make PYTHON=/path/to/python3.12; arguments for pytest: make test PYTEST="tests/weights -x".

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3.11 python3.12 python3 python; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$python && break; done)
PYTEST ?=
# Tests wait as much as they work: so many processes share them; with 0 there is but one, as --pdb wants it.
WORKERS ?= 2

.PHONY: demo test check fix protos publish-protos lock weights new-model bench perf conformance test-services test-nightly clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo            install, fetch the weights, start the stack, speak a command and show what came of it'
	@echo 'make test            install what tests need and run them'
	@echo 'make check           format, lint, types, import arrows, protos'
	@echo 'make fix             what of that can be mended by itself'
	@echo 'make new-model NAME=my_model'
	@echo 'make protos          Python of the .proto files        make publish-protos  their next ones must not break these'
	@echo 'make lock            resolve the dependencies again    make weights         fetch the model weights'
	@echo 'make test-services   what needs tools that no wheel carries: they are fetched into ~/.cache/conch'
	@echo 'make test-nightly    what takes hours: every crash, again and again, and Triton'\''s own bar for loading'
	@echo 'make conformance     KServe v2 on our Triton and edge, or URL=http://host:8000 [GRPC=host:8001] [KEY=…]'
	@echo 'make perf            perf_analyzer on the edge, or URL=host:8001 MODEL=intent PERF="--concurrency 16 --face stream"'
	@echo 'make bench           every benchmark, or NAME=whisper_window'

demo: $(VENV)/.cpu
	$(BIN)/conch doctor
	$(BIN)/conch models pull
	$(BIN)/conch demo

test: $(VENV)/.dev
	$(BIN)/conch models pull
	$(BIN)/conch models pull whisper-tiny-en smollm2
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) $(PYTEST)

# Every check runs, so that one run tells all that is wrong.
check: $(VENV)/.dev
	@failed=; \
	run() { echo "== $$*"; "$$@" || failed="$$failed, $$*"; }; \
	run $(BIN)/ruff format --check .; \
	run $(BIN)/ruff check .; \
	run $(BIN)/mypy; \
	run $(BIN)/lint-imports; \
	run $(BIN)/python -m tools.protos check; \
	if [ -n "$$failed" ]; then echo "failed: $${failed#, }" >&2; exit 1; fi

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: $(VENV)/.dev
	$(BIN)/python -m tools.protos generate

publish-protos: $(VENV)/.dev
	$(BIN)/python -m tools.protos publish

weights: $(VENV)/.cpu
	$(BIN)/conch models pull

new-model: $(VENV)/.dev
	$(BIN)/python -m tools.new_model $(NAME)

test-services: $(VENV)/.dev
	$(BIN)/conch models pull
	$(BIN)/python -m pytest tests/services $(PYTEST)

test-nightly: $(VENV)/.dev
	$(BIN)/conch models pull
	$(BIN)/python -m pytest tests/nightly $(PYTEST)

# A key is not shown. No conftest of ours is read but the suite's own: another server is all it needs.
conformance: export CONFORMANCE_URL = $(URL)
conformance: export CONFORMANCE_GRPC = $(GRPC)
conformance: export CONFORMANCE_KEY = $(KEY)
conformance: $(VENV)/.dev
	$(BIN)/python -m pytest --confcutdir=tests/conformance tests/conformance $(PYTEST)

# The edge as `conch up` starts it; a key stands in CONCH_API_KEY.
perf: $(VENV)/.dev
	$(BIN)/python -m tools.perf --url $(or $(URL),127.0.0.1:8001) --model $(or $(MODEL),intent) $(PERF)

bench: $(VENV)/.dev weights
	@for scenario in $(or $(NAME),$(SCENARIOS)); do echo "== $$scenario"; $(BIN)/python -m benchmarks.$$scenario || exit 1; done

SCENARIOS = $(shell grep -l '__main__' benchmarks/*.py | xargs -n1 basename -s .py)

# Locks name versions and hashes and no index; the user's pip settings say where packages come from.
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check $(if $(MAKE_TERMOUT),,--quiet) --no-deps
COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --quiet $(UPGRADE)
CPU := build gateway bridge streaming models recommendation piper stack
DEV := $(CPU) llm s3 training dev
GPU := build models recommendation piper gpu
GATEWAY := gateway

# UPGRADE=--upgrade takes newer versions; without it what is locked stays wherever it still fits.
lock: $(VENV)/.dev
	$(COMPILE) $(CPU:%=--extra %) --output-file requirements/cpu.lock
	$(COMPILE) $(DEV:%=--extra %) --constraints requirements/cpu.lock --output-file requirements/dev.lock
	$(COMPILE) $(GPU:%=--extra %) --constraints requirements/cpu.lock --excludes requirements/gpu.excludes \
		--output-file requirements/gpu.lock
	$(COMPILE) $(GATEWAY:%=--extra %) --constraints requirements/cpu.lock --output-file requirements/gateway.lock

# A stamp is written last: an install that fails fails again the next time.
$(VENV)/.cpu: requirements/cpu.lock pyproject.toml | $(VENV)/.made
	@echo 'Installing Conch into $(VENV): a few minutes the first time'
	$(INSTALL) --require-hashes -r $<
	$(INSTALL) --no-build-isolation -e .
	@$(BIN)/python -m conch.recommendation.warm
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(VENV)/.made
	@echo 'Installing Conch and what its tests need into $(VENV): a few minutes the first time'
	$(INSTALL) --require-hashes -r $<
	$(INSTALL) --no-build-isolation -e .
	@$(BIN)/python -m conch.recommendation.warm
	@touch $@ $(VENV)/.cpu

$(VENV)/.made:
	@if [ -z '$(PYTHON)' ]; then \
		echo 'Conch needs Python 3.11 or 3.12, and none is on the PATH: install the packages python3.11 and' >&2; \
		echo 'python3.11-venv (or python3.12 and python3.12-venv), or name one: make PYTHON=/path/to/python3.11' >&2; \
		exit 1; fi
	@$(PYTHON) tools/prerequisites.py
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# `make new-model my_model`, too: the name is a goal that needs nothing done.
ifeq ($(firstword $(MAKECMDGOALS)),new-model)
ifeq ($(NAME),)
NAME := $(word 2,$(MAKECMDGOALS))
$(eval $(NAME):;@:)
endif
endif
