"""What `import taujp` costs beyond torch, and how soon the command answers.

python benchmarks/import_time.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from measure import run_command
from record import Record

AFTER_TORCH = """
import time, torch
start = time.perf_counter()
import taujp
{use}
print(time.perf_counter() - start)
"""
ALONE = "import time; start = time.perf_counter(); import taujp; print(time.perf_counter() - start)"
NO_TORCH = "import sys, taujp; assert 'torch' not in sys.modules, 'import taujp imports torch'"
USES = {
    "import taujp": "",
    "import taujp, load merge_many and its kernels": (
        "taujp.merge_many; import taujp_ext; taujp_ext.load()"
    ),
}
TIMES = 7


def main() -> None:
    record = Record("import_time")
    subprocess.run([sys.executable, "-c", NO_TORCH], check=True)
    for what, use in USES.items():
        taken = [printed(AFTER_TORCH.format(use=use)) for _ in range(TIMES)]
        record.raw[what] = taken
        record.add(f"{what}, beyond torch", statistics.median(taken), "s", 0.3, at_least=False)
    record.add(
        "import taujp, without torch", statistics.median(printed(ALONE) for _ in range(TIMES)), "s"
    )
    help_ = [run_command([sys.executable, "-m", "taujp", "--help"]).seconds for _ in range(TIMES)]
    record.add("`taujp --help`, the whole command", statistics.median(help_), "s")
    torch_ = [run_command([sys.executable, "-c", "import torch"]).seconds for _ in range(3)]
    record.add("`python -c 'import torch'`, for comparison", statistics.median(torch_), "s")
    record.finish()


def printed(code: str) -> float:
    """The number that a fresh interpreter prints."""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(ran.stdout)


if __name__ == "__main__":
    main()
