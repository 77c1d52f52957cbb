# make demo, make test: the two commands to start with. Both set up first.
# make demo DEMO_ARGS=--json passes arguments on; make test TEST_ARGS='-k cases' too.
MAKEFLAGS += --no-print-directory
.SILENT:
.PHONY: help setup demo test lint format cover bench bench-capacity bench-scale bench-partitions bench-web check-optimum fit-prior lock clean
BIN := .venv/bin
# Many tests wait for processes, so that four of them share two cores well.
JOBS ?= 4
# What Python compiles is kept in .venv, also where the caller's environment forbids __pycache__: the tests start
# many hundred processes.
KEPT := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX='$(CURDIR)/.venv/pycache'

help:
	echo 'make demo    set up, then review real borrowers on the embedded database (DEMO_ARGS=--json)'
	echo 'make test    set up, then run the tests (TEST_ARGS="-k cases")'
	echo 'make setup   set up only: .venv with the locked dependencies (PYTHON=/path/to/python3)'
	echo 'make lint    ruff, mypy, import-linter'
	echo 'make format  let ruff rewrite what it can'
	echo 'make cover   the tests, with the lines they reach'
	echo 'make bench   a whole nightly review of made-up users beside its floor (BENCH_ARGS="--users 1000000")'
	echo 'make bench-capacity  CPU time of the forecasts beside statsmodels and statsforecast (BENCH_ARGS=--json)'
	echo 'make bench-scale     many independent databases against one, and the arithmetic to a billion users (BENCH_ARGS=--json)'
	echo 'make bench-partitions  what partitioning by user would cost a shard (BENCH_ARGS=--json)'
	echo 'make bench-web     the console over a long log: every filter, and many auditors at once (BENCH_ARGS="--rows 10000000")'
	echo 'make check-optimum   the likelihood search against a dense grid, on a million random series'
	echo 'make fit-prior       the constants of the forecast, fitted and scored on users the fit did not see (FIT_ARGS)'
	echo 'make lock    write the lock files anew (needs uv)'
	echo 'make clean   remove .venv and what the tools keep'

setup:
	./.ci/setup

demo: setup
	$(BIN)/limits demo $(DEMO_ARGS)

test: setup
	$(KEPT) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(TEST_ARGS)

cover: setup
	$(KEPT) $(BIN)/python -m pytest --cov --cov-report=term $(TEST_ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/limits bench nightly $(BENCH_ARGS)

bench-capacity: setup
	$(BIN)/limits bench capacity $(BENCH_ARGS)

bench-scale: setup
	$(BIN)/python -m limits.bench.shared_nothing $(BENCH_ARGS)

bench-partitions: setup
	$(BIN)/python -m limits.bench.partitions $(BENCH_ARGS)

bench-web: setup
	$(BIN)/limits bench web $(BENCH_ARGS)

check-optimum: setup
	$(BIN)/python -m limits.bench.optimum $(BENCH_ARGS)

# Berka alone without arguments; make fit-prior FIT_ARGS='--series uci-payments=FILE.csv' adds series of id,month,value.
fit-prior: setup
	$(BIN)/python -m limits.bench.fit_prior $(FIT_ARGS)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The files name versions and hashes and no address, so that any index or mirror serves. The development
# set is resolved first and binds the others: statsforecast needs an older pandas than statsmodels alone would get.
LOCK := uv pip compile --quiet --no-config --upgrade --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate
lock:
	command -v uv >/dev/null || { echo 'make lock needs uv on the PATH' >&2; exit 1; }
	$(LOCK) pyproject.toml --group dev --output-file .ci/requirements-dev.txt
	$(LOCK) pyproject.toml --constraint .ci/requirements-dev.txt --output-file .ci/requirements.txt
	$(LOCK) --group build --constraint .ci/requirements-dev.txt --output-file .ci/requirements-build.txt

clean:
	rm -rf .venv .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
