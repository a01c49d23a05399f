# What a person or CI runs. Every target makes what it needs: python3 (3.11 or newer) and make are enough.
PYTHON ?= python3
GPU_PYTHON ?= python3
TORCH := torch==2.13.0
BIN := .venv/bin
PLUGIN_PACKAGES := dpf-source g++ patch

# What the listening page compares with: recordings with their .mid, and a checkpoint of the published network; of the drummer
# (LISTEN_PLAYER=drummer) basses with their beats; of the arranger
# (LISTEN_PLAYER=arranger) songs, and other arrangers as LISTEN_VARIANTS='NAME=FOLDER ...'.
LISTEN_PLAYER ?= performer
LISTEN_DATA ?=
LISTEN_PUBLISHED ?=
LISTEN_VARIANTS ?=
LISTEN_PAGE := $(if $(filter drummer,$(LISTEN_PLAYER)),_drums,$(if $(filter arranger,$(LISTEN_PLAYER)),_arranger))

# How long `make fuzz` runs, all borders together; FUZZ_SECONDS=36000 is a night.
FUZZ_SECONDS ?= 600

.PHONY: live listen test fuzz lint bench bench-gpu plugin install format clean
.DEFAULT_GOAL := live

live: .venv/.serving ## transcribe the bundled take in real time into take.mid
	$(BIN)/backline live transcriber --input take --output take.mid

listen: .venv/.complete ## a blind test of LISTEN_PLAYER=performer, drummer or arranger: LISTEN_DATA=DIR has music, LISTEN_PUBLISHED=FILE is the published network
	$(BIN)/backline bench listening$(LISTEN_PAGE) -- $(if $(LISTEN_DATA),--data '$(LISTEN_DATA)') \
	    $(if $(LISTEN_PUBLISHED),--published '$(LISTEN_PUBLISHED)') $(foreach one,$(LISTEN_VARIANTS),--variant '$(one)') --output build/listening$(LISTEN_PAGE) --serve

test: install lint ## everything that CI checks
	$(BIN)/python -m pytest

fuzz: .venv/.complete ## spoil what comes in at every border for FUZZ_SECONDS=600
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/fuzz

lint: .venv/.complete
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.serving ## the figures of the README
	$(BIN)/backline bench

bench-gpu: ## step times on CUDA; GPU_PYTHON has torch with CUDA and onnxruntime-gpu
	PYTHONPATH=. $(GPU_PYTHON) benchmarks/step_time_gpu.py

plugin: ## the plug-ins for DAWs: LV2, VST3, CLAP and JACK programs in build/plugin
	@missing=; for package in $(PLUGIN_PACKAGES); do \
	    dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "make plugin needs Debian's packages:$$missing" >&2; exit 2; fi
	@$(MAKE) --no-print-directory --silent -C plugin_bridge/native OUT=$(CURDIR)/build/plugin

install: .venv/.complete ## the whole workshop: serving, training, tests

format: .venv/.complete
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# A stamp says that a step is done; an interrupted one is done again.
.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Backline needs Python 3.11 or newer; '$(PYTHON)' is `$(PYTHON) --version 2>&1`. Try: make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; echo "'$(PYTHON) -m venv' failed: install your system's python3-venv package" >&2; exit 2; }
	@touch $@

.venv/.serving: .venv/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[cpu]'
	@touch $@

# torch first and pinned: left to the resolver, a plain `torch` pulls gigabytes.
.venv/.complete: .venv/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[cpu,jack,portaudio,train,dev]'
	@touch .venv/.serving $@
