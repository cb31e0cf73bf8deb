"""Every registered method in memory, base + 6 in bf16, beside mergekit's where it has the method.

python benchmarks/bench_methods.py --peer-python /path/to/python/with/mergekit [--methods della,sce]

Both run with as many threads as the machine has. The answers are compared first, where both have to
give the same one; where coins are tossed, or a threshold is sampled, the share of elements that are
not zero. Methods that need data, and those that give a model for each task, have benchmarks of
their own; matrix_methods.py compares the matrix methods.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from commands import add_peer_python
from measure import seconds
from methods_in_mergekit import PEERS, N
from record import Record
from safetensors.torch import load_file, save_file
from torch import Tensor

import taujp

State = dict[str, Tensor]
MATRICES, SHAPE = 4, (2048, 1024)
PEER = Path(__file__).with_name("peer_methods.py")


def main() -> None:
    arguments = parsed()
    record = Record("methods")
    base, tuned = states()
    theirs = by_mergekit(arguments.peer_python, arguments.methods, base, tuned)
    for name in arguments.methods:
        one(record, name, base, tuned, theirs.get(name))
    record.finish()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_peer_python(parser)
    names = [n for n, m in taujp.methods().items() if not (m.statistics or m.per_task)]
    parser.add_argument(
        "--methods", type=lambda text: text.split(","), default=names, help="names, with commas"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.methods) - set(names):
        parser.error(f"--methods: no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return arguments


def states() -> tuple[State, list[State]]:
    """A base and N fine-tunes of four matrices, 8.4 M parameters, in bf16."""
    generator = torch.Generator().manual_seed(0)

    def like(deviation: float) -> Tensor:
        return deviation * torch.randn(SHAPE, generator=generator)

    base = {f"blocks.{i}.w": like(0.02).bfloat16() for i in range(MATRICES)}
    tuned = [
        {name: (theta.float() + like(0.002)).bfloat16() for name, theta in base.items()}
        for _ in range(N)
    ]
    return base, tuned


def inputs(name: str, base: State, tuned: Sequence[State]) -> tuple[list, list[float], Any]:
    """As many checkpoints as the method takes, their coefficients, and the base or none."""
    method = taujp.methods()[name]
    ckpts = list(tuned[: method.most])
    coefs = [1 / N if method.weighted else 1.0] * len(ckpts)
    return ckpts, coefs, base if method.needs_base else None


def by_mergekit(
    python: str | None, names: Sequence[str], base: State, tuned: Sequence[State]
) -> dict[str, tuple[float, State]]:
    """Seconds and answers of mergekit, in its interpreter."""
    if python is None:
        print("no --peer-python: mergekit is left out")
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for i, state in enumerate([base, *tuned]):
            save_file(state, Path(folder, f"{i}.safetensors"))
        cases = [case_of(name, base, tuned) for name in names if name in PEERS]
        Path(folder, "cases.json").write_text(json.dumps(cases))
        command = [python, str(PEER), folder]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        taken = json.loads(ran.stdout.splitlines()[-1])
        return {n: (s, load_file(Path(folder, f"{n}.safetensors"))) for n, s in taken.items()}


def case_of(name: str, base: State, tuned: Sequence[State]) -> dict[str, Any]:
    """What peer_methods.py is asked."""
    ckpts, coefs, theta0 = inputs(name, base, tuned)
    peer, based = PEERS[name][1], theta0 is not None
    parameters = dict(peer.parameters)
    if peer.weights:
        parameters["weight"] = {str(based + i): c for i, c in enumerate(coefs)}
    models = [*([0] if based else []), *range(1, len(ckpts) + 1)]
    return {
        "name": name,
        "method": peer.method,
        "models": models,
        "base": based or peer.first_is_base,
        "parameters": parameters,
    }


def one(
    record: Record,
    name: str,
    base: State,
    tuned: Sequence[State],
    theirs: tuple[float, State] | None,
) -> None:
    """One method's line, and its ratio to mergekit's."""
    ckpts, coefs, theta0 = inputs(name, base, tuned)
    options = PEERS[name][0] if name in PEERS else {}

    def merge() -> State:
        return taujp.merge_many(ckpts, coefs, theta0, method=name, **options)

    if theirs is not None:
        compare(name, merge(), theirs[1], base)
    best = seconds(merge, repeats=3 if taujp.methods()[name].tensors else 5)
    elements = len(ckpts) * sum(t.numel() for t in base.values())
    record.raw[name] = {"seconds": best, "mergekit": theirs[0] if theirs else None}
    record.add(f"{name}, in memory, of each checkpoint's element", best / elements * 1e9, "ns")
    if theirs is not None:
        record.add(f"{name}, faster than mergekit in memory", theirs[0] / best, "x")


def compare(name: str, ours: State, theirs: State, base: State) -> None:
    """The answers first: mergekit's are rounded to bf16 after every step."""
    share = PEERS[name][1].differs
    for key, tensor in ours.items():
        a, b, theta0 = tensor.float(), theirs[key].float(), base[key].float()
        if share is None:
            moved = [(x != theta0).double().mean().item() for x in (a, b)]
            assert abs(moved[0] - moved[1]) < 0.05, f"{name} {key}: {moved} of the elements move"
            continue
        off = (a - b).abs() > 2.0**-5 * torch.maximum(a.abs(), theta0.abs()) + 1e-4
        assert off.double().mean() <= share, f"{name} {key}: {int(off.sum())} elements differ"


if __name__ == "__main__":
    main()
