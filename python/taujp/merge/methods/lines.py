"""LiNeS: small steps in shallow layers, large ones in deep layers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import MergeError
from ..formula import Formula
from ..method import tensor_method
from ..recipe import one_number

if TYPE_CHECKING:
    from ..coefficients import Row
    from ..prepare import Merge

BLOCK = re.compile(r"(^|.*?\.)(\d+)\.")


@tensor_method("lines", cost="one pass")
def lines(n: int, *, alpha: float | None = None, beta: float = 0.5) -> Formula:
    """Add task vectors with a scale that grows linearly with depth: shallow layers are shared.

    theta = theta0 + (alpha + beta l / (L - 1)) sum_i c_i tau_i in block l of L. Blocks are what
    names number first ("...resblocks.3.mlp..." is block 3 of its tower); all else, the head and the
    embeddings, has the scale alpha, as the authors do it (whose program takes the least number
    anywhere in a name, as of "blocks.7.mlp.0", for the block). `alpha` None: 1 / N, the paper's for
    sums of N task vectors; `beta` is found on validation data. A single block has scale alpha.
    Source: Wang et al. 2024, arXiv 2410.17146.
    """
    start = one_number("alpha", 1.0 / n if alpha is None else alpha, -1e6, 1e6)
    rise = one_number("beta", beta, -1e6, 1e6)
    towers: dict[str, int] = {}  # once for all parameters

    def weights(merge: Merge, name: str, row: Row) -> Row:
        if not towers:
            towers.update(blocks_by_tower(merge.donor.entries))
        if not towers:
            raise MergeError(
                "no parameter has a numbered block in its name, as blocks.3.weight; lines scales "
                "by depth: use task_arithmetic, or rename= (--rename)"
            )
        scale = start + rise * depth(name, towers)
        return tuple(c * scale for c in row)

    return Formula(known=weights)


def blocks_by_tower(names: Iterable[str]) -> dict[str, int]:
    """The last block's number for each beginning of names that has more than one block."""
    last: dict[str, set[int]] = {}
    for name in names:
        if match := BLOCK.match(name):
            last.setdefault(match[1], set()).add(int(match[2]))
    return {tower: max(numbers) for tower, numbers in last.items() if len(numbers) > 1}


def depth(name: str, towers: dict[str, int]) -> float:
    """l / (L - 1), from 0 to 1; 0 outside of the blocks."""
    match = BLOCK.match(name)
    return int(match[2]) / towers[match[1]] if match and match[1] in towers else 0.0
