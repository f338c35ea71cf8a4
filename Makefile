# Two commands for a fresh machine: make demo, make test. CPU-only torch: make demo TORCH=cpu
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= default
TORCH_INDEX := $(if $(filter cpu,$(TORCH)),--index-url https://download.pytorch.org/whl/cpu,)

# Modules are compiled when they are first imported; most of the 22,000 never are.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip install --quiet --no-compile

.PHONY: demo test check figures docs clean

demo: $(VENV)/installed
	$(BIN)/visus demo

test: $(VENV)/installed
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Accuracy, parity and speed ratios, compared with the committed ones; 10 minutes on two cores.
figures: $(VENV)/installed
	$(BIN)/python benchmarks/figures.py

# The images of the README and the diagram of the imports in docs/architecture.md.
docs: $(VENV)/installed
	$(BIN)/python docs/make_images.py
	$(BIN)/python docs/draw_imports.py

$(VENV)/installed: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch torchvision $(TORCH_INDEX)
	$(PIP) --editable '.[openvino,faces,dev]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
