# `make demo` and `make test` set up all they need by themselves; see README.md.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help venv lint test unit cluster tui soak demo lock clean

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -q
ARGS ?=

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: ## a two-node cluster on this machine, with a window on it (ARGS=--once: play the failover, print, exit)
	@scripts/setup demo
	@exec $(BIN)/python -m hbtui --demo $(ARGS)

test: ## all tests: unit, cluster (real daemons), tui (real terminal)
	@scripts/setup test
	@$(PYTEST) tests/unit tests/cluster tests/tui $(ARGS)

unit cluster tui: ## one kind of tests (ARGS="-k word" picks some)
	@scripts/setup test
	@$(PYTEST) tests/$@ $(ARGS)

soak: ## 20 failovers, 100 moves, 20 kills, and docs/measurements.md made of them (stops and resumes; ARGS=--fresh)
	@scripts/setup test
	@$(BIN)/python -m tests.soak $(ARGS)

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
	@rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache .pytest_cache
	@find hbcore hbtui screens tests scripts -name __pycache__ -prune -exec rm -rf {} +
