"""`out=` state dicts: the same numbers, in the memory that was given."""

from __future__ import annotations

import pytest
import torch

import taujp
from states import random_states
from taujp import MergeError


def test_results_land_in_the_given_tensors():
    base, ckpts = random_states(3)
    rows = [[0.1, 0.2, 0.3], [1.0, 0.0, 0.0]]
    expected = taujp.merge_many(ckpts, rows, base)
    room = [{name: torch.full_like(t, 7.0) for name, t in base.items()} for _ in rows]
    states = taujp.merge_many(ckpts, rows, base, out=room)
    for state, given, wanted in zip(states, room, expected, strict=True):
        assert all(state[n].data_ptr() == given[n].data_ptr() for n in base)
        assert all(torch.equal(given[n], wanted[n]) for n in base)
    single = taujp.merge_many(ckpts, rows[0], base, out=room[1])
    assert all(torch.equal(single[n], expected[0][n]) for n in base)


def test_what_does_not_fit_is_refused():
    base, ckpts = random_states(2)
    with pytest.raises(MergeError, match="shares memory with an input"):
        taujp.merge_many(ckpts, [1, 1], base, out=ckpts[0])
    with pytest.raises(MergeError, match="is missing"):
        taujp.merge_many(ckpts, [1, 1], base, out={})
    room = {name: torch.empty_like(t) for name, t in base.items()}
    with pytest.raises(MergeError, match=r"the merge gives .* torch\.bfloat16"):
        taujp.merge_many(ckpts, [1, 1], base, out=room, dtype=torch.bfloat16)
    with pytest.raises(MergeError, match="1 state dicts for 2"):
        taujp.merge_many(ckpts, [[1, 1], [0, 1]], base, out=[{}])
