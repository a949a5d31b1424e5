# Every target makes its environment from nothing: demo the base, all others the tools of the tests, too.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
TORCH := $(shell sed -n '/^torch==/p' constraints.txt)
# Two test processes share the cores, so each computes on one.
TEST_ENVIRONMENT := OMP_NUM_THREADS=1

.PHONY: demo test bench lint pages readme schemas clean

demo: $(VENV)/.base
	$(BIN)/fairmend demo

test: lint
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n 2

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

pages: $(VENV)/.base
	$(BIN)/python docs/pages.py

schemas: $(VENV)/.base
	$(BIN)/python -c "from fairmend.api.documents import write_schemas; print(*write_schemas('docs/schemas'), sep='\n')"

readme: $(VENV)/.base
	$(BIN)/python docs/session.py

$(VENV)/.base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH)
	$(PIP) --editable .
	touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
