"""Kronecker factors: what stands for a task's data in a penalty that needs none of them."""

from taujp.tangent.kronecker.factors import Block, Factors, load_factors, sum_factors
from taujp.tangent.kronecker.form import quadratic_form
from taujp.tangent.kronecker.gather import gather_factors

__all__ = [
    "Block",
    "Factors",
    "gather_factors",
    "load_factors",
    "quadratic_form",
    "sum_factors",
]
