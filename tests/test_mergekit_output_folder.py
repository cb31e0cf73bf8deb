"""What stands beside the weights: config.json as the output is, ids, the donor's other files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taujp.merge.errors import MergeError
from taujp.mergekit.output_config import output_config, read_config, vocabulary_size
from taujp.mergekit.output_folder import output_companions
from taujp.mergekit.tokenizer_plan import TokenizerPlan, plan_tokenizer
from taujp.mergekit.tokenizer_spec import tokenizer_spec
from tiny_tokenizers import save_config, save_tokenizer


def reordered(folder: Path) -> TokenizerPlan:
    """Model a with the tokenizer of b, which has other ids, no <s> and padding to 48 rows."""
    first = save_tokenizer(folder / "a", added=["<x>"])
    save_config(folder / "a", first.get_vocab_size())
    second = save_tokenizer(
        folder / "b", texts="sky", special=("</s>", "<unk>", "<begin>"),
        unk_token="<unk>", bos_token="<begin>", eos_token="</s>",
    )  # fmt: skip
    save_config(folder / "b", second.get_vocab_size())
    spec = tokenizer_spec(None, {"source": "b", "pad_to_multiple_of": 48})
    return plan_tokenizer(spec, {"a": str(folder / "a"), "b": str(folder / "b")}, "a")


def test_dtype_is_set_where_it_is_said():
    assert output_config({"torch_dtype": "float32"}, dtype="bfloat16") == {
        "torch_dtype": "bfloat16"
    }
    nested = {"dtype": "float32", "text_config": {"dtype": "float32"}, "other": {"dtype": "kept"}}
    assert output_config(nested, dtype="float16") == {
        "dtype": "float16", "text_config": {"dtype": "float16"}, "other": {"dtype": "kept"},
    }  # fmt: skip
    assert output_config({"a": 1}, dtype="float16") == {"a": 1, "torch_dtype": "float16"}
    assert nested["dtype"] == "float32"


def test_lists_with_an_item_a_layer_follow_the_layers():
    config = {
        "num_hidden_layers": 3,
        "layer_types": ["full", "sliding", "full"],
        "rope_sections": [1, 2, 3],
        "vision_config": {"num_hidden_layers": 2, "layer_types": ["x", "y"]},
    }
    layers = {"num_hidden_layers": [0, 1, 1, 2], "vision_config.num_hidden_layers": [1]}
    assert output_config(config, layers=layers) == {
        "num_hidden_layers": 4,
        "layer_types": ["full", "sliding", "sliding", "full"],
        "rope_sections": [1, 2, 3],
        "vision_config": {"num_hidden_layers": 1, "layer_types": ["y"]},
    }
    with pytest.raises(MergeError, match=r"text_config\.n_layer is None; expected the number"):
        output_config(config, layers={"text_config.n_layer": [0]})


def test_head_is_tied_or_not():
    assert output_config({}, tied_head=False) == {"tie_word_embeddings": False}
    assert output_config({"tie_word_embeddings": True}) == {"tie_word_embeddings": True}


def test_the_vocabularys_size_is_found_where_it_is():
    assert vocabulary_size({"vocab_size": 7, "text_config": {"vocab_size": 9}}) == 7
    assert vocabulary_size({"text_config": {"vocab_size": 9}, "vision_config": {}}) == 9
    assert vocabulary_size({"encoder": {"vocab_size": 9}, "decoder": {"vocab_size": 9}}) == 9
    assert vocabulary_size({"encoder": {"vocab_size": 9}, "decoder": {"vocab_size": 8}}) is None
    assert vocabulary_size({}) is None


def test_ids_of_tokens_follow_the_tokenizer(tmp_path: Path):
    plan = reordered(tmp_path)
    config = {
        "vocab_size": 41,
        "bos_token_id": 1,  # <s>, which is gone: <begin> has its role
        "eos_token_id": [2, 40],  # </s>, and <x>, which is gone
        "pad_token_id": 40,  # gone, and nothing has its role
        "sep_token_id": None,
        "image_token_id": -1,
        "suppress_tokens": [0],
        "hidden_size": 1,
    }
    new = output_config(config, tokenizer=plan)
    assert new == {
        "vocab_size": 48,
        "bos_token_id": 2,
        "eos_token_id": [0],
        "pad_token_id": None,
        "sep_token_id": None,
        "image_token_id": -1,
        "suppress_tokens": [1],
        "hidden_size": 1,
    }
    assert output_config({"text_config": config}, tokenizer=plan) == {"text_config": new}


def test_the_small_files_of_an_output(tmp_path: Path):
    plan = reordered(tmp_path)
    donor = tmp_path / "a"
    for name in ("vocab.json", "preprocessor_config.json", "modeling_x.py", "chat_template.json"):
        (donor / name).write_text("{}")
    (donor / "generation_config.json").write_text('{"eos_token_id": 2, "do_sample": true}')
    (donor / "model.safetensors").write_bytes(b"")
    config = read_config(str(donor))
    always = {"config.json", "preprocessor_config.json", "modeling_x.py", "generation_config.json"}
    own = {"tokenizer.json", "tokenizer_config.json", "vocab.json"}

    files = output_companions(str(donor), config)
    assert files.keys() == always | own | {"chat_template.json"}
    assert files["vocab.json"] == str(donor / "vocab.json")
    assert files["generation_config.json"] == str(donor / "generation_config.json")
    files = output_companions(str(donor), config, copy_tokenizer=False)
    assert files.keys() == always | {"chat_template.json"}
    files = output_companions(str(donor), {"vocab_size": 48}, tokenizer=plan)
    assert files.keys() == always | own - {"vocab.json"} | {"chat_template.json"}
    assert files["tokenizer.json"] == str(tmp_path / "b" / "tokenizer.json")
    assert json.loads(files["config.json"]) == {"vocab_size": 48}
    assert json.loads(files["generation_config.json"]) == {"eos_token_id": 0, "do_sample": True}
    files = output_companions(str(donor), config, chat_template="{{ x }}")
    assert files.keys() == always | own | {"chat_template.jinja"}
    assert files["chat_template.jinja"] == b"{{ x }}"
    with pytest.raises(MergeError, match="no tokenizer to put it in"):
        output_companions(str(donor), config, copy_tokenizer=False, chat_template="{{ x }}")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read"), ("{", "is damaged"), ("[1]", "holds a list; expected a mapping")],
)
def test_a_configuration_that_is_none(tmp_path: Path, content: str | None, message: str):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(MergeError, match=message):
        read_config(str(tmp_path))
