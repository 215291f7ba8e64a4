# `make demo` shows the main job, `make test` checks everything; `make sanitize` checks the C extension's use of memory;
# `make docs` makes the site, `make commands` its page of commands. All set up .venv first.
PYTHON ?= python3
VENV ?= .venv
RUN = runs/demo

.PHONY: demo test sanitize docs commands bench setup clean

demo: setup
	@if [ -e $(RUN)/run.toml ]; then $(VENV)/bin/qsearch resume $(RUN); \
	else $(VENV)/bin/qsearch run --name demo --trials 300 --seed 1; fi
	$(VENV)/bin/qsearch plot $(RUN)
	$(VENV)/bin/qsearch validate $(RUN) --dataset textures:validate --top 5

test: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n auto --dist worksteal

sanitize: setup
	tests/coefficients/sanitize.sh $(VENV)/bin/python

docs: setup
	$(VENV)/bin/sphinx-build --quiet --fail-on-warning --keep-going --builder html docs docs/_build/html

commands: setup
	$(VENV)/bin/python docs/generate_commands.py

setup: $(VENV)/.complete

$(VENV)/.complete: pyproject.toml constraints.txt $(wildcard qsearch/coefficients/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	{ echo "qsearch needs Python 3.11 to 3.13: name one with 'make PYTHON=python3.12 ...'."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

bench: setup
	$(VENV)/bin/python -m benchmarks.bench

clean:
	rm -rf $(VENV) build docs/_build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis qsearch/coefficients/*.so
