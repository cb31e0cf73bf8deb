"""A word tokenizer with the interface of open_clip's tokenizers, for models with a word list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2


@dataclass(frozen=True)
class WordTokenizer:
    """Turns texts into word numbers: 0 pads, 1 is an unknown word, the last number ends a text.

    The end has the largest number because CLIP's text tower reads its output at the argmax.
    """

    words: tuple[str, ...]
    context_length: int = 16
    numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = {word: FIRST_WORD + index for index, word in enumerate(self.words)}
        object.__setattr__(self, "numbers", numbers)

    @property
    def vocabulary_size(self) -> int:
        """How many numbers there are: the words, padding, unknown and the end."""
        return len(self.words) + FIRST_WORD + 1

    def __call__(self, texts: str | Sequence[str]) -> Tensor:
        """Token numbers int64 [n, context_length] of n texts; what is too long is cut."""
        import torch

        rows = [self.encode(text) for text in ([texts] if isinstance(texts, str) else texts)]
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, self.context_length)

    def encode(self, text: str) -> list[int]:
        """One text: lower-case words, the end, padding."""
        words = re.findall(r"[a-z0-9]+", text.lower())[: self.context_length - 1]
        row = [self.numbers.get(word, UNKNOWN) for word in words] + [self.vocabulary_size - 1]
        return row + [PADDING] * (self.context_length - len(row))

    @classmethod
    def from_file(cls, path: str | Path, *, context_length: int = 16) -> WordTokenizer:
        """A tokenizer from a text file with one word a line."""
        return cls(tuple(Path(path).read_text().split()), context_length)
