"""Vocabularies aligned as mergekit 0.1.5 aligns them: each token's merged row, and the tokens.

mergekit's ids of a union depend on the order in which its tokenizers list their tokens, so rows
are compared by what the tokens are called. mergekit is an oracle, run as it is installed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mergekit_configs import both, by_taujp  # noqa: F401  (a fixture)
from mergekit_random_configs import random_tokenizer
from test_mergekit_loads import EMBEDDINGS, TEXTS, save_family
from tiny_transformers import config_of, transformers, weights
from tolerance import assert_same_bits

LINEAR = """
merge_method: linear
models:
  - {model: base, parameters: {weight: 0.5}}
  - {model: a, parameters: {weight: 0.3}}
  - {model: b, parameters: {weight: 0.2}}
"""
VECTORS = """
merge_method: task_arithmetic
base_model: base
models:
  - {model: a, parameters: {weight: 0.7}}
  - {model: b, parameters: {weight: 0.4}}
"""
BASES = {"without a base": LINEAR, "with a base": VECTORS}
TOKENIZERS = {
    "union": "tokenizer_source: union",
    "base": "tokenizer_source: base",
    "another": "tokenizer_source: b",
    "padded": "tokenizer: {source: union, pad_to_multiple_of: 32}",
    "zero": "tokenizer: {source: base, tokens: {<new>: {source: {kind: zero}}}}",
    "of a model": "tokenizer: {source: union, tokens: {<a>: {source: a}, </s>: {source: b}}}",
    "forced": (
        "tokenizer: {source: base, pad_to_multiple_of: 8, tokens: {</s>: {source: b, force: true}, "
        "<new>: {source: {kind: model_token, model: a, token: <a>}}, "
        "<s>: {source: {kind: model_token, model: a, token_id: 9}, force: true}}}"
    ),
}


def rows_by_token(folder: Path, name: str) -> dict[str, torch.Tensor]:
    """The tensor's rows by their tokens; a padding row is called by its distance from the end."""
    tensor = weights(folder)[name]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    vocabulary = tokenizer.get_vocab()
    assert len(tensor) == config_of(folder)["vocab_size"] >= len(vocabulary)
    padding = {f"padding {len(tensor) - i}": i for i in range(len(vocabulary), len(tensor))}
    return {token: tensor[i] for token, i in {**vocabulary, **padding}.items()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory):
    """folders(family, dtype) -> {"base": folder, "a": ..., "b": ...}, made once."""
    made: dict[tuple[str, torch.dtype], dict[str, Path]] = {}

    def families(family: str, dtype: torch.dtype) -> dict[str, Path]:
        if (family, dtype) not in made:
            made[family, dtype] = save_family(tmp_path_factory.mktemp(family), family, dtype)
        return made[family, dtype]

    return families


def rows_of_both(
    ours: Path, theirs: Path, name: str
) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """(token, our row, mergekit's), of the same tokens."""
    found, expected = rows_by_token(ours, name), rows_by_token(theirs, name)
    assert found.keys() == expected.keys()
    return [(token, found[token], row) for token, row in expected.items()]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_rows_and_tokens_are_mergekits(
    both,  # noqa: F811
    folders,
    tmp_path: Path,
    dtype: torch.dtype,
    tokenizer: str,
    base: str,
):
    models = folders("llama", dtype)
    config = f"{BASES[base]}{TOKENIZERS[tokenizer]}\n"
    theirs = both.by_mergekit(config, models, tmp_path)
    ours = by_taujp(config, models, tmp_path, rounding="stepwise")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        for token, found, expected in rows_of_both(ours, theirs, name):
            if dtype == torch.float32:  # sums in another order
                torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
            else:
                assert_same_bits(found, expected, token)


def test_averages_are_rounded_to_the_dtype_of_the_work(both, folders, tmp_path: Path):  # noqa: F811
    models = folders("llama", torch.bfloat16)
    config = f"{LINEAR}{TOKENIZERS['padded']}\ndtype: float32\n"
    theirs = both.by_mergekit(config, models, tmp_path)
    ours = by_taujp(config, models, tmp_path)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        for token, found, expected in rows_of_both(ours, theirs, name):
            assert found.dtype == torch.float32
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7, msg=token)


@pytest.mark.parametrize("seed", range(10))
def test_a_random_tokenizer(both, folders, tmp_path: Path, seed: int):  # noqa: F811
    models = folders("llama", torch.bfloat16)
    config = f"{VECTORS}tokenizer: {json.dumps(random_tokenizer(seed))}\n"
    theirs = both.by_mergekit(config, models, tmp_path)
    ours = by_taujp(config, models, tmp_path, rounding="stepwise")
    for token, found, expected in rows_of_both(ours, theirs, "model.embed_tokens.weight"):
        assert_same_bits(found, expected, token)
    load = transformers.AutoTokenizer.from_pretrained
    text = "the sea <a> and <new> stars</s>"
    assert load(ours).tokenize(text) == load(theirs).tokenize(text)


# not BERT: mergekit 0.1.5 ends with a TypeError over its optional weights
@pytest.mark.parametrize("family", ["gpt2", "qwen2", "mistral"])
def test_other_families(both, folders, tmp_path: Path, family: str):  # noqa: F811
    models = folders(family, torch.float32)
    config = f"{VECTORS}tokenizer_source: union\n"
    theirs = both.by_mergekit(config, models, tmp_path)
    ours = by_taujp(config, models, tmp_path)
    name = EMBEDDINGS.get(family, "model.embed_tokens.weight")
    for _, found, expected in rows_of_both(ours, theirs, name):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["fallback", "unigram"])
def test_vocabularies_of_sentencepiece(both, tmp_path: Path, kind: str):  # noqa: F811
    models = save_family(tmp_path, "llama", torch.bfloat16, kind=kind)
    config = f"{VECTORS}tokenizer_source: union\n"
    theirs = both.by_mergekit(config, models, tmp_path)
    ours = by_taujp(config, models, tmp_path, rounding="stepwise")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        for token, found, expected in rows_of_both(ours, theirs, name):
            assert_same_bits(found, expected, token)
    load = transformers.AutoTokenizer.from_pretrained
    text = "the sea, stars \u00e9"
    assert load(ours).tokenize(text) == load(theirs).tokenize(text)


def test_the_most_common_chat_template_is_mergekits(both, folders, tmp_path: Path):  # noqa: F811
    models = {name: tmp_path / name for name in TEXTS}
    for name, folder in folders("llama", torch.float32).items():
        models[name].mkdir()
        for file in folder.iterdir():
            (models[name] / file.name).symlink_to(file)
        template = "{{ messages }}" if name == "base" else "{% for m in messages %}{% endfor %}"
        (models[name] / "chat_template.jinja").write_text(template)
    config = f"{LINEAR}tokenizer_source: base\nchat_template: auto\n"
    theirs = both.by_mergekit(config, models, tmp_path)
    ours = by_taujp(config, models, tmp_path)
    load = transformers.AutoTokenizer.from_pretrained
    assert load(ours).chat_template == load(theirs).chat_template
    assert load(ours).chat_template.startswith("{% for")
