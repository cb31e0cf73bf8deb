"""The distilled recipe: the teacher is a linear fine-tune, the student follows as it learns."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import Dataset

from small_clip import colour_images, head_of, side_images, small_clip
from taujp.tangent import linearize
from taujp.train import Recipe, distil, finetune, make_fabric, read_settings
from taujp.train.batch import Batch
from taujp.train.penalties import TauJp
from taujp.train.teacher import Distillation, TeacherAndStudent

RECIPE = Recipe(steps=6, batch_size=24, learning_rate=3e-3, warmup_steps=1)
CLASSES = ("red", "green", "blue")


@pytest.fixture(scope="module")
def model():
    return small_clip()


def train(model, *, images: Dataset | None = None, recipe: Recipe = RECIPE, **more):
    return distil(
        model,
        head_of(model, CLASSES),
        images or colour_images(60, 0),
        recipe,
        penalties=[TauJp({"side": side_images(30, 0)}, weight=0.5, batch_size=12)],
        progress=False,
        **{"reference": side_images(40, 3), "fabric": make_fabric(precision="fp64"), **more},
    )


def lines_of(log) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_the_teacher_is_a_linear_fine_tune_that_no_student_disturbs(model, tmp_path):
    log = tmp_path / "log.jsonl"
    train(model, log=log, teacher_learning_rate=RECIPE.learning_rate / 3)
    alone = finetune(
        model,
        head_of(model, CLASSES),
        colour_images(60, 0),
        Recipe(**{**vars(RECIPE), "learning_rate": RECIPE.learning_rate / 3}),
        mode="linear",
        penalties=[TauJp({"side": side_images(30, 0)}, weight=0.5, batch_size=12)],
        fabric=make_fabric(precision="fp64"),
        progress=False,
    )
    lines = lines_of(log)
    assert [line["teacher_loss"] for line in lines] == pytest.approx(alone.losses, rel=1e-11)
    for line in lines:
        assert line["loss"] == pytest.approx(line["teacher_loss"] + line["distance"], rel=1e-12)


@pytest.mark.parametrize("along", [0.25, 1.0])
def test_the_distance_and_its_gradient_are_those_of_plain_torch(model, along):
    """Both models away from theta0; the equation of taujp.train.teacher, by torch.func."""
    torch.manual_seed(0)
    encoder = copy.deepcopy(model.visual).double().requires_grad_(False)
    learner = TeacherAndStudent(linearize(encoder), encoder)
    learner.along = along
    with torch.no_grad():
        for value in learner.parameters():
            value += 0.02 * torch.randn_like(value)
    images, reference = torch.randn(6, 3, 8, 8).double(), torch.randn(3, 3, 8, 8).double()
    batch = Batch(images, torch.arange(6) % 3, ({"reference": reference},))
    head = head_of(model, CLASSES).double()
    objective = Distillation(
        learner,
        head,
        colour_images(30, 0),
        RECIPE,
        penalties=[],
        reference=None,
        teacher_learning_rate=1.0,
    )
    distance = objective.terms(learner(images, batch.control), batch)["distance"]
    gradients = torch.autograd.grad(distance, list(learner.student.parameters()))

    theta0 = dict(encoder.train().named_parameters())  # attention's fast path has no forward mode
    tau = learner.lin.task_vector()
    theta = {name: value.detach() for name, value in learner.student.named_parameters()}
    rows = torch.cat([images, reference])
    with sdpa_kernel(SDPBackend.MATH):  # the one attention with a forward mode
        f0, df = jvp(lambda p: functional_call(encoder, p, rows), (theta0,), (tau,))

    def equation(theta):
        moved = {name: theta0[name] + along * (theta[name] - theta0[name]) for name in theta}
        student = functional_call(encoder, moved, rows)
        return ((student - f0 - along * df).square().sum(-1) / f0.square().sum(-1)).mean()

    expected, value = torch.func.grad_and_value(equation)(theta)
    torch.testing.assert_close(distance, value, rtol=1e-11, atol=0)
    for gradient, one in zip(gradients, expected.values(), strict=True):
        torch.testing.assert_close(gradient, one, rtol=1e-9, atol=1e-13)


def test_the_student_comes_nearer_to_the_teacher_than_theta0_is(model):
    """The teacher alone is a linear fine-tune; a student that stayed would be as far as it went."""
    theta0 = {name: value.clone() for name, value in model.visual.state_dict().items()}
    recipe = Recipe(steps=25, batch_size=24, learning_rate=3e-3, warmup_steps=4)
    head, images = head_of(model, CLASSES), colour_images(60, 0)
    student = distil(model, head, images, recipe, progress=False).state
    teacher = finetune(model, head, images, recipe, mode="linear", progress=False).state
    own, taught = (
        {name.removeprefix("visual."): value for name, value in state.items()}
        for state in (student, teacher)
    )
    rows = colour_images(40, 7).tensors[0]
    with torch.no_grad():
        target = linearize(model.visual, at=taught)(rows)
        followed = functional_call(model.visual, own, rows)
        stayed = model.visual(rows)
    assert (followed - target).norm() < 0.5 * (stayed - target).norm()
    for name, value in model.visual.state_dict().items():
        assert torch.equal(theta0[name], value), name


class Breaking(Dataset):
    """Images that cannot be read any more after so many."""

    def __init__(self, images: Dataset, left: int) -> None:
        self.images, self.left = images, left

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        self.left -= 1
        if self.left < 0:
            raise OSError("the images are gone")
        return self.images[index]


def test_a_broken_run_goes_on_to_the_same_bits(model, tmp_path):
    """Teacher, student, both optimisers and the reference images are where they were."""
    recipe = Recipe(**{**vars(RECIPE), "save_every": 2})
    whole = train(model, recipe=recipe, out=tmp_path / "whole.safetensors")
    out = tmp_path / "broken.safetensors"
    with pytest.raises(OSError, match="the images are gone"):
        train(model, recipe=recipe, out=out, images=Breaking(colour_images(60, 0), 4 * 24 + 5))
    went_on = train(model, recipe=recipe, out=out)
    assert went_on.losses == whole.losses
    assert all(torch.equal(went_on.state[name], value) for name, value in whole.state.items())
    assert read_settings(out)["mode"] == "standard"


def test_it_works_without_reference_and_without_penalties(model, tmp_path):
    log = tmp_path / "log.jsonl"
    train(model, reference=None, log=log)
    assert lines_of(log)[0]["distance"] == pytest.approx(0, abs=1e-20)
    assert lines_of(log)[-1]["distance"] > 0
