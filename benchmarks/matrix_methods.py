"""tsv_m, iso_c and their like on the shapes of ViT-B-32, beside fusion-bench's and against float64.

python benchmarks/matrix_methods.py --peer-python /path/to/python/with/fusion-bench

Base and 8 fine-tunes in memory, fp32; each method from models to merged model, in turns with the
peer, which has a process of its own and as many threads. Without a peer: our times and errors.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from matrix_peer import METHODS, WUDI_STEPS, Peer
from measure import once
from record import Record
from safetensors.torch import load_file, save_file

import taujp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from reference_merge import merged as twin

TASKS = 8
BLOCK = {
    "attn.in_proj_weight": (2304, 768),
    "attn.out_proj.weight": (768, 768),
    "mlp.c_fc.weight": (3072, 768),
    "mlp.c_proj.weight": (768, 3072),
    "ln_1.weight": (768,),
    "mlp.c_fc.bias": (3072,),
}
ENDS = {"conv1.weight": (768, 3, 32, 32), "positional_embedding": (50, 768), "proj": (768, 512)}
CHECKED_BLOCKS = 2  # in float64 a block takes a minute; what is in no block is always checked
OURS = ("tsv_m", "iso_c", "iso_cts", "svc")
OPTIONS = {"wudi": {"steps": WUDI_STEPS}}  # not among the default ones: minutes
AHEAD, CLOSE = {"tsv_m": 2.0, "iso_c": 2.0}, 1e-4

StateDict = dict[str, torch.Tensor]


def main() -> None:
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    states = models(arguments.blocks)
    record = Record("matrix_methods")
    record.raw.update(blocks=arguments.blocks, threads=arguments.threads, tasks=TASKS)
    with tempfile.TemporaryDirectory() as folder:
        peer = None
        if arguments.peer_python:
            for name, state in zip(["base", *map(str, range(TASKS))], states, strict=True):
                save_file(state, Path(folder) / f"{name}.safetensors")
            peer = Peer(arguments.peer_python, Path(folder), arguments.threads)
        for method in arguments.methods:
            known = peer if method in METHODS else None
            measure(record, method, states, known, arguments.repeats)
        if peer is not None:
            peer.close()
    record.finish()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", help="an interpreter that has fusion-bench 0.2.33")
    parser.add_argument("--blocks", type=int, default=12, help="of the transformer; ViT-B has 12")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=OURS, choices=(*OURS, *OPTIONS))
    return parser.parse_args()


def measure(
    record: Record, method: str, states: list[StateDict], peer: Peer | None, repeats: int
) -> None:
    """The answer first, then the times in turns."""
    base, *tuned = states
    ones, options = [1.0] * TASKS, OPTIONS.get(method, {})

    def ours() -> StateDict:
        return taujp.merge_many(tuned, ones, base, method=method, **options)

    merged, exact = ours(), in_float64(method, states)
    tell_errors(record, f"{method}: error against float64", base, merged, exact, CLOSE)
    best = theirs = float("inf")
    for _ in range(repeats):
        best = min(best, once(ours))
        theirs = min(theirs, peer.run(method)) if peer is not None else theirs
    record.add(f"{method}: seconds", best, "s")
    if peer is None:
        print(f"{method}: no peer (it has no such method, or --peer-python is missing)")
        return
    set_beside(record, method, peer, base, merged, exact)
    record.add(f"{method}: fusion-bench's seconds", theirs, "s")
    record.add(f"{method}: times as fast as fusion-bench", theirs / best, "x", AHEAD.get(method))


def set_beside(
    record: Record, method: str, peer: Peer, base: StateDict, merged: StateDict, exact: StateDict
) -> None:
    """The peer's answers in fp32, which has its own rounding, and in float64, which has none."""
    answer = load_file(peer.answer(method))
    tell_errors(record, f"{method}: fusion-bench's error against float64", base, answer, exact)
    tell_errors(record, f"{method}: difference from fusion-bench", base, merged, answer, CLOSE)
    peer.run(method, "float64")
    answer = load_file(peer.answer(method, "float64"))
    what = f"{method}: difference from fusion-bench in float64"
    tell_errors(record, what, base, merged, answer, CLOSE)


def in_float64(method: str, states: list[StateDict]) -> StateDict:
    """The method's twin, of the parameters that are checked."""
    names = [name for name in states[0] if block_of(name) < CHECKED_BLOCKS]
    base, *tuned = ({name: state[name] for name in names} for state in states)
    options = OPTIONS.get(method, {})
    found = twin(tuned, [1.0] * TASKS, base, method=method, **options)
    return {name: decided.value for name, decided in found.items()}


def block_of(name: str) -> int:
    """The number of its block; -1 of what is in none."""
    parts = name.split(".")
    return int(parts[1]) if parts[0] == "resblocks" else -1


def tell_errors(
    record: Record,
    what: str,
    base: StateDict,
    one: StateDict,
    other: StateDict,
    target: float | None = None,
) -> None:
    """Of all that the other has, together, and of the worst parameter; each in the raw record."""
    far = distances({name: base[name] for name in other}, one, other)
    record.raw[f"{what}, by parameter"] = far
    whole = [
        {"": torch.cat([state[name].flatten() for name in other])} for state in (base, one, other)
    ]
    record.add(what, distances(*whole)[""], "", target, at_least=False)
    record.add(f"{what}, worst parameter", max(far.values()), "")


def distances(base: StateDict, one: StateDict, other: StateDict) -> dict[str, float]:
    """For each parameter the task vectors' difference by their length."""
    far = {}
    for name, theta0 in base.items():
        tau, against = (state[name].double() - theta0.double() for state in (one, other))
        far[name] = float((tau - against).norm() / against.norm())
    return far


def models(blocks: int) -> list[StateDict]:
    """A base and 8 fine-tunes: directions of falling strength, some shared, above a floor."""
    generator = torch.Generator().manual_seed(0)
    shapes = {f"resblocks.{i}.{key}": shape for i in range(blocks) for key, shape in BLOCK.items()}
    shapes.update(ENDS)

    def like(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    base = {name: 0.03 * like(*shape) for name, shape in shapes.items()}
    states = [base, *({} for _ in range(TASKS))]
    for name, shape in shapes.items():
        shared = like(shape[0], 16)
        for state in states[1:]:
            tau = 0.5 * like(*shape)
            if len(shape) == 2:
                falling = torch.arange(1, 129) ** -0.7
                left = torch.cat([shared, like(shape[0], 112)], 1)
                tau += (left * falling) @ like(128, shape[1])
            state[name] = base[name] + 3e-4 * tau
    return states


if __name__ == "__main__":
    main()
