"""An adapter's tensors as entries of its base: what is added to a parameter, or replaces it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .computed import computed_entry
from .dtypes import FLOATING, torch_dtype
from .entries import COMPUTED, IN_MEMORY, Checkpoint, CheckpointError, Entry
from .lora_change import Adapted, LowRank
from .lora_config import read_lora_config
from .lora_folder import open_factors
from .lora_names import Parts, parameter_of, parts_of, translation
from .lora_orientation import orientations
from .tensors import raw_bytes, same_bytes, tensor_of

if TYPE_CHECKING:
    import torch


def adapter_entries(
    folder: str, theta0: Checkpoint, dtype: str | None
) -> tuple[dict[str, Entry], Checkpoint]:
    """What the adapter changes, by the base's names (of tied ones the first), and its own tensors.

    Places of files count on from those of the base.
    """
    factors, config = open_factors(folder), read_lora_config(folder)
    adapter = _Adapter(folder, factors, theta0, dtype)
    parts = adapter.parts()
    to_base = translation(folder, parts, theta0.entries, theta0.label)
    weights = {m: _weight(to_base(m), theta0) for m in parts.modules}
    adapted = {weight.name for weight in weights.values()}
    for own, stored in parts.whole.items():
        adapter.take_whole(to_base(own), stored, start=to_base(own) in adapted)
    transposed = orientations(folder, parts, factors.entries, config, weights)
    for module, names in parts.modules.items():
        scale = config.scale_of(module)
        adapter.add_product(weights[module].name, names, scale, transposed=transposed[module])
    return adapter.changed, factors


def _weight(module: str, theta0: Checkpoint) -> Entry:
    name = parameter_of(module, theta0.entries)
    assert name is not None  # the translation of names saw to it
    return theta0.entries[name]


class _Adapter:
    """Collects the changes of the base's parameters."""

    def __init__(
        self, folder: str, factors: Checkpoint, theta0: Checkpoint, dtype: str | None
    ) -> None:
        self._folder, self._factors, self._theta0, self._dtype = folder, factors, theta0, dtype
        self._starts: dict[str, str] = {}  # the adapter's own tensors that it adapts
        self.changed: dict[str, Entry] = {}

    def parts(self) -> Parts:
        """What is in the file, but for the second of two tied parameters that it saved twice."""
        parts = parts_of(self._folder, self._factors.entries)
        wholes = {own: self._factors.entries[stored] for own, stored in parts.whole.items()}
        for own, entry in wholes.items():
            others = (other for name, other in wholes.items() if name in self._theta0.entries)
            if own not in self._theta0.entries and any(
                self._equal(entry, o, self._factors) for o in others
            ):
                del parts.whole[own]
        return parts

    def take_whole(self, name: str, stored: str, *, start: bool) -> None:
        """A parameter that the adapter holds takes the place of the base's.

        start: whether the adapter adds to it; PEFT keeps the embeddings that it adapts, which are
          the base's unless tokens were added.
        """
        entry, theta0 = self._factors.entries[stored], self._theta0.entries[name]
        self._check_shape(stored, name)
        if start:
            if not self._equal(entry, theta0, self._theta0):
                self._starts[name] = stored
            return
        dtype = self._dtype or theta0.dtype
        if entry.dtype == dtype:
            file = entry.file if entry.file < 0 else entry.file + len(self._theta0.files)
            self._take(name, replace(entry, name=name, file=file))
            return
        identity = f"{identity_of(self._factors, entry)} in {dtype}"
        made = _Cast(self._factors, stored, dtype)
        self._take(name, computed_entry(name, dtype, entry.shape, made, identity))

    def add_product(
        self, weight: str, names: Mapping[str, str], scale: float, *, transposed: bool
    ) -> None:
        """scale B A is added to the base's weight, and what B adds by itself to its bias."""
        for name, a, b in self._products(weight, names):
            theta0 = self._theta0.entries[name]
            dtype = self._dtype or theta0.dtype
            if theta0.dtype not in FLOATING:
                raise CheckpointError(
                    f"LoRA: {self._folder!r} adapts {name!r}, which is {theta0.dtype} in "
                    f"{self._theta0.label}; give the base in F32, F16 or BF16"
                )
            change = LowRank(self._factors, a, b, scale, theta0.shape, transposed)
            start, of = self._theta0, name
            if name in self._starts:
                start, of = self._factors, self._starts[name]
            identity = f"{change.identity} + {identity_of(start, start.entries[of])} in {dtype}"
            made = Adapted(change, start, of, dtype)
            self._take(name, computed_entry(name, dtype, theta0.shape, made, identity))

    def _products(
        self, weight: str, names: Mapping[str, str]
    ) -> Iterator[tuple[str, str | None, str]]:
        yield weight, names["A"], names["B"]
        if "bias" not in names:
            return
        bias = weight.rpartition(".")[0] + ".bias"
        if bias not in self._theta0.entries:
            raise CheckpointError(
                f"LoRA: {self._folder!r} changes {bias!r}, which {self._theta0.label} lacks; give "
                f"the model that it was trained on"
            )
        self._check_shape(names["bias"], bias)
        yield bias, None, names["bias"]

    def _check_shape(self, stored: str, name: str) -> None:
        found, expected = self._factors.entries[stored].shape, self._theta0.entries[name].shape
        if found != expected:
            raise CheckpointError(
                f"LoRA: {self._folder!r} has {stored!r} of shape {found}; {name!r} of "
                f"{self._theta0.label} has {expected}; give the model that it was trained on, "
                f"resized as it was then"
            )

    def _take(self, name: str, entry: Entry) -> None:
        first = self._theta0.ties.get(name, name)
        if first in self.changed:
            raise CheckpointError(
                f"LoRA: {self._folder!r} changes {name!r} twice: it is tied to {first!r} in "
                f"{self._theta0.label}, or both adapted and saved whole; give a base with untied "
                f"weights, or merge the adapter with PEFT"
            )
        self.changed[first] = entry

    def _equal(self, mine: Entry, other: Entry, whose: Checkpoint) -> bool:
        return (mine.dtype, mine.shape) == (other.dtype, other.shape) and same_bytes(
            raw_bytes(self._factors, mine), raw_bytes(whose, other)
        )


@dataclass(frozen=True)
class _Cast:
    """A tensor in another dtype."""

    checkpoint: Checkpoint
    name: str
    dtype: str

    def __call__(self) -> torch.Tensor:
        return tensor_of(self.checkpoint, self.name).detach().cpu().to(torch_dtype(self.dtype))


def identity_of(checkpoint: Checkpoint, entry: Entry) -> str:
    """Says which numbers a tensor holds; of one in memory never the same twice."""
    if entry.file == IN_MEMORY:
        return os.urandom(16).hex()
    if entry.file == COMPUTED:
        return str(entry.tensor.identity)
    return repr((checkpoint.files[entry.file], entry.offset, entry.dtype, entry.shape))
