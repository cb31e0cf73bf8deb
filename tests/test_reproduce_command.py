"""`taujp reproduce`: plans, jobs, imported checkpoints, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from earlier_modules import ImageEncoder, linearised_state
from small_clip import small_clip
from small_reproduction import SETUP, files_of, make, small, small_model  # noqa: F401
from taujp import cli
from taujp.checkpoint import open_checkpoint, to_state_dict
from taujp.commands.reproduce import seeds_of
from taujp.report.published import TASKS as EIGHT
from taujp.reproduce import training
from taujp.reproduce.candidates import WAYS, find_ways, first_round
from taujp.reproduce.dry_run import dry_run
from taujp.reproduce.importing import import_tasks
from taujp.reproduce.jobs import Workers, runner
from taujp.reproduce.plan import planned_steps
from taujp.reproduce.setups import SETUPS, setup_of
from taujp.reproduce.speed import Speed, measure_speed, random_weights
from taujp.reproduce.training import train
from taujp.reproduce.world import Place

LINEAR = WAYS["linear"]
ONE_RATE = replace(SETUP, learning_rates=(1e-3,))


@pytest.mark.usefixtures("small_model")
def test_a_plan_says_what_is_there_and_what_is_not(tmp_path):
    asked = small(ways=(LINEAR, WAYS["linear + tauJp"]))
    before = planned_steps(asked, tmp_path)
    assert all(step.there == 0 for step in before)
    assert sum(step.files for step in before if step.way) == 2 * (2 + 2 + 1)
    assert sum(step.rate_open for step in before) == 1
    make(asked, tmp_path)
    after = planned_steps(asked, tmp_path)
    assert [step.files for step in after] == [step.files for step in before]
    assert {step.what for step in after if step.missing} == {"report"}
    assert not any(step.rate_open for step in after)
    second = planned_steps(replace(asked, seeds=(0, 1), choose="first"), tmp_path)
    assert sum(step.missing for step in second if step.way) == 2 * 2


def test_the_dry_run_of_a_large_model_loads_no_weights(tmp_path, monkeypatch):
    speed = Speed(dict.fromkeys(WAYS, 1.5), 350_000_000)
    monkeypatch.setattr("taujp.reproduce.dry_run.measure_speed", lambda *_: speed)
    asked = small(setup=SETUPS["ViT-B-32"])
    text = dry_run(asked, Place(tmp_path, tmp_path), jobs=2)
    assert "24 models to train: about 10.0 h with 2 at a time" in text  # 24 * 2000 * 1.5 s / 2
    assert "8.40 GB of checkpoints" in text
    assert "check the data of cars, dtd, eurosat, gtsrb, mnist, resisc45, sun397, svhn" in text
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("small_model")
def test_the_speed_of_every_way_is_measured():
    speed = measure_speed(SETUP, find_ways(WAYS), "cpu")
    assert speed.seconds.keys() == set(WAYS)
    assert all(0 < seconds < 5 for seconds in speed.seconds.values())
    visual = small_clip().visual
    assert speed.checkpoint_bytes == sum(4 * value.numel() for value in visual.parameters())
    assert [random_weights(name) for name in ("demo", "ViT-B-32:openai")] == [
        "demo",
        "ViT-B-32:none",
    ]


def test_jobs_side_by_side_train_the_same_bits(tmp_path):
    """Two processes that load the demo's model, and this one."""
    setup = replace(
        SETUPS["demo"],
        tasks=("digits", "symbols"),
        recipe={"steps": 2, "batch_size": 4, "weight_decay": 0.0, "warmup_steps": 1},
        in_memory=False,
    )
    (candidate, *_) = first_round(LINEAR, setup, 0)
    steps = [(train, (candidate, task)) for task in setup.tasks]
    for folder, jobs in (("one", 1), ("two", 2)):
        place = Place(tmp_path, tmp_path / folder)
        with runner(setup, place, Workers(jobs, 1)) as run:
            assert {task for _, task in run(steps)} == set(setup.tasks)
    for path in (tmp_path / "one").rglob("*.safetensors"):
        one, two = (
            to_state_dict(open_checkpoint(tmp_path / folder / path.relative_to(tmp_path / "one")))
            for folder in ("one", "two")
        )
        assert one.keys() == two.keys()
        assert all(torch.equal(two[name], value) for name, value in one.items())


@pytest.mark.usefixtures("small_model")
def test_imported_checkpoints_take_the_place_of_training(tmp_path, monkeypatch):
    asked = small(setup=ONE_RATE, ways=(LINEAR,))
    sources = {}
    for seed, task in enumerate(SETUP.tasks, start=1):
        theta = small_clip()
        torch.manual_seed(seed)
        with torch.no_grad():
            theta.visual.proj.add_(0.05 * torch.randn_like(theta.visual.proj))
        sources[task] = tmp_path / f"{task}.pt"
        torch.save(linearised_state(small_clip(), theta), sources[task])
    place = Place(tmp_path, tmp_path / "out")
    import_tasks(asked, place, sources)
    monkeypatch.setattr(training, "finetune", None)
    (chosen,) = make(asked, tmp_path / "out")[0]
    assert set(files_of(tmp_path / "out")) == {
        str(chosen.checkpoint(place.out, task).relative_to(place.out)) for task in SETUP.tasks
    }


@pytest.mark.usefixtures("small_model")
def test_what_does_not_fit_is_not_imported(tmp_path):
    source = tmp_path / "small_side.pt"
    torch.save(ImageEncoder(small_clip()), source)
    place = Place(tmp_path, tmp_path)
    one = small(setup=ONE_RATE, ways=(LINEAR,))
    with pytest.raises(ValueError, match="mode 'standard'; expected 'linear'"):
        import_tasks(one, place, {"small_side": source})
    assert not list(tmp_path.rglob("*.safetensors"))
    for asked, says in (
        (small(ways=(LINEAR,)), "2 settings"),
        (small(setup=ONE_RATE), "4 settings"),
        (replace(one, seeds=(0, 1)), "2 settings"),
    ):
        with pytest.raises(ValueError, match=f"{says} of ways and seeds"):
            import_tasks(asked, place, {"small_side": source})
    with pytest.raises(ValueError, match="unknown tasks are \\['nosuch'\\]"):
        import_tasks(one, place, {"nosuch": source})


def test_every_clip_model_has_the_papers_recipe():
    from taujp.train import Recipe

    for name in ("ViT-B-32", "ViT-B-16", "ViT-L-14"):
        setup = setup_of(name)
        recipe = Recipe(**setup.recipe, learning_rate=setup.learning_rates[0])
        assert (recipe.batch_size, recipe.learning_rate, recipe.weight_decay) == (128, 1e-5, 0.1)
        assert setup.tasks == EIGHT
        assert setup.control not in setup.tasks
    with pytest.raises(ValueError, match="expected one of demo"):
        setup_of("ViT-H-14")


@pytest.mark.parametrize("task", EIGHT)
def test_published_epochs_are_about_two_thousand_steps(task):
    from types import SimpleNamespace

    from taujp.data import find_task

    images = range(find_task(task).counts[0])
    world = SimpleNamespace(
        setup=SETUPS["ViT-B-32"],
        task=lambda name: SimpleNamespace(splits=SimpleNamespace(train=images)),
    )
    steps = training.settings_of(world, first_round(LINEAR, SETUPS["ViT-B-32"], 0)[0], task)
    assert 1900 < steps["recipe"]["steps"] < 2200


def test_seeds_as_people_write_them():
    assert seeds_of("0-4") == (0, 1, 2, 3, 4)
    assert seeds_of("3") == (3,)
    assert seeds_of("0,2,5-6") == (0, 2, 5, 6)
    for text in ("", "a", "1,1", "2-", "4-1"):
        with pytest.raises(ValueError, match="--seeds"):
            seeds_of(text)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ways", "cubic"], "--ways"),
        (["--jobs", "0"], "--jobs 0"),
        (["--import", "digits"], "TASK=FILE"),
        (["--seeds", "x"], "--seeds x"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, capsys, arguments, says):
    command = ["reproduce", "addition", "--model", "demo", "--out", str(tmp_path), *arguments]
    assert cli.main(command) == 1
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("grid", ["0", "1e-3,1e-3", "x", "inf"])
def test_a_grid_is_of_different_numbers_above_zero(grid, capsys):
    with pytest.raises(SystemExit):
        cli.main(["reproduce", "addition", "--model", "demo", "--grid", grid])
    assert "--grid" in capsys.readouterr().err


def test_the_command_plans_the_demo(tmp_path, capsys):
    out = tmp_path / "out"
    command = ["reproduce", "negation", "--model", "demo", "--out", str(out), "--dry-run"]
    assert cli.main([*command, "--ways", "linear", "--grid", "1e-3", "--seeds", "0-1"]) == 0
    shown = capsys.readouterr().out
    assert "seed 1: linear: train lr-0.001" in shown
    assert "8 models to train" in shown
    assert not out.exists()
