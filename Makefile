# `make demo` and `make test` work in a fresh clone: each makes its own environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_ARGS ?=

.PHONY: install demo test bench lint format clean

install: $(VENV)/.installed

# torch and torchvision together: torchvision's wheel loads only beside the torch it was built for.
$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch torchvision
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml setup.py $(shell find csrc taujp_ext python -type f -not -name '*.pyc' 2>/dev/null)
	$(BIN)/python -m pip install --quiet ".[clip,data,transformers,mergekit,search,test,lint]"
	$(BIN)/python -m pip install --quiet --no-deps animal_mnist==0.4
	touch $@

# The tests' oracle; where it cannot be had they say that they skip.
$(VENV)/.peer: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet mergekit==0.1.5 || echo "no mergekit: parity tests skip"
	touch $@

# The report's pages are tested in a browser; where it cannot be had they say that they skip.
$(VENV)/.chromium: $(VENV)/.installed
	command -v chromedriver > /dev/null || \
		{ apt-get -qq update && apt-get -qq install -y chromium chromium-driver > /dev/null; } || \
		echo "no chromium: tests of pages skip"
	touch $@

demo: install
	cd examples && ../$(BIN)/python demo.py

# From tests/: in the root, the source folder taujp_ext/ would hide the installed package.
test: install lint $(VENV)/.peer $(VENV)/.chromium
	cd tests && OMP_NUM_THREADS=1 ../$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(TEST_ARGS)

lint: install
	$(BIN)/ruff check python taujp_ext build_backend tests benchmarks examples scripts setup.py
	$(BIN)/ruff format --check python taujp_ext build_backend tests benchmarks examples scripts setup.py
	$(BIN)/mypy python/taujp taujp_ext
	$(BIN)/clang-format --dry-run --Werror $(shell find csrc -name '*.h' -o -name '*.cpp' -o -name '*.cu')

format: install
	$(BIN)/ruff check --fix python taujp_ext build_backend tests benchmarks examples scripts setup.py
	$(BIN)/ruff format python taujp_ext build_backend tests benchmarks examples scripts setup.py
	$(BIN)/clang-format -i $(shell find csrc -name '*.h' -o -name '*.cpp' -o -name '*.cu')

bench: install $(VENV)/.peer
	cd benchmarks && for name in in_memory files many_tensors import_time \
		tangent_kernels tangent_sweep tangent_memory tangent objective_kernel protocols \
		mergekit_commands matrix_methods; do \
		TAUJP_PEER_PYTHON=../$(BIN)/python ../$(BIN)/python $$name.py || exit 1; done

clean:
	rm -rf build .venv *.egg-info demo-output
