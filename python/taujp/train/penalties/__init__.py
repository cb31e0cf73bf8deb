"""Penalties on how far a task vector moves what other tasks need; one interface, any number."""

from taujp.train.penalties.kronecker import Kronecker
from taujp.train.penalties.orthogonal import Orthogonal
from taujp.train.penalties.penalty import Penalty
from taujp.train.penalties.tau_jp import TauJp

__all__ = ["Kronecker", "Orthogonal", "Penalty", "TauJp"]
