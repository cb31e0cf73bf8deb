"""Files to files: base + 6 fine-tunes of a 300 M-parameter bf16 Llama, page cache warm.

python benchmarks/files.py --peer-python /path/to/python/with/mergekit --cache /path/to/5/GB
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import add_peer_python, mergekit_yaml, taujp_merge
from llama import COUNT, DEFAULT_CACHE, Scratch, models, weights_of
from measure import once, read_all, run_command, write_bytes
from record import Record

COEFS = [0.1 + 0.02 * i for i in range(COUNT)]
MB = 1e6


@dataclass(frozen=True)
class Case:
    """A merge, the times by which it is to beat mergekit, and its memory."""

    method: str
    times: float | None
    options: dict[str, Any]  # of taujp merge
    parameters: dict[str, Any]  # of mergekit, for each model
    shared: dict[str, Any]  # of mergekit, for all
    tensors_held: int = 0  # allowed beyond 300 MB: so many of the largest tensor


CASES = [
    Case("linear", 5, {}, {}, {"normalize": False}),
    Case("task_arithmetic", None, {}, {}, {}),
    Case("ties", 30, {"density": 0.2}, {"density": 0.2}, {}, COUNT + 1),
    Case("dare_ties", 20, {"density": 0.5, "rescale": "l1"}, {"density": 0.5}, {}, COUNT + 1),
]


def main() -> None:
    arguments = parsed()
    base, tuned = models(arguments.cache)
    record = Record("files")
    with Scratch(arguments.cache) as scratch:
        torch_memory = run_command([sys.executable, "-c", "import torch"]).anonymous
        record.raw["anonymous_bytes_of_import_torch"] = torch_memory
        for case in CASES:
            if case.method in arguments.methods:
                measure(record, case, base, tuned, scratch, arguments.peer_python)
    record.finish()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, help="where the models lie (5 GB)"
    )
    add_peer_python(parser)
    names = [case.method for case in CASES]
    parser.add_argument("--methods", nargs="+", default=names, choices=names)
    return parser.parse_args()


def plain_io(inputs: list[Path], nbytes: int, out: Path) -> None:
    """Read all the inputs and write as many bytes as the output has."""
    read_all([path for folder in inputs for path in weights_of(folder)])
    out.mkdir()
    write_bytes(out / "model.safetensors", nbytes)


def measure(
    record: Record,
    case: Case,
    base: Path,
    tuned: list[Path],
    scratch: Scratch,
    peer_python: str | None,
) -> None:
    """One method: the command, its memory, the peer, and the merge alone."""
    theta0 = None if case.method == "linear" else base
    ran = [
        run_command(taujp_merge(case.method, theta0, tuned, COEFS, scratch.new(), **case.options))
        for _ in range(4)
    ][1:]
    assert all(r.returncode == 0 for r in ran), ran[-1].output
    command, memory = min(r.seconds for r in ran), max(r.anonymous for r in ran)
    record.raw[case.method] = {"command_seconds": command, "anonymous_bytes": memory}
    if peer_python:
        ours = scratch.folder / str(scratch.made)
        peer(record, case, theta0, tuned, ours, command, peer_python)
    if case.tensors_held == 0:
        of_plain_io(record, case, theta0, tuned, scratch, command)
    allowed = 300 + case.tensors_held * largest_tensor(base) / MB
    what = f"{case.method}: anonymous memory of the whole command (it has no torch)"
    record.add(what, memory / MB, "MB", allowed, at_least=False)


def of_plain_io(
    record: Record,
    case: Case,
    base: Path | None,
    tuned: list[Path],
    scratch: Scratch,
    command: float,
) -> None:
    """merge_many from files to files in this process, in turns with plain reading and writing."""
    import taujp

    inputs = [*([base] if base else []), *tuned]
    nbytes = sum(path.stat().st_size for path in weights_of(tuned[0]))
    merges, plains = [], []
    for _ in range(6):
        out = scratch.new()  # removes the last one: not timed
        plains.append(once(lambda out=out: plain_io(inputs, nbytes, out)))
        out = scratch.new()
        merges.append(
            once(
                lambda out=out: taujp.merge_many(
                    tuned, COEFS, base, method=case.method, out=out, **case.options
                )
            )
        )
    merge, plain = min(merges[1:]), min(plains[1:])
    record.raw[case.method] |= {"merge_seconds": merge, "plain_io_seconds": plain}
    record.add(f"{case.method}: plain reading of {len(inputs)} and writing of one", plain, "s")
    record.add(f"{case.method}: the merge, of that", merge / plain, "x", 2, at_least=False)
    record.add(f"{case.method}: the whole command, of that", command / plain, "x")


def largest_tensor(folder: Path) -> int:
    """Bytes of the largest tensor."""
    from taujp.checkpoint import open_checkpoint

    return max(entry.nbytes for entry in open_checkpoint(folder).entries.values())


def peer(
    record: Record,
    case: Case,
    base: Path | None,
    tuned: list[Path],
    ours: Path,
    command: float,
    python: str,
) -> None:
    """mergekit-yaml on the same; its answer is compared with ours."""
    out = ours.with_name("peer-" + ours.name)
    line = mergekit_yaml(
        python, case.method, base, tuned, COEFS, out, parameters=case.parameters, shared=case.shared
    )
    ran = run_command(line, timeout=1200)
    assert ran.returncode == 0, ran.output[-3000:]
    compare(case, ours, out)
    record.raw[case.method]["mergekit_yaml_seconds"] = ran.seconds
    record.raw[case.method]["mergekit_yaml_anonymous_bytes"] = ran.anonymous
    ratio = ran.seconds / command
    record.add(f"{case.method}: whole command, faster than mergekit-yaml", ratio, "x", case.times)


def compare(case: Case, ours: Path, theirs: Path) -> None:
    """Where nothing is random, the answers agree but for bf16's steps, votes and thresholds."""
    from safetensors.torch import load_file

    for path in weights_of(theirs):
        other = load_file(path)
        mine = {
            name: t for p in weights_of(ours) for name, t in load_file(p).items() if name in other
        }
        assert set(mine) == set(other)
        for name, tensor in other.items():
            off = (tensor.float() - mine[name].float()).abs() > 2**-7 * tensor.float().abs() + 1e-4
            share = float(off.float().mean())
            limit = {"linear": 0.0, "task_arithmetic": 0.005, "ties": 0.06}.get(case.method)
            assert limit is None or share <= limit, f"{case.method} {name}: {share:.2%} differ"


if __name__ == "__main__":
    main()
