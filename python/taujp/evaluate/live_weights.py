"""The edited weights of a live model: theta0 is kept, sums are written over it and taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import taujp
from taujp.evaluate.classifier import Classifier
from taujp.evaluate.coefficient_rows import is_layered, moving
from taujp.evaluate.results import Coefficients
from taujp.merge.method import find_method, methods
from taujp.tangent.attribution import layer_groups


class LiveWeights:
    """Writes theta0 + sum_t c_t tau_t, or one checkpoint, into the model itself.

    The checkpoints are read once, and held on the model's device. Task arithmetic with one
    coefficient a task is one launch (taujp.edit); other methods and coefficients by layer are
    merges into the model's own memory.
    """

    def __init__(
        self,
        classifier: Classifier,
        checkpoints: Mapping[str, Any],
        method: str,
        options: Mapping[str, Any],
    ) -> None:
        prefix = classifier.prefix
        self.names = tuple(checkpoints)
        self._method, self._options = method, dict(options)
        self._live = classifier.state()
        self._theta0 = {name: value.detach().clone() for name, value in self._live.items()}
        self._own = {
            name: _held(source, prefix, self._theta0) for name, source in checkpoints.items()
        }
        has_base = method not in methods() or methods()[method].base != "none"
        find_method(method, has_base=has_base)  # an unknown one is refused before any work
        self._base = self._theta0 if has_base else None
        self._editor = None
        self.vectors = {
            name: taujp.TaskVector(self._theta0, own) for name, own in self._own.items()
        }
        if method == "task_arithmetic" and not options and checkpoints:
            vectors = list(self.vectors.values())
            self._editor = taujp.edit(classifier.module, self._theta0, vectors)
        inner = {name.removeprefix(prefix): name for name in self._theta0}
        self.layers = {
            layer: [inner[name] for name in names] for layer, names in layer_groups(inner).items()
        }

    def write(self, row: Coefficients) -> None:
        """The sum for one row of coefficients; an empty one is theta0, to the bit."""
        unknown = sorted(set(row) - set(self.names))
        if unknown:
            raise ValueError(
                f"MergedWeights: no checkpoints of {unknown}; there are those of {list(self.names)}"
            )
        if not row:
            self._copy(self._theta0)
        elif self._editor is not None and not is_layered(row):
            self._editor([row.get(name, 0.0) for name in self.names])
        else:
            self._copy(self._merged(moving(row)))

    def write_own(self, name: str) -> None:
        """One fine-tuned model's weights."""
        self._copy(self._own[name])

    def restore(self) -> None:
        """theta0 again."""
        self._copy(self._theta0)

    def _merged(self, row: Coefficients) -> Mapping[str, Tensor]:
        """The merge of the checkpoints that have a coefficient; the others have no vote in it.

        One coefficient for all is a factor of what the method makes of the vectors: where it
        divides by the sum of coefficients, as TIES does, they would cancel.
        """
        if not row:
            return self._theta0
        values = list(row.values())
        options, coefs = self._options, self._table(row)
        if not is_layered(row) and len(set(values)) == 1 and self._base is not None:
            coefs, factor = [1.0] * len(values), options.get("lambda_", 1.0)
            options = {**options, "lambda_": factor * values[0]}
        sources = [self._own[name] for name in row]
        return taujp.merge_many(sources, coefs, base=self._base, method=self._method, **options)

    def _table(self, row: Coefficients) -> Any:
        """Coefficients as merge_many takes them: a list, or one for each weight's name."""
        values = list(row.values())
        if not is_layered(row):
            return values
        lost = {
            layer for value in values if isinstance(value, Mapping) for layer in value
        } - self.layers.keys()
        if lost:
            raise ValueError(
                f"MergedWeights: no layers {sorted(lost)}; there are {list(self.layers)}"
            )
        return {
            _literal(name): [
                value.get(layer, 0.0) if isinstance(value, Mapping) else value for value in values
            ]
            for layer, names in self.layers.items()
            for name in names
        }

    @torch.no_grad()
    def _copy(self, state: Mapping[str, Tensor]) -> None:
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


def _literal(name: str) -> str:
    """A name as a glob pattern that matches it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
