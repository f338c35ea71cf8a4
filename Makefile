# Two commands for a fresh machine: make demo, make test. CPU-only torch: make demo TORCH=cpu
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= default
TORCH_INDEX := $(if $(filter cpu,$(TORCH)),--index-url https://download.pytorch.org/whl/cpu,)

.PHONY: demo test check clean

demo: $(VENV)/installed
	$(BIN)/visus demo

test: $(VENV)/installed
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch torchvision $(TORCH_INDEX)
	$(BIN)/python -m pip install --quiet --editable '.[openvino,faces,dev]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
