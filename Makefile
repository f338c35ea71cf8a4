# Two commands for a fresh machine: make demo, make test. CPU-only torch: make demo TORCH=cpu
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TOOLS := build/tools
TORCH ?= default
TORCH_INDEX := $(if $(filter cpu,$(TORCH)),--index-url https://download.pytorch.org/whl/cpu,)

# Modules are compiled when they are first imported; most of the 22,000 never are.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip install --quiet --no-compile

.PHONY: demo test soak check figures gpu-check docs images clean

demo: $(VENV)/installed
	$(BIN)/visus demo

test: $(VENV)/installed
	$(BIN)/python -m pytest -n auto --dist worksteal

# The tests of reliability with the counts of docs/reliability.md, such as 200 kills.
soak: $(VENV)/installed
	VISUS_SOAK=1 $(BIN)/python -m pytest -n auto --dist worksteal tests/reliability tests/test_deploy.py

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Accuracy, parity and speed ratios, compared with the committed ones; 10 minutes on two cores.
figures: $(VENV)/installed
	$(BIN)/python benchmarks/figures.py

# Training and evaluation on a GPU, compared with the CPU; under eight minutes.
gpu-check: $(VENV)/installed
	$(BIN)/python benchmarks/gpu_check.py

# The documentation site in build/docs; a warning is an error.
docs: $(VENV)/installed
	$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet docs build/docs

# The images of the README and the diagram of the imports in docs/architecture.md.
images: $(VENV)/installed
	$(BIN)/python docs/make_images.py
	$(BIN)/python docs/draw_imports.py

# The versions that the tests ran with, and their hashes, for all platforms; see SECURITY.md.
lock: $(VENV)/installed $(TOOLS)/installed
	$(BIN)/python -m pip freeze --exclude-editable | sed -n 's/+cpu$$//; /==/p' > $(TOOLS)/tested.txt
	$(TOOLS)/bin/uv pip compile pyproject.toml --extra openvino --extra faces --extra dev \
	    --universal --python-version 3.11 --generate-hashes --constraints $(TOOLS)/tested.txt \
	    --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.lock

# Known holes of the locked versions, from PyPI's advisories; fails where one cannot be looked up.
audit: $(TOOLS)/installed
	$(TOOLS)/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.lock

# The wheel of the last commit: two builds are identical byte for byte.
wheel: $(VENV)/installed
	rm -rf $(TOOLS)/source && mkdir -p $(TOOLS)/source
	git archive HEAD | (umask 022 && tar -x -C $(TOOLS)/source)
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
	    $(BIN)/python -m pip wheel --no-deps --wheel-dir dist $(TOOLS)/source

# Both Apache-2.0 or MIT; no part of visus needs them.
$(TOOLS)/installed:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet uv pip-audit
	touch $@

$(VENV)/installed: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch torchvision $(TORCH_INDEX)
	$(PIP) --editable '.[openvino,faces,dev]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
