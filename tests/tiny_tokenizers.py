"""Tiny tokenizers that the tokenizers library trains, put into models' folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

tokenizers = pytest.importorskip("tokenizers", reason="tiny tokenizers are made by tokenizers")
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402

TEXTS = {
    "sea": ["the sea and the ship", "a ship at sea", "ships sail the seven seas", "sail on"],
    "sky": ["the sky and the star", "a star in the sky", "stars shine in seven skies", "shine on"],
    "both": ["the sea under the sky", "ships under stars", "sail and shine", "seven seas"],
}


def bpe(texts: Sequence[str], size: int, special: Sequence[str]) -> Any:
    """Byte-level BPE, as GPT-2, Qwen and Llama 3 have it."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(special))
    made.train_from_iterator(texts, trainer)
    return made


def word_piece(texts: Sequence[str], size: int, special: Sequence[str]) -> Any:
    """WordPiece, as BERT has it."""
    made = tokenizers.Tokenizer(models.WordPiece(unk_token=special[0]))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=list(special))
    made.train_from_iterator(texts, trainer)
    return made


def unigram(texts: Sequence[str], size: int, special: Sequence[str]) -> Any:
    """Unigram, as T5 has it."""
    made = tokenizers.Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=list(special), unk_token=special[0]
    )
    made.train_from_iterator(texts, trainer)
    return made


def byte_fallback(texts: Sequence[str], size: int, special: Sequence[str]) -> Any:
    """BPE with bytes for the characters it does not know, as SentencePiece made Llama 2's."""
    made = tokenizers.Tokenizer(models.BPE(unk_token=special[0], fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([
        normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581"),
    ])  # fmt: skip
    made.decoder = decoders.Sequence([
        decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
    ])  # fmt: skip
    each = [f"<0x{number:02X}>" for number in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=size + 256, special_tokens=[*special, *each])
    made.train_from_iterator(texts, trainer)
    content = json.loads(made.to_str())  # bytes are no special tokens of it, only in its vocabulary
    content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] in special]
    return tokenizers.Tokenizer.from_str(json.dumps(content))


KINDS = {"bpe": bpe, "wordpiece": word_piece, "unigram": unigram, "fallback": byte_fallback}
SPECIAL = ("<unk>", "<s>", "</s>")


def save_tokenizer(
    folder: Path,
    kind: str = "bpe",
    texts: str = "sea",
    *,
    size: int = 40,
    special: Sequence[str] = SPECIAL,
    added: Sequence[Any] = (),
    **settings: Any,
) -> Any:
    """Write tokenizer.json and tokenizer_config.json; `special` has unk, bos, eos first."""
    folder.mkdir(parents=True, exist_ok=True)
    made = KINDS[kind](TEXTS[texts], size, special)
    made.add_tokens(list(added))
    made.save(str(folder / "tokenizer.json"))
    roles = dict(zip(("unk_token", "bos_token", "eos_token"), special, strict=False))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **roles, **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return made


def save_config(folder: Path, vocab_size: int, **values: Any) -> None:
    """A config.json, for tests that need nothing else of a model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"vocab_size": vocab_size, **values}))
