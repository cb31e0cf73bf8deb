"""Every option of every registered method, given what means nothing: an error that names both."""

from __future__ import annotations

import pytest

import taujp
from states import random_states
from taujp import MergeError

DEFAULTS = {
    (name, option): default
    for name, method in taujp.methods().items()
    for option, default in method.options.items()
    if option != method.statistics
}
NUMBERS = [key for key, default in DEFAULTS.items() if isinstance(default, float)]
FLAGS = [key for key, default in DEFAULTS.items() if isinstance(default, bool)]
LISTS = [key for key in DEFAULTS if key[1] in ("density", "gamma", "epsilon", "share")]
SHARES = [key for key in NUMBERS if key[1] in ("density", "gamma", "common", "clip", "parallel")]
SIGNED = [("lines", "beta")]
NOTHING = [
    float("nan"),
    float("inf"),
    float("-inf"),
    "nonsense",
    "0.5",
    [0.5] * 17,
    {},
    b"no",
    object(),
]


def refused(name: str, option: str, *values) -> None:
    """Each of the values, by a method that has all else that it needs."""
    method = taujp.methods()[name]
    count = method.most or max(method.fewest, 3)
    base, ckpts = random_states(count)
    theta0 = base if method.base == "needed" else None
    given = {} if method.statistics is None else {method.statistics: [base] * count}
    for value in values:
        with pytest.raises(MergeError, match=rf"^{name}: .*{option}"):
            taujp.merge_many(ckpts, [1.0] * count, theta0, method=name, **given, **{option: value})


@pytest.mark.parametrize(("name", "option"), DEFAULTS)
def test_what_means_nothing_is_refused(name, option):
    refused(name, option, *NOTHING)


@pytest.mark.parametrize(("name", "option"), [key for key in NUMBERS if key not in SIGNED])
def test_numbers_below_0_are_refused(name, option):
    refused(name, option, -0.1)


@pytest.mark.parametrize(("name", "option"), SHARES)
def test_shares_above_1_are_refused(name, option):
    refused(name, option, 1.5)


@pytest.mark.parametrize(("name", "option"), FLAGS)
def test_a_flag_is_true_or_false(name, option):
    """A text, even "false", would count as true."""
    refused(name, option, "false", "yes", 2, 0.5, None)


@pytest.mark.parametrize(("name", "option"), LISTS)
def test_lists_have_a_number_for_each_checkpoint(name, option):
    refused(name, option, [0.5], [0.5] * 4, [], [0.5, float("nan"), 0.5], [0.5, "a half", 0.5])


@pytest.mark.parametrize("name", ["ties", "dare_ties", "breadcrumbs_ties", "della", "knots"])
def test_an_election_is_held(name):
    refused(name, "election", None)
