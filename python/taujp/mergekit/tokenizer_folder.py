"""The tokenizer that a model's folder holds, converted where it is of an earlier kind."""

from __future__ import annotations

import importlib.util
import os
import tempfile

from taujp.merge.errors import MergeError

from .tokenizer_file import (
    CONTENT,
    Tokenizer,
    bytes_of,
    is_earlier,
    tokenizer_files,
    tokenizer_of,
    without_earlier,
)


def read_tokenizer(folder: str) -> Tokenizer | None:
    """The folder's tokenizer; None where it holds none.

    A tokenizer without tokenizer.json is converted by transformers, which must be installed then.
    """
    if not os.path.isdir(folder):
        raise MergeError(f"tokenizer: {folder!r} is no folder; expected one with {CONTENT}")
    files: dict[str, str] = tokenizer_files(folder)
    if CONTENT in files:
        return tokenizer_of(folder, files)
    if not any(is_earlier(name) for name in files):
        return None
    return tokenizer_of(folder, _converted(folder))


def _converted(folder: str) -> dict[str, str | bytes]:
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise MergeError(
            f"tokenizer: {folder!r} has no {CONTENT}, and converting what it has needs "
            f"transformers: pip install 'taujp[transformers]'"
        ) from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with tempfile.TemporaryDirectory() as made:
            tokenizer.save_pretrained(made)
            files: dict[str, str | bytes] = {
                name: bytes_of(path) for name, path in tokenizer_files(made).items()
            }
    except (OSError, ValueError, ImportError) as error:
        raise MergeError(
            f"tokenizer: transformers cannot load that of {folder!r}: {error}{_advice(folder)}"
        ) from error
    if CONTENT not in files:
        raise MergeError(
            f"tokenizer: {folder!r} has a {type(tokenizer).__name__}, which cannot be written as "
            f"{CONTENT}; aligning its vocabulary is not possible"
        )
    return without_earlier(files)


def _advice(folder: str) -> str:
    """What transformers does not say: without sentencepiece it takes its files for others."""
    pieces = [name for name in tokenizer_files(folder) if name.endswith(".model")]
    if not pieces or importlib.util.find_spec("sentencepiece") is not None:
        return ""
    return f"; {', '.join(pieces)} is read with sentencepiece: pip install sentencepiece"
