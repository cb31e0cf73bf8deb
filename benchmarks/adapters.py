"""LoRA on a 300 M-parameter bf16 Llama: eight adapters merged, and an adapter extracted.

Merging is measured as whole commands against making every adapted model first. Extraction by
sketches is measured against all singular directions. python benchmarks/adapters.py
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path

from commands import taujp_merge
from llama import DEFAULT_CACHE, Scratch, models, weights_of
from measure import Ran, once, run_command
from record import Record

ADAPTERS, RANK = 8, 16
COEFS = [0.1 + 0.02 * i for i in range(ADAPTERS)]
METHODS = ("task_arithmetic", "ties", "knots")
MADE_FIRST = ("task_arithmetic", "ties")  # KnOTS of whole models takes more than 24 GB here
MATERIALISED = """
import json, sys, taujp
from taujp.checkpoint import open_adapted, to_state_dict
base, method, coefs, out, *adapters = sys.argv[1:]
models = [to_state_dict(open_adapted(base, adapter)) for adapter in adapters]
taujp.merge_many(models, json.loads(coefs), base, method=method, out=out)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="where the models lie")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    arguments = parser.parse_args()
    base, tuned = models(arguments.cache)
    folders = adapters(arguments.cache, base)
    record = Record("adapters")
    with Scratch(arguments.cache) as scratch:
        record.raw["import_torch"] = run_command([sys.executable, "-c", "import torch"]).anonymous
        for method in arguments.methods:
            measure_merge(record, method, base, folders, scratch)
        measure_extraction(record, base, tuned[0], scratch)
    record.finish()


def adapters(cache: Path, base: Path) -> list[Path]:
    """Eight PEFT folders on every linear layer of the decoder."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(weights_of(base)[0], "pt") as file:
        shapes = {n: file.get_slice(n).get_shape() for n in file.keys() if "_proj." in n}  # noqa: SIM118
    folders = [cache / f"llama-300m-adapters-{RANK}" / str(i) for i in range(ADAPTERS)]
    for i, folder in enumerate(folders):
        if (folder / "adapter_config.json").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        generator = torch.Generator().manual_seed(i)
        tensors = {}
        for name, (outputs, inputs) in shapes.items():
            stem = "base_model.model." + name.removesuffix(".weight")
            a = torch.randn(RANK, inputs, generator=generator) * 0.02
            b = torch.randn(outputs, RANK, generator=generator) * 0.02
            tensors |= {f"{stem}.lora_A.weight": a, f"{stem}.lora_B.weight": b}
        save_file(tensors, folder / "adapter_model.safetensors")
        config = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": ["_proj"]}
        (folder / "adapter_config.json").write_text(json.dumps(config))
    return folders


def measure_merge(
    record: Record, method: str, base: Path, folders: list[Path], scratch: Scratch
) -> None:
    """One command on the adapters, and one that makes the eight models before it merges them."""
    ours, busy = timed(taujp_merge(method, base, folders, COEFS, scratch.new()))
    record.raw[method] = {"adapters": figures(ours, busy)}
    record.add(f"{method} of {ADAPTERS} adapters", ours.seconds, "s")
    record.add(f"{method}: memory beyond torch", beyond(record, ours.anonymous), "MB")
    if method not in MADE_FIRST:
        return
    arguments = [str(base), method, json.dumps(COEFS), str(scratch.new()), *map(str, folders)]
    whole, worked = timed([sys.executable, "-c", MATERIALISED, *arguments])
    record.raw[method]["materialised"] = figures(whole, worked)
    record.add(f"{method}: materialising takes, times", whole.seconds / ours.seconds, "x", 1)
    record.add(f"{method}: the same in processor time", worked / busy, "x", 1)
    record.add(f"{method}: memory of materialising", beyond(record, whole.anonymous), "MB")


def figures(ran: Ran, processor: float) -> dict[str, float]:
    return {"seconds": ran.seconds, "anonymous": ran.anonymous, "processor": processor}


def timed(command: list[str]) -> tuple[Ran, float]:
    """The command, and the seconds of user and system time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = run_command(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    check(ran.returncode, ran.output)
    return ran, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def beyond(record: Record, anonymous: int) -> float:
    """MB of anonymous memory that importing torch does not take by itself."""
    return (anonymous - record.raw["import_torch"]) / 1e6


def check(returncode: int, output: str) -> None:
    """A merge that failed is no figure."""
    if returncode:
        raise SystemExit(output)


def measure_extraction(record: Record, base: Path, tuned: Path, scratch: Scratch) -> None:
    """The adapter of a change without any low rank, the hardest for a sketch."""
    import taujp

    errors = {}
    for method in ("randomised", "exact"):
        out = scratch.new()

        def extract(out: Path = out, method: str = method) -> None:
            patterns = ["*.layers.[0-3].*"]
            found = taujp.extract_lora(base, tuned, out, rank=RANK, method=method, modules=patterns,
                                       whole=False)  # fmt: skip
            errors[method] = {matrix.name: matrix.error for matrix in found.matrices}

        record.add(f"extraction of 4 layers, rank {RANK}, {method}", once(extract), "s")
    worst = max(errors["randomised"][name] / best for name, best in errors["exact"].items())
    record.add("error by sketches, of the least possible", worst, "x", 1.01, at_least=False)


if __name__ == "__main__":
    main()
