# The front door. Everything is set up on first use; `make` alone prints this help.
.DEFAULT_GOAL := help
.PHONY: help setup run demo test lint format soak bench pictures reset doctor

PYTHON ?= python3
TASDID := .venv/bin/tasdid
ARGS ?=

help: ## print this help
	@echo "Tasdid - targets (first use sets everything up; ARGS=... is passed on):"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what running and testing need (again: seconds)
	@$(PYTHON) -m tools.house.setup

run: setup ## start the simulator and the server, print the page's address
	@$(TASDID) up $(ARGS)

demo: setup ## one patrol with four drivers, from log-in to settlement, in the terminal
	@$(TASDID) demo $(ARGS)

test: setup ## all tests, on CPython and on 32-bit MicroPython
	@.venv/bin/pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup ## ruff, and basedpyright against CPython and against the device's stubs
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/basedpyright
	@.venv/bin/basedpyright --project tools/house/pyright-device.json

format: setup ## let ruff put the files in shape
	@.venv/bin/ruff check --fix . ; .venv/bin/ruff format .

soak: setup ## the long tests (hours of seeds): TASDID_SOAK=1
	@TASDID_SOAK=1 .venv/bin/pytest -q $(ARGS)

bench: setup ## measure and print the figures of docs/
	@$(TASDID) bench $(ARGS)

pictures: setup ## take the pictures of README and docs anew
	@$(TASDID) pictures $(ARGS)

reset: ## delete var/ (the state of simulator and server), unless it is in use
	@$(PYTHON) -m tools.house.reset

doctor: ## what is here, what is missing, what that skips
	@if [ -x $(TASDID) ]; then $(TASDID) doctor $(ARGS) || true; else $(PYTHON) -m tools.house.doctor || true; fi
