"""The edited weights of a live model: theta0 is kept, sums are written over it and taken back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

import taujp
from taujp.evaluate.classifier import Classifier
from taujp.evaluate.coefficient_rows import Coefficients, is_layered, moving
from taujp.evaluate.kept_scores import key_of
from taujp.evaluate.row_merges import RowMerges, State
from taujp.tangent.attribution import layer_groups

HELD = 1 << 29  # bytes of merged models that wait for their turn; what is more is merged each time


class LiveWeights:
    """Writes theta0 + sum_t c_t tau_t, or one checkpoint, into the model itself.

    The checkpoints are read once, and held on the model's device. Task arithmetic with one
    coefficient a task is one launch (taujp.edit); other methods and coefficients by layer are
    merges, of all rows that are asked for in one pass where their models fit into `HELD` bytes.
    """

    _states: dict[Hashable, State]  # merges that wait for their turn, by key_of their rows

    def __init__(
        self,
        classifier: Classifier,
        checkpoints: Mapping[str, Any],
        method: str,
        options: Mapping[str, Any],
    ) -> None:
        prefix = classifier.prefix
        self.names = tuple(checkpoints)
        self._live = classifier.state()
        self._theta0 = {name: value.detach().clone() for name, value in self._live.items()}
        self._own = {
            name: _held(source, prefix, self._theta0) for name, source in checkpoints.items()
        }
        self.vectors = {
            name: taujp.TaskVector(self._theta0, own) for name, own in self._own.items()
        }
        self._module = classifier.module
        inner = {name.removeprefix(prefix): name for name in self._theta0}
        self.layers = {
            layer: [inner[name] for name in names] for layer, names in layer_groups(inner).items()
        }
        self._choose(method, options)

    def merging(self, method: str, options: Mapping[str, Any]) -> LiveWeights:
        """The same weights, held once, merged by another method."""
        other = copy.copy(self)
        other._choose(method, options)
        return other

    def edits(self, rows: Sequence[Coefficients]) -> list[Callable[[], None]]:
        """What writes each row's sum; rows that have to be merged are merged here, at once."""
        for row in rows:
            self._check_names(row)
        merged = {key_of(row): moving(row) for row in rows if not self._launches(row)}
        if len(merged) * sum(value.nbytes for value in self._theta0.values()) > HELD:
            return [partial(self.write, row) for row in rows]
        kept = {key: state for key, state in self._states.items() if key in merged}
        wanted = {key: row for key, row in merged.items() if key not in kept}
        self._states = {**kept, **self._merges.of(wanted)}
        return [self._edit(row) for row in rows]

    def write(self, row: Coefficients) -> None:
        """The sum for one row of coefficients; an empty one is theta0, to the bit."""
        self._check_names(row)
        if not row:
            self._copy(self._theta0)
        elif self._editor is not None and not is_layered(row):
            self._editor([row.get(name, 0.0) for name in self.names])
        else:
            self._copy(self._merges.of({key_of(row): moving(row)})[key_of(row)])

    def write_own(self, name: str) -> None:
        """One fine-tuned model's weights."""
        self._copy(self._own[name])

    def restore(self) -> None:
        """theta0 again."""
        self._copy(self._theta0)

    def _choose(self, method: str, options: Mapping[str, Any]) -> None:
        """How rows are merged from now on; an unknown method is refused before any work."""
        self._merges = RowMerges(self._theta0, self._own, self.layers, method, dict(options))
        self._states = {}
        self._editor = None
        if method == "task_arithmetic" and not options and self.names:
            self._editor = taujp.edit(self._module, self._theta0, list(self.vectors.values()))

    def _edit(self, row: Coefficients) -> Callable[[], None]:
        """What writes a row whose merge, if it is one, is held."""
        if self._launches(row):
            return partial(self.write, row)
        return partial(self._copy, self._states[key_of(row)])

    def _check_names(self, row: Coefficients) -> None:
        unknown = sorted(set(row) - set(self.names))
        if unknown:
            raise ValueError(
                f"MergedWeights: no checkpoints of {unknown}; there are those of {list(self.names)}"
            )

    def _launches(self, row: Coefficients) -> bool:
        """Whether the row is written without a merge."""
        return not row or (self._editor is not None and not is_layered(row))

    @torch.no_grad()
    def _copy(self, state: State) -> None:
        for name, live in self._live.items():
            live.copy_(state[name])


def _held(source: Any, prefix: str, theta0: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint's edited weights where theta0 is; what it lacks or has besides is an error."""
    # One checkpoint with coefficient 1 is the checkpoint itself, read whatever its format is.
    state = taujp.merge_many([source], [1.0], method="linear", prefix=prefix)
    state = {name: value for name, value in state.items() if name.startswith(prefix)}
    missing, extra = sorted(theta0.keys() - state.keys()), sorted(state.keys() - theta0.keys())
    if missing or extra:
        raise ValueError(
            f"MergedWeights: a checkpoint lacks {len(missing)} weights ({missing[:3]}) and has "
            f"{len(extra)} that the model has not ({extra[:3]}); expected exactly the model's "
            f"'{prefix}*' weights; check that it belongs to this model"
        )
    return {name: state[name].to(theta0[name].device) for name in theta0}
