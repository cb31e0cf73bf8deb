"""Layouts: what is written by them is what safetensors and transformers read."""

import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from taujp.checkpoint import CheckpointError, layout_like, open_checkpoint, tensor_of
from taujp.checkpoint.tensors import raw_bytes


def described(checkpoint):
    return {name: (entry.dtype, entry.shape) for name, entry in checkpoint.entries.items()}


def write(folder, layout, checkpoint):
    for file in layout.files:
        content = bytearray(file.size)
        content[: len(file.header)] = file.header
        for name, offset in file.offsets.items():
            entry = checkpoint.entries[name]
            content[offset : offset + entry.nbytes] = bytes(raw_bytes(checkpoint, entry))
        (folder / file.name).write_bytes(content)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(
    lambda name: name != "__metadata__"
)
dtypes = st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.float64])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spec=st.dictionaries(
        names, st.tuples(dtypes, st.lists(st.integers(0, 4), max_size=3)), max_size=6
    )
)
def test_one_file_is_read_by_safetensors(tmp_path, spec):
    state = {name: (torch.rand(shape) * 9).to(dtype) for name, (dtype, shape) in spec.items()}
    donor = open_checkpoint(state)
    layout = layout_like(donor, described(donor), metadata={"taujp": "é {}"}, one_file=True)
    write(tmp_path, layout, donor)
    (file,) = layout.files
    found = load_file(tmp_path / file.name)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)
    with safe_open(tmp_path / file.name, "pt") as stream:
        assert stream.metadata() == {"format": "pt", "taujp": "é {}"}
    assert layout.index is None
    for name, offset in file.offsets.items():
        assert offset % state[name].element_size() == 0
    again = open_checkpoint(str(tmp_path / file.name))
    assert all(torch.equal(tensor_of(again, name), state[name]) for name in state)


def test_shards_as_the_donor_has_them(tmp_path):
    where = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    donor_folder, out = tmp_path / "donor", tmp_path / "out"
    donor_folder.mkdir()
    out.mkdir()
    for name, shard in where.items():
        save_file({name: torch.arange(3.0)}, donor_folder / shard)
    index = donor_folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    donor = open_checkpoint(donor_folder)
    layout = layout_like(donor, described(donor))
    assert [file.name for file in layout.files] == sorted(where.values())
    name, content = layout.index
    assert name == index.name
    assert json.loads(content) == {"metadata": {"total_size": 24}, "weight_map": where}
    write(out, layout, donor)
    (out / name).write_text(content)
    assert open_checkpoint(out).entries.keys() == where.keys()


def test_dtypes_and_shapes_are_those_asked_for():
    donor = open_checkpoint({"a": torch.ones(4), "b": torch.ones(2)})
    layout = layout_like(donor, {"a": ("BF16", (2, 2))})
    (file,) = layout.files
    assert file.size == len(file.header) + 8
    assert file.offsets == {"a": len(file.header)}
    assert len(file.header) % 8 == 0


def test_a_tensor_without_a_place_is_an_error():
    donor = open_checkpoint({"a": torch.ones(4)})
    with pytest.raises(CheckpointError, match="'new'"):
        layout_like(donor, {"new": ("F32", (1,))})
    assert layout_like(donor, {"new": ("F32", (1,))}, one_file=True).files


def test_offsets_beyond_32_bits():
    donor = open_checkpoint({"a": torch.ones(1), "b": torch.ones(1)})
    layout = layout_like(donor, {"a": ("F32", (2**31 + 1,)), "b": ("F32", (3,))})
    (file,) = layout.files
    assert file.offsets["b"] - file.offsets["a"] == 4 * (2**31 + 1)
    assert file.size == file.offsets["b"] + 12
