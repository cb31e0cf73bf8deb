"""Decompositions by products: strong directions, polar factors, and where they give up."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import taujp
from taujp.merge import spectrum as module
from taujp.merge.orthogonal import DEPENDENT, inverse_root, orthogonal
from taujp.merge.spectrum import gram, spectrum, strongest

GENERATOR = torch.Generator()


def made(values: Tensor, rows: int, columns: int) -> Tensor:
    """A matrix with these singular values."""
    GENERATOR.manual_seed(rows * columns)
    left, right = (
        torch.linalg.qr(torch.randn(size, len(values), generator=GENERATOR).double())[0]
        for size in (rows, columns)
    )
    return (left * values) @ right.mT


def falling(count: int) -> Tensor:
    return torch.arange(1, count + 1, dtype=torch.float64) ** -0.7


@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (300, 300)])
@pytest.mark.parametrize("count", [1, 20, 90])
def test_the_strongest_are_those_of_an_svd(shape, count):
    matrix = made(falling(300), *shape).float()
    wide = matrix if shape[0] <= shape[1] else matrix.mT
    assert module._leading(gram(wide.double()), count) is not None
    u, s, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    left, values, right = strongest(matrix, count)
    torch.testing.assert_close(values, s[:count], rtol=1e-8, atol=0)
    expected = (u[:, :count] * s[:count]) @ v[:count]
    torch.testing.assert_close((left * values) @ right, expected, rtol=0, atol=1e-9)
    identity = torch.eye(count, dtype=torch.float64)
    torch.testing.assert_close(left.mT @ left, identity, rtol=0, atol=1e-9)
    torch.testing.assert_close(right @ right.mT, identity, rtol=0, atol=1e-7)


def test_where_fp32_cannot_tell_directions_apart_they_come_from_float64():
    """The squares of a floor, 1e-4 to 3e-4 of the strongest, are less than fp32's rounding."""
    floor = torch.linspace(3e-4, 1e-4, 280, dtype=torch.float64)
    matrix = made(torch.cat([falling(20), floor]), 300, 400).float()
    count = 60
    assert module._leading(gram(matrix.double()), count) is None
    _, s, _ = torch.linalg.svd(matrix.double(), full_matrices=False)
    torch.testing.assert_close(strongest(matrix, count).values, s[:count], rtol=1e-6, atol=0)


def test_of_a_flat_floor_any_directions_will_do():
    floor = 0.05 + torch.linspace(1e-8, 0, 280, dtype=torch.float64)
    matrix = made(torch.cat([falling(20), floor]), 300, 400).float()
    left, values, right = strongest(matrix, 60)
    _, s, _ = torch.linalg.svd(matrix.double(), full_matrices=False)
    torch.testing.assert_close(values, s[:60], rtol=1e-6, atol=0)
    rest = (matrix.double() - (left * values) @ right).norm()
    assert float(rest) == pytest.approx(float(s[60:].norm()), rel=1e-7)


def test_no_more_directions_than_there_are():
    matrix = made(falling(5), 300, 320).float().double()
    left, values, right = strongest(matrix, 40)
    assert values[5:].max() < 1e-6 if len(values) > 5 else True
    torch.testing.assert_close((left * values) @ right, matrix, rtol=0, atol=1e-6)
    for empty in (torch.zeros(3, 4), torch.zeros(300, 400), torch.zeros(0, 4)):
        assert len(strongest(empty, 2).values) == 0
        assert torch.equal(orthogonal(empty), empty.double())


@pytest.mark.parametrize("shape", [(1, 5), (128, 40), (129, 300), (500, 31)])
def test_gram_matrices_by_blocks(shape):
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(gram(rows), rows @ rows.mT, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("condition", [1, 4, 5.9])
@pytest.mark.parametrize("shape", [(40, 90), (90, 40), (40, 40)])
def test_the_polar_factor(shape, condition):
    matrix = made(torch.logspace(0, -condition, 40, dtype=torch.float64), *shape)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, u @ v, rtol=0, atol=1e-5)


def test_directions_of_no_strength_have_no_polar_factor():
    matrix = made(torch.cat([falling(10), torch.full((20,), 1e-9).double()]), 30, 50)
    u, _, v = spectrum(matrix)
    assert len(u.mT) == 10
    torch.testing.assert_close(orthogonal(matrix), u @ v, rtol=0, atol=1e-6)
    root = inverse_root(matrix)
    assert torch.equal(root.values, root.values.sort().values)
    assert torch.linalg.matrix_rank(root.matrix, rtol=1e-6) == 10


def by_svd(matrices: list[Tensor]) -> Tensor:
    """tsv_m of task vectors, in float64 and with every direction."""
    count = len(matrices[0]) // len(matrices)
    parts = [torch.linalg.svd(matrix.double()) for matrix in matrices]

    def polar(matrix: Tensor) -> Tensor:
        a, _, b = torch.linalg.svd(matrix, full_matrices=False)
        return a @ b

    u = torch.cat([part[0][:, :count] for part in parts], 1)
    s = torch.cat([part[1][:count] for part in parts])
    v = torch.cat([part[2][:count] for part in parts])
    return (polar(u) * s) @ polar(v)


@pytest.mark.parametrize("tasks", [2, 4])  # of 4 tasks each matrix goes by eigenvectors in fp32
@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-7])
def test_tsv_m_of_tasks_that_nearly_share_a_direction(apart: float, tasks: int) -> None:
    """The weakest value of [U_1 ... U_N] is about `apart`; its direction must not be lost."""
    generator = torch.Generator().manual_seed(0)
    left, right = (
        torch.linalg.qr(torch.randn(300, 300, generator=generator).double())[0] for _ in range(2)
    )
    count = 300 // tasks
    strengths = torch.linspace(2.0, 1.0, count).double()
    lefts, rights = list(left.split(count, 1)), right.split(count)
    lefts[1] = lefts[1].clone()
    lefts[1][:, 0] = lefts[0][:, 0] + apart * lefts[1][:, 0]
    lefts[1][:, 0] /= lefts[1][:, 0].norm()
    matrices = [((u * strengths) @ v).float() for u, v in zip(lefts, rights, strict=True)]
    states, base = [{"w": matrix} for matrix in matrices], {"w": torch.zeros(300, 300)}
    merged = taujp.merge_many(states, [1.0] * tasks, base, method="tsv_m", dtype="float32")["w"]
    expected = by_svd(matrices)
    assert float((merged.double() - expected).norm() / expected.norm()) < 1e-5


def test_weak_directions_have_the_inverse_roots_of_an_svd() -> None:
    values = torch.cat([falling(20), torch.logspace(-4, -8, 10, dtype=torch.float64)])
    matrix = made(values, 30, 50)
    root = inverse_root(matrix, DEPENDENT)
    torch.testing.assert_close(root.values.flip(0), values, rtol=1e-7, atol=0)
    assert root.weakest == pytest.approx(1e-8, rel=1e-6)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    torch.testing.assert_close(root.matrix @ matrix, u @ v, rtol=0, atol=1e-6)
    assert torch.linalg.matrix_rank(inverse_root(matrix, 1e-6).matrix, rtol=1e-9) == 25


@pytest.mark.parametrize("weakest", [1e-3, 2e-7])
def test_iso_c_raises_what_fp32_tells_from_rounding(weakest: float) -> None:
    values = torch.cat([falling(39), torch.tensor([weakest], dtype=torch.float64)])
    tau = made(values, 40, 40).float()
    merged = taujp.merge_many([{"w": tau}], [1.0], {"w": torch.zeros(40, 40)}, method="iso_c")["w"]
    u, s, v = torch.linalg.svd(tau.double())
    torch.testing.assert_close(merged.double(), s.mean() * (u @ v), rtol=0, atol=1e-5)


def test_iso_c_of_adapters_raises_no_rounding() -> None:
    generator = torch.Generator().manual_seed(0)
    tau = torch.randn(300, 16, generator=generator) @ torch.randn(16, 200, generator=generator)
    base = {"w": torch.zeros(300, 200)}
    merged = taujp.merge_many([{"w": tau}], [1.0], base, method="iso_c")["w"]
    assert torch.linalg.matrix_rank(merged, rtol=1e-3) == 16
