"""Folders of transformers and open_clip, with and without shards; sources in memory; new names."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from taujp.checkpoint import CheckpointError, companions, open_checkpoint, tensor_of, to_state_dict

STATE = {"a": torch.arange(4.0), "b": torch.ones(2, 3), "c": torch.tensor([1, 2])}
SHARDS = {"model-00001-of-00002.safetensors": ["a", "c"], "model-00002-of-00002.safetensors": ["b"]}


@pytest.fixture
def sharded(tmp_path):
    for shard, names in SHARDS.items():
        save_file({name: STATE[name] for name in names}, tmp_path / shard, {"format": "pt"})
    write_index(tmp_path, {name: shard for shard, names in SHARDS.items() for name in names})
    return tmp_path


def write_index(folder, weight_map, name="model.safetensors.index.json"):
    (folder / name).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def assert_is_state(opened):
    found = to_state_dict(opened)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


def test_a_sharded_folder_and_its_index(sharded):
    for source in (sharded, str(sharded), sharded / "model.safetensors.index.json"):
        assert_is_state(open_checkpoint(source))
    opened = open_checkpoint(sharded)
    assert opened.folder == str(sharded)
    assert opened.shards == {n: shard for shard, names in SHARDS.items() for n in names}
    assert opened.metadata == {"format": "pt"}


def test_sharded_torch_files_would_be_written_as_safetensors(tmp_path):
    torch.save({"a": STATE["a"], "c": STATE["c"]}, tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save({"b": STATE["b"]}, tmp_path / "pytorch_model-00002-of-00002.bin")
    where = {"a": "1", "b": "2", "c": "1"}
    where = {name: f"pytorch_model-0000{n}-of-00002.bin" for name, n in where.items()}
    write_index(tmp_path, where, "pytorch_model.bin.index.json")
    opened = open_checkpoint(tmp_path)
    assert_is_state(opened)
    assert set(opened.shards.values()) == SHARDS.keys()


@pytest.mark.parametrize(
    "name", ["model.safetensors", "open_clip_model.safetensors", "mine.safetensors"]
)
def test_a_folder_with_one_safetensors_file(tmp_path, name):
    save_file(STATE, tmp_path / name)
    torch.save(STATE, tmp_path / "optimizer.pt")
    opened = open_checkpoint(tmp_path)
    assert_is_state(opened)
    assert set(opened.shards.values()) == {name}


@pytest.mark.parametrize("name", ["pytorch_model.bin", "open_clip_pytorch_model.bin", "last.ckpt"])
def test_a_folder_with_one_torch_file(tmp_path, name):
    torch.save(STATE, tmp_path / name)
    torch.save({"x": 1}, tmp_path / "training_args.bin")
    assert_is_state(open_checkpoint(tmp_path))


def test_safetensors_are_preferred_to_the_same_model_in_torch_form(tmp_path):
    save_file(STATE, tmp_path / "open_clip_model.safetensors")
    torch.save({"other": STATE["a"]}, tmp_path / "open_clip_pytorch_model.bin")
    assert_is_state(open_checkpoint(tmp_path))


def break_missing_shard(folder):
    (folder / "model-00002-of-00002.safetensors").unlink()


def break_missing_name(folder):
    save_file({"z": STATE["b"]}, folder / "model-00002-of-00002.safetensors")


def break_name_twice(folder):
    names = ("a", "b")
    save_file({n: STATE[n] for n in names}, folder / "model-00002-of-00002.safetensors")


def break_index(folder):
    (folder / "model.safetensors.index.json").write_text("{")


def break_empty_index(folder):
    write_index(folder, {})


def break_way_out(folder):
    write_index(folder, {"a": "../elsewhere.safetensors"})


def break_no_index(folder):
    (folder / "model.safetensors.index.json").unlink()


def break_empty(folder):
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (break_missing_shard, "1 of its 2 files are not there: .*00002-of-00002.*download"),
        (break_missing_name, "2 tensors .*\n.*'b': the index says .*00002.*, it lies in no file"),
        (break_name_twice, "'a' lies in .*00001.* and again in .*00002"),
        (break_index, "no index of shards"),
        (break_empty_index, "at least one"),
        (break_way_out, "elsewhere"),
        (break_no_index, "2 files of weights and no index"),
        (break_empty, "is empty; expected one of"),
    ],
)
def test_a_broken_folder_is_one_clear_error(sharded, damage, says):
    damage(sharded)
    with pytest.raises(CheckpointError, match=says):
        open_checkpoint(sharded)


@pytest.mark.parametrize("name", ["nothing.safetensors", "nothing.pt", "nothing"])
def test_a_path_that_does_not_exist(tmp_path, name):
    with pytest.raises(CheckpointError, match="nothing"):
        open_checkpoint(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"hello, this is text", b"\x93NUMPY" + bytes(300)])
def test_a_file_of_another_kind(tmp_path, content):
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match="expected a safetensors file"):
        open_checkpoint(tmp_path / "x.bin")


def test_companions_are_all_but_the_weights(sharded):
    along = ["config.json", "tokenizer.json", "merges.txt", "spiece.model", "modeling_x.py"]
    along += ["chat_template.jinja", "tokenizer.model.v3"]
    stay = ["README.md", "optimizer.pt", "pytorch_model.bin", "trainer_state.json"]
    for name in (*along, *stay):
        (sharded / name).write_text("x")
    (sharded / "runs.json").mkdir()
    assert list(companions(sharded)) == sorted(str(sharded / name) for name in along)


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(5, 3)
        self.head = torch.nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight
        self.norm = torch.nn.BatchNorm1d(3)


def test_a_module_and_its_state_dict():
    module = Tied()
    for source in (module, module.state_dict()):
        opened = open_checkpoint(source)
        assert list(opened.entries) == list(module.state_dict())
        assert opened.ties == {"head.weight": "embed.weight"}
        assert tensor_of(opened, "embed.weight").data_ptr() == module.embed.weight.data_ptr()
        assert not tensor_of(opened, "embed.weight").requires_grad


def test_an_opened_checkpoint_can_be_given_another_label():
    opened = open_checkpoint(STATE)
    assert open_checkpoint(opened) is opened
    assert open_checkpoint(opened, label="checkpoint 3").label == "checkpoint 3"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"a": 3}, "'a' is a int"),
        ({3: torch.ones(1)}, "3 is no name"),
        ({"a": torch.eye(2).to_sparse()}, "sparse"),
        ({"a": torch.empty(2, device="meta")}, "meta"),
        (7, "came a int"),
        (None, "came a NoneType"),
    ],
)
def test_what_is_no_checkpoint(source, says):
    with pytest.raises(CheckpointError, match=says):
        open_checkpoint(source)


def test_rename_substitutes_in_order_and_keeps_the_stored_name():
    state = {"module.a.weight": torch.ones(1), "module.b.weight": torch.zeros(1)}
    opened = open_checkpoint(state, rename={r"^module\.": "", r"^a\.(\w+)$": r"first.\1"})
    assert list(opened.entries) == ["first.weight", "b.weight"]
    assert opened.entries["first.weight"].name == "first.weight"
    assert opened.entries["first.weight"].stored_name == "module.a.weight"
    assert opened.shards.keys() == opened.entries.keys()
    assert tensor_of(opened, "first.weight").item() == 1


def test_rename_takes_ties_along():
    opened = open_checkpoint(Tied(), rename={"^head": "lm_head", "embed": "wte"})
    assert opened.ties == {"lm_head.weight": "wte.weight"}


@pytest.mark.parametrize(
    ("rename", "says"),
    [
        ({"[ab]": "x"}, "'a' and 'b' would both be called 'x'"),
        ({"^c$": "a"}, "'a' and 'c'"),
        ({".*": ""}, "nothing is left"),
        ({"(": "x"}, "no valid substitution"),
        ({"a": r"\7"}, "no valid substitution"),
    ],
)
def test_a_wrong_rename(rename, says):
    with pytest.raises(CheckpointError, match=says):
        open_checkpoint(STATE, rename=rename)


def test_files_are_opened_checked_and_laid_out_without_torch(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    torch.save({**STATE, "b": torch.ones(3, 2).t()}, tmp_path / "a.pt")
    program = """
import sys
from taujp.checkpoint import *
a, b = map(open_checkpoint, sys.argv[1:])
agreement = check_agreement(a, [b])
check_integer_buffers(a, [b], agreement.integers)
layout_like(b, {name: (entry.dtype, entry.shape) for name, entry in b.entries.items()})
assert "torch" not in sys.modules
"""
    paths = [str(tmp_path / "a.safetensors"), str(tmp_path / "a.pt")]
    subprocess.run([sys.executable, "-c", program, *paths], check=True)
