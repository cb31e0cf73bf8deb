"""`taujp reproduce`: a published table beside the same made on this machine."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from taujp.commands.optional_packages import PAGE, RESULTS, check_installed
from taujp.commands.output_path import output_path
from taujp.commands.process_count import process_count
from taujp.reproduce.candidates import USUAL, WAYS, find_ways
from taujp.reproduce.setups import SETUPS, Setup, setup_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp reproduce` takes."""
    parser.add_argument("protocol", choices=("addition", "negation"), help="which table")
    parser.add_argument("--model", required=True, choices=tuple(SETUPS), help="on which model")
    root = "folder that holds the data sets (default: here)"
    parser.add_argument("--root", type=Path, default=Path(), metavar="FOLDER", help=root)
    out = "checkpoints, records and report (default: reproduction/MODEL)"
    parser.add_argument("-o", "--out", type=output_path, metavar="FOLDER", help=out)
    parser.add_argument("--dry-run", action="store_true", help="print steps, time and disk only")
    _add_what(parser.add_argument_group("what is run"))
    _add_computing(parser.add_argument_group("computing"))
    _add_import(parser.add_argument_group("checkpoints of earlier projects"))


def run(arguments: argparse.Namespace) -> int:
    """Do what is missing, print the table, write the page."""
    from taujp.reproduce.jobs import Workers
    from taujp.reproduce.report import printed, write_page
    from taujp.reproduce.run import Asked, reproduce

    setup = _setup(arguments)
    ways = find_ways(arguments.ways)
    asked = Asked(arguments.protocol, setup, seeds_of(arguments.seeds), ways, arguments.choose)
    place = _place(arguments)
    if arguments.dry_run:
        from taujp.reproduce.dry_run import dry_run

        _use_threads(arguments.threads)
        print(dry_run(asked, place, arguments.jobs))
        return 0
    check_installed("open_clip", "lightning_fabric", *RESULTS, *PAGE)
    if arguments.imports:
        from taujp.reproduce.importing import import_tasks

        import_tasks(asked, place, _pairs(arguments.imports), prefix=arguments.prefix)
    began = time.perf_counter()

    def say(text: str) -> None:
        print(f"[{time.perf_counter() - began:6.0f} s] {text}", flush=True)

    chosen = reproduce(asked, place, Workers(arguments.jobs, arguments.threads), say)
    print(f"\n{printed(asked, chosen, place.out)}\n")
    print(f"report: {write_page(asked, place.out)}")
    return 0


def seeds_of(text: str) -> tuple[int, ...]:
    """ "0-4" or "0,2,5-7" as numbers; ValueError for anything else."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            seeds += range(int(first), int(last if dash else first) + 1)
        except ValueError:
            raise ValueError(f"--seeds {text}: expected numbers as in 0-4 or 0,2") from None
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"--seeds {text}: expected at least one seed, and none twice")
    return tuple(seeds)


def _add_what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--seeds", default="0", metavar="0-4", help="one run each (default 0)")
    ways = f"some of {', '.join(repr(way) for way in WAYS)} (default: the first three)"
    group.add_argument("--ways", nargs="+", default=list(USUAL), metavar="WAY", help=ways)
    grid = "learning rates that every way is tried with (default: the model's)"
    group.add_argument("--grid", type=_numbers, metavar="X,Y", help=grid)
    weights = "weights of the tauJp penalty; the learning rate is chosen with the first"
    group.add_argument("--weights", type=_numbers, metavar="X,Y", help=weights)
    choose = "rate and weight on each seed by itself (default), or for all on the first"
    group.add_argument("--choose", choices=("each", "first"), default="each", help=choose)


def _add_computing(group: argparse._ArgumentGroup) -> None:
    jobs = "steps at a time, in processes of their own (default 1)"
    group.add_argument("--jobs", type=process_count, default=1, metavar="N", help=jobs)
    threads = "of each job (default: 1 with several jobs and for the demo, else all cores)"
    group.add_argument("--threads", type=process_count, metavar="N", help=threads)
    group.add_argument("--device", default="auto", help="cpu, cuda (default: a GPU if any)")
    workers = "processes that load images (default 0: none)"
    group.add_argument("--workers", type=process_count, default=0, metavar="N", help=workers)


def _add_import(group: argparse._ArgumentGroup) -> None:
    imports = "a fine-tuned model of an earlier project, in place of training; one way and seed"
    group.add_argument(
        "--import", dest="imports", nargs="+", default=[], metavar="TASK=FILE", help=imports
    )
    prefix = "what stands before 'visual.' in these files (default: found out)"
    group.add_argument("--prefix", metavar="TEXT", help=prefix)


def _setup(arguments: argparse.Namespace) -> Setup:
    setup = setup_of(arguments.model)
    if arguments.grid:
        setup = replace(setup, learning_rates=arguments.grid)
    if arguments.weights:
        setup = replace(setup, weights={**setup.weights, "tau_jp": arguments.weights})
    return setup


def _place(arguments: argparse.Namespace) -> Any:
    import torch

    from taujp.reproduce.world import Place

    for flag in ("jobs", "threads"):
        if (count := getattr(arguments, flag)) is not None and count < 1:
            raise ValueError(f"--{flag} {count}: expected at least 1")
    device = arguments.device
    if device == "auto":  # the demo's figures are those of the CPU, on any machine
        device = "cuda" if torch.cuda.is_available() and arguments.model != "demo" else "cpu"
    if arguments.model == "demo" and arguments.threads is None:
        arguments.threads = 1
    out = arguments.out or Path("reproduction") / arguments.model
    return Place(arguments.root, out, device, arguments.workers)


def _use_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def _pairs(texts: list[str]) -> dict[str, Path]:
    pairs = [text.partition("=") for text in texts]
    wrong = [
        text for text, (task, _, path) in zip(texts, pairs, strict=True) if not task or not path
    ]
    if wrong:
        raise ValueError(f"--import {' '.join(wrong)}: expected TASK=FILE")
    return {task: Path(path) for task, _, path in pairs}


def _numbers(text: str) -> tuple[float, ...]:
    """Numbers above 0, none twice."""
    numbers = tuple(float(part) for part in text.split(","))
    if any(not 0 < number < float("inf") for number in numbers) or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"'{text}': expected numbers above 0, none twice")
    return numbers
