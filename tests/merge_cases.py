"""What the common tests ask of a method of whole tensors, or with a fold or selection of its own.

A new method adds a line here, and a twin to reference_merge.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

import taujp
from states import random_states


@dataclass(frozen=True)
class Case:
    """How many checkpoints a method gets, rows of coefficients, and options worth a test.

    base: as in Method. symmetric: the order of checkpoints (with their coefficients) is nothing to
    it. equals: "theta" where the merge of equal checkpoints is the checkpoint. matrix: its error is
    that of a decomposition.
    """

    n: int
    rows: list[list[float]]
    options: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    symmetric: bool = True
    equals: bool = True
    matrix: bool = False


# Other names for tests' parameters: two blocks of a tower, for lines.
TOWER = {"norm": "tower.0.norm", "one": "tower.4.one"}
ONES = [[1.0, 1.0, 1.0]]
ARC = [[0.7, 0.3], [0.25, 0.25], [0.0, 1.0]]

MIX = [[0.5, 0.3, 0.2], [0.4, 0.9, -0.2]]
THIN = [
    {},
    {"density": 0.3, "epsilon": 0.1, "rescale": "l1", "seed": 5},
    {"density": [0.5, 1.0, 0.2], "rescale": None, "normalize": True},
    {"density": [0.5, 0.4, 0.2], "epsilon": [0.4, 0.0, 0.1], "seed": 2},
]
KNOTS = [
    {},
    {"density": 0.7, "normalize": False},
    {"thin": "dare_ties", "density": 0.5, "seed": 4, "election": "unweighted"},
]

CASES = {
    "slerp": Case(2, ARC, [{}, {"parallel": 0.5}]),
    "model_stock": Case(3, ONES, [{}, {"by": "row"}]),
    "expo": Case(1, [[0.0], [0.3]], equals=False),
    "nuslerp": Case(2, ARC, [{}, {"along": "rows"}, {"along": "columns"}]),
    "multislerp": Case(3, MIX, [{}, {"normalize": False}]),
    "karcher": Case(3, MIX, [{}, {"steps": 2, "tolerance": 1e-3}]),
    "nearswap": Case(1, [[0.01], [1.0], [-1.0]], equals=False),
    "ram": Case(3, ONES, [{}, {"epsilon": 0.02}]),
    "ramplus_tl": Case(3, ONES, [{}, {"epsilon": 0.02, "ratio": 0.5, "most": 2.0}]),
    "consensus": Case(3, MIX, [{}, {"share": 0.6, "tasks": 3}], equals=False),
    "sce": Case(3, ONES, [{}, {"density": 0.1}, {"density": 0.73}]),
    "arcee_fusion": Case(1, [[1.0]], equals=False),
    "della": Case(3, MIX, [*THIN, {"election": "unweighted"}], symmetric=False, equals=False),
    "lines": Case(3, MIX, [{}, {"alpha": 0.3, "beta": -0.1}], equals=False),
    "tsv_m": Case(3, MIX, equals=False, matrix=True),
    "iso_c": Case(3, MIX, equals=False, matrix=True),
    "iso_cts": Case(3, MIX, [{}, {"common": 0.5}], equals=False, matrix=True),
    "svc": Case(3, MIX, [{}, {"alpha": 0.8}], equals=False, matrix=True),
    "knots": Case(3, MIX, KNOTS, equals=False, matrix=True),
    "pcb": Case(3, MIX, [{}, {"density": 0.4, "clip": 0.01}], equals=False),
    "wudi": Case(3, MIX, [{"steps": 0}, {"steps": 4, "rate": 1e-3}], equals=False, matrix=True),
    "della_linear": Case(3, MIX, THIN, symmetric=False, equals=False),
}
TENSOR_METHODS = list(CASES)
BASED = [name for name in TENSOR_METHODS if taujp.methods()[name].base != "none"]
BASELESS = [name for name in TENSOR_METHODS if taujp.methods()[name].base != "needed"]
WAYS = [(name, True) for name in BASED] + [(name, False) for name in BASELESS]


def case_states(name: str, dtype=torch.float32, *, seed: int = 0):
    """A base and the case's number of fine-tunes."""
    base, ckpts = random_states(CASES[name].n, dtype, seed=seed)
    base, *ckpts = ({TOWER.get(key, key): t for key, t in s.items()} for s in (base, *ckpts))
    return base, ckpts
