"""`taujp eval`: what people type, what is written, and what they are told."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import torch

from small_clip_files import small_clip_folder, small_registered_tasks
from taujp.cli import main
from taujp.commands.eval_arguments import numbers
from taujp.commands.eval_protocols import PROTOCOLS
from taujp.commands.task_argument import task_named
from taujp.data.digest import data_digest
from taujp.data.task import registered
from taujp.evaluate import (
    MergedTangents,
    Unqualified,
    addition,
    load_result,
    merged_models,
    negation,
    random_vector,
    single_task,
)
from taujp.evaluate.provenance import checkpoint_digest
from taujp.evaluate.result_files import load_record
from taujp.train import Recipe, finetune, prepare
from taujp.train.model import load_model

QUICK = Recipe(steps=25, batch_size=16, learning_rate=1e-2, warmup_steps=3, seed=5)
WAYS = {"standard": "non-linear", "linear": "linear"}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def names():
    with small_registered_tasks() as registered:
        yield registered


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_clip_folder(tmp_path_factory.mktemp("model") / "small")


@pytest.fixture(scope="module")
def loaded(folder):
    return load_model(str(folder))


@pytest.fixture(scope="module")
def tasks(loaded, names):
    return [
        prepare(task_named(name), loaded.model, loaded.tokenizer, loaded.transform)
        for name in names
    ]


@pytest.fixture(scope="module")
def checkpoints(loaded, tasks, tmp_path_factory):
    """Folders by mode, with a file a task."""
    found = {}
    for mode in WAYS:
        found[mode] = tmp_path_factory.mktemp(mode)
        for task in tasks:
            finetune(
                loaded.model,
                task.head,
                task.splits.train,
                QUICK,
                mode=mode,
                out=found[mode] / f"{task.name}.safetensors",
                progress=False,
            )
    return found


@pytest.fixture(params=list(WAYS))
def mode(request):
    return request.param


def paths(checkpoints, mode, names):
    return {name: checkpoints[mode] / f"{name}.safetensors" for name in names}


@pytest.fixture
def evaluate(folder, names, checkpoints, tmp_path):
    """Runs the command on a mode's checkpoints and returns the record that it wrote."""

    def run(protocol, *arguments, mode="standard", given=None):
        out = tmp_path / f"{protocol}.json"
        given = ("--folder", checkpoints[mode]) if given is None else given
        words = ("eval", protocol, "--model", folder, *given, "-o", out, *arguments)
        assert main([str(word) for word in words]) == 0
        return load_record(out)

    return run


ASKED = {
    "single": (),
    "addition": ("--coefficients", "0:1:3"),
    "negation": ("--target", "colour", "--control", "side", "--others", "shade"),
    "analogy": (
        "--a=colour",
        "--b=side",
        "--c=shade",
        "--d=colour",
        "--add=1",
        "--shift=0,1",
    ),
    "subsets": ("--coefficients", "0.5,1"),
    "disentanglement": ("--tasks", "colour,side", "--coefficients=-1:1:3"),
    "interference": (),
    "unseen": ("--unseen", "shade"),
    "ensemble": (),
    "calibration": ("--coefficients", "0.5,1"),
}


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_every_protocol_is_saved_with_where_it_comes_from(
    evaluate, checkpoints, mode, protocol, capsys
):
    found = evaluate(protocol, *ASKED[protocol], "--way", WAYS[mode], mode=mode)
    assert found.kind == protocol
    assert found.result.mode == mode
    assert found.provenance.way == WAYS[mode]
    assert found.provenance.seed == 5  # of the recipe in the files
    colour = checkpoints[mode] / "colour.safetensors"
    assert found.provenance.checkpoints["colour"] == checkpoint_digest(colour)
    assert found.provenance.data["colour"] == data_digest(task_named("colour"))
    assert found.cost.seconds > 0
    text = capsys.readouterr().out
    assert f"{protocol}.json: " in text
    assert "test, %" in text or protocol == "interference"
    assert len(text.splitlines()) > 3


def test_a_result_is_that_of_the_function(evaluate, loaded, tasks, checkpoints, names, mode):
    models = merged_models(loaded.model, paths(checkpoints, mode, names))
    found = evaluate("addition", "--coefficients", "0,0.5,1", "--scheme", "task", mode=mode)
    assert found.result == addition(models, tasks, coefficients=(0, 0.5, 1), scheme="task")
    asked = ("--target", "side", "--control", "colour", "--rule", "largest", "--keep", "0.5")
    found = evaluate("negation", *asked, mode=mode)
    expected = negation(models, tasks[2], tasks[0], rule="largest", keep=0.5)
    assert found.result == expected


def test_checkpoints_are_given_one_by_one_and_in_order(evaluate, checkpoints):
    given = ("--checkpoints", *(f"{name}={checkpoints['standard']}/{name}.safetensors"
             for name in ("side", "colour")))  # fmt: skip
    found = evaluate("single", given=given)
    assert [task.task for task in found.result.tasks] == ["side", "colour"]
    found = evaluate("single", "--tasks", "colour", given=given)
    assert [task.task for task in found.result.tasks] == ["colour"]


TASK_FILE = """
import numpy as np
from taujp.data import ArrayImages, RawSplits, task

@task("tinted", classes=("red", "blue"))
def tinted(root):
    def images(count):
        labels = np.arange(count) % 2
        pixels = np.full((count, 8, 8, 3), 100, np.uint8)
        pixels[np.arange(count), :, :, 2 * labels] += 80
        return ArrayImages(pixels, labels)

    return RawSplits(images(30), images(10), images(10))
"""


def test_a_task_of_a_file_goes_by_its_name_in_the_result(evaluate, checkpoints, tmp_path):
    file = tmp_path / "my_task.py"
    file.write_text(TASK_FILE)
    own = checkpoints["standard"] / "shade.safetensors"
    found = evaluate("unseen", "--unseen", "side", given=("--checkpoints", f"{file}={own}"))
    assert found.result.merged == ("tinted",)
    assert set(found.provenance.data) == {"tinted", "side"}
    assert set(found.provenance.checkpoints) == {"tinted"}
    del registered["tinted"]


def test_ordinary_checkpoints_are_linearised_after_the_fact(
    evaluate, loaded, tasks, checkpoints, names
):
    found = evaluate("single", "--post-hoc").result
    models = MergedTangents(loaded.model, paths(checkpoints, "standard", names))
    assert found.mode == "post-hoc"
    assert found == single_task(models, tasks)


def test_another_merge_method_has_its_options(evaluate):
    found = evaluate("addition", "--method", "ties", "--option", "density=0.3").result
    assert (found.method, found.options) == ("ties", {"density": 0.3})
    assert found.one_shot != evaluate("addition").result.one_shot


def test_a_jointly_trained_checkpoint_stands_for_every_task(evaluate, checkpoints):
    joint = checkpoints["standard"] / "colour.safetensors"
    given = ("--tasks", "colour,side", "--joint", joint)
    found = evaluate("single", given=given).result
    assert found.training == "jointly"
    own = evaluate("single").result
    assert own.training == "each"
    assert found.tasks[0] == own.tasks[0]
    assert found.tasks[1].zero_shot_test == own.tasks[2].zero_shot_test
    assert found.tasks[1].finetuned_test != own.tasks[2].finetuned_test


def test_negation_of_a_random_vector(evaluate, loaded, tasks, checkpoints, mode):
    asked = ("--target", "colour", "--control", "side", "--keep", "0")
    found = evaluate("negation", *asked, "--vector", "random", "--vector-seed", "3", mode=mode)
    assert (found.result.vector, found.result.mode) == ("random", mode)
    trained = checkpoints[mode] / "colour.safetensors"
    base = {f"visual.{key}": value for key, value in loaded.model.visual.state_dict().items()}
    random = random_vector(base, trained, seed=3)
    assert found.provenance.checkpoints["colour"] == checkpoint_digest(random)
    if mode == "standard":
        models = merged_models(loaded.model, {"colour": random})
        assert found.result == negation(models, tasks[0], tasks[2], keep=0, vector="random")


def test_negation_of_an_ascended_model_applies_it(evaluate, checkpoints, mode):
    asked = ("--target", "colour", "--control", "side", "--keep", "0")
    found = evaluate("negation", *asked, "--vector", "ascent", mode=mode).result
    own = evaluate("single", mode=mode).result.tasks[0]
    assert found.vector == "gradient ascent"
    assert found.one_shot.target.accuracy == own.finetuned_test.accuracy
    assert found.one_shot.coefficient == 1


def test_negation_without_a_coefficient_says_so(evaluate, capsys):
    found = evaluate("negation", "--target", "colour", "--control", "side", "--keep", "2")
    assert isinstance(found.result.chosen, Unqualified)
    assert "no coefficient" in capsys.readouterr().out


def test_what_costs_time_can_be_left_out(evaluate, capsys):
    found = evaluate("single", "--no-digests", "--in-memory", "--quiet", "--seed", "7")
    assert found.provenance.data == {}
    assert found.provenance.seed == 7
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_lists_of_numbers():
    assert numbers("0, 0.3,1") == [0, 0.3, 1]
    assert numbers("-3:3:21")[10] == 0
    assert numbers("0:1:21") == [step / 20 for step in range(21)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("single",), r"checkpoints: there is none of any task.*--folder DIR"),
        (("single", "--checkpoints", "colour=/not/there"), r"none of \['colour'\]"),
        (("single", "--joint", "x.safetensors"), "none of any task"),
        (("negation", "--folder", "FOLDER", "--target", "x", "--control", "side"), "--target x"),
        (("disentanglement", "--folder", "FOLDER"), r"'side'\]; expected two.*--tasks A,B"),
        (("addition", "--folder", "FOLDER", "--post-hoc", "--method", "ties"), "--post-hoc"),
        (("analogy", "--folder", "FOLDER", "--a=x", "--b=side", "--c=side", "--d=side"), "'x'"),
    ],
)
def test_what_cannot_be_done_is_said(folder, names, checkpoints, tmp_path, capsys, words, message):
    words = [str(checkpoints["standard"]) if word == "FOLDER" else word for word in words]
    out = tmp_path / "x.json"
    assert main(["eval", *words, "--model", str(folder), "-o", str(out)]) == 1
    assert not out.exists()
    text = capsys.readouterr().err
    assert re.search(message, text), text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--coefficients", "0:1"), "FIRST:LAST:COUNT"),
        (("--coefficients", "0:1:1"), "FIRST:LAST:COUNT"),
        (("--option", "density"), "NAME=VALUE"),
        (("--checkpoints", "colour"), "TASK=PATH"),
    ],
)
def test_malformed_arguments_are_refused(words, message, capsys):
    with pytest.raises(SystemExit):
        main(["eval", "addition", "--model", "demo", "-o", "x.json", *words])
    assert message in capsys.readouterr().err


def test_help_needs_no_torch():
    code = (
        "import sys; from taujp.cli import parser; parser(); "
        "print([n for n in ('torch', 'numpy', 'pydantic') if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout.replace("'", '"')) == []


def test_a_record_is_read_back_whole(evaluate, tmp_path):
    found = evaluate("disentanglement", "--tasks", "colour,side", "--coefficients=-1:1:3")
    assert load_result(tmp_path / "disentanglement.json") == found.result
