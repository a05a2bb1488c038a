# `make serve` reads the book, `make test` proves it; the rest is for its maintainers.
PYTHON ?= python3
PY := .venv/bin/python
INSTALLED := .venv/.installed
PORT ?= 8000
# Small networks run best, and steadily, on one thread.
export OMP_NUM_THREADS := 1
export MPLBACKEND := Agg
export KERAS_BACKEND := torch
export NO_MKDOCS_2_WARNING := 1

.PHONY: serve test site check bench retrain format clean

serve: $(INSTALLED) ## build the book and read it; an edited page is rebuilt at once
	$(PY) -m gdlbook._book
	@echo "The book opens in a moment at http://127.0.0.1:$(PORT)/"
	$(PY) -m mkdocs serve --quiet --watch src --watch overrides --dev-addr 127.0.0.1:$(PORT)

test: $(INSTALLED) ## the package, every snippet of every page, the built pages
	$(PY) -m gdlbook._book.build mkdocs
	$(PY) -m pytest --ignore tests/browser --ignore tests/builders

site: $(INSTALLED) ## the site, strictly, into site/
	$(PY) -m gdlbook._book.build mkdocs --strict

check: $(INSTALLED) ## format, lint, types, spelling, links, both builders, the browser
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/codespell
	$(PY) -m gdlbook._book.build mkdocs --strict
	$(PY) -m gdlbook._book.build zensical
	$(PY) -m pytest tests/builders tests/browser

bench: $(INSTALLED) ## ratios against named peers
	$(PY) -m benchmarks

retrain: $(INSTALLED) ## the shipped weights anew, or some: make retrain MODEL=vae
	$(PY) -m recipes $(MODEL)

format: $(INSTALLED)
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean:
	rm -rf .venv .cache site site-zensical dist docs/assets/figures

# PyTorch's own index of CPU builds comes first, so that nobody downloads gigabytes of
# CUDA for a book; where it cannot be reached, pip's usual index serves.
TORCH = "$$(grep -m1 '^torch' constraints.txt)"
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --upgrade "pip>=25.1"
	$(PY) -m pip install --quiet --retries 0 --timeout 15 $(TORCH) \
		--index-url https://download.pytorch.org/whl/cpu 2>/dev/null \
		|| $(PY) -m pip install --quiet $(TORCH)
	$(PY) -m pip install --quiet --constraint constraints.txt --group dev --editable .
	touch $@
