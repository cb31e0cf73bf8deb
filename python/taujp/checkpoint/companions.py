"""The files that make weights a model again: config, tokenizer, vocabulary, code."""

from __future__ import annotations

import fnmatch
import os

_ALONG = (
    "*.json", "*.jinja", "*.model", "*.txt", "*.py", "*.tiktoken", "*.bpe", "tokenizer*",
    "LICENSE*",
)  # fmt: skip
_NOT_ALONG = (
    "*.index.json", "*.md", "*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt",
    "trainer_state.json",
)  # fmt: skip


def companions(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """The files of a model's folder that go along with a merge: all small ones but weights."""
    paths = (os.path.join(folder, name) for name in sorted(os.listdir(folder)) if _goes_along(name))
    return tuple(path for path in paths if os.path.isfile(path))


def _goes_along(name: str) -> bool:
    def matches(patterns: tuple[str, ...]) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    return matches(_ALONG) and not matches(_NOT_ALONG)
