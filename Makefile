# Everything sets itself up: Python 3.11 to 3.13 and the package registries are all that is needed.
PYTHON3 ?= python3
VENV := .venv
PYTHON := $(VENV)/bin/python
PIP_INSTALL := $(PYTHON) -m pip install --quiet --no-compile --require-hashes
RUN_DEPS := $(VENV)/.run
DEV_DEPS := $(VENV)/.dev
DEMO_ENV := var/demo.env
ARGS ?=

.PHONY: demo test storm check check-types check-rules check-tests format clean

# What one process has compiled no other has to: the tests start hundreds that import everything.
unexport PYTHONDONTWRITEBYTECODE

## demo: start everything with both systems simulated (make demo ARGS=--once plays it without a browser)
demo: $(RUN_DEPS) $(DEMO_ENV)
	@INTEGRATOR_ENV_FILE=$(DEMO_ENV) $(PYTHON) manage.py demo $(ARGS)

## test: run every check and every test, on SQLite and on PostgreSQL with Redis
test: check
	@$(PYTHON) -m tests $(ARGS)

## storm: the storm at its full size, 300 payments that change 5,000 times (with DATABASE_URL on PostgreSQL)
storm: $(DEV_DEPS)
	@STORM=full $(PYTHON) -m pytest -q -s tests/chaos/test_storm.py $(ARGS)

## check: formatting, lint, layers, types, deployment settings, migrations, imports of the tests
check: $(DEV_DEPS)
	@$(MAKE) --no-print-directory --jobs=2 check-types check-rules check-tests

# These take longer than everything else together, and one core.
check-types: $(DEV_DEPS)
	@DEBUG=1 $(VENV)/bin/mypy

check-rules: $(DEV_DEPS)
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/lint-imports
	@SECRET_KEY=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))') \
		INTEGRATOR_PUBLIC_URL=https://integrator.example.com \
		$(PYTHON) manage.py check --deploy --fail-level WARNING
	@DEBUG=1 $(PYTHON) manage.py makemigrations --check --dry-run

# Finds tests that cannot be imported, and compiles them all before many processes would do so at once.
check-tests: $(DEV_DEPS)
	@found=$$($(PYTHON) -m pytest --collect-only -q 2>&1) || { echo "$$found"; exit 1; }

## format: format the code and mend what lint can mend by itself
format: $(DEV_DEPS)
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

## clean: forget the demo's data and keys (the virtual environment stays)
clean:
	rm -rf var

$(PYTHON):
	$(PYTHON3) -m venv $(VENV)

# Python compiles what it imports when it does so: compiling all of it here would take half a minute.
$(RUN_DEPS): requirements/base.txt | $(PYTHON)
	$(PIP_INSTALL) -r requirements/base.txt
	@touch $@

$(DEV_DEPS): requirements/dev.txt | $(PYTHON)
	$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@

# Keys of the demo's own, made once, readable by their owner only.
$(DEMO_ENV): | $(RUN_DEPS)
	@mkdir -p -m 700 var
	@umask 077 && $(PYTHON) -c 'import secrets; from cryptography.fernet import Fernet; \
	print("SECRET_KEY=" + secrets.token_urlsafe(50)); \
	print("INTEGRATOR_ENCRYPTION_KEYS=" + Fernet.generate_key().decode()); \
	print("INTEGRATOR_ADMIN_PASSWORD=" + secrets.token_urlsafe(9)); \
	print("INTEGRATOR_SANDBOX=1"); print("LOG_LEVEL=WARNING"); \
	print("DATABASE_URL=sqlite:///var/demo.sqlite3")' > $@
