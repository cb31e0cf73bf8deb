"""What must hold of any merge, whatever the numbers: Hypothesis looks for the counterexample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import taujp
from reference import METHODS, twin
from tolerance import assert_close_to_twin, assert_same_bits

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
KINDS = ["normal", "few values", "sparse", "tiny", "wide"]
NEEDS_BASE = [method for method in METHODS if method != "linear"]
COEFFICIENT = st.floats(-2, 2, width=32)


@dataclass(frozen=True)
class Case:
    """One parameter of a base and of n fine-tunes."""

    base: Tensor
    ckpts: list[Tensor]

    def merge(self, coefs, method: str | None = None, **options) -> Tensor:
        """merge_many of it."""
        base = None if method == "linear" else {"w": self.base}
        return taujp.merge_many(
            [{"w": c} for c in self.ckpts], coefs, base, method=method, **options
        )["w"]

    def twin(self, coefs, method: str, **options):
        """The float64 twin of it."""
        base = None if method == "linear" else {"w": self.base}
        return twin([{"w": c} for c in self.ckpts], coefs, base, method=method, **options)["w"]


def change(kind: str, size: int, generator: torch.Generator) -> Tensor:
    """A task vector of a kind: each makes another path decide."""
    tau = torch.randn(size, generator=generator)
    if kind == "few values":
        return torch.randint(-2, 3, (size,), generator=generator) / 8
    if kind == "sparse":
        return tau * (torch.rand(size, generator=generator) < 0.1)
    if kind == "tiny":
        return tau * 1e-7
    if kind == "wide":
        return tau * torch.exp2(torch.randint(-12, 8, (size,), generator=generator))
    return tau


COUNTS = st.integers(1, 9)


@st.composite
def cases(draw, n=COUNTS, base_of_zeros: bool | None = None) -> Case:
    """Sizes around registers and rows, every dtype, every kind."""
    size = draw(st.sampled_from([0, 1, 2, 15, 16, 17, 100, 511, 512, 513, 2050]))
    dtype, kind, count = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(KINDS)), draw(n)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    zeros = draw(st.booleans()) if base_of_zeros is None else base_of_zeros
    base = torch.zeros(size) if zeros else torch.randn(size, generator=generator)
    base = base.to(dtype)
    ckpts = [(base.float() + change(kind, size, generator)).to(dtype) for _ in range(count)]
    return Case(base, ckpts)


def coefs_for(case: Case, seed: int) -> list[float]:
    """Coefficients in [0.1, 1.1): no sum of them is near zero."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(len(case.ckpts), generator=generator) + 0.1).tolist()


@given(cases(), st.sampled_from(METHODS), st.integers(0, 99), st.floats(0, 1), COEFFICIENT)
def test_any_merge_is_its_twin(case, method, seed, density, lambda_):
    options = {"lambda_": lambda_}
    if method not in ("linear", "task_arithmetic", "magmax"):
        options["density"] = max(density, 0.01) if method.startswith("dare") else density
    coefs = coefs_for(case, seed)
    merged = case.merge(coefs, method, **options)
    assert_close_to_twin(merged, case.twin(coefs, method, **options), len(case.ckpts), method)


@given(cases(n=st.just(1)))
def test_one_checkpoint_with_coefficient_one_is_itself(case):
    theta = case.ckpts[0]
    assert torch.equal(case.merge([1.0], "linear"), theta)
    assert torch.equal(case.merge([4.0], "linear", normalize=True), theta)
    exact = case.twin([1.0], "task_arithmetic")
    for method in ("task_arithmetic", "magmax"):
        assert_close_to_twin(case.merge([1.0], method), exact, 1, method)
    for method in ("ties", "dare_ties", "breadcrumbs_ties"):
        assert_close_to_twin(case.merge([1.0], method, density=1.0), exact, 1, method)


@given(cases(), st.sampled_from([m for m in METHODS if m not in ("dare_linear", "dare_ties")]))
def test_equal_checkpoints_are_as_one(case, method):
    """Four quarters of a checkpoint: sums of powers of two are exact."""
    one = Case(case.base, case.ckpts[:1])
    four = Case(case.base, case.ckpts[:1] * 4)
    options = {"normalize": True}
    assert_same_bits(
        four.merge([0.25] * 4, method, **options), one.merge([1.0], method, **options), method
    )


@given(cases(n=st.integers(2, 9)), st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_the_order_of_checkpoints_does_not_matter(case, method, random):
    if method.startswith("dare"):
        return  # a coin belongs to a place
    coefs = coefs_for(case, 1)
    order = random.sample(range(len(coefs)), len(coefs))
    shuffled = Case(case.base, [case.ckpts[i] for i in order])
    merged = shuffled.merge([coefs[i] for i in order], method)
    assert_close_to_twin(merged, case.twin(coefs, method), len(coefs), method)


@given(
    cases(),
    st.sampled_from(["linear", "task_arithmetic", "breadcrumbs", "dare_linear"]),
    st.integers(0, 99),
)
def test_linear_in_the_coefficients(case, method, seed):
    """merge(c + d) - base = merge(c) - base + merge(d) - base, up to rounding."""
    c, d = coefs_for(case, seed), coefs_for(case, seed + 1)
    both = [x + y for x, y in zip(c, d, strict=True)]
    options = {"dtype": torch.float32}
    theta0 = 0.0 if method == "linear" else case.base.double()
    left, right = (case.merge(x, method, **options).double() - theta0 for x in (c, d))
    merged = case.merge(both, method, **options).double() - theta0
    scale = case.twin(both, method).scale
    assert ((merged - left - right).abs() <= 2.0**-24 * 8 * (len(c) + 4) * scale).all()


@given(cases(), st.sampled_from(METHODS), st.integers(1, 20))
def test_many_coefficients_at_once_are_the_bits_of_one_by_one(case, method, k):
    rows = [coefs_for(case, seed) for seed in range(k)]
    lambdas = [1.0 - 0.1 * i for i in range(k)]
    base = None if method == "linear" else {"w": case.base}
    together = taujp.merge_many(
        [{"w": c} for c in case.ckpts], rows, base, method=method, lambda_=lambdas
    )
    assert len(together) == k
    for row, lambda_, merged in zip(rows, lambdas, together, strict=True):
        assert_same_bits(merged["w"], case.merge(row, method, lambda_=lambda_), method)


@given(cases(), st.integers(0, 99))
def test_nothing_dropped_is_no_sparsifier(case, seed):
    coefs = coefs_for(case, seed)
    plain = case.merge(coefs, "task_arithmetic")
    elected = case.merge(coefs, "ties", density=1.0, normalize=False)
    for method in ("breadcrumbs", "dare_linear"):
        assert_same_bits(case.merge(coefs, method, density=1.0), plain, method)
    for method in ("breadcrumbs_ties", "dare_ties"):
        assert_same_bits(case.merge(coefs, method, density=1.0), elected, method)


@given(cases(), st.sampled_from(NEEDS_BASE))
def test_coefficients_of_zero_leave_the_base(case, method):
    merged = case.merge([0.0] * len(case.ckpts), method)
    assert torch.equal(merged, case.base)


@given(cases(), st.sampled_from(NEEDS_BASE))
def test_task_vectors_of_zero_leave_the_base(case, method):
    still = Case(case.base, [case.base.clone() for _ in case.ckpts])
    assert torch.equal(still.merge(coefs_for(case, 0), method), case.base)


@given(cases(n=st.just(2), base_of_zeros=True), COEFFICIENT.filter(lambda c: abs(c) > 0.01))
def test_a_tied_vote_elects_plus(case, coefficient):
    """v against -v with equal weights is a tie whatever the weight."""
    tau = case.ckpts[0]
    tie = Case(case.base, [tau, -tau])
    for method in ("ties", "breadcrumbs_ties", "dare_ties"):
        for election in ("weighted", "unweighted"):
            merged = tie.merge(
                [coefficient] * 2, method, election=election, density=1.0, normalize=True
            )
            expected = tau.abs()
            if coefficient < 0 and election == "weighted":
                expected = -expected  # the winner c * (-|v|) is positive, over a negative divisor
            torch.testing.assert_close(
                merged, expected, rtol=2.0**-7, atol=0, msg=f"{method} {election}"
            )


@given(cases(n=st.just(1), base_of_zeros=True), st.floats(0, 1), st.floats(0, 1))
def test_coins_of_a_lower_density_are_among_those_of_a_higher(case, one, other):
    low, high = sorted((one, other))
    options = {"rescale": None, "seed": 3}
    few = case.merge([1.0], "dare_linear", density=low, **options) != 0
    many = case.merge([1.0], "dare_linear", density=high, **options) != 0
    assert not (few & ~many).any()


@given(cases(n=st.just(1), base_of_zeros=True), st.floats(0, 1), st.sampled_from([0.25, 4.0]))
def test_ranks_do_not_depend_on_the_scale(case, density, factor):
    scaled = Case(case.base, [case.ckpts[0] * factor])
    if not torch.equal(scaled.ckpts[0] / factor, case.ckpts[0]):
        return  # out of fp16's range
    kept, kept_scaled = (c.merge([1.0], "ties", density=density) != 0 for c in (case, scaled))
    assert torch.equal(kept, kept_scaled)
