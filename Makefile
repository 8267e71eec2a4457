# Each target makes what it needs in .venv by itself. `make demo` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench bench-arrays bench-batching bench-busy bench-inference bench-load bench-objects bench-receive bench-series extras gpu-pack prove torture torture-receive fuzz docs format clean

demo: $(VENV)/.core
	$(BIN)/wetread demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not campaign" --numprocesses 4 --dist loadfile --no-loadscope-reorder tests

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

bench-objects: $(VENV)/.dev
	$(BIN)/python -m benchmarks.objects

# Against DCMTK, Orthanc and textbook pynetdicom; about half an hour, on a machine that does nothing else.
bench-receive: $(VENV)/.dev
	$(BIN)/python -m benchmarks.receive

# 3000 studies in an hour under faults, and ledgers of 100,000 studies; more than an hour, on a machine that does nothing else.
bench-load: $(VENV)/.dev
	$(BIN)/python -m benchmarks.load

bench-batching: $(VENV)/.extras
	$(BIN)/python -m benchmarks.batching

# How busy the inference engine is while studies wait; a few minutes.
bench-busy: $(VENV)/.dev
	$(BIN)/python -m benchmarks.busy

bench-series: $(VENV)/.dev
	$(BIN)/python -m benchmarks.series

bench-arrays: $(VENV)/.dev
	$(BIN)/python -m benchmarks.arrays

bench-inference: $(VENV)/.extras
	$(BIN)/python -m benchmarks.inference

# For a GPU host without a registry: ops/gpu/README.md.
gpu-pack: | $(VENV)/bin/python
	PYTHON=$(BIN)/python bash ops/gpu/pack.sh

# What optional runtimes and importers need: PyTorch, TensorRT-RTX, MONAI. Large; without it their tests are skipped.
extras: $(VENV)/.extras

prove: $(VENV)/.dev
	$(BIN)/python -m pytest -m campaign tests

# Two hundred receiving processes die under load; WETREAD_SEED replays one schedule.
torture-receive: $(VENV)/.dev
	$(BIN)/python -m pytest -m campaign -s tests/faults/test_receiving_processes.py

# 300 studies stream in under 200 faults, about half an hour; WETREAD_SEED replays the schedule.
torture: $(VENV)/.dev
	$(BIN)/python -m pytest -m campaign -s tests/faults/test_torture.py

# A hundred thousand wrong streams for a node, as many inside TLS, as many wrong datasets; WETREAD_SEED replays them.
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz

docs: $(VENV)/.dev
	$(BIN)/python -m ops.reference.settings_reference docs/configure.md
	$(BIN)/python -m ops.reference.conformance_reference docs/conformance.md
	$(BIN)/python -m ops.reference.source_reference docs/conformance.md
	$(BIN)/python -m ops.reference.security_reference docs/conformance.md
	$(BIN)/python -m ops.reference.card_reference models/card_schema.json docs/card.md

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(VENV)/bin/python
	@echo "installing wetread into $(VENV), about a minute"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing wetread and what its tests need into $(VENV), a minute or two"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@ $(VENV)/.core

# One version of PyTorch, so that everybody's tests see the same one; the other packages take the one that is there.
$(VENV)/.extras: pyproject.toml | $(VENV)/.dev
	@echo "installing PyTorch, TensorRT-RTX and MONAI into $(VENV), some minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "tensorrt-rtx>=1.7,<2" "monai>=1.4,<2" "einops>=0.8,<1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "dynamic-network-architectures>=0.4,<1"
	touch $@
