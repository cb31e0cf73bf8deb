"""What our methods are in mergekit's words, for the benchmark of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

N = 6  # fine-tunes, of which nearswap and passthrough take one at 1 / N


@dataclass(frozen=True)
class Peer:
    """The same merge in mergekit's words; `weights`: whether it takes one for each checkpoint.

    first_is_base: the first checkpoint is what it calls the base. differs: the share of elements
    that may differ; None: coins are tossed, only shares agree.
    """

    method: str
    parameters: dict[str, Any] = field(default_factory=dict)
    weights: bool = True
    first_is_base: bool = False
    differs: float | None = 1e-3


# Options of ours that say what mergekit's defaults are, and what it calls it.
SELECTED = {"density": 0.1}
THINNED = {"rescale": "l1"}
PEERS: dict[str, tuple[dict[str, Any], Peer]] = {
    "linear": ({}, Peer("linear", {"normalize": False})),
    "task_arithmetic": ({}, Peer("task_arithmetic")),
    "average": ({}, Peer("linear", {"normalize": True})),
    "ties": ({}, Peer("ties", {"density": 0.2}, differs=0.02)),
    "dare_linear": (THINNED, Peer("dare_linear", {"density": 0.5}, differs=None)),
    "dare_ties": (THINNED, Peer("dare_ties", {"density": 0.5}, differs=None)),
    "breadcrumbs": ({}, Peer("breadcrumbs", {"density": 0.9, "gamma": 0.01}, differs=0.02)),
    "breadcrumbs_ties": (
        {},
        Peer("breadcrumbs_ties", {"density": 0.9, "gamma": 0.01}, differs=0.02),
    ),
    "della": (THINNED, Peer("della", {"density": 0.5, "epsilon": 0.15}, differs=None)),
    "della_linear": (
        THINNED,
        Peer("della_linear", {"density": 0.5, "epsilon": 0.15}, differs=None),
    ),
    "sce": (SELECTED, Peer("sce", {"select_topk": 0.1}, weights=False, differs=0.02)),
    "arcee_fusion": ({}, Peer("arcee_fusion", weights=False, differs=0.1)),
    "ram": ({}, Peer("ram", {"epsilon": 1e-5}, weights=False)),
    "ramplus_tl": (
        {},
        Peer("ramplus_tl", {"epsilon": 1e-5, "r": 0.1, "alpha": 0.2}, weights=False),
    ),
    "nearswap": ({}, Peer("nearswap", {"t": 1 / N}, weights=False)),
    "slerp": ({}, Peer("slerp", {"t": 0.5}, weights=False, first_is_base=True)),
    "nuslerp": ({}, Peer("nuslerp")),
    "multislerp": ({}, Peer("multislerp")),
    "karcher": ({}, Peer("karcher", {"max_iter": 10, "tol": 1e-5}, weights=False)),
    "model_stock": ({}, Peer("model_stock", weights=False)),
    "passthrough": ({}, Peer("passthrough", {"scale": {"0": 1 / N}}, weights=False)),
}
