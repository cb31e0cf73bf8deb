"""Safetensors files: whole ones come back as they were written, damaged ones are refused."""

import json
import struct
import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from taujp.checkpoint import CheckpointError, open_checkpoint, tensor_of, to_state_dict, unchanged

DTYPES = [
    torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn,
    torch.float8_e5m2, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
    torch.uint16, torch.uint32, torch.uint64, torch.complex64,
]  # fmt: skip


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    flat = [x.contiguous().reshape(-1).view(torch.uint8) for x in (found, expected)]
    assert torch.equal(*flat)


def write(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return str(path)


def tensor(begin, end, shape, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


names = st.text(min_size=1, max_size=12).filter(
    lambda s: s != "__metadata__" and not any(0xD800 <= ord(c) < 0xE000 for c in s)
)
shapes = st.lists(st.integers(0, 4), max_size=3)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spec=st.dictionaries(names, st.tuples(st.sampled_from(DTYPES), shapes), max_size=6),
    metadata=st.dictionaries(names, names, max_size=3),
)
def test_round_trip_of_the_safetensors_package(tmp_path, spec, metadata):
    path = str(tmp_path / "a.safetensors")
    state = {
        name: torch.randint(0, 2, shape).to(torch.uint8).to(dtype)
        for name, (dtype, shape) in spec.items()
    }
    save_file(state, path, metadata or None)
    opened = open_checkpoint(path)
    assert opened.metadata == metadata
    assert opened.entries.keys() == state.keys()
    for name, expected in state.items():
        assert_same(tensor_of(opened, name), expected)
        entry = opened.entries[name]
        assert (entry.size, entry.nbytes) == (expected.numel(), expected.nbytes)


HEADER = {"a": tensor(0, 16, [2, 2]), "b": tensor(16, 24, [2])}


def test_the_hand_written_file_is_a_good_one(tmp_path):
    opened = open_checkpoint(write(tmp_path / "a.safetensors", HEADER, bytes(24)))
    assert list(opened.entries) == ["a", "b"]
    assert not opened.ties


@pytest.mark.parametrize(
    ("header", "data", "says"),
    [
        (b"{nonsense", b"", "not JSON"),
        (b"\xff\xfe{}", b"", "not JSON"),
        (b"[1, 2]", b"", "JSON list"),
        (b"[" * 100_000, b"", "not JSON"),
        (b'{"a": {}, "a": {}}', b"", "'a' twice"),
        ({"a": 7}, b"", "'a'"),
        ({"a": {"dtype": "F32", "shape": []}}, b"", "data_offsets"),
        ({"a": tensor(0, 4, [], "FLOAT")}, bytes(4), "'FLOAT'"),
        ({"a": tensor(0, 4, [], ["F32"])}, bytes(4), "dtype"),
        ({"a": tensor(0, 4, [-1])}, bytes(4), "shape [-1]"),
        ({"a": tensor(0, 4, [True])}, bytes(4), "shape [True]"),
        ({"a": tensor(0, 4, "x")}, bytes(4), "shape 'x'"),
        ({"a": tensor(4, 0, [])}, bytes(4), "data_offsets [4, 0]"),
        ({"a": tensor(-4, 0, [])}, bytes(4), "data_offsets [-4, 0]"),
        ({"a": tensor(0, 8, [])}, bytes(8), "takes 4"),
        ({"a": tensor(0, 4, [2**40, 2**40])}, bytes(4), "takes"),
        ({"a": tensor(0, 4, []), "b": tensor(0, 4, [])}, bytes(4), "overlaps 'a'"),
        ({"a": tensor(0, 4, []), "b": tensor(8, 12, [])}, bytes(12), "hole after 'a'"),
        ({"a": tensor(4, 8, [])}, bytes(8), "hole after the header"),
        ({"a": tensor(0, 4, [])}, bytes(9), "5 bytes follow"),
        ({"a": tensor(0, 16, [4])}, bytes(15), "truncated"),
        ({"__metadata__": {"n": 3}}, b"", "__metadata__"),
    ],
)
def test_a_wrong_header_is_one_clear_error(tmp_path, header, data, says):
    path = write(tmp_path / "bad.safetensors", header, data)
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert "bad.safetensors" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has 0 bytes"),
        (b"\x02\0\0", "has 3 bytes"),
        (struct.pack("<Q", 2**63) + b"{}", f"header of {2**63} bytes"),
        (struct.pack("<Q", 3) + b"{}", "header of 3 bytes"),
        (b"PK\x03\x04" + bytes(100), "zip"),
    ],
)
def test_a_wrong_beginning_is_one_clear_error(tmp_path, content, says):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.safetensors") as caught:
        open_checkpoint(str(path))
    assert says in str(caught.value)


def test_a_header_beyond_the_limit_is_not_read(tmp_path):
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", 200_000_000))
    with open(path, "r+b") as stream:
        stream.truncate(200_000_100)
    with pytest.raises(CheckpointError, match="at most 100000000"):
        open_checkpoint(str(path))


@pytest.mark.parametrize("keep", [0, 4, 8, 20, -65, -64, -1])
def test_every_truncation_is_found(tmp_path, keep):
    path = tmp_path / "cut.safetensors"
    save_file({"a": torch.arange(16.0)}, str(path))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError):
        open_checkpoint(str(path))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 150), value=st.integers(0, 255))
def test_any_changed_byte_gives_an_error_or_the_tensor_that_safetensors_sees(tmp_path, at, value):
    path = tmp_path / "flipped.safetensors"
    save_file({"a": torch.arange(12.0).reshape(3, 4), "b": torch.arange(3)}, str(path))
    content = bytearray(path.read_bytes())
    content[at % len(content)] = value
    path.write_bytes(content)
    try:
        found = to_state_dict(open_checkpoint(str(path)))
    except CheckpointError:
        return
    expected = load_file(str(path))
    assert found.keys() == expected.keys()
    for name in expected:
        assert_same(found[name], expected[name])


def test_an_unaligned_file_of_old_is_read(tmp_path):
    header = json.dumps({"a": tensor(0, 8, [2])}).encode()
    header += b" " * ((3 - len(header)) % 8)  # the data begins at an odd byte
    path = write(tmp_path / "old.safetensors", header, struct.pack("<2f", 1.5, -2.0))
    assert tensor_of(open_checkpoint(path), "a").tolist() == [1.5, -2.0]


def test_twenty_thousand_tensors_open_at_once(tmp_path):
    header = {f"model.layers.{i}.weight": tensor(4 * i, 4 * i + 4, []) for i in range(20_000)}
    path = write(tmp_path / "many.safetensors", header, bytes(80_000))
    start = time.process_time()
    opened = open_checkpoint(path)
    assert time.process_time() - start < 1.0
    assert len(opened.entries) == 20_000


def test_sizes_beyond_32_bits_are_counted(tmp_path):
    size = 2**31 + 5
    path = tmp_path / "large.safetensors"
    write(path, {"a": tensor(0, size, [size], "U8"), "b": tensor(size, size + 4, [])})
    with open(path, "r+b") as stream:
        stream.truncate(path.stat().st_size + size + 4)  # sparse: takes no space
    opened = open_checkpoint(str(path))
    assert opened.entries["b"].offset > 2**31
    assert tensor_of(opened, "a").numel() == size


def test_tensors_are_not_copied_and_writing_never_reaches_the_file(tmp_path):
    path = str(tmp_path / "a.safetensors")
    save_file({"a": torch.arange(8.0), "b": torch.ones(3)}, path)
    opened = open_checkpoint(path)
    view = tensor_of(opened, "a")
    assert view.data_ptr() == tensor_of(opened, "a").data_ptr()
    view.fill_(7)
    with safe_open(path, "pt") as stream:
        assert torch.equal(stream.get_tensor("a"), torch.arange(8.0))


def test_a_file_that_changes_is_noticed(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.arange(8.0)}, str(path))
    opened = open_checkpoint(str(path))
    unchanged(opened)
    save_file({"a": torch.arange(9.0)}, str(path))
    with pytest.raises(CheckpointError, match="changed since"):
        unchanged(opened)
    with pytest.raises(CheckpointError, match="changed since"):
        tensor_of(opened, "a")


def test_an_unknown_name_is_answered_with_similar_ones(tmp_path):
    path = str(tmp_path / "a.safetensors")
    save_file({"layer.weight": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match=r"layer\.weight"):
        tensor_of(open_checkpoint(path), "layer.weights")
