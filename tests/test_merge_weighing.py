"""Weights found from dot products in plain numbers: where a division has nothing to divide by."""

from __future__ import annotations

import pytest

from taujp.merge.gram import lengths_and_cosines, moved
from taujp.merge.method import find_method


def weights(name: str, products: list[list[float]], row: tuple[float, ...], **options: float):
    formula = find_method(name, has_base=name == "model_stock").built(len(row), options)
    return formula.weights(products, row)


ALIKE = [[4.0, 4.0], [4.0, 4.0]]
OPPOSITE = [[4.0, -4.0], [-4.0, 4.0]]
ZERO = [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("products", [ALIKE, ZERO])
@pytest.mark.parametrize(
    ("name", "options"),
    [("slerp", {"parallel": 1.0}), ("nuslerp", {}), ("multislerp", {})],
)
def test_one_direction_or_none_is_the_straight_line(name, options, products) -> None:
    assert weights(name, products, (0.25, 0.75), **options) == pytest.approx((0.25, 0.75))


def test_without_a_tolerance_the_karcher_mean_is_found_all_the_same() -> None:
    assert weights("karcher", ALIKE, (1.0, 3.0), tolerance=0.0) == pytest.approx((0.25, 0.75))
    assert weights("karcher", OPPOSITE, (1.0, 1.0), tolerance=0.0) == pytest.approx((1.0, 0.0))
    assert weights("karcher", ZERO, (1.0, 1.0), tolerance=0.0) == (0.0, 0.0)


def test_model_stock_of_what_agrees_or_is_nothing() -> None:
    assert weights("model_stock", ALIKE, (1.0, 1.0)) == pytest.approx((0.5, 0.5))
    assert weights("model_stock", ZERO, (1.0, 1.0)) == (0.0, 0.0)
    assert weights("model_stock", OPPOSITE, (1.0, 1.0)) == (0.0, 0.0)  # 1 + cosine is zero


def test_a_vector_of_zeros_has_no_direction() -> None:
    lengths, cosines = lengths_and_cosines([[9.0, 0.0], [0.0, 0.0]])
    assert lengths == [3.0, 0.0]
    assert cosines == [[1.0, 0.0], [0.0, 0.0]]
    assert moved([1.0, 0.0], [0.0, 0.0], 0.0) == [1.0, 0.0]
