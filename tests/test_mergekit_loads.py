"""What `taujp mergekit` writes is a model: transformers loads all of it, and it generates."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import taujp
from taujp.merge.errors import MergeError
from tiny_tokenizers import save_tokenizer
from tiny_transformers import (
    CLIP,
    DECODERS,
    FAMILIES,
    config_of,
    moved,
    new_model,
    save,
    transformers,
    weights,
)

EMBEDDINGS = {
    "gpt2": "transformer.wte.weight",
    "bert": "embeddings.word_embeddings.weight",
    "bert-mlm": "bert.embeddings.word_embeddings.weight",
    "clip": "text_model.embeddings.token_embedding.weight",
}
UNKNOWN = {"qwen2": "<|endoftext|>", "qwen3": "<|endoftext|>"}  # their classes add it where missing
TEXTS = {"base": "sea", "a": "sky", "b": "both"}
MERGE = """
merge_method: {method}
base_model: {base}
models:
  - model: {a}
    parameters: {{weight: 0.5, density: 0.6}}
  - model: {b}
    parameters: {{weight: 0.3, density: 0.6}}
dtype: {dtype}
"""


def save_family(
    folder: Path, family: str, dtype=torch.float32, *, kind: str = "bpe", **options: Any
) -> dict[str, Path]:
    """base, a, b with a tokenizer and a vocabulary of their own each: their folders by name."""
    folders = {}
    for seed, (name, texts) in enumerate(TEXTS.items()):
        folders[name] = folder / name
        kind = "wordpiece" if family.startswith("bert") else kind
        special = (UNKNOWN.get(family, "<unk>"), "<s>", "</s>")
        made = save_tokenizer(
            folder / name, kind, texts, size=36 + seed, special=special, added=[f"<{name}>"]
        )
        rows = made.get_vocab_size()
        sizes = {"vocab_size": rows}
        if family == "clip":
            sizes = {"text_config": {**CLIP["text_config"], **sizes}}
        model = new_model(family, **sizes, **options)
        moved(model, 0.02, torch.Generator().manual_seed(seed))
        save(model, folders[name], dtype)
    return folders


def loaded(folder: Path, family: str) -> Any:
    """The model, of which no weight was missing, left over or of another shape."""
    architecture = getattr(transformers, FAMILIES[family][1])
    model, told = architecture.from_pretrained(folder, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not told[kind], f"{kind}: {sorted(told[kind])[:5]}"
    return model.eval()


def merged(folders: dict[str, Path], out: Path, config: str = "", **values: Any) -> Path:
    """Our output of MERGE with these lines added."""
    chosen = {"method": "task_arithmetic", "dtype": "float32", **values}
    file = out.parent / "config.yml"
    file.write_text(MERGE.format(**chosen, **folders) + config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        taujp.mergekit(file, out)
    return out


def generated(model: Any, tokenizer: Any) -> torch.Tensor:
    """Some tokens after a text."""
    inputs = tokenizer("the sea", return_tensors="pt")
    with torch.no_grad():
        return model.generate(
            inputs["input_ids"], max_new_tokens=5, min_new_tokens=5, do_sample=False
        )


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", DECODERS)
def test_a_decoder_of_the_union_generates(tmp_path: Path, family: str, tied: bool):
    folders = save_family(tmp_path, family, tied=tied)
    out = merged(folders, tmp_path / "out", "tokenizer_source: union\nchat_template: chatml\n")
    model = loaded(out, family)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    assert len(tokenizer) == model.config.vocab_size == model.get_input_embeddings().num_embeddings
    assert {"<base>", "<a>", "<b>"} <= tokenizer.get_vocab().keys()
    assert "<|im_start|>" in tokenizer.chat_template
    tied_now = model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()
    assert tied_now == tied
    assert generated(model, tokenizer).max() < len(tokenizer)


@pytest.mark.parametrize("source", ["base", "a"])
def test_gpt2_with_the_tokenizer_of_one_model(tmp_path: Path, source: str):
    folders = save_family(tmp_path, "gpt2", torch.bfloat16)
    name = str(folders["a"]) if source == "a" else "base"
    lines = f"tokenizer:\n  source: {name}\n  pad_to_multiple_of: 16\n"
    out = merged(folders, tmp_path / "out", lines, method="ties", dtype="bfloat16")
    model = loaded(out, "gpt2")
    assert model.dtype == torch.bfloat16
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    expected = transformers.AutoTokenizer.from_pretrained(folders[source])
    assert tokenizer.get_vocab() == expected.get_vocab()
    assert model.config.vocab_size == 48
    assert generated(model, tokenizer).shape[1] > 5


@pytest.mark.parametrize("family", ["bert", "bert-mlm", "clip"])
def test_an_encoder_of_the_union_runs(tmp_path: Path, family: str):
    folders = save_family(tmp_path, family)
    out = merged(folders, tmp_path / "out", "tokenizer_source: union\n")
    model = loaded(out, family)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    part = model.text_model if family == "clip" else model
    assert part.get_input_embeddings().num_embeddings == len(tokenizer)
    inputs = tokenizer("the sea<a>", return_tensors="pt")
    found = part(input_ids=inputs["input_ids"])
    assert found[0].isfinite().all()


@pytest.mark.parametrize("family", ["llama", "bert-mlm"])
def test_each_token_keeps_its_merged_embedding(tmp_path: Path, family: str):
    """A token's row is the merge of its rows, wherever it is in which vocabulary."""
    folders = save_family(tmp_path, family)
    out = merged(folders, tmp_path / "out", "tokenizer_source: union\n")
    name = EMBEDDINGS.get(family, "model.embed_tokens.weight")
    rows = {of: weights(folder)[name] for of, folder in {**folders, "out": out}.items()}
    load = transformers.AutoTokenizer.from_pretrained
    ids = {of: load(folder).get_vocab() for of, folder in {**folders, "out": out}.items()}
    common = ids["base"].keys() & ids["a"].keys() & ids["b"].keys()
    assert len(common) > 10
    for token in common:
        base, a, b, found = (rows[of][ids[of][token]] for of in ("base", "a", "b", "out"))
        expected = base + 0.5 * (a - base) + 0.3 * (b - base)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    only = rows["a"][ids["a"]["<a>"]]  # the others take it over: nothing changes it
    torch.testing.assert_close(rows["out"][ids["out"]["<a>"]], only, rtol=1e-5, atol=1e-6)


def test_a_stack_of_layers_loads_with_its_kinds_of_layers(tmp_path: Path):
    folders = save_family(tmp_path, "qwen2", tied=True)
    for folder in folders.values():
        assert config_of(folder)["layer_types"]
    file = tmp_path / "config.yml"
    file.write_text(f"""
merge_method: passthrough
slices:
  - sources: [{{model: {folders["base"]}, layer_range: [0, 3]}}]
  - sources: [{{model: {folders["base"]}, layer_range: [1, 4]}}]
tokenizer_source: base
""")
    taujp.mergekit(file, tmp_path / "out")
    config = config_of(tmp_path / "out")
    assert config["num_hidden_layers"] == len(config["layer_types"]) == 6
    model = loaded(tmp_path / "out", "qwen2")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert generated(model, tokenizer).shape[1] > 5


def test_a_copied_tokenizer_is_the_bases(tmp_path: Path):
    folders = save_family(tmp_path, "mistral")
    same = {**folders, "a": folders["base"], "b": tmp_path / "copy"}
    model = new_model("mistral", vocab_size=config_of(folders["base"])["vocab_size"])
    save(model, same["b"])
    same["a"] = same["b"]
    config = f"merge_method: linear\nmodels:\n  - model: {same['base']}\n    parameters: "
    config += f"{{weight: 0.5}}\n  - model: {same['b']}\n    parameters: {{weight: 0.5}}\n"
    (tmp_path / "config.yml").write_text(config + "chat_template: llama3\n")
    taujp.mergekit(tmp_path / "config.yml", tmp_path / "out")
    loaded(tmp_path / "out", "mistral")
    content = (tmp_path / "out" / "tokenizer.json").read_bytes()
    assert content == (folders["base"] / "tokenizer.json").read_bytes()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert "<|start_header_id|>" in tokenizer.chat_template


def test_a_row_of_a_tied_head_among_heads_of_their_own(tmp_path: Path):
    """In modules too: what is left beside them is aligned as they are."""
    folders = save_family(tmp_path, "llama", tied=False)
    folders["a"] = save_family(tmp_path / "tied", "llama", tied=True)["a"]
    row = {"source": {"kind": "model_token", "model": str(folders["a"]), "token_id": 7}}
    models = [{"model": str(folders[name]), "parameters": {"weight": 0.5}} for name in "ab"]
    config = {
        "merge_method": "task_arithmetic",
        "base_model": str(folders["base"]),
        "modules": {"default": {"models": models}},
        "tokenizer": {"source": "base", "tokens": {"<new>": row}},
    }
    taujp.mergekit(config, tmp_path / "out", card=False)
    expected = weights(folders["a"])["model.embed_tokens.weight"][7]
    assert torch.equal(weights(tmp_path / "out")["lm_head.weight"][-1], expected)


def test_a_tokenizer_of_a_model_that_is_not_merged(tmp_path: Path, monkeypatch):
    folders = save_family(tmp_path, "llama")
    commit = tmp_path / "hub" / "models--org--other" / "snapshots" / "main"
    save_tokenizer(commit, texts="both", size=33)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    out = merged(folders, tmp_path / "out", "tokenizer_source: org/other\n")
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    expected = transformers.AutoTokenizer.from_pretrained(commit)
    assert tokenizer.get_vocab() == expected.get_vocab()
    assert generated(loaded(out, "llama"), tokenizer).max() < 33


def test_a_tokenizer_that_is_missing_is_said_before_work_begins(tmp_path: Path):
    folders = save_family(tmp_path, "llama")
    (folders["base"] / "tokenizer.json").unlink()
    with pytest.raises(MergeError, match="holds no tokenizer"):
        merged(folders, tmp_path / "out", "tokenizer_source: union\n")
    assert not (tmp_path / "out").exists()
