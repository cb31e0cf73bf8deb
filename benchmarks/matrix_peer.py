"""fusion-bench's matrix methods in a process of their own, one request a line.

Started by matrix_methods.py with an interpreter that has fusion-bench 0.2.33: the folder of the
models and the number of threads as arguments; a method's name and a dtype come in, {"seconds": ...}
goes out, and the merged model lies in METHOD-DTYPE.safetensors. Timed as fusion-bench runs it: task
vectors from the models, the method, the sum with the base; in float64 where the models are.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path

METHODS = ("tsv_m", "iso_c", "iso_cts", "wudi")
WUDI_STEPS = 30  # the published 300 take ten times as long, of both


class Peer:
    """The other end: merges of the models base.safetensors, 0.safetensors ... of a folder."""

    def __init__(self, python: str, folder: Path, threads: int) -> None:
        self._folder = folder
        command = [python, __file__, str(folder), str(threads)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, method: str, dtype: str = "float32") -> float:
        """Seconds of one merge of the models in that dtype."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{method} {dtype}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith('{"seconds"'):
                return json.loads(line)["seconds"]
        raise RuntimeError(f"fusion-bench's process ended at {method}; see its error above")

    def answer(self, method: str, dtype: str = "float32") -> Path:
        """The file of the merged model."""
        return self._folder / f"{method}-{dtype}.safetensors"

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve(folder: Path, threads: int) -> None:
    """Answer requests until there are no more."""
    import torch
    from fusion_bench.method.isotropic_merging.iso_utils import iso_c, iso_cts
    from fusion_bench.method.task_singular_vector.utils.TSVM_utils import (
        compute_and_sum_svd_mem_reduction,
    )
    from fusion_bench.method.wudi.wudi import wudi_merging
    from fusion_bench.utils.state_dict_arithmetic import state_dict_add, state_dict_sub
    from safetensors.torch import load_file, save_file

    torch.set_num_threads(threads)
    paths = [folder / "base.safetensors", *sorted(folder.glob("[0-9].safetensors"))]
    works = {
        "tsv_m": lambda taus: compute_and_sum_svd_mem_reduction(taus, accelerator="cpu"),
        "iso_c": lambda taus: iso_c(taus, accelerator="cpu"),
        "iso_cts": lambda taus: iso_cts(taus, 0.8, accelerator="cpu"),
        "wudi": lambda taus: wudi_merging(taus, accelerator="cpu", iter_num=WUDI_STEPS),
    }
    for line in sys.stdin:
        method, dtype = line.split()
        base, *tuned = (
            {name: tensor.to(getattr(torch, dtype)) for name, tensor in load_file(path).items()}
            for path in paths
        )
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            vector = works[method]([state_dict_sub(theta, base) for theta in tuned])
            merged = state_dict_add(base, vector)
        seconds = time.perf_counter() - start
        save_file(
            {name: tensor.detach().contiguous() for name, tensor in merged.items()},
            folder / f"{method}-{dtype}.safetensors",
        )
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
