"""`taujp eval PROTOCOL`: fine-tuned checkpoints in, a result file and its table out."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from taujp.commands.eval_arguments import add_shared_arguments
from taujp.commands.eval_inputs import checkpoints_of, data_digests, load_inputs
from taujp.commands.eval_protocols import PROTOCOLS, Protocol
from taujp.commands.optional_packages import RESULTS, check_installed
from taujp.whole_file import check_place

if TYPE_CHECKING:
    from taujp.evaluate.record import Cost, Provenance

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand a protocol."""
    protocols = parser.add_subparsers(dest="protocol", required=True, metavar="PROTOCOL")
    for name, protocol in PROTOCOLS.items():
        command = protocols.add_parser(name, help=protocol.summary, description=protocol.summary)
        protocol.add_arguments(command)
        add_shared_arguments(command)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, save the result with where it comes from, and print it."""
    check_place(arguments.out, "eval")
    check_installed("open_clip", *RESULTS)
    from taujp.commands.eval_tables import table_of
    from taujp.evaluate import save_result

    with TemporaryDirectory(prefix="taujp-") as scratch:
        result, provenance, cost = _evaluated(arguments, Path(scratch))
    path = save_result(result, arguments.out, provenance=provenance, cost=cost)
    if not arguments.quiet:
        print(f"{table_of(result)}\n")
    print(f"{path}: {cost.seconds:.1f} s on {cost.device}")
    return 0


def _evaluated(arguments: argparse.Namespace, scratch: Path) -> tuple[Any, Provenance, Cost]:
    from taujp.evaluate.cost import measured
    from taujp.evaluate.provenance import provenance_of
    from taujp.train.model import load_model

    protocol, checkpoints = PROTOCOLS[arguments.protocol], _used(arguments)
    loaded = load_model(arguments.model, device=arguments.device)
    used = _turned(checkpoints, loaded.model, arguments, scratch)
    inputs = load_inputs(loaded, arguments, used, _besides(protocol, arguments))
    with measured(arguments.device) as measurement:
        result = protocol.evaluate(inputs, arguments)
    own = zip(inputs.own, used.values(), strict=True)
    provenance = provenance_of(
        arguments.model,
        {task.name: path for task, path in own},
        way=arguments.way,
        data=data_digests(arguments, inputs.tasks),
        seed=_seed(arguments, checkpoints.values()),
    )
    return result, provenance, measurement.cost


def _used(arguments: argparse.Namespace) -> dict[str, Path]:
    """The checkpoints; negation takes the target's alone."""
    checkpoints = checkpoints_of(arguments)
    if arguments.protocol != "negation":
        return checkpoints
    if arguments.target not in checkpoints:
        raise ValueError(
            f"--target {arguments.target}: there are checkpoints of {list(checkpoints)}; expected "
            "one of these"
        )
    return {arguments.target: checkpoints[arguments.target]}


def _turned(
    checkpoints: Mapping[str, Path], model: Any, arguments: argparse.Namespace, scratch: Path
) -> Mapping[str, Path]:
    """The checkpoints, or the baseline that negation asks for, written into `scratch`."""
    vector = getattr(arguments, "vector", "task")
    if vector == "task":
        return checkpoints
    from taujp.evaluate import classifier_of, opposite_vector, random_vector

    base, out = classifier_of(model).state(), scratch / "baseline.safetensors"
    if vector == "random":
        random_vector(base, checkpoints[arguments.target], seed=arguments.vector_seed, out=out)
    else:
        opposite_vector(base, checkpoints[arguments.target], out=out)
    return {arguments.target: out}


def _seed(arguments: argparse.Namespace, paths: Iterable[Path]) -> int | None:
    """The given one, or that of the files' own recipes where they agree."""
    from taujp.evaluate.merged import settings_of

    if arguments.seed is not None:
        return int(arguments.seed)
    told = {settings_of(path).get("recipe", {}).get("seed") for path in paths}
    return told.pop() if len(told) == 1 else None


def _besides(protocol: Protocol, arguments: argparse.Namespace) -> list[str]:
    """The tasks that the protocol's own arguments name."""
    given = [getattr(arguments, name) for name in protocol.besides]
    return [name for one in given for name in ([one] if isinstance(one, str) else one)]
