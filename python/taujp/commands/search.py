"""`taujp search`: coefficients and options of a merge, chosen on validation data."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from taujp.commands.eval_arguments import add_shared_arguments, numbers
from taujp.commands.eval_inputs import checkpoints_of, data_digests, load_inputs
from taujp.commands.optional_packages import RESULTS, check_installed
from taujp.whole_file import check_place

if TYPE_CHECKING:
    from taujp.searching import Search

SPACE = (
    "what is tried: coefficient, method, lambda_, or an option of the methods; VALUES: A,B,..., "
    "FIRST:LAST:COUNT, or LOW..HIGH (of samplers; LOW..HIGH:log by the logarithm); repeat"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is tried and how, and everything that `taujp eval` takes."""
    group = parser.add_argument_group("search")
    group.add_argument(
        "--space", type=dimension, action="append", required=True, metavar="NAME=VALUES", help=SPACE
    )
    scheme = "what has a coefficient of its own (default common); coefficient:PATTERN=VALUES then "
    scheme += "is of all tasks or layers that match"
    group.add_argument(
        "--scheme", choices=("common", "task", "layer"), default="common", help=scheme
    )
    by = "every point, or Optuna's samplers (default grid)"
    group.add_argument("--by", choices=("grid", "tpe", "random"), default="grid", help=by)
    trials = "how many a sampler makes (default 100), or at most of a grid"
    group.add_argument("--trials", type=int, metavar="N", help=trials)
    measure = "normalised (default): mean of accuracy / fine-tuned accuracy; absolute: mean "
    measure += "accuracy; worst: the worst task's share"
    group.add_argument(
        "--measure", choices=("normalised", "absolute", "worst"), default="normalised", help=measure
    )
    storage = "a database's URL, or a file on a shared disk: machines that give it share the trials"
    group.add_argument("--storage", metavar="URL", help=storage)
    group.add_argument(
        "--study", default="taujp", metavar="NAME", help="in the storage (default taujp)"
    )
    draws = "of the sampler; another one on each machine (default 0)"
    group.add_argument("--draws", type=int, default=0, metavar="N", help=draws)
    at_once = "points of a grid that take turns on the data; a kill loses so many (default 16)"
    group.add_argument("--at-once", type=int, default=16, metavar="N", help=at_once)
    add_shared_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Search, save the result with where it comes from, and print the best."""
    check_place(arguments.out, "search")
    sampled = arguments.by != "grid" or arguments.storage is not None
    check_installed("open_clip", *RESULTS, *(["optuna"] if sampled else []))
    from taujp.evaluate.provenance import provenance_of
    from taujp.searching import search
    from taujp.train.model import load_model

    checkpoints = checkpoints_of(arguments)
    inputs = load_inputs(
        load_model(arguments.model, device=arguments.device), arguments, checkpoints, []
    )
    own = zip(inputs.own, checkpoints.values(), strict=True)
    found = search(
        inputs.own,
        _space(arguments),
        models=inputs.models,
        by=arguments.by,
        trials=arguments.trials,
        scheme=arguments.scheme,
        measure=arguments.measure,
        at_once=arguments.at_once,
        storage=arguments.storage,
        study=arguments.study,
        seed=arguments.draws,
        out=arguments.out,
        provenance=provenance_of(
            arguments.model,
            {task.name: path for task, path in own},
            way=arguments.way,
            data=data_digests(arguments, inputs.tasks),
            seed=arguments.seed,
        ),
        device=arguments.device,
        progress=not arguments.quiet,
    )
    if not arguments.quiet:
        print(f"{search_table(found)}\n")
    cost = f"{found.cost.seconds:.1f} s on {found.cost.device}"
    print(f"{arguments.out}: {len(found.trials)} points, {cost}")
    return 0


def dimension(text: str) -> tuple[str, Any]:
    """NAME=VALUES as a name and its list or Range."""
    from taujp.searching.space import Range

    name, equals, values = text.partition("=")
    if not equals or not name or not values:
        raise argparse.ArgumentTypeError(f"'{text}': expected NAME=VALUES, as density=0.1,0.2")
    name = name if name.startswith("coefficient:") else name.replace("-", "_")
    low, dots, high = values.partition("..")
    if dots:
        high, _, log = high.partition(":")
        try:
            return name, Range(json.loads(low), json.loads(high), log=_is_log(log))
        except (ValueError, TypeError) as error:
            raise argparse.ArgumentTypeError(
                f"'{text}': {error}; expected LOW..HIGH, as 0.1..0.9, or LOW..HIGH:log"
            ) from None
    return name, numbers(values) if values.count(":") == 2 else [
        _value(v) for v in values.split(",")
    ]


def search_table(found: Search, *, most: int = 10) -> str:
    """The best points on validation, and the chosen one on test, in percent."""
    from taujp.report.text_table import percent, text_table

    sign = -1 if found.maximise else 1
    order = sorted(found.trials, key=lambda trial: sign * trial.value)
    tasks = list(found.best.scores)
    rows = [
        [told(one.values), *(percent(one.scores[t].accuracy) for t in tasks), percent(one.value)]
        for one in order[:most]
    ]
    tables = [text_table([f"validation, % ({found.by})", *tasks, found.objective], rows)]
    if found.test is not None:
        each = [percent(found.test.scores[task].accuracy) for task in tasks]
        means = [percent(found.test.absolute), percent(found.test.normalised)]
        header = ["test, %", *tasks, "mean", "normalised"]
        tables.append(text_table(header, [[told(found.best.values), *each, *means]]))
    return "\n\n".join(tables)


def told(values: Mapping[str, Any]) -> str:
    """A point in words: "method ties, density 0.2, coefficient 0.3"."""
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


def _space(arguments: argparse.Namespace) -> dict[str, Any]:
    names = [name for name, _ in arguments.space]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"--space: {twice} given twice; expected each name once")
    return dict(arguments.space)


def _is_log(text: str) -> bool:
    if text not in ("", "log"):
        raise ValueError(f"':{text}' is unknown")
    return text == "log"


def _value(text: str) -> Any:
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false", "none") else text)
    except json.JSONDecodeError:
        return None if text.lower() == "none" else text
