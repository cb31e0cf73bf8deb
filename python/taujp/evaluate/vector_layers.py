"""Task vectors cut into the parts of single layers, for coefficients by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from taujp.evaluate.coefficient_rows import Coefficients
from taujp.tangent.attribution import layer_groups
from taujp.tangent.encoder import encoder_of, task_vector_of

Part = tuple[str, str]  # task, layer


def by_layer(module: nn.Module, vectors: Mapping[str, Any]) -> dict[Part, dict[str, Tensor]]:
    """{(task, layer): tau restricted to it}; a vector is the sum of its parts."""
    encoder = encoder_of(module)
    parts = {}
    for task, vector in vectors.items():
        tau = task_vector_of(encoder, vector)
        for layer, names in layer_groups(tau).items():
            parts[task, layer] = {name: tau[name] for name in names}
    return parts


def layered_row(row: Coefficients, parts: Iterable[Part]) -> dict[Any, float]:
    """The coefficient of every part; a task's one number counts for all its layers."""
    known = set(parts)
    unknown = {
        (task, layer)
        for task, value in row.items()
        if isinstance(value, Mapping)
        for layer in value
    } - known
    if unknown:
        layers = sorted({layer for _, layer in known})
        raise ValueError(
            f"coefficients by layer: there are no parts {sorted(unknown)}; the layers are {layers}"
        )
    numbers = {}
    for task, layer in known:
        value = row.get(task, 0.0)
        numbers[task, layer] = value.get(layer, 0.0) if isinstance(value, Mapping) else value
    return numbers
