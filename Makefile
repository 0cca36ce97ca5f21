# The doors to everything. `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STARTED := $(shell date +%s)
STORY = --started-at $(STARTED) $(if $(FAULT),--fault $(FAULT)) $(if $(LOCAL_TIME),--local-time $(LOCAL_TIME))

.DEFAULT_GOAL := help
.PHONY: help setup servers demo demo-check test prove lint fmt bench dashboards alerts lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## install the locked Python packages into .venv

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; $(PYTHON) is `$(PYTHON) -V 2>&1`. Try: make PYTHON=python3.12 setup" >&2; exit 1; }
	@echo "installing `grep -c '^[a-z]' requirements.lock` Python packages into $(VENV), which takes a minute or two" >&2
	@$(PYTHON) -m venv --clear $(VENV) || \
	  { echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --use-pep517 -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "the command is $(BIN)/specter; . $(BIN)/activate puts it on PATH" >&2
	@touch $@

servers: setup ## install the servers and the browser that the tests run (Debian's packages)
	@$(BIN)/specter stack install --with-tests >/dev/null

demo: setup ## the whole product on this machine: FAULT=name LOCAL_TIME=HH:MM
	@$(BIN)/specter demo run $(STORY)

demo-check: setup ## the same unattended; ends with one line of JSON
	@$(BIN)/specter demo check $(STORY)

# Most tests of real servers wait most of the time, so three go on at once on two cores.
test: servers lint ## lint, then all tests on real servers
	@$(BIN)/python -m pytest -n 3 --dist loadfile -m "not prove and not alone" --cov --cov-report=
	@$(BIN)/python -m pytest -m "alone and not prove" --cov --cov-append

prove: servers ## what takes long
	@$(BIN)/python -m pytest -m prove

lint: setup ## ruff, mypy, import-linter, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/specter alerts generate --check
	@$(BIN)/specter alerts lint
	@$(BIN)/specter dashboards generate --check

fmt: setup ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## every benchmark that needs no data folder
	@$(BIN)/python -m benchmarks all

dashboards: setup ## write dashboards/generated
	@$(BIN)/specter dashboards generate

alerts: setup ## write alert_rules/generated and stack/dependencies
	@$(BIN)/specter alerts generate
	@$(BIN)/specter exporter dependencies generate --config stack/exporters/dependencies.yml --output stack/dependencies

lock: ## resolve requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --all-extras \
	  --group demo --group dev --no-emit-index-url --custom-compile-command "make lock" -o requirements.lock

clean: ## end a running demo and remove everything that was generated locally
	@if [ -d .specter ] && [ -x $(BIN)/specter ]; then $(BIN)/specter stack clean; fi
	@rm -rf .specter
	@rm -rf $(VENV) .npm-packages .maven-packages dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
