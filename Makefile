# Each target makes .venv by itself on first use, and anew when a pyproject.toml or constraints.txt has changed.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
TREE := packages tests benchmarks

.PHONY: help quickstart test test-slow check bench

help:
	@echo "make quickstart   from the shipped samples, without network: build the nine-source mix, train on it, score the model"
	@echo "make test         the tests (minutes)"
	@echo "make test-slow    launchers, kills and attacks"
	@echo "make check        format, lint, types and the direction of imports"
	@echo "make bench        speed beside the floor and a peer (needs raw files, see benchmarks/README.md)"

TRAIN := PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/deepspeed --quiet --num_accelerators 2 packages/trainer/trainer_sft.py \
  --configs demo datasets --data_path quickstart/build --model_name quickstart/base --output_dir quickstart/model --deepspeed

quickstart: $(INSTALLED)
	rm -rf quickstart
	$(BIN)/datamix build --configs datasets --samples -o quickstart/build
	$(BIN)/datamix inspect quickstart/build
	$(BIN)/datamix report quickstart/build
	$(BIN)/datamix tiny-model quickstart/build -o quickstart/base
	$(BIN)/datamix tokenize quickstart/build --tokenizer quickstart/base
	@echo "ten steps by two processes under ZeRO-3, then ten more from the checkpoint"
	$(TRAIN) --max_steps 10
	$(TRAIN) --max_steps 20 --resume_from_checkpoint
	$(BIN)/datamix eval quickstart/model --samples --task mmlu bbh_direct --base-model quickstart/base
	$(BIN)/datamix card quickstart/model

test: $(INSTALLED)
	$(BIN)/pytest --numprocesses auto --maxprocesses 4

test-slow: $(INSTALLED)
	$(BIN)/pytest -m slow

check: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy $(TREE)
	$(BIN)/pytest -q tests/test_imports.py

bench: $(INSTALLED)
	$(BIN)/python benchmarks/bench_build.py

$(INSTALLED): pyproject.toml constraints.txt $(wildcard packages/*/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python 3.11 or newer is wanted, $(PYTHON) is " + sys.version.split()[0] + "; name another: make PYTHON=python3.11")'
	@echo "installing into .venv, once (two minutes)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt pip
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --build-constraint constraints.txt --group dev \
	  --editable 'packages/data_mix[fast]' --editable 'packages/trainer[tensorboard]' --editable 'packages/eval[lm-eval]'
	@touch $@
