"""The IRM game: whose turn it is, and who stays where they are."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import reference_objective as twin
from objective_inputs import NAMES, batch, by_environment
from taujp.train.objectives import Members, make_objective


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_the_game_moves_whose_turn_it_is(turn):
    features, _, environments = batch()
    members = Members([nn.Linear(6, 4).double() for _ in NAMES])
    objective = make_objective("irm_game", members=members)
    objective.begin(8 + turn)
    loss, _ = objective(features, members, environments)
    points = [features, *members.parameters()]
    found = torch.autograd.grad(loss, points, allow_unused=True)

    def mean_of_members(x: Tensor) -> Tensor:
        return sum(member(x) for member in members.members) / 3

    risks = twin.risks(by_environment(features, environments), mean_of_members)
    expected = torch.autograd.grad(risks[turn] if turn < 3 else risks.mean(), points)
    mine = {turn * 2 + 1, turn * 2 + 2} if turn < 3 else {0}
    for place, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert (one is None) == (place not in mine)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_the_game_of_whole_networks_has_no_turn_for_features():
    members = Members([nn.Linear(2, 3) for _ in range(2)])
    objective = make_objective("irm_game", members=members, shared=False)
    turns = []
    for step in range(5):
        objective.begin(step)
        turns.append(members.turn)
    assert turns == [0, 1, 0, 1, 0]


def test_members_are_a_module_and_evaluate_as_their_mean():
    members = Members([nn.Linear(2, 3) for _ in range(2)])
    assert {name.split(".")[1] for name in members.state_dict()} == {"0", "1"}
    x = torch.randn(4, 2)
    members.turn = 1
    mean = (members.members[0](x) + members.members[1](x)) / 2
    assert members.eval()(x).requires_grad
    torch.testing.assert_close(members(x), mean)
    assert members.double()(x.double()).dtype == torch.float64
    objective = make_objective("irm_game", members=members)
    assert list(objective.state_dict()) == ["step"]  # the learner keeps the members' weights
    assert objective.settings == {"name": "irm_game", "members": 2, "shared": True}


def test_members_held_are_not_moved_by_an_optimiser_with_momentum():
    features, _, environments = batch()
    members = Members([nn.Linear(6, 4).double() for _ in NAMES])
    objective = make_objective("irm_game", members=members)
    optimiser = torch.optim.AdamW(members.parameters(), lr=0.1)
    for step in range(8):
        before = copy.deepcopy(members.state_dict())
        objective.begin(step)
        optimiser.zero_grad()
        objective(features, members, environments)[0].backward()
        optimiser.step()
        moved = {n.split(".")[1] for n, v in members.state_dict().items() if (v != before[n]).any()}
        assert moved == ({str(step % 4)} if step % 4 < 3 else set())


def test_a_game_needs_a_member_for_each_environment():
    features, _, environments = batch()
    members = Members([nn.Linear(6, 4).double()] * 2)
    objective = make_objective("irm_game", members=members)
    with pytest.raises(ValueError, match=r"2 members for 3 environments.*a member for each"):
        objective(features, members, environments)
