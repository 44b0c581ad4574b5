# make help lists the targets. Paths are relative to this folder, so that any folder name will do.
PYTHON ?= python3
PY := .venv/bin/python
PYTEST_ARGS ?=
JOBS ?= 2
RUN_READY := .venv/.ready-to-run
DEV_READY := .venv/.ready-to-develop

.DEFAULT_GOAL := help
.PHONY: help install develop run story demo test test-fast test-browser screenshots cover bench format lint \
	types imports check migrate migration seed reset messages messages-check docs lock catalogues

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

install: $(RUN_READY) ## Build .venv with everything the portal runs with

develop: $(DEV_READY) ## Build .venv with the tools of tests and checks as well

$(RUN_READY): requirements.lock
	@command -v "$(PYTHON)" >/dev/null 2>&1 \
		|| { echo "python3 is missing: install Python 3.11 or newer (Debian: apt install python3 python3-venv)." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$$("$(PYTHON)" --version) is too old: install Python 3.11 or newer, or name one with PYTHON=." >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv is missing: install it (Debian: apt install python3-venv)." >&2; exit 1; }
	@$(PY) -c '' 2>/dev/null || "$(PYTHON)" -m venv --clear .venv
	@echo "Installing the pinned packages …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-input --no-deps -r requirements.lock \
		|| { echo "The packages of requirements.lock could not be installed: see above; check the network, then run make install again." >&2; exit 1; }
	@$(PY) -m pip --disable-pip-version-check check >/dev/null \
		|| { echo "requirements.lock does not fit this Python: $(PY) -m pip check says what is missing." >&2; exit 1; }
	@$(PY) -m app.catalogues
	@touch $@

$(DEV_READY): requirements-dev.lock $(RUN_READY)
	@echo "Installing the tools of tests and checks …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-input --no-deps -r requirements-dev.lock \
		|| { echo "The packages of requirements-dev.lock could not be installed: see above; check the network, then run make test again." >&2; exit 1; }
	@touch $@

catalogues: install
	@$(PY) -m app.catalogues

run: install ## Start the portal (HOST=, PORT=, VAR=, DATABASE_URL=, REDIS_URL=)
	@exec ./portal run

story: develop catalogues ## Go through the whole review year over HTTP on a private instance
	@$(PY) -m tests.story

demo: install ## Print the demo accounts of every role
	@./portal demo accounts

test: check catalogues ## Run the checks, then all tests (PYTEST_ARGS="-k …", JOBS=2 processes)
	$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-fast: develop ## Run the tests of the rules alone
	$(PY) -m pytest tests/domain $(PYTEST_ARGS)

test-browser: develop catalogues ## Run the tests in a real browser
	$(PY) -m pytest -m browser $(PYTEST_ARGS)

screenshots: develop catalogues ## Make the pictures of the README with the browser tests
	$(PY) -m pytest tests/browser --screenshots docs/img $(PYTEST_ARGS)

cover: develop catalogues ## Run all tests and show the lines and branches they miss
	$(PY) -m pytest --cov --cov-report=term-missing $(PYTEST_ARGS)

bench: develop catalogues ## Measure what the portal carries, beside a peer (CASES=sign_in …)
	$(PY) -m bench $(CASES)

check: lint types imports messages-check ## Everything that reads the code without running the portal

lint: develop ## Layout, style, spelling, templates
	$(PY) -m ruff format --check --quiet .
	$(PY) -m ruff check --quiet .
	git ls-files -z | xargs -0 $(PY) -m codespell_lib --toml pyproject.toml
	$(PY) -m djlint --check --quiet app/templates
	$(PY) -m djlint --lint --quiet app/templates

types: develop ## Type hints (mypy, strict for domain and services)
	$(PY) -m mypy

imports: develop ## Imports point downwards only
	@$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()' --no-logo

format: develop ## Lay out code and templates
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
	-$(PY) -m djlint --reformat --quiet app/templates

migrate: install ## Bring the database to the newest migration
	@./portal db upgrade

migration: develop ## Write a migration from app/models.py (MESSAGE="what changes")
	@$(PY) -m migrations.regenerate "$(MESSAGE)"

seed: install ## Load seed/ into the database
	@./portal seed

reset: install ## Delete the embedded database; the next start begins anew
	@./portal reset

messages: develop ## Collect the texts of the code and the libraries into translations/
	@$(PY) -m app.catalogues --update

messages-check: develop ## Report the texts of the code that have no translation
	@$(PY) -m app.catalogues --check

docs: develop ## Write the generated parts of docs/ again
	@$(PY) -m docs

lock: ## Make both lock files from requirements.txt and requirements-dev.txt
	@rm -rf build/lock && "$(PYTHON)" -m venv build/lock
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@{ echo "# Every package the portal runs with, made from requirements.txt by: make lock"; \
		{ build/lock/bin/python -m pip freeze --all --exclude pip; grep -h '; python' requirements.txt; } | LC_ALL=C sort -fu; } \
		> build/requirements.lock
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@{ echo "# What tests and checks need on top of requirements.lock, made from requirements-dev.txt by: make lock"; \
		build/lock/bin/python -m pip freeze --all --exclude pip | grep -vxFf build/requirements.lock; } > build/requirements-dev.lock
	@mv build/requirements.lock build/requirements-dev.lock . && rm -rf build/lock
