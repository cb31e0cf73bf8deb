"""Results on disk: JSON with the result's class under "kind" and its fields beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from taujp.evaluate.results import (
    Addition,
    AdditionPoint,
    Negation,
    NegationPoint,
    SingleTask,
    Unqualified,
)

if TYPE_CHECKING:
    from taujp.tangent.metric import TauJpMatrix

Result: TypeAlias = "Addition | Negation | TauJpMatrix"


def save_result(result: Result, path: str | Path) -> Path:
    """Writes a result as JSON: {"kind": its class, ...its fields}."""
    kind = type(result).__name__
    if kind not in _READERS:
        raise TypeError(
            f"save_result: the result is a {kind}; expected one of {list(_READERS)}; pass what a "
            "protocol of taujp.evaluate or taujp.tau_jp_matrix returned"
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"kind": kind, **asdict(result)}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def load_result(path: str | Path) -> Result:
    """Reads what save_result wrote."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    kind = content.pop("kind", None)
    if kind not in _READERS:
        raise ValueError(
            f"load_result: '{path}' has the kind {kind!r}; expected one of {list(_READERS)}; pass "
            "a file that save_result wrote"
        )
    return _READERS[kind](content)


def _addition(content: dict[str, Any]) -> Addition:
    for name in ("chosen", "one_shot"):
        content[name] = AdditionPoint(**content[name])
    content["tasks"] = tuple(SingleTask(**task) for task in content["tasks"])
    content["validation"] = tuple(AdditionPoint(**point) for point in content["validation"])
    return Addition(**content)


def _negation(content: dict[str, Any]) -> Negation:
    content["validation"] = tuple(NegationPoint(**point) for point in content["validation"])
    content["before"] = NegationPoint(**content["before"])
    chosen = content.pop("chosen")
    outcome: NegationPoint | Unqualified
    if "closest" in chosen:
        outcome = Unqualified(chosen["needed_control"], NegationPoint(**chosen["closest"]))
    else:
        outcome = NegationPoint(**chosen)
    return Negation(**content, chosen=outcome)


def _tau_jp_matrix(content: dict[str, Any]) -> TauJpMatrix:
    from taujp.tangent.metric import TauJpMatrix

    values = tuple(tuple(row) for row in content["values"])
    return TauJpMatrix(tuple(content["tasks"]), tuple(content["data"]), values)


_READERS: dict[str, Callable[[dict[str, Any]], Result]] = {
    "Addition": _addition,
    "Negation": _negation,
    "TauJpMatrix": _tau_jp_matrix,
}
