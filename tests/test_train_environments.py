"""Training over environments: balanced batches, the command, and the orderings on the test beds."""

from __future__ import annotations

import csv
import itertools
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import TensorDataset

from taujp.cli import main
from taujp.commands.finetune_objective import OBJECTIVES
from taujp.data import find_task, load_demo_model
from taujp.data.coloured_digits import coloured_digits
from taujp.data.structural_model import structural_model
from taujp.evaluate import merged_models
from taujp.evaluate.calibration import calibration
from taujp.train import Recipe, endless_batches, prepare, read_settings
from taujp.train.batches import drawn
from taujp.train.environment_batches import ENVIRONMENT, environment_batches
from taujp.train.invariance import finetune_invariantly
from taujp.train.objectives import make_objective, objectives
from taujp.train.penalties import TauJp

SCRIPTS = Path(__file__).parent.parent / "scripts"
sys.path.append(str(SCRIPTS))

import invariance_tables  # noqa: E402
from invariance.digits import SETTINGS, calibrated, digits_data, trained_on_digits  # noqa: E402
from invariance.structure import found_coefficients  # noqa: E402

QUICK = ("--steps", 4, "--batch-size", 8, "--lr", 1e-3, "--warmup", 1, "--quiet")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def demo():
    return load_demo_model()


def numbered(first: int, count: int) -> TensorDataset:
    numbers = torch.arange(first, first + count)
    return TensorDataset(numbers.float()[:, None], numbers)


SETS = {"a": numbered(0, 23), "b": numbered(100, 9), "c": numbered(200, 3)}


def taken(count: int, **options):
    return list(itertools.islice(environment_batches(SETS, 15, seed=3, **options), count))


def test_every_environment_has_its_share_of_every_batch():
    for images, labels, index in taken(8):
        assert index.tolist() == [0] * 5 + [1] * 5 + [2] * 3  # c has no more than 3
        assert (labels // 100).tolist() == index.tolist()
        assert torch.equal(images[:, 0].long(), labels)


def test_each_environment_is_shuffled_by_a_seed_of_its_own():
    for number, (name, dataset) in enumerate(SETS.items()):
        alone = endless_batches(dataset, 5, seed=drawn(3, ENVIRONMENT, number))
        for batch, (_, labels, index) in zip(alone, taken(7), strict=False):
            assert torch.equal(batch[1], labels[index == number]), name


@pytest.mark.parametrize("start", [1, 5])
def test_a_later_start_gives_the_same_batches(start):
    for one, other in zip(taken(8)[start:], taken(8 - start, start=start), strict=True):
        assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def test_ranks_share_the_rows_of_every_environment():
    sets = {"a": numbered(0, 23), "b": numbered(100, 12)}
    options = {"size": 16, "seed": 1}
    whole = list(itertools.islice(environment_batches(sets, **options), 5))
    parts = [
        list(itertools.islice(environment_batches(sets, part=part, parts=2, **options), 5))
        for part in range(2)
    ]
    for step, (_, labels, index) in enumerate(whole):
        for environment in range(2):
            shares = [p[step][1][p[step][2] == environment] for p in parts]
            together = torch.stack(shares, 1).flatten()
            assert torch.equal(together, labels[index == environment])


def test_what_cannot_be_shared_out_is_named():
    with pytest.raises(ValueError, match="there is no environment"):
        environment_batches({}, 4, seed=0)
    with pytest.raises(ValueError, match="16 rows for 3 environments; expected a multiple of 3"):
        environment_batches(SETS, 16, seed=0)
    with pytest.raises(ValueError, match="environment 'b' has no images"):
        environment_batches({"a": numbered(0, 4), "b": numbered(0, 0)}, 4, seed=0)
    other = TensorDataset(torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"'a': \(1,\), 'b': \(2,\)"):
        next(environment_batches({"a": numbered(0, 4), "b": other}, 4, seed=0))


def command(*arguments, recipe=QUICK) -> list[str]:
    return [str(one) for one in ("finetune", "--model", "demo", *recipe, *arguments)]


def same_weights(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_command_knows_every_objective():
    assert tuple(objectives()) == OBJECTIVES


def test_tasks_are_environments_under_their_own_heads(demo, tmp_path):
    out = tmp_path / "invariant.safetensors"
    objective = ("--objective", "irmv1", "--objective-option", "weight=50")
    objective += ("--objective-option", "anneal=2")
    penalty = ("--penalty", "tau_jp=0.2", "--control", "symbols", "--control-batch-size", 4)
    where = ("--environments", "digits,letters", "--mode", "linear")
    assert main(command(*objective, *penalty, *where, "-o", out)) == 0
    tasks = {
        name: prepare(find_task(name), demo.model, demo.tokenizer, demo.transform)
        for name in ("digits", "letters", "symbols")
    }
    trained = {name: tasks[name] for name in ("digits", "letters")}
    expected = finetune_invariantly(
        demo.model,
        {name: task.head for name, task in trained.items()},
        {name: task.splits.train for name, task in trained.items()},
        make_objective("irmv1", weight=50, anneal=2),
        Recipe(steps=4, batch_size=8, learning_rate=1e-3, warmup_steps=1),
        mode="linear",
        penalties=[TauJp({"symbols": tasks["symbols"].splits.train}, weight=0.2, batch_size=4)],
        progress=False,
    )
    assert same_weights(load_file(out), expected.state)
    steps = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    for step in steps:  # what is minimised, of parts that are logged apart
        weight = 1 if step["step"] < 2 else 50
        risk = (step["risk_digits"] + step["risk_letters"]) / 2
        invariance = risk + weight * step["irmv1_penalty"]
        assert step["irmv1"] == pytest.approx(invariance, rel=1e-4, abs=1e-4)
        assert step["loss"] == pytest.approx(step["irmv1"] + 0.2 * step["tau_jp"], rel=1e-4)
    told = read_settings(out)
    assert told["objective"]["name"] == "irmv1"
    assert list(told["environments"]) == ["digits", "letters"]
    models = merged_models(demo.model, {"digits": out})
    assert models.mode == "linear"
    assert calibration(models, [tasks["digits"]]).points[1].name == "one-shot"


def test_a_task_with_environments_of_its_own_needs_no_others(tmp_path):
    out = tmp_path / "coloured.safetensors"
    assert main(command("--task", "coloured_digits", "--objective", "vrex", "-o", out)) == 0
    told = read_settings(out)
    sizes = {name: len(part.train) for name, part in coloured_digits().environments.items()}
    assert told["environments"] == sizes
    assert told["objective"]["name"] == "vrex"


def test_a_listing_and_folders_divide_a_task(tmp_path):
    train = find_task("digits").images().train
    listing = tmp_path / "writers.csv"
    with listing.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file", "writer"])
        table.writerows((train.name(row), f"w{row % 3}") for row in range(len(train)))
    out = tmp_path / "listed.safetensors"
    by_writer = ("--task", "digits", "--environments", f"csv:{listing}:writer")
    recipe = ("--steps", 2, "--batch-size", 9, "--lr", 1e-3, "--warmup", 1, "--quiet")
    assert main(command(*by_writer, "--objective", "erm", "-o", out, recipe=recipe)) == 0
    counts = read_settings(out)["environments"]
    assert list(counts) == ["w0", "w1", "w2"]
    assert sum(counts.values()) == len(train)
    places = [tmp_path / "photo", tmp_path / "sketch"]
    for place, index in itertools.product(places, range(10)):
        folder = place / find_task("digits").classes[index]
        folder.mkdir(parents=True)
        train.open(index).save(folder / "0.png")
    out = tmp_path / "folders.safetensors"
    folders = ("--task", "digits", "--environments", ",".join(map(str, places)))
    assert main(command(*folders, "--objective", "erm", "-o", out)) == 0
    assert read_settings(out)["environments"] == {"photo": 10, "sketch": 10}


def test_a_column_of_a_hub_data_set_divides_it(tmp_path):
    datasets = pytest.importorskip("datasets")
    images = find_task("digits").images().train
    rows = {
        "image": [images.open(row).convert("RGB") for row in range(12)],
        "label": [row % 2 for row in range(12)],
        "writer": ["ann", "bob", "ann"] * 4,
    }
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["one", "two"])}
    features = datasets.Features({**kinds, "writer": datasets.Value("string")})
    table = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": table, "test": table}).save_to_disk(tmp_path / "writers")
    out = tmp_path / "column.safetensors"
    column = ("--task", f"hub:{tmp_path / 'writers'}", "--environments", "column:writer")
    recipe = ("--steps", 2, "--batch-size", 4, "--lr", 1e-3, "--warmup", 1, "--quiet")
    assert main(command(*column, "--objective", "vrex", "-o", out, recipe=recipe)) == 0
    counts = read_settings(out)["environments"]
    assert list(counts) == ["ann", "bob"]
    assert sum(counts.values()) == 11  # a tenth is held out for validation


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(demo, tmp_path, monkeypatch):
    task = coloured_digits()
    head = prepare(find_task("coloured_digits"), demo.model, demo.tokenizer, demo.transform).head
    sets = task.splits(demo.transform).train
    recipe = Recipe(steps=6, batch_size=8, learning_rate=1e-3, warmup_steps=1, save_every=2)

    def run(out, logger=()):
        objective = make_objective("birm", weight=1e2, anneal=3)
        return finetune_invariantly(
            demo.model, head, sets, objective, recipe, out=out, progress=False, loggers=logger
        )

    whole = run(tmp_path / "whole.safetensors")
    with pytest.raises(RuntimeError, match="pulled the plug"):
        run(tmp_path / "stopped.safetensors", (PullsThePlug(at=4),))
    again = run(tmp_path / "stopped.safetensors")
    assert again.losses == whole.losses
    assert same_weights(again.state, whole.state)


class PullsThePlug:
    """A logger that ends the run with an error."""

    def __init__(self, at: int) -> None:
        self.at = at

    def open(self, *, start, settings) -> None:
        """Nothing to open."""

    def write(self, step, figures) -> None:
        """At the given step the error."""
        if step == self.at:
            raise RuntimeError("pulled the plug")

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--task", "digits", "--environments", "a,b"), "no objective uses it"),
        (("--task", "digits", "--objective-option", "weight=1"), "no objective uses it"),
        (("--objective", "vrex"), "there are no environments"),
        (
            ("--objective", "irm_game", "--environments", "a,b", "--objective-option", "wait=3"),
            "irm_game has none here",
        ),
        (("--objective", "vrex", "--task", "digits"), "no environments of its own"),
        (("--objective", "vrex", "--environments", "digits,digits"), "expected every one once"),
        (("--objective", "vrex", "--task", "digits", "--ascent"), "--ascent was given"),
        (
            ("--objective", "vrex", "--task", "digits", "--environments", "photo,sketch"),
            "leave --task out where the environments are tasks",
        ),
        (
            ("--objective", "vrex", "--environments", "digits,letters", "--control", "digits"),
            r"--control has \['digits'\]",
        ),
        (
            ("--objective", "vrex", "--task", "digits", "--environments", "column:writer"),
            "expected rows of a Hugging Face data set",
        ),
        (
            ("--objective", "irmv1", "--environments", "a,b", "--objective-option", "wait=3"),
            "unknown option 'wait'",
        ),
        (
            ("--objective", "irm_game", "--environments", "digits,letters"),
            "expected one of .*linear",
        ),
    ],
)
def test_what_the_command_cannot_do_is_said(asked, told, tmp_path, capsys):
    assert main(command(*asked, "-o", tmp_path / "x.safetensors")) == 1
    assert re.search(told, capsys.readouterr().err)


@pytest.fixture(scope="module")
def quick() -> dict[str, float]:
    """Accuracy on reversed colours by objective: one seed, fewer rows and steps than the table."""
    found = {}
    for name, setting in SETTINGS.items():
        rows = 1024 if name == "PAIR" else 256
        how = replace(setting.how, rows=rows, steps=min(setting.how.steps, 600))
        if name != "IRM Game":
            how = replace(how, steps=250)
        network = trained_on_digits(replace(setting, how=how), seed=0)
        data = digits_data(0)
        found[name] = calibrated(network, data)[data.unseen].plain.scores.accuracy
    return found


def test_erm_follows_the_colour_and_every_other_objective_less(quick):
    assert quick["ERM"] < 0.25
    for name, accuracy in quick.items():
        if name != "ERM":
            assert accuracy > quick["ERM"] + 0.2, (name, quick)


def test_the_structural_models_error_falls_with_data_but_not_for_erm():
    models = [structural_model(rows, seed=0) for rows in (300, 2000)]
    errors = {
        name: [model.error(found_coefficients(name, model, steps=300)) for model in models]
        for name in ("ERM", "IRMv1", "PAIR")
    }
    assert errors["ERM"][1] > 0.65 * errors["ERM"][0], errors
    for name in ("IRMv1", "PAIR"):
        assert errors[name][1] < 0.45 * errors[name][0], errors
        assert errors[name][1] < errors["ERM"][1] / 3, errors


def test_the_pages_figures_show_what_they_must():
    figures = json.loads(invariance_tables.FIGURES.read_text())
    least = {"ERM": 0.0, "IRM Game": 0.5} | dict.fromkeys(
        ("IRMv1", "VREx", "IB-IRM", "BIRM", "PAIR"), 0.55
    )
    assert set(figures["digits"]) == set(least)
    for name, seeds in figures["digits"].items():
        accuracies = [run[figures["unseen"]]["plain"]["accuracy"] for run in seeds.values()]
        assert len(accuracies) == 3
        assert fmean(accuracies) > least[name], name
        if name == "ERM":
            assert max(accuracies) < 0.25
    for name, by_rows in figures["structure"].items():
        means = [fmean(by_seed.values()) for by_seed in by_rows.values()]
        assert (means[-1] < 0.5 * means[0]) == (name != "ERM"), (name, means)


def test_the_pages_tables_are_those_of_its_figures():
    figures = json.loads(invariance_tables.FIGURES.read_text())
    page = invariance_tables.PAGE.read_text()
    for name, table in invariance_tables.tables(figures).items():
        assert invariance_tables.with_table(page, name, table) == page, (
            f"{name} is stale: run scripts/invariance_tables.py --only-tables"
        )
