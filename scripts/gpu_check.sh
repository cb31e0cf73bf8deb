#!/usr/bin/env bash
# On a machine with a GPU: build, run the tests marked gpu and the GPU benchmarks, print their tables.
# Needs torch (a CUDA build), nvcc, setuptools, pybind11, ninja, pytest, hypothesis, safetensors,
# tqdm; the training step's test and benchmark also open_clip_torch and torchvision, and say so
# where they are missing. The benchmarks' JSON goes to $OUT if it is set, else to benchmarks/results/.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python3 -m pip install --quiet --no-build-isolation --no-deps --force-reinstall .
cd tests # not the root: its taujp_ext/ would hide the installed one
python3 -m taujp info
python3 -m pytest -q -m gpu -p no:cacheprovider . || failed=1
python3 -m pytest -q -p no:cacheprovider test_twin_exact.py test_twin_stepwise.py || failed=1
cd "$root/benchmarks"
python3 on_gpu.py || failed=1
if python3 -c "import open_clip"; then
  python3 tangent_on_gpu.py || failed=1
else
  echo "gpu_check: no open_clip_torch: the training step is not timed"
fi
if [ -n "${OUT:-}" ]; then cp results/*on_gpu-*.json "$OUT"/; fi
exit "${failed:-0}"
