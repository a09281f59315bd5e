# The README's commands. Each checks the machine and sets up .venv first, by the standard library alone
# (clients/atos/first_run.py); what is missing is said in one line that installs it.

PYTHON ?= python3
FIRST_RUN := $(PYTHON) clients/atos/first_run.py
IN_TEST_ENV := $(FIRST_RUN) run test --
IN_CHECK_ENV := $(FIRST_RUN) run check --

# A goal is handed over as it was typed: `value` keeps make from expanding it, the environment keeps
# the shell from reading it, and `unexport` keeps make from exporting an expanded copy of its own.
unexport GOAL
export ATOS_GOAL := $(value GOAL)
export ATOS_PULL := $(PULL)
export ATOS_DEPLOY := $(DEPLOY)

.DEFAULT_GOAL := help
.PHONY: help goal test test-long test-chaos test-real test-install test-n8n test-page test-conformance
.PHONY: check page audit sbom bench docs release-check up down doctor

help:
	@echo 'make goal GOAL="Write a Python function to add two numbers"   build it; PULL=1 fetches a model first, DEPLOY=local serves the result'
	@echo 'make test                 all tests (15 to 30 minutes on two cores)'
	@echo 'make test-long            what takes minutes to hours: 100,000 simulated schedules, races, random programs'
	@echo 'make test-chaos           kill -9 everywhere, many times'
	@echo 'make test-real            a goal with a real small model, fetched once (0.5 GB)'
	@echo 'make test-install [PYTHONS="..."]  wheel and sdist in clean environments reach a goal'
	@echo 'make test-n8n [REAL=1]    the n8n package; REAL=1 with a real n8n (25 minutes), REAL=main with its main workflows'
	@echo 'make test-page            the front end: types, unit tests, and whether the committed build is theirs (needs Node)'
	@echo 'make test-conformance     the official MCP conformance suite, and other makers clients (Node is fetched once)'
	@echo 'make check                lint, types, layers'
	@echo 'make page                 build the page anew after a change in page/src (needs Node)'
	@echo 'make audit                known vulnerabilities of what is installed, where a service answers'
	@echo 'make sbom                 build/atos.cdx.json: what an installation brings (CycloneDX)'
	@echo 'make bench NAME=...       first-minute, shim, mcp-start, mcp-calls, cancel, sandbox, filesystem, model-list, memory-estimates, embeddings-cost, goal-overhead, trace-overhead, agent-gains, many-goals, status, scheduler-policy, scheduler-decisions, scheduler-real; real-humaneval, real-goals, handed-in-plan (docs/evaluation.md)'
	@echo 'make release-check        all that a release needs, from a clean clone of what is committed; publishes nothing'
	@echo 'make docs                 the documentation as a site in build/site; a warning fails'
	@echo 'make up, down, doctor     the daemons'

goal:
	@$(FIRST_RUN) goal

test:
	@$(IN_TEST_ENV) python tests/browser.py
	@$(IN_TEST_ENV) pytest -q --numprocesses auto --dist loadfile

test-chaos:
	@$(IN_TEST_ENV) pytest -m chaos tests/chaos -s

test-real:
	@$(IN_TEST_ENV) pytest -m real tests/real_models -s

test-long:
	@$(IN_TEST_ENV) pytest -m long tests -s --timeout 1200

test-install:
	@$(IN_TEST_ENV) python tests/packaging/check_installation.py $(PYTHONS)

test-n8n:
	@$(IN_TEST_ENV) python n8n/check.py $(if $(REAL),--real $(if $(filter main,$(REAL)),main,all))

test-conformance:
	@$(IN_TEST_ENV) env PYTHONPATH=tests:n8n python -m conformance.check
	@$(IN_TEST_ENV) env PYTHONPATH=tests:n8n python -m conformance.check_clients

check:
	@$(IN_CHECK_ENV) ruff check .
	@$(IN_CHECK_ENV) ruff format --check .
	@$(IN_CHECK_ENV) lint-imports
	@$(IN_CHECK_ENV) pyright
	@$(IN_CHECK_ENV) python -m atos_servers.host.token_budget

test-page:
	@cd page && npm ci --no-audit --no-fund && npm test && npm run build && git diff --exit-code ../servers/atos_servers/page/static

page:
	@cd page && npm ci --no-audit --no-fund && npm run build

audit:
	@$(IN_CHECK_ENV) python tests/audit.py

sbom:
	@$(IN_TEST_ENV) env PYTHONPATH=tests python tests/sbom.py build/atos.cdx.json

release-check:
	@$(IN_TEST_ENV) python tests/release_check.py

docs:
	@$(IN_TEST_ENV) env NO_MKDOCS_2_WARNING=1 mkdocs build

bench:
	@$(IN_TEST_ENV) env PYTHONPATH=tests python tests/bench/$(subst -,_,$(NAME)).py

up down doctor:
	@$(FIRST_RUN) run run -- atos-client $@
