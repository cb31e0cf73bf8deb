"""Every mode of fine-tuning: what it learns, and that parts, chunks and penalties change no sum."""

from __future__ import annotations

import json

import pytest
import torch
from torch.utils.data import TensorDataset

from small_clip import colour_images, head_of, side_images, small_clip, small_tasks
from taujp.tangent import linearize
from taujp.train import (
    LINEARISED,
    Recipe,
    encoder_state,
    finetune,
    make_fabric,
    read_settings,
)
from taujp.train.penalties import Orthogonal, TauJp
from taujp.train.run_settings import describe_penalty

QUICK = Recipe(steps=30, batch_size=32, learning_rate=3e-3, weight_decay=0.0, warmup_steps=3)


@pytest.fixture(scope="module")
def model():
    return small_clip()


def short_run(model, recipe=None, *, mode="linear", precision="fp64", **more):
    """A few steps with a penalty; in fp64, where nothing but rounding may differ, it shows."""
    recipe = recipe or Recipe(steps=3, batch_size=24, learning_rate=3e-3, warmup_steps=1)
    return finetune(
        model,
        head_of(model, ("red", "green", "blue")),
        colour_images(60, 0),
        recipe,
        mode=mode,
        penalties=[TauJp({"side": side_images(30, 0)}, weight=0.5, batch_size=12)],
        fabric=make_fabric(precision=precision),
        progress=False,
        **more,
    )


def assert_same_weights(states, tolerance):
    first, second = states
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=tolerance, msg=name)


@pytest.mark.parametrize("mode", LINEARISED)
def test_a_linearised_mode_learns_its_own_model(model, mode):
    task = small_tasks(model)[0]
    tuned = finetune(model, task.head, task.splits.train, QUICK, mode=mode, progress=False)
    theta = {name.removeprefix("visual."): value for name, value in tuned.state.items()}
    lin = linearize(model.visual, at=theta)
    images, labels = task.splits.test.tensors
    with torch.no_grad():
        right = (task.head(lin(images)).argmax(-1) == labels).double().mean()
        before = (task.head(model.visual(images)).argmax(-1) == labels).double().mean()
    assert right > before + 0.15
    moved = {name for name, tau in lin.task_vector().items() if tau.abs().max() > 0}
    if mode == "attention":
        assert moved
        assert all("attn" in name for name in moved)
    if mode == "lora":
        assert moved
        assert all(torch.linalg.matrix_rank(lin.task_vector()[name]) <= 16 for name in moved)


def test_the_first_linear_step_is_the_gradient_at_theta0(model):
    """At tau = 0 both models are the same to first order: so are their first updates."""
    recipe = Recipe(steps=1, batch_size=24, learning_rate=1e-3, warmup_steps=0, weight_decay=0.0)
    runs = [short_run(model, recipe, mode=mode) for mode in ("standard", "linear")]
    assert runs[0].losses == pytest.approx(runs[1].losses, rel=1e-12)
    assert_same_weights([run.state for run in runs], 1e-9)


@pytest.mark.parametrize("mode", ["standard", *LINEARISED])
def test_accumulated_parts_give_the_step_of_the_whole_batch(model, mode):
    whole = short_run(model, mode=mode)
    parts = short_run(
        model,
        Recipe(steps=3, batch_size=24, learning_rate=3e-3, warmup_steps=1, accumulate=4),
        mode=mode,
    )
    assert parts.losses == pytest.approx(whole.losses, rel=1e-12)
    assert_same_weights([whole.state, parts.state], 1e-9)


@pytest.mark.parametrize("mode", LINEARISED)
def test_chunks_give_the_step_of_the_whole_batch(model, mode):
    whole, chunks = short_run(model, mode=mode), short_run(model, mode=mode, chunk=5)
    assert chunks.losses == pytest.approx(whole.losses, rel=1e-12)
    assert_same_weights([whole.state, chunks.state], 1e-9)


def test_the_loss_is_the_cross_entropy_and_the_weighted_penalties(model, tmp_path):
    penalties = [
        TauJp({"side": side_images(30, 0)}, weight=0.5, batch_size=12),
        TauJp({"colour": colour_images(30, 1)}, weight=0.25, batch_size=12),
        Orthogonal(weight=1e-3),
    ]
    finetune(
        model,
        head_of(model, ("red", "green", "blue")),
        colour_images(60, 0),
        Recipe(steps=3, batch_size=24, learning_rate=3e-3, warmup_steps=1),
        mode="linear",
        penalties=penalties,
        log=tmp_path / "log.jsonl",
        progress=False,
    )
    for line in map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines()):
        parts = line["tau_jp"] * 0.5 + line["tau_jp_2"] * 0.25 + line["orthogonal"] * 1e-3
        assert line["loss"] == pytest.approx(line["cross_entropy"] + parts, rel=1e-5)
        assert {"learning_rate", "gradient_norm", "seconds", "images_per_second"} <= line.keys()


def test_a_penalty_in_standard_mode_keeps_control_tangents_small(model):
    recipe = Recipe(steps=10, batch_size=24, learning_rate=3e-3, warmup_steps=1)
    control = side_images(30, 0)
    norms = []
    for weight in (0.0, 5.0):
        tuned = finetune(
            model,
            head_of(model, ("red", "green", "blue")),
            colour_images(60, 0),
            recipe,
            penalties=[TauJp({"side": control}, weight=weight)],
            progress=False,
        )
        theta = {name.removeprefix("visual."): value for name, value in tuned.state.items()}
        with torch.no_grad():
            norms.append(linearize(model.visual, at=theta).dual(control.tensors[0])[1].norm())
    assert norms[1] < norms[0] / 2


@pytest.mark.parametrize(("towards", "kept"), [("theta0", "visual.proj"), ("zero", None)])
def test_weight_decay_pulls_where_the_recipe_says(model, towards, kept):
    """Without a gradient only the decay moves: to theta0, where the weights are, or to 0."""
    recipe = Recipe(
        steps=2,
        batch_size=8,
        learning_rate=0.1,
        weight_decay=0.5,
        warmup_steps=0,
        gradient_clip=1e-30,
        decay_towards=towards,
    )
    head = head_of(model, ("red", "green", "blue"))
    head.weight.zero_()
    tuned = finetune(model, head, colour_images(30, 0), recipe, progress=False)
    before = model.visual.proj
    shrunk = (1 - 0.1 * 0.5) * (1 - 0.05 * 0.5)  # cosine: 1, then 1/2
    expected = before if kept else before * shrunk
    torch.testing.assert_close(tuned.state["visual.proj"], expected.detach(), rtol=1e-6, atol=0)


def test_decay_towards_theta0_shrinks_the_task_vector(model):
    norms = []
    for decay in (0.0, 100.0):
        recipe = Recipe(
            steps=10, batch_size=24, learning_rate=3e-3, weight_decay=decay, warmup_steps=1
        )
        tuned = finetune(
            model,
            head_of(model, ("red", "green", "blue")),
            colour_images(60, 0),
            recipe,
            progress=False,
        )
        before = encoder_state(model)
        norms.append(sum((tuned.state[name] - before[name]).norm() for name in before))
    assert norms[1] < 0.8 * norms[0]


def test_patterns_choose_what_moves_in_standard_mode(model):
    recipe = Recipe(steps=2, batch_size=24, learning_rate=3e-3, weight_decay=0.1)
    tuned = finetune(
        model,
        head_of(model, ("red", "green", "blue")),
        colour_images(60, 0),
        recipe,
        trainable=["*.mlp.*"],
        progress=False,
    )
    before = encoder_state(model)
    moved = {name for name in before if not torch.equal(before[name], tuned.state[name])}
    assert moved
    assert all(".mlp." in name for name in moved)


def test_the_settings_of_a_checkpoint_are_read_back(model, tmp_path):
    out = tmp_path / "x.safetensors"
    short_run(model, mode="attention", precision="fp32", out=out, configuration={"task": "colour"})
    told = read_settings(out)
    assert told["mode"] == "attention"
    assert told["configuration"] == {"task": "colour"}
    assert told["penalties"][0].items() >= {"name": "tau_jp", "weight": 0.5}.items()
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 3


def test_control_images_of_another_size_are_named(model):
    larger = TensorDataset(torch.zeros(20, 3, 16, 16), torch.zeros(20).long())
    with pytest.raises(ValueError, match=r"'side' have the shape \(3, 16, 16\).*\(3, 8, 8\)"):
        finetune(
            model,
            head_of(model, ("red", "green", "blue")),
            colour_images(60, 0),
            Recipe(steps=1, batch_size=8),
            mode="linear",
            penalties=[TauJp({"side": larger})],
        )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mode": "tangent"}, "expected one of"),
        ({"mode": "linear", "rank": 4}, "expected mode 'lora'"),
        ({"mode": "standard", "chunk": 4}, "Recipe.accumulate"),
        ({"mode": "attention", "trainable": ["*"]}, "expected one of the two"),
        ({"mode": "linear", "trainable": ["nothing"]}, "names none"),
        ({"recipe": Recipe(steps=1, batch_size=9, accumulate=2)}, "expected a multiple of 2"),
    ],
)
def test_options_that_contradict_each_other_are_refused(model, wrong, message):
    head = head_of(model, ("red", "green", "blue"))
    with pytest.raises(ValueError, match=message):
        finetune(model, head, colour_images(60, 0), **{"recipe": Recipe(steps=1), **wrong})


def test_weights_in_16_bits_are_refused(model):
    from lightning_fabric import Fabric

    head = head_of(model, ("red", "green", "blue"))
    with pytest.raises(ValueError, match="theta - theta0 needs fp32"):
        finetune(
            model,
            head,
            colour_images(60, 0),
            fabric=Fabric(accelerator="cpu", precision="bf16-true"),
        )


def test_autocast_stays_near_full_precision(model):
    exact, coarse = (short_run(model, precision=precision) for precision in ("fp32", "bf16"))
    assert coarse.losses == pytest.approx(exact.losses, rel=0.02)
    assert coarse.losses != exact.losses
    assert all(value.dtype == torch.float32 for value in coarse.state.values())


def test_a_penalty_is_described_by_what_it_is_made_of():
    control = {"side": side_images(30, 0), "colour": colour_images(30, 1)}
    told = describe_penalty(TauJp(control, weight=0.5, schedule="cyclic", seed=3))
    assert told["weight"] == 0.5
    assert told["schedule"] == "cyclic"
    assert told["seed"] == 3
    assert ["colour", "side"] in told.values()
    assert json.loads(json.dumps(told)) == told
