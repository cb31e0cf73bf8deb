"""Fine-tuning over environments: it goes on to the same bits, with penalties, games and ranks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import TensorDataset

from small_clip import colour_images, head_of, side_images, small_clip
from taujp.evaluate import accuracy
from taujp.train import Recipe, encoder_weights, read_settings
from taujp.train.invariance import finetune_invariantly
from taujp.train.objectives import make_objective
from taujp.train.penalties import Orthogonal, TauJp

RECIPE = Recipe(steps=8, batch_size=16, learning_rate=3e-3, warmup_steps=2, save_every=1)
WORDS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def model():
    return small_clip()


def environments() -> dict[str, TensorDataset]:
    return {"bright": colour_images(40, 0), "dark": colour_images(24, 1)}


def train(model, objective, recipe: Recipe = RECIPE, **options):
    head = head_of(model, WORDS)
    return finetune_invariantly(
        model, head, environments(), objective, recipe, progress=False, **options
    )


def lines_of(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()]


GENTLE = {"erm": {}, "irm_game": {}, "pair": {"anneal": 35}}
NAMES = ("erm", "irmv1", "ib_irm", "birm", "vrex", "pair")


MODES = (
    ("vrex", "linear"),
    ("pair", "linear"),
    ("irmv1", "lora"),
    ("irm_game", "linear"),
    ("irm_game", "attention"),
)


@pytest.mark.parametrize(("name", "mode"), [*((name, "standard") for name in NAMES), *MODES])
def test_it_learns(model, name, mode):
    """With penalties that leave room for it: 40 steps."""
    options = GENTLE.get(name, {"weight": 1.0, "anneal": 10})
    objective = name if name == "irm_game" else make_objective(name, **options)
    recipe = replace(RECIPE, steps=40, learning_rate=6e-3, save_every=0)
    tuned = train(model, objective, recipe, mode=mode)
    assert sum(tuned.losses[-4:]) < 0.8 * sum(tuned.losses[:4])


STOPS = [("irmv1", 2), ("irmv1", 4), ("birm", 4), ("pair", 4), ("pair", 5), ("irm_game", 3)]


@pytest.mark.parametrize(("name", "stop"), STOPS)
def test_a_stopped_run_goes_on_to_the_same_bits(model, tmp_path, monkeypatch, name, stop):
    """Stopped after `stop` steps: before the anneal at step 4, right at it, or in the programme."""

    def objective():
        return name if name == "irm_game" else make_objective(name, anneal=4)

    options = {"mode": "linear", "penalties": [TauJp({"side": side_images(20, 3)}, batch_size=4)]}
    whole = train(model, objective(), out=tmp_path / "whole.safetensors", **options)
    stopped_after(monkeypatch, stop)
    with pytest.raises(KeyboardInterrupt, match=f"stopped after {stop} of 8 steps"):
        train(model, objective(), out=tmp_path / "x.safetensors", **options)
    monkeypatch.undo()
    went_on = train(model, objective(), out=tmp_path / "x.safetensors", **options)
    assert went_on.losses == whole.losses
    assert all(torch.equal(went_on.state[key], value) for key, value in whole.state.items())


def stopped_after(monkeypatch, steps: int) -> None:
    """A request to stop comes during that many steps' last."""
    from taujp.train.step import Stepper

    take = Stepper.take

    def noting(self, step, request):
        request.came = request.came or step + 1 == steps
        return take(self, step, request)

    monkeypatch.setattr(Stepper, "take", noting)


def test_both_kinds_of_terms_are_logged_apart(model, tmp_path):
    train(
        model,
        make_objective("irmv1", anneal=1),
        replace(RECIPE, steps=3),
        mode="linear",
        penalties=[TauJp({"side": side_images(20, 3)}, weight=0.5, batch_size=4)],
        out=tmp_path / "x.safetensors",
    )
    for line in lines_of(tmp_path / "x.jsonl"):
        assert line["risk"] == pytest.approx((line["risk_bright"] + line["risk_dark"]) / 2)
        weight = line["irmv1_penalty_weight"]
        assert line["irmv1"] == pytest.approx(line["risk"] + weight * line["irmv1_penalty"])
        assert line["loss"] == pytest.approx(line["irmv1"] + 0.5 * line["tau_jp"])
    told = read_settings(tmp_path / "x.safetensors")
    assert told["objective"]["name"] == "irmv1"
    assert told["objective"]["anneal"] == 1
    assert told["environments"] == {"bright": 40, "dark": 24}


def test_the_optimiser_forgets_its_moments_at_the_anneal(model, monkeypatch):
    from taujp.train.step import Stepper

    ages, take = [], Stepper.take

    def noting(self, step, request):
        taken = take(self, step, request)
        ages.append({int(state["step"]) for state in self.optimiser.state.values()})
        return taken

    monkeypatch.setattr(Stepper, "take", noting)
    train(model, make_objective("vrex", anneal=3), replace(RECIPE, steps=5))
    assert ages == [{1}, {2}, {3}, {1}, {2}]


@pytest.mark.parametrize("name", ["irmv1", "pair"])
def test_pieces_of_a_batch_are_computed_to_the_same_losses(model, name):
    recipe = replace(RECIPE, steps=3)
    whole, pieces = (
        train(model, make_objective(name, anneal=1), recipe, mode="linear", chunk=chunk)
        for chunk in (None, 5)
    )
    assert pieces.losses == pytest.approx(whole.losses, rel=1e-4)


def test_erm_over_one_environment_is_finetuning(model):
    from taujp.train import finetune
    from taujp.train.batches import drawn
    from taujp.train.environment_batches import ENVIRONMENT

    head, images = head_of(model, WORDS), colour_images(40, 0)
    recipe = replace(RECIPE, steps=3)
    alone = finetune_invariantly(model, head, {"one": images}, "erm", recipe, progress=False)
    same_rows = replace(recipe, seed=drawn(recipe.seed, ENVIRONMENT, 0))
    plain = finetune(model, head, images, same_rows, progress=False)
    assert alone.losses == pytest.approx(plain.losses, rel=1e-6)


def test_tasks_are_environments_under_heads_of_their_own(model):
    tasks = {"colour": colour_images(40, 0), "side": side_images(40, 1)}
    heads = {"side": head_of(model, ("left", "right")), "colour": head_of(model, WORDS)}
    recipe = replace(RECIPE, steps=40, save_every=0)
    before = {name: accuracy(model, heads[name], rows) for name, rows in tasks.items()}
    objective = make_objective("irmv1", weight=1.0)
    tuned = finetune_invariantly(
        model, heads, tasks, objective, recipe, mode="linear", progress=False
    )
    with encoder_weights(model, tuned.state):
        after = {name: accuracy(model, heads[name], rows) for name, rows in tasks.items()}
    assert sum(after.values()) > sum(before.values()) + 0.2
    with pytest.raises(ValueError, match=r"environments \['side'\] have no head"):
        finetune_invariantly(model, {"colour": heads["colour"]}, tasks, "erm", progress=False)


def test_a_linearised_game_ends_as_the_mean_of_its_players(model):
    """After one step the first player has moved, as if alone on its environment; one has not."""
    from taujp.train import finetune
    from taujp.train.batches import drawn
    from taujp.train.environment_batches import ENVIRONMENT

    recipe = replace(RECIPE, steps=1, warmup_steps=0, gradient_clip=1e9)
    game = train(model, "irm_game", recipe, mode="linear")
    its_rows = replace(recipe, batch_size=8, seed=drawn(recipe.seed, ENVIRONMENT, 0))
    rows = environments()["bright"]
    alone = finetune(model, head_of(model, WORDS), rows, its_rows, mode="linear", progress=False)
    for name, start in model.visual.state_dict().items():
        tau, own = (state[f"visual.{name}"] - start for state in (game.state, alone.state))
        torch.testing.assert_close(2 * tau, own, rtol=1e-2, atol=2e-4, msg=name)
        assert own.abs().max() > 0


@pytest.mark.parametrize(
    ("objective", "options", "message"),
    [
        ("irm_game", {"mode": "standard"}, r"'irm_game', mode 'standard'; expected one of"),
        (
            "irm_game",
            {"mode": "linear", "penalties": [Orthogonal()]},
            r"penalties \['orthogonal'\]; expected penalties on tangents",
        ),
        ("irmv1", {"recipe": replace(RECIPE, accumulate=2)}, r"accumulate is 2 .*expected 1"),
        ("irmv1", {"recipe": replace(RECIPE, label_smoothing=0.1)}, r"label_smoothing is 0\.1"),
    ],
)
def test_contradicting_settings_are_refused(model, objective, options, message):
    with pytest.raises(ValueError, match=message):
        train(model, objective, **options)


def test_a_risk_that_is_not_finite_names_the_environment(model):
    rows = environments()
    rows["dark"].tensors[0][:] = torch.nan
    with pytest.raises(ValueError, match="erm: the risk of environment 'dark' is nan"):
        finetune_invariantly(model, head_of(model, WORDS), rows, "erm", RECIPE, progress=False)
