"""16,000 small tensors in each of 3 inputs: what a merge costs besides its bytes.

python benchmarks/many_tensors.py --peer-python /path/to/python/with/mergekit --peer-seconds 60
"""

from __future__ import annotations

import argparse
from pathlib import Path

from commands import add_peer_python, mergekit_yaml, taujp_merge
from llama import DEFAULT_CACHE, Scratch, deep
from measure import once, run_command
from record import Record

TENSORS = 16_000
COEFS = [0.5, 0.3]


def main() -> None:
    arguments = parsed()
    base, *tuned = deep(arguments.cache, TENSORS)
    record = Record("many_tensors")
    with Scratch(arguments.cache) as scratch:
        for method in ("linear", "task_arithmetic", "ties"):
            measure(record, method, base, tuned, scratch)
        if arguments.peer_python:
            out = scratch.new()
            line = mergekit_yaml(arguments.peer_python, "task_arithmetic", base, tuned, COEFS, out)
            ran = run_command(line, timeout=arguments.peer_seconds)
            ended = ran.returncode == 0
            record.raw["mergekit"] = {"seconds": ran.seconds, "finished": ended}
            state = "finished" if ended else "stopped unfinished"
            record.add(f"mergekit-yaml, task_arithmetic: {state} after", ran.seconds, "s")
    record.finish()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    add_peer_python(parser)
    parser.add_argument(
        "--peer-seconds", type=float, default=60, help="stop mergekit then (it needs > 500)"
    )
    return parser.parse_args()


def measure(record: Record, method: str, base: Path, tuned: list[Path], scratch: Scratch) -> None:
    """The command, and the merge alone from files and between state dicts; 3 inputs each."""
    from safetensors.torch import load_file

    import taujp

    inputs = (None, [base, *tuned], [*COEFS, 0.2]) if method == "linear" else (base, tuned, COEFS)
    theta0, ckpts, coefs = inputs
    out = scratch.new()
    check(taujp.merge_many(ckpts, coefs, theta0, method=method, out=out), inputs, method)
    outs = (scratch.new() for _ in range(3))
    files = min(
        once(lambda out=out: taujp.merge_many(ckpts, coefs, theta0, method=method, out=out))
        for out in outs
    )
    record.add(f"{method}, 16,000 tensors x 3, files", files, "s", 5, at_least=False)
    states = [load_file(path / "model.safetensors") for path in ckpts]
    start = None if theta0 is None else load_file(theta0 / "model.safetensors")
    memory = min(
        once(lambda: taujp.merge_many(states, coefs, start, method=method)) for _ in range(3)
    )
    record.add(f"{method}, 16,000 tensors x 3, in memory", memory, "s", 5, at_least=False)
    ran = run_command(taujp_merge(method, theta0, ckpts, coefs, scratch.new()))
    assert ran.returncode == 0, ran.output
    record.add(f"{method}, 16,000 tensors x 3, the whole command", ran.seconds, "s")
    record.raw[method] = {"files": files, "memory": memory, "command": ran.seconds}


def check(out: object, inputs: tuple, method: str) -> None:
    """A few tensors against plain torch, where that is one line."""
    from safetensors.torch import load_file

    theta0, ckpts, coefs = inputs
    merged = load_file(Path(str(out)) / "model.safetensors")
    assert len(merged) >= TENSORS - 9, len(merged)
    if method == "ties":
        return
    states = [load_file(path / "model.safetensors") for path in ckpts]
    start = None if theta0 is None else load_file(theta0 / "model.safetensors")
    for name in sorted(merged)[:: len(merged) // 50]:
        base = 0.0 if start is None else start[name].double()
        expected = base + sum(
            c * (s[name].double() - base) for c, s in zip(coefs, states, strict=True)
        )
        assert ((merged[name].double() - expected).abs() <= 2**-8 * expected.abs() + 1e-6).all(), (
            name
        )


if __name__ == "__main__":
    main()
