# Everything happens in .venv, which is made on first use. PYTHON and TORCH choose what it holds.
PYTHON ?= python3
TORCH ?= torch
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := $(shell find csrc tests/kernels tests/cuda_emulation -name '*.cpp' -o -name '*.h' -o -name '*.inl' -o -name '*.cu' -o -name '*.cuh')

.PHONY: demo test exports killed tables sanitize cuda gpu gpu-libraries lint format wheel clean

demo: $(VENV)/built
	$(BIN)/nvc3d demo

# Tests start Python often: it keeps what it has compiled, even where it is told not to.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/built $(VENV)/tools
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

# Every task's program, and the one in C++: torch takes minutes to make them.
exports: $(VENV)/built $(VENV)/tools
	NVC3D_EXPORTS=1 $(BIN)/python -m pytest tests/test_export.py tests/test_onnx.py

# Every task's training, killed at 50 random moments and resumed: a quarter of an hour.
killed: $(VENV)/built $(VENV)/tools
	NVC3D_KILLS=50 $(BIN)/python -m pytest tests/test_killed.py

# Every table of the pages, anew: `make tables NVC3D_DATA=DIR`, a night of two cores. A run that was
# stopped goes on.
tables: $(VENV)/built $(VENV)/tools
	$(BIN)/python benchmarks/tasks.py --data "$(NVC3D_DATA)" --markdown docs/tasks.md
	$(BIN)/python benchmarks/nebula.py --data "$(NVC3D_DATA)" --markdown docs/nebula.md
	$(BIN)/python benchmarks/real.py --data "$(NVC3D_DATA)" --markdown docs/real.md

# The kernels under the address and undefined-behaviour sanitizers of g++; those for GPUs, emulated,
# under the thread sanitizer too, for races within a block and between blocks. Python itself leaks.
sanitize: EMULATED := --capture=sys tests/ops/test_cuda.py tests/ops/test_cuda_paths.py -k emulated
sanitize: $(VENV)/built $(VENV)/tools
	NVC3D_SANITIZE=1 ASAN_OPTIONS=detect_leaks=0 \
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so)" \
	$(BIN)/python -m pytest tests/kernels
	NVC3D_BROKEN_KERNELS=1 $(BIN)/python -m pytest tests/ops/test_cuda_broken.py
	for seed in 1 2 3; do NVC3D_EMULATION_SEED=$$seed $(BIN)/python -m pytest $(EMULATED) || exit 1; done
	$(BIN)/python tests/cuda_emulation/build.py thread
	for unordered in 0 1; do \
	NVC3D_EMULATION_SANITIZER=thread NVC3D_EMULATION_UNORDERED=$$unordered \
	TSAN_OPTIONS=ignore_interceptors_accesses=1 LD_PRELOAD="$$(g++ -print-file-name=libtsan.so)" \
	$(BIN)/python -m pytest $(EMULATED) || exit 1; done
	$(BIN)/python tests/cuda_emulation/build.py address
	NVC3D_EMULATION_SANITIZER=address ASAN_OPTIONS=detect_leaks=0 \
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so)" \
	$(BIN)/python -m pytest $(EMULATED)

# The library with the CUDA kernels, which must load where there is no CUDA, and whose kernels must
# fit a GPU by the compiler's own report. Needs nvcc, and no GPU.
# The oldest architecture, which has code of its own, and one of the others: each takes its minutes.
cuda: export NVC3D_CUDA_ARCHITECTURES ?= 75 90
cuda: $(VENV)/torch
	@mkdir -p build/cuda
	NVC3D_CUDA=1 NVCC_APPEND_FLAGS="$$NVCC_APPEND_FLAGS -Xptxas=-v" $(BIN)/python setup.py --quiet build_ext --build-lib build/cuda --build-temp build/cuda/objects 2> build/cuda/log || { cat build/cuda/log >&2; exit 1; }
	$(BIN)/python tests/cuda_emulation/ptxas.py build/cuda/log
	$(BIN)/python tests/cuda_emulation/load.py build/cuda/nvc3d/_C.abi3.so

# On a GPU, with the Python that has torch for it: tests, sanitizers, times; docs/speed.md says more.
gpu:
	$(PYTHON) benchmarks/gpu_parts.py tests
	$(PYTHON) benchmarks/gpu_parts.py sanitizers
	$(PYTHON) benchmarks/gpu_parts.py speed

# What it runs, built where nvcc is.
gpu-libraries: $(VENV)/torch
	$(BIN)/python benchmarks/gpu_parts.py libraries

lint: $(VENV)/built $(VENV)/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(SOURCES)
	$(BIN)/mypy

format: $(VENV)/tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(SOURCES)

# CUDA=12 builds a release's wheel, for every Linux from glibc 2.28 on, with CUDA 12, whose kernels
# run with every driver from 525 on: with that of CUDA_HOME, where it is set, or else with one that
# is put into .venv. auditwheel and abi3audit have the last word: what they refuse is not left behind.
ifeq ($(CUDA),12)
ifndef CUDA_HOME
wheel: $(VENV)/cuda12/complete
wheel: export CUDA_HOME := $(CURDIR)/$(VENV)/cuda12
endif
wheel: $(VENV)/manylinux/complete $(VENV)/release
	rm -rf build/lib* build/bdist* build/wheel
	NVC3D_CUDA=1 LDFLAGS="-L$(CURDIR)/$(VENV)/manylinux" $(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	$(BIN)/abi3audit --strict --summary build/wheel/*.whl
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair --plat manylinux_2_28_x86_64 --exclude 'libtorch*' --exclude 'libc10*' --wheel-dir dist build/wheel/*.whl
else
wheel: $(VENV)/torch
	rm -rf build/lib* build/bdist*
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
endif

clean:
	rm -rf build dist *.egg-info nvc3d/_C*.so $(VENV)/built

# torch first: the operators compile against its headers.
$(VENV)/torch: constraints.txt
	@command -v $(PYTHON) > /dev/null || { echo "make: Python 3.10 or newer is needed, and '$(PYTHON)' is not there; name yours: make PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet "pip>=25.1"
	$(PIP) install --quiet --constraint constraints.txt "setuptools>=77" $(TORCH) numpy
	touch $@

$(VENV)/cuda12/complete: packaging/cuda12.sh packaging/debian.sh $(VENV)/torch
	rm -rf $(@D)
	PATH="$(CURDIR)/$(BIN):$$PATH" packaging/cuda12.sh $(@D)

$(VENV)/manylinux/complete: packaging/manylinux.sh packaging/debian.sh $(VENV)/torch
	rm -rf $(@D)
	packaging/manylinux.sh $(@D)

$(VENV)/release: $(VENV)/torch pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --group release
	touch $@

# setuptools would keep objects of another torch or other flags: the build starts afresh.
$(VENV)/built: $(VENV)/torch setup.py pyproject.toml $(SOURCES)
	rm -rf build
	$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable ".[tasks]"
	touch $@

$(VENV)/tools: $(VENV)/torch pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --group test --group lint
	touch $@
