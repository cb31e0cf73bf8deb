"""Tangents: linearised models and Jacobian-vector products along task vectors."""

from taujp.tangent.dual import TangentError
from taujp.tangent.linearize import linearize
from taujp.tangent.linearized import Linearized

__all__ = ["Linearized", "TangentError", "linearize"]
