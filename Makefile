# Two commands are all a newcomer needs: `make run` and `make test`. Everything lives in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup setup-dev run test check format nightly crash benchmarks pictures lock clean

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

setup: ## make .venv with the tuneteller command, training and serving included
	@PYTHON="$(PYTHON)" scripts/setup

setup-dev: setup
	@PYTHON="$(PYTHON)" scripts/setup dev

run: setup ## start the bot and print the address of its page
	@$(BIN)/tuneteller run

test: setup-dev ## run the whole test suite
	@scripts/test $(ARGS)

nightly: setup-dev ## judge some hundred thousand odd lines in every way, ten thousand steps of storage (forty minutes)
	TUNETELLER_STEPS=10000 $(BIN)/python -m pytest -q --timeout 0 tests/storage/test_machine.py
	TUNETELLER_FUZZ=5000 TUNETELLER_FUZZ_FILES=20000 $(BIN)/python -m pytest -q --timeout 0 tests/finetune/datasets

crash: setup-dev ## cut the bot's power a thousand times (hours)
	TUNETELLER_KILLS=1000 $(BIN)/python -m pytest -q --timeout 0 tests/crash

check: setup-dev ## format, lint, types, import rules, translations
	@scripts/check

format: setup-dev ## format the code
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

benchmarks: setup-dev ## print what benchmarks/loop.py measures
	$(BIN)/python benchmarks/loop.py

pictures: setup-dev ## take the pictures of the README from the real page (trains for real, some minutes)
	$(BIN)/python scripts/pictures.py

lock: ## rewrite requirements/*.txt from pyproject.toml (needs uv)
	scripts/lock

clean: ## remove .venv and caches; data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
