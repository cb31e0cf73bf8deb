"""`taujp mergekit config out` against `mergekit-yaml config out`, whole commands, side by side.

Base and six fine-tunes of a 300 M-parameter bf16 Llama, page cache warm; the answers are compared
first. mergekit takes its time: what is measured is kept, and --resume goes on.

python benchmarks/mergekit_commands.py --peer-python /path/to/python/with/mergekit --methods ties
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import add_peer_python, compile_taujp, mergekit_of
from llama import COUNT, DEFAULT_CACHE, Scratch, models
from measure import Ran, run_command
from mergekit_agreement import compare
from record import Record

WEIGHTS = [0.1 + 0.02 * i for i in range(COUNT)]
MB = 1e6
MEMORY = 10  # times less anonymous memory than mergekit's


@dataclass(frozen=True)
class Case:
    """A method's configuration, and the times by which it is to beat mergekit.

    each: parameters of every model, besides its weight where `weighted`. off: the share of elements
    that may be further from mergekit's than a step of bf16, because both round, vote or cut there;
    None where both draw at random: then the norms of the task vectors are compared.
    """

    times: float | None = None
    off: float | None = 0.005
    models: int = COUNT
    base: bool = True
    weighted: bool = True
    each: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "linear": Case(5, 0.0, base=False, shared={"normalize": False}),
    "task_arithmetic": Case(5),
    "slerp": Case(4, models=1, weighted=False, shared={"t": [0.2, 0.8]}),
    "model_stock": Case(4, 0.05, weighted=False),
    "dare_ties": Case(20, None, each={"density": 0.5}),
    "della": Case(20, None, each={"density": 0.5, "epsilon": 0.15}),
    "ties": Case(30, 0.06, each={"density": 0.2}),
    "sce": Case(30, 0.1, weighted=False, shared={"select_topk": 0.2}),
    "dare_linear": Case(None, None, each={"density": 0.5}),
    "della_linear": Case(None, None, each={"density": 0.5, "epsilon": 0.15}),
    "breadcrumbs": Case(None, 0.06, each={"density": 0.6, "gamma": 0.02}),
    "breadcrumbs_ties": Case(None, 0.06, each={"density": 0.6, "gamma": 0.02}),
    # Its divergences of bf16 softmaxes are mostly rounding: it keeps as many elements, but others.
    "arcee_fusion": Case(None, 0.1, models=1, weighted=False),
    "nearswap": Case(None, models=1, weighted=False, shared={"t": 0.001}),
    "nuslerp": Case(None, 0.05, models=2),
    "multislerp": Case(None, 0.05),
    "karcher": Case(None, 0.05, weighted=False, base=False),
    "ram": Case(None, 0.05, weighted=False, shared={"epsilon": 1e-3}),
    "ramplus_tl": Case(None, 0.05, weighted=False, shared={"epsilon": 1e-3}),
    "passthrough": Case(None, 0.0, models=1, weighted=False, base=False),
}


def main() -> None:
    arguments = parsed()
    compile_taujp()
    base, tuned = models(arguments.cache)
    kept = Kept(arguments.cache / "mergekit-commands.json")
    record = Record("mergekit_commands")
    with Scratch(arguments.cache) as scratch:
        for method in arguments.methods:
            if not (arguments.resume and method in kept.numbers):
                config = configuration(method, base, tuned)
                kept.add(method, measured(method, config, base, scratch, arguments))
            report(record, method, kept.numbers[method])
    if arguments.resume:
        for method in [m for m in CASES if m in kept.numbers and m not in arguments.methods]:
            report(record, method, kept.numbers[method])
    record.finish()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, help="where the models lie (5 GB)"
    )
    add_peer_python(parser)
    parser.add_argument("--methods", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--repeats", type=int, default=3, help="of our command; the best counts")
    parser.add_argument("--resume", action="store_true", help="with what earlier runs measured")
    return parser.parse_args()


class Kept:
    """Numbers by method, on disk as soon as they are known."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.numbers: dict[str, dict[str, float]] = (
            json.loads(path.read_text()) if path.exists() else {}
        )

    def add(self, method: str, numbers: dict[str, float]) -> None:
        """Writes them beside the others."""
        self.numbers[method] = numbers
        self.path.write_text(json.dumps(self.numbers, indent=1) + "\n")


def configuration(method: str, base: Path, tuned: list[Path]) -> dict[str, Any]:
    """The configuration of both; JSON, which YAML contains."""
    case = CASES[method]
    config: dict[str, Any] = {"merge_method": method, "dtype": "bfloat16", "models": []}
    for path, weight in zip(tuned[: case.models], WEIGHTS, strict=False):
        own = {**({"weight": weight} if case.weighted else {}), **case.each}
        config["models"].append({"model": str(path), **({"parameters": own} if own else {})})
    if case.base:
        config["base_model"] = str(base)
    return {**config, "parameters": dict(case.shared)} if case.shared else config


def measured(
    method: str, config: dict[str, Any], base: Path, scratch: Scratch, arguments: argparse.Namespace
) -> dict[str, float]:
    """Seconds and anonymous bytes of both commands, after their answers agreed."""
    out = scratch.new()
    file = out.with_name(out.name + ".yml")
    file.write_text(json.dumps(config))
    ran = [run(ours(file, out))]
    numbers: dict[str, float] = {}
    if arguments.peer_python:
        theirs = out.with_name("peer-" + out.name)
        peer = run(mergekit_of(arguments.peer_python, file, theirs))
        compare(method, base, out, theirs, CASES[method].off)
        numbers = {"peer_seconds": peer.seconds, "peer_anonymous_bytes": peer.anonymous}
    for _ in range(arguments.repeats):
        out = scratch.new()
        file = out.with_name(out.name + ".yml")
        file.write_text(json.dumps(config))
        ran.append(run(ours(file, out)))
    return {
        "seconds": min(r.seconds for r in ran),
        "anonymous_bytes": max(r.anonymous for r in ran),
        **numbers,
    }


def ours(file: Path, out: Path) -> list[str]:
    """Our command, run from source or as installed alike."""
    return [sys.executable, "-m", "taujp", "mergekit", str(file), str(out), "--quiet"]


def run(command: list[str]) -> Ran:
    """A command that must succeed."""
    ran = run_command(command)
    assert ran.returncode == 0, ran.output[-3000:]
    return ran


def report(record: Record, method: str, numbers: Mapping[str, float]) -> None:
    """The lines of one method."""
    case = CASES[method]
    record.raw[method] = dict(numbers)
    record.add(f"{method}: the whole command", numbers["seconds"], "s")
    record.add(f"{method}: its anonymous memory", numbers["anonymous_bytes"] / MB, "MB")
    if "peer_seconds" in numbers:
        faster = numbers["peer_seconds"] / numbers["seconds"]
        record.add(f"{method}: faster than mergekit-yaml", faster, "x", case.times)
        less = numbers["peer_anonymous_bytes"] / numbers["anonymous_bytes"]
        record.add(f"{method}: less anonymous memory than mergekit-yaml", less, "x", MEMORY)


if __name__ == "__main__":
    main()
