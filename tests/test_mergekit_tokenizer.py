"""Tokenizers of outputs: the base's, another's, the union; which row of a model each token is."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from taujp.merge.errors import MergeError
from taujp.mergekit.tokenizer_change import with_tokens, within
from taujp.mergekit.tokenizer_file import plain_entry
from taujp.mergekit.tokenizer_folder import read_tokenizer
from taujp.mergekit.tokenizer_plan import plan_tokenizer
from taujp.mergekit.tokenizer_spec import TokenizerSpec, TokenRow, tokenizer_spec
from tiny_tokenizers import KINDS, SPECIAL, save_config, save_tokenizer, tokenizers

CHAT = tokenizers.AddedToken("<|im_start|>", special=True, normalized=False)
PAD = tokenizers.AddedToken("<pad>", special=True, lstrip=True)


def model(folder: Path, texts: str, kind: str = "bpe", *, rows: int | None = None, **options):
    """A folder with a tokenizer and a config.json; its vocabulary."""
    made = save_tokenizer(folder, kind, texts, **options)
    save_config(folder, made.get_vocab_size() if rows is None else rows)
    return made.get_vocab(True)


def written(plan, folder: Path) -> Path:
    """The plan's files in a folder of their own."""
    folder.mkdir()
    for name, file in plan.files.items():
        content = file if isinstance(file, bytes) else Path(file).read_bytes()
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_has_the_ids_that_transformers_gives_it(tmp_path: Path, kind: str):
    transformers = pytest.importorskip("transformers")
    decoder = {"50": {"content": "<later>", "special": False}}
    save_tokenizer(
        tmp_path, kind, added=[CHAT, "plain"], pad_token="<pad>", added_tokens_decoder=decoder
    )
    expected = transformers.AutoTokenizer.from_pretrained(tmp_path).get_vocab()
    assert {"<later>", "<pad>", "plain", "<|im_start|>"} <= expected.keys()
    assert dict(read_tokenizer(str(tmp_path)).vocabulary) == expected


def test_base_takes_the_files_as_they_are(tmp_path: Path):
    first = model(tmp_path / "a", "sea")
    second = model(tmp_path / "b", "sky", size=36)
    plan = plan_tokenizer("base", {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}, "a")
    assert plan.files["tokenizer.json"] == str(tmp_path / "a" / "tokenizer.json")
    assert plan.vocab_size == plan.tokens == len(first)
    assert np.array_equal(plan.gathers["a"], np.arange(len(first)))
    for token, number in first.items():
        assert plan.gathers["b"][number] == second.get(token, -1), token
    assert plan.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_union_has_all_tokens_after_the_bases(tmp_path: Path, kind: str):
    vocabularies = {
        "base": model(tmp_path / "base", "sea", kind, added=[PAD]),
        "b": model(tmp_path / "b", "sky", kind, added=[CHAT, "<extra>"]),
        "c": model(tmp_path / "c", "both", kind, added=["<extra>"]),
    }
    folders = {name: str(tmp_path / name) for name in vocabularies}
    plan = plan_tokenizer("union", folders, "base")
    assert plan.vocabulary.keys() == set().union(*vocabularies.values())
    assert sorted(plan.vocabulary.values()) == list(range(plan.vocab_size))
    assert vocabularies["base"].items() <= plan.vocabulary.items()
    for name, vocabulary in vocabularies.items():
        for token, number in plan.vocabulary.items():
            assert plan.gathers[name][number] == vocabulary.get(token, -1), (name, token)
    out = written(plan, tmp_path / "out")
    loaded = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    assert loaded.get_vocab(True) == dict(plan.vocabulary)
    entries = {e["content"]: e for e in json.loads(loaded.to_str())["added_tokens"]}
    assert entries["<|im_start|>"]["special"]
    assert not entries["<extra>"]["special"]
    assert entries["<pad>"]["lstrip"]
    assert loaded.encode("the sea<|im_start|>").tokens[-1] == "<|im_start|>"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tokenizer_class": "Qwen2Tokenizer"},
        {"tokenizer_class": "GPT2Tokenizer", "added_tokens_decoder": {}},
    ],
)
def test_transformers_loads_a_union_with_the_plans_ids(tmp_path: Path, settings):
    transformers = pytest.importorskip("transformers")
    special = ("<|endoftext|>", "<s>", "</s>")
    model(tmp_path / "a", "sea", special=special, pad_token=special[0], **settings)
    model(tmp_path / "b", "sky", special=special, added=[CHAT])
    (tmp_path / "a" / "merges.txt").write_text("of an earlier class")
    plan = plan_tokenizer("union", {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")})
    assert "merges.txt" not in plan.files
    loaded = transformers.AutoTokenizer.from_pretrained(written(plan, tmp_path / "out"))
    assert loaded.get_vocab() == dict(plan.vocabulary)
    assert loaded.eos_token == "</s>"


def test_union_is_the_same_again(tmp_path: Path):
    for name, texts in (("a", "sea"), ("b", "sky"), ("c", "both")):
        model(tmp_path / name, texts)
    folders = {name: str(tmp_path / name) for name in "abc"}
    first, again = (plan_tokenizer("union", folders, "b") for _ in range(2))
    assert first.files == again.files
    other = plan_tokenizer("union", dict(reversed(folders.items())), "b")
    assert other.vocabulary.keys() == first.vocabulary.keys()


def test_a_token_that_is_plain_here_and_special_there_becomes_special(tmp_path: Path):
    first = model(tmp_path / "a", "sea")
    token = max(first.keys() - set(SPECIAL), key=lambda text: (len(text), text))
    model(tmp_path / "b", "sky", added=[tokenizers.AddedToken(token, special=True)])
    plan = plan_tokenizer("union", {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")})
    entries = json.loads(plan.files["tokenizer.json"])["added_tokens"]
    (entry,) = (entry for entry in entries if entry["content"] == token)
    assert entry["special"]
    assert entry["id"] == first[token] == plan.vocabulary[token]


def test_tokens_beyond_the_embedding_are_left_out(tmp_path: Path):
    model(tmp_path / "a", "sea", rows=35, added=[CHAT], pad_token="<pad>")
    model(tmp_path / "b", "sea", rows=37)
    plan = plan_tokenizer("base", {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")})
    assert plan.vocab_size == 35
    assert plan.notes[0].startswith("7 tokens of a are beyond the 35 rows of its embedding, and")
    assert "3 tokens of b are beyond the 37 rows" in plan.notes[1]
    out = written(plan, tmp_path / "out")
    loaded = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    assert loaded.get_vocab(True) == dict(plan.vocabulary)
    assert loaded.decode(loaded.encode("the sea").ids) == "the sea"
    assert "pad_token" not in json.loads((out / "tokenizer_config.json").read_text())
    again = plan_tokenizer("base", {"b": str(tmp_path / "b"), "a": str(tmp_path / "a")})
    assert again.vocab_size == 37
    assert list(again.gathers["a"][35:]) == [-1, -1]


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
def test_other_kinds_can_be_cut_too(tmp_path: Path, kind: str):
    save_tokenizer(tmp_path, kind)
    cut = within(read_tokenizer(str(tmp_path)), 20)
    loaded = tokenizers.Tokenizer.from_str(cut.files["tokenizer.json"].decode())
    assert loaded.get_vocab(True) == dict(cut.vocabulary)
    assert len(cut.vocabulary) == 20


def test_another_models_tokenizer_and_one_from_a_folder(tmp_path: Path):
    model(tmp_path / "a", "sea")
    second = model(tmp_path / "b", "sky")
    model(tmp_path / "other", "both", added=["only here"])
    folders = {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}
    plan = plan_tokenizer("b", folders)
    assert dict(plan.vocabulary) == second
    plan = plan_tokenizer(str(tmp_path / "other"), folders)
    number = plan.vocabulary["only here"]
    assert [gather[number] for gather in plan.gathers.values()] == [-1, -1]
    assert "in no model; their embeddings are zero: " in plan.notes[0]
    with pytest.raises(MergeError, match="expected base, union, one of the models"):
        plan_tokenizer("nowhere", folders)


def test_tokens_of_the_configuration_are_added_and_resolved(tmp_path: Path):
    model(tmp_path / "a", "sea")
    second = model(tmp_path / "b", "sky", added=[CHAT])
    tokens = {
        "<|im_start|>": {"source": "b"},
        "</s>": {"source": {"kind": "model_token", "model": "b", "token": "<s>"}, "force": True},
        "<new>": {"source": {"kind": "model_token", "model": "a", "token_id": 7}},
        "<zero>": {"source": {"kind": "zero"}},
        "<default>": None,
    }
    spec = tokenizer_spec(None, {"source": "base", "tokens": tokens, "pad_to_multiple_of": 16})
    plan = plan_tokenizer(spec, {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")})
    assert plan.tokens == 40 + 4
    assert plan.vocab_size == 48
    found = {t: plan.chosen.get(plan.vocabulary[t]) for t in tokens}
    assert (found["<|im_start|>"].model, found["<|im_start|>"].row) == ("b", second["<|im_start|>"])
    assert (found["</s>"].model, found["</s>"].row, found["</s>"].force) == ("b", 1, True)
    assert (found["<new>"].model, found["<new>"].row) == ("a", 7)
    assert found["<zero>"].model is None
    assert found["<default>"] is None
    assert plan.roles["eos_token"] == plan.vocabulary["</s>"]


def test_a_token_that_the_vocabulary_has_is_not_added_to_it(tmp_path: Path):
    """An added token is matched before a text is split: it would change every word it is in."""
    first = model(tmp_path / "a", "sea")
    tokens = {"s": {"source": {"kind": "zero"}, "force": True}, "<new>": None}
    spec = tokenizer_spec(None, {"source": "base", "tokens": tokens})
    plan = plan_tokenizer(spec, {"a": str(tmp_path / "a")})
    entries = json.loads(plan.files["tokenizer.json"])["added_tokens"]
    assert [entry["content"] for entry in entries] == [*SPECIAL, "<new>"]
    assert plan.chosen[first["s"]].model is None


def test_a_row_that_no_model_needs_may_be_nowhere(tmp_path: Path):
    model(tmp_path / "a", "sea")
    model(tmp_path / "b", "sky")
    folders = {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}
    row = {"source": {"kind": "model_token", "model": "b", "token": "nothing"}}
    assert not plan_tokenizer(tokenizer_spec(None, {"tokens": {"<s>": row}}), folders).chosen
    spec = tokenizer_spec(None, {"tokens": {"<s>": {**row, "force": True}}})
    with pytest.raises(MergeError, match="b has no token 'nothing'"):
        plan_tokenizer(spec, folders)


def test_ids_of_the_base_in_another_vocabulary(tmp_path: Path):
    first = model(tmp_path / "a", "sea")
    second = model(tmp_path / "b", "sky", special=("</s>", "<unk>", "<s>"))
    plan = plan_tokenizer("b", {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}, "a")
    assert plan.new_id(first["</s>"]) == second["</s>"] == 0
    gone = next(number for token, number in first.items() if token not in second)
    assert plan.new_id(gone) is None
    assert plan.new_id(-1) is None


def test_a_model_without_a_tokenizer_is_told_of(tmp_path: Path):
    first = model(tmp_path / "a", "sea")
    save_config(tmp_path / "b", 40)
    folders = {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}
    plan = plan_tokenizer("union", folders)
    assert plan.notes == ("b has no tokenizer; taken to be a's",)
    assert np.array_equal(plan.gathers["b"], np.arange(len(first)))
    with pytest.raises(MergeError, match="the base 'b' has none"):
        plan_tokenizer("union", folders, "b")
    with pytest.raises(MergeError, match="the base is 'x'; expected one of a, b"):
        plan_tokenizer("union", folders, "x")


def test_a_tokenizer_of_an_earlier_kind_is_converted(tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sea", "ship", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    save_config(tmp_path, len(words), model_type="bert")
    expected = transformers.AutoTokenizer.from_pretrained(tmp_path).get_vocab()
    assert dict(read_tokenizer(str(tmp_path)).vocabulary) == expected
    assert set(words) == expected.keys()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "tokenizer.json of .* is damaged"),
        ("[]", "holds no mapping"),
        ('{"model": {"type": "BPE"}}', "has no vocabulary"),
        ('{"model": {"vocab": {"a": "0"}}}', "has no vocabulary"),
        ('{"model": {"vocab": []}}', "has no vocabulary"),
        ('{"model": {"vocab": [1]}}', "not as the tokenizers library writes them"),
        ('{"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1}]}', r"\(KeyError: 'content'\)"),
    ],
)
def test_a_damaged_tokenizer_is_refused(tmp_path: Path, content: str, message: str):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(MergeError, match=message):
        read_tokenizer(str(tmp_path))


@pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="sentencepiece reads it")
def test_what_reads_a_file_of_sentencepiece_is_told(tmp_path: Path):
    pytest.importorskip("transformers", reason="transformers converts tokenizers")
    (tmp_path / "tokenizer.model").write_bytes(b"\n\7")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    with pytest.raises(MergeError, match=r"tokenizer\.model is read with sentencepiece: pip"):
        read_tokenizer(str(tmp_path))


def test_ids_with_holes_get_no_new_tokens(tmp_path: Path):
    vocabulary = {"a": 0, "b": 1, "c": 3}
    content = {"model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "a"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(MergeError, match="has holes among its ids"):
        with_tokens(read_tokenizer(str(tmp_path)), [plain_entry("new")])


def test_what_the_configuration_may_say():
    assert tokenizer_spec() is None
    assert tokenizer_spec("union") == TokenizerSpec("union")
    assert tokenizer_spec({"model": {"path": "x", "revision": "1"}, "lora": "y"}).source == "x@1+y"
    assert tokenizer_spec(None, {}) == TokenizerSpec("union")
    row = {"source": {"kind": "model_token", "model": "m", "token_id": 3}, "force": True}
    spec = tokenizer_spec(None, {"source": "base", "tokens": {"t": row}, "pad_to_multiple_of": 8})
    expected = TokenRow("token", "m", None, 3, True)
    assert spec == TokenizerSpec("base", {"t": expected}, 8)
    spec = tokenizer_spec(None, {"source": "x/", "tokens": {"t": {"source": "y/"}, "u": None}})
    assert spec.models == ("x", "y")  # as `models` names them
    assert spec.renamed(str.upper).models == ("X", "Y")


@pytest.mark.parametrize(
    ("source", "tokenizer", "message"),
    [
        ("base", {}, "both tokenizer_source and tokenizer"),
        (3, None, "source is 3; expected base, union"),
        (" ", None, "source is ' '"),
        (None, {"tokns": {}}, "tokenizer has tokns; known are source, tokens, pad_to_multiple_of"),
        (None, "base", "tokenizer is 'base'; expected a mapping"),
        (None, {"tokens": ["a"]}, r"tokenizer.tokens is \['a'\]"),
        (None, {"tokens": {"t": {"from": "a"}}}, r"tokens\['t'\] has from; known are source"),
        (None, {"tokens": {"t": {"force": 1, "source": "a"}}}, "force is 1; expected true"),
        (None, {"tokens": {"t": {"force": True}}}, "force needs a source"),
        (None, {"tokens": {"t": {"source": {"kind": "mean"}}}}, "kind is 'mean'; expected zero"),
        (None, {"tokens": {"t": {"source": {"kind": "model_token", "model": "m"}}}}, "or token_id"),
        (
            None,
            {"tokens": {"t": {"source": {"kind": "model_token", "model": "m", "token_id": -1}}}},
            "token_id is -1",
        ),
        (None, {"pad_to_multiple_of": 0}, "pad_to_multiple_of is 0; expected a whole number"),
        (None, {"pad_to_multiple_of": True}, "pad_to_multiple_of is True"),
    ],
)
def test_what_the_configuration_may_not_say(source, tokenizer, message: str):
    with pytest.raises(MergeError, match=message):
        tokenizer_spec(source, tokenizer)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x", "'x' is none of the models: a, b"),
        ("b", "b has no token '<new>'"),
        ({"kind": "model_token", "model": "a", "token": "nothing"}, "a has no token 'nothing'"),
    ],
)
def test_rows_that_are_nowhere(tmp_path: Path, source, message: str):
    model(tmp_path / "a", "sea")
    model(tmp_path / "b", "sky")
    spec = tokenizer_spec(None, {"source": "base", "tokens": {"<new>": {"source": source}}})
    with pytest.raises(MergeError, match=message):
        plan_tokenizer(spec, {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")})


def test_equal_files_are_read_once(tmp_path: Path):
    for name in "ab":
        model(tmp_path / name, "sea")
    model(tmp_path / "c", "sky")
    plan = plan_tokenizer("union", {name: str(tmp_path / name) for name in "abc"})
    assert plan.gathers["a"] is plan.gathers["b"]
    assert plan.gathers["a"] is not plan.gathers["c"]


def test_a_model_without_a_configuration_is_refused(tmp_path: Path):
    save_tokenizer(tmp_path)
    with pytest.raises(MergeError, match=r"cannot read .*config\.json"):
        plan_tokenizer("base", {"a": str(tmp_path)})
    with pytest.raises(MergeError, match="b is no folder"):
        plan_tokenizer("base", {"a": str(tmp_path), "b": ""})
