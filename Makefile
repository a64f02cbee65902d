# Two commands set everything up: `make study` and `make test`. Everything lives in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: study test test-slow test-faults benchmark gpu-check check audit format clean

study: .venv/installed
	$(BIN)/hpt-study run augment_ablation

# A file's tests stay together: they share what is slow to set up.
PARALLEL := -n 2 --dist loadfile

test: .venv/installed-test
	$(BIN)/pytest $(PARALLEL)

test-slow: .venv/installed-test
	$(BIN)/pytest $(PARALLEL) -m slow --override-ini timeout=3600 --ignore tests/faults

test-faults: .venv/installed-test
	$(BIN)/pytest tests/faults -m 'slow or not slow' --override-ini timeout=3600

benchmark: .venv/installed-test
	for script in tests/benchmarks/bench_*.py; do $(BIN)/python -m tests.benchmarks.$$(basename $$script .py) || exit 1; done

gpu-check: .venv/installed-test
	$(BIN)/python -m tests.benchmarks.gpu_check

check: .venv/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_architecture.py

# With OSV's service: with PyPI's, pip-audit passes over releases it is not told of, even all of them, and succeeds.
audit: .venv/installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[audit]'
	$(BIN)/pip-audit --local --skip-editable --vulnerability-service osv

format: .venv/installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or later is needed: make PYTHON=python3.12 ..."'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/installed-test: pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or later is needed: make PYTHON=python3.12 ..."'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ .venv/installed

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
