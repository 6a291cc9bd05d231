# Two commands: `make demo` and `make test`.  Each makes .venv with pinned packages when it has to.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.PHONY: demo test check format docs install bench clean

demo: install
	$(BIN)/s3nn compare digits_cnn --seeds 3 --jobs 2 --fit.threads 1 --out $(DEMO)
	@echo "The page: $(DEMO)/report.html"

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_imports.py

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: install
	$(BIN)/python docs/tables.py

install: $(VENV)/.installed

# torch goes first and alone: a range that a later package asks for must find it there.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("s3nn needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# The libraries that s3nn is held against.  SpikingJelly and norse ask for torchvision, which they do
# not need here and of which no build fits this torch: with it, nothing that looks for it imports.
# NeuroBench asks for torchaudio, numba and tonic, which its harness does not import.
bench: $(VENV)/.bench
	$(BIN)/python -m pytest tests/bench

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench,rivals]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps neurobench syops
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt progress tqdm
	$(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio
	touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info
