"""Task analogies: "a is to b as c is to d", so theta0 + tau_c + (tau_b - tau_a) should know d."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

from taujp.evaluate.addition import COEFFICIENTS
from taujp.evaluate.results import Analogy, AnalogyPoint

if TYPE_CHECKING:
    from taujp.evaluate.merged import MergedModels
    from taujp.train.prepare import PreparedTask


def analogy(
    models: MergedModels,
    a: str,
    b: str,
    c: str,
    d: PreparedTask,
    *,
    add: Sequence[float] = COEFFICIENTS,
    shift: Sequence[float] = COEFFICIENTS,
) -> Analogy:
    """Evaluates theta0 + add * tau_c + shift * (tau_b - tau_a) on d, whose data trained nothing.

    Every pair of coefficients is tried on d's validation data; the best accuracy there is chosen
    (of equals the first, in the order given) and reported on test, beside (1, 1).
    Source: Ilharco et al. 2023, "Editing models with task arithmetic", section 5.

    Args:
      models: with vectors of a, b and c. Where they hold one of d too, it is reported as `of_d`.

    Raises ValueError where a vector is missing or there is no coefficient.
    """
    _check(models.names, {"a": a, "b": b, "c": c}, add, shift)
    pairs = [(float(one), float(other)) for one, other in product(add, shift)]
    rows = [_row(a, b, c, *pair) for pair in pairs]
    validation = tuple(
        AnalogyPoint(*pair, scores)
        for pair, scores in zip(pairs, models.scores(rows, d, "validation"), strict=True)
    )
    best = max(validation, key=lambda point: point.scores.accuracy)
    tested = [_row(a, b, c, best.add, best.shift), _row(a, b, c, 1.0, 1.0), {}]
    chosen, one_shot, zero_shot = models.scores(tested, d, "test")
    return Analogy(
        models.mode,
        a,
        b,
        c,
        d.name,
        validation,
        AnalogyPoint(best.add, best.shift, chosen),
        AnalogyPoint(1.0, 1.0, one_shot),
        zero_shot,
        of_c=models.own_scores(c, d, "test"),
        of_d=models.own_scores(d.name, d, "test") if d.name in models.names else None,
    )


def _row(a: str, b: str, c: str, add: float, shift: float) -> dict[str, float]:
    """Coefficients by vector; where c is a or b, both of its parts count."""
    row = dict.fromkeys((a, b, c), 0.0)
    for name, coefficient in ((c, add), (b, shift), (a, -shift)):
        row[name] += coefficient
    return row


def _check(
    names: Sequence[str], wanted: dict[str, str], add: Sequence[float], shift: Sequence[float]
) -> None:
    missing = {role: name for role, name in wanted.items() if name not in names}
    if missing:
        raise ValueError(
            f"analogy: no vector of {missing}; there are those of {list(names)}; expected one of "
            "a, b and c each; fine-tune on the others first"
        )
    if not add or not shift:
        raise ValueError(
            f"analogy: came {len(add)} coefficients to add and {len(shift)} to shift by; expected "
            "at least one of each"
        )
