"""The penalties by themselves: value and gradient by plain torch.func, and the right images."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import taujp
from small_models import assert_same, moved, some_tau, tokens_model, twin
from taujp.train.penalties import Orthogonal, Penalty, TauJp

OPEN = {"part": 0, "parts": 1, "workers": 0}


def images(seed: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, 16, generator=generator, dtype=torch.float64)


def numbered(task: int, count: int = 10) -> TensorDataset:
    """A data set whose images say which task they are of, and which image."""
    return TensorDataset(100.0 * task + torch.arange(count), torch.zeros(count))


def three_tasks() -> dict[str, TensorDataset]:
    return {"a": numbered(1), "b": numbered(2), "c": numbered(3)}


def task_of(batch: Tensor) -> set[int]:
    return {int(value) // 100 for value in batch}


def of_published_loop(
    model: nn.Module, tau: dict[str, Tensor], sets: dict[str, Tensor], power: int
):
    """The penalty by one jvp a control set, as a function of tau, and its gradient."""
    leaves = {name: value.clone().requires_grad_(True) for name, value in tau.items()}
    terms = []
    for x in sets.values():
        squares = twin(model, leaves, x)[1].square().sum(-1)
        terms.append((squares if power == 2 else squares.sqrt()).mean())
    value = torch.stack(terms).mean()
    return value, torch.autograd.grad(value, list(leaves.values()))


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("chunk", [None, 3])
def test_value_and_gradient_are_the_published_loops(squared, chunk):
    model, sets = tokens_model(), {"a": images(0, 5), "b": images(1, 3)}
    tau = some_tau(model)
    lin = taujp.linearize(model, at=moved(model, tau), chunk=chunk)
    penalty = TauJp({name: TensorDataset(x, x) for name, x in sets.items()}, squared=squared)
    tangents = lin.dual(torch.cat(list(sets.values())))[1].split([5, 3])
    value = penalty.value(dict(zip(sets, tangents, strict=True)), lin)
    value.backward()
    expected, gradients = of_published_loop(model, lin.task_vector(), sets, 2 if squared else 1)
    assert_same(value.detach(), expected.detach())
    for name, gradient in zip(tau, gradients, strict=True):
        assert_same(lin.module.get_parameter(name).grad, gradient, what=name)


@pytest.mark.parametrize("squared", [False, True])
def test_at_the_start_the_penalty_and_its_gradient_are_zero(squared):
    lin = taujp.linearize(tokens_model())
    penalty = TauJp({"a": numbered(1)}, squared=squared)
    value = penalty.value({"a": lin.dual(images(0, 4))[1]}, lin)
    value.backward()
    assert value.item() == 0
    for name, parameter in lin.module.named_parameters():
        assert torch.equal(parameter.grad, torch.zeros_like(parameter)), name


def test_equal_parts_of_a_batch_average_to_the_whole():
    lin = taujp.linearize(tokens_model(), at=moved(tokens_model(), some_tau(tokens_model())))
    sets = {"a": images(0, 6), "b": images(1, 4)}
    penalty = TauJp({name: TensorDataset(x, x) for name, x in sets.items()})
    with torch.no_grad():
        tangents = {name: lin.dual(x)[1] for name, x in sets.items()}
        whole = penalty.value(tangents, lin)
        halves = [
            penalty.value({name: df.chunk(2)[i] for name, df in tangents.items()}, lin)
            for i in range(2)
        ]
    torch.testing.assert_close((halves[0] + halves[1]) / 2, whole, rtol=1e-12, atol=0)


def test_strict_draws_from_every_set_each_step():
    penalty = TauJp(three_tasks(), batch_size=4)
    penalty.open(start=0, **OPEN)
    for step in range(5):
        batches = penalty.control(step)
        assert list(batches) == ["a", "b", "c"]
        for number, batch in enumerate(batches.values(), start=1):
            assert len(batch) == 4
            assert task_of(batch) == {number}


def test_cyclic_draws_from_one_set_after_the_other():
    penalty = TauJp(three_tasks(), batch_size=4, schedule="cyclic")
    penalty.open(start=0, **OPEN)
    for step in range(7):
        batches = penalty.control(step)
        assert list(batches) == ["abc"[step % 3]]
        assert task_of(batches["abc"[step % 3]]) == {step % 3 + 1}


@pytest.mark.parametrize("schedule", ["strict", "cyclic"])
@pytest.mark.parametrize("start", [1, 2, 3, 4, 8])
def test_a_resumed_run_sees_the_images_it_would_have_seen(schedule, start):
    first, again = (TauJp(three_tasks(), batch_size=3, schedule=schedule) for _ in range(2))
    first.open(start=0, **OPEN)
    seen = [first.control(step) for step in range(12)]
    again.open(start=start, **OPEN)
    for step in range(start, 12):
        batches = again.control(step)
        assert batches.keys() == seen[step].keys()
        assert all(torch.equal(batches[name], seen[step][name]) for name in batches)


def test_ranks_share_each_batch():
    whole, *ranks = (TauJp(three_tasks(), batch_size=4) for _ in range(3))
    whole.open(start=0, **OPEN)
    for part, rank in enumerate(ranks):
        rank.open(start=0, part=part, parts=2, workers=0)
    for step in range(4):
        batches, halves = whole.control(step), [rank.control(step) for rank in ranks]
        for name, batch in batches.items():
            together = torch.cat([half[name] for half in halves])
            assert torch.equal(together.sort()[0], batch.sort()[0])
            assert all(len(half[name]) == 2 for half in halves)


def test_every_image_of_a_set_comes_and_sets_differ_in_their_order():
    penalty = TauJp({"a": numbered(0), "b": numbered(0)}, batch_size=5)
    penalty.open(start=0, **OPEN)
    passes = [penalty.control(step) for step in range(2)]
    orders = [torch.cat([one[name] for one in passes]) for name in "ab"]
    for order in orders:
        assert torch.equal(order.sort()[0], torch.arange(10.0))
    assert not torch.equal(*orders)


def test_steps_come_in_order_after_open():
    penalty = TauJp(three_tasks())
    with pytest.raises(ValueError, match=r"step 0 came and -1 .* open\(start=0\)"):
        penalty.control(0)
    penalty.open(start=3, **OPEN)
    with pytest.raises(ValueError, match="step 4 came and 3 was expected"):
        penalty.control(4)


def test_past_tasks_only():
    order, sets = ["c", "a", "b"], three_tasks()
    assert list(TauJp.past(order, "b", sets).tasks_at(0)) == ["c", "a"]
    assert TauJp.past(order, "b", sets, weight=3.0, schedule="cyclic").tasks_at(1) == ("a",)
    del sets["b"]  # neither the current task's data nor later ones' are needed
    assert list(TauJp.past(order, "a", sets).tasks_at(0)) == ["c"]
    with pytest.raises(ValueError, match=r"'d' is not in the order"):
        TauJp.past(order, "d", sets)
    with pytest.raises(ValueError, match=r"no data set for \['c'\]"):
        TauJp.past(order, "a", {"a": numbered(1)})


def test_the_first_of_a_sequence_of_tasks_has_nothing_to_keep():
    penalty = TauJp.past(["a", "b"], "a", {}, weight=2.0)
    penalty.open(start=0, **OPEN)
    assert penalty.control(0) == {}
    assert penalty.value({}, taujp.linearize(tokens_model())).item() == 0
    assert (penalty.name, penalty.weight) == ("tau_jp", 2.0)


def test_senseless_control_sets_are_refused():
    with pytest.raises(ValueError, match="no control task"):
        TauJp({})
    with pytest.raises(ValueError, match="control task 'empty' has no images"):
        TauJp({"a": numbered(1), "empty": numbered(2, 0)})
    with pytest.raises(ValueError, match=r"schedule is 'often'; expected one of \['strict'"):
        TauJp(three_tasks(), schedule="often")
    with pytest.raises(ValueError, match="control task 'a' has batches of 5"):
        TauJp(three_tasks(), batch_size=5).open(start=0, part=0, parts=2, workers=0)


# Column-orthogonal changes


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)])
def test_orthonormal_changes_cost_nothing_and_others_their_distance(shape):
    torch.manual_seed(0)
    model = nn.Linear(shape[1], shape[0]).double()
    change = torch.nn.init.orthogonal_(torch.empty(shape, dtype=torch.float64))
    lin = taujp.linearize(model)
    weight, penalty = lin.module.get_parameter("weight"), Orthogonal()
    assert penalty.value({}, lin).item() == pytest.approx(math.sqrt(min(shape)))  # dW = 0
    with torch.no_grad():
        weight.add_(change)
    assert penalty.value({}, lin).item() == pytest.approx(0, abs=1e-7)
    with torch.no_grad():
        weight.add_(change)  # dW^T dW = 4 I
    assert penalty.value({}, lin).item() == pytest.approx(3 * math.sqrt(min(shape)))


def test_the_orthogonal_penaltys_gradient():
    torch.manual_seed(0)
    lin = taujp.linearize(nn.Linear(3, 5).double())
    weight = lin.module.get_parameter("weight")
    Orthogonal().value({}, lin).backward()
    assert torch.equal(weight.grad, torch.zeros_like(weight))
    with torch.no_grad():
        weight.add_(torch.randn_like(weight))
    weight.grad = None
    Orthogonal().value({}, lin).backward()
    dw = weight.detach() - lin.theta0["weight"]
    off = dw.T @ dw - torch.eye(3, dtype=torch.float64)
    assert_same(weight.grad, 2 * dw @ off / off.norm())


def test_the_orthogonal_penalty_sums_over_matrices_and_sees_low_rank_changes():
    model = tokens_model()
    lin = taujp.linearize(model, at=moved(model, some_tau(model)))
    matrices = [tau for tau in lin.task_vector().values() if tau.dim() == 2]
    expected = sum(
        (torch.linalg.svdvals(dw).square() - 1).square().sum().sqrt().item() for dw in matrices
    )
    assert Orthogonal().value({}, lin).item() == pytest.approx(expected)
    low = taujp.linearize(model, rank=2)
    with torch.no_grad():
        for left in low.low_rank.left:
            left.normal_()
    Orthogonal().value({}, low).backward()
    assert all(left.grad.abs().sum() > 0 for left in low.low_rank.left)


def test_the_orthogonal_penalty_needs_a_matrix():
    lin = taujp.linearize(tokens_model(), trainable=["*bias"])
    with pytest.raises(ValueError, match="no trained parameter is a matrix"):
        Orthogonal().value({}, lin)


def test_dataless_penalties_ask_for_no_images():
    penalty: Penalty = Orthogonal(weight=0.5)
    penalty.open(start=0, **OPEN)
    assert penalty.control(0) == {}
    assert (penalty.name, penalty.weight) == ("orthogonal", 0.5)
