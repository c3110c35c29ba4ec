# `make demo` and `make test` set up all they need by themselves; see README.md.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help venv lint test unit sim cluster tui stories mutants mutmut soak kernel61 demo lock clean

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -q
ARGS ?=

help: ## what can be made
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: ## a two-node cluster on this machine, with a window on it (ARGS=--once: play the failover, print, exit)
	@scripts/setup demo
	@exec $(BIN)/python -m hbtui --demo $(ARGS)

test: ## all tests: unit, sim (the engine in a simulated world), cluster (real daemons), tui (real terminal)
	@scripts/setup test
	@$(PYTEST) tests/unit tests/sim tests/cluster tests/tui $(ARGS)

unit sim cluster tui: ## one kind of tests (ARGS="-k word" picks some)
	@scripts/setup test
	@$(PYTEST) tests/$@ $(ARGS)

stories: ## tells every story of tests/stories anew; then read `git diff`
	@scripts/setup test
	@$(BIN)/python -m tests.stories $(ARGS)

mutants: ## takes each rule of safety.md away in turn and says which check noticed (ARGS="NAME ... --seeds N", --write)
	@scripts/setup test
	@$(BIN)/python -m tests.mutants $(ARGS)

mutmut: ## every small change of the engine: what notices, and docs/mutmut.md of what nothing does (hours; goes on)
	@scripts/setup test
	@PATH=$(CURDIR)/$(BIN):$$PATH mutmut run --max-children 2 $(ARGS)
	@$(BIN)/python -m tests.mutants.survivors

soak: ## what takes hours, and docs/measurements.md made of it (stops and resumes; ARGS="--only KIND", ARGS=--fresh)
	@scripts/setup test
	@$(BIN)/python -m tests.soak $(ARGS)

kernel61: ## the guard's tests on Debian 12's own kernel in an emulated machine, and docs/measurements/kernel61.txt of it
	@scripts/setup test
	@$(BIN)/python -m tests.kernel61

lint: ## ruff, mypy --strict, and the walls between the rooms
	@scripts/setup test
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

venv: ## only the programs: .venv/bin/hbcored, hbctl and hbtui
	@scripts/setup venv

lock: ## take newer versions of the Python packages: rewrites both lock files
	@scripts/setup venv
	@scripts/lock

clean: ## remove .venv and all that tools left
	@rm -rf .venv build mutants *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache .pytest_cache
	@find hbcore hbtui screens tests scripts -name __pycache__ -prune -exec rm -rf {} +
