"""Torch files: every tensor is found in place, and nothing that a pickle names is ever run."""

import builtins
import io
import os
import pickle
import time
import zipfile
from collections import OrderedDict

import pytest
import torch

from taujp.checkpoint import CheckpointError, open_checkpoint, tensor_of, to_state_dict
from taujp.checkpoint.entries import IN_MEMORY


def saved(tmp_path, content, name="model.pt", **options):
    path = tmp_path / name
    torch.save(content, path, **options)
    return str(path)


def with_pickle(tmp_path, data, records=None):
    path = tmp_path / "crafted.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        for name, content in (records or {}).items():
            archive.writestr(f"archive/{name}", content)
    return str(path)


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert torch.equal(
        found.contiguous().reshape(-1).view(torch.uint8),
        expected.contiguous().reshape(-1).view(torch.uint8),
    )


BLOCK = torch.arange(24.0)
STATES = {
    "float types": {str(t): BLOCK.to(t) for t in (torch.float16, torch.bfloat16, torch.float64)},
    "integers": {
        str(t): torch.tensor([0, 1, 1]).to(t)
        for t in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
    },
    "new types": {
        "f8": BLOCK.to(torch.float8_e4m3fn),
        "u16": torch.tensor([1, 65535], dtype=torch.uint16),
    },
    "complex": {"c": torch.complex(BLOCK, -BLOCK)},
    "scalar": {"scale": torch.tensor(4.6), "count": torch.tensor(3)},
    "empty": {"e": torch.empty(0), "e2": torch.empty(3, 0, 2)},
    "views": {"head": BLOCK[:5], "tail": BLOCK[7:], "block": BLOCK.view(2, 3, 4)[1]},
    "strided": {"t": BLOCK.view(4, 6).t(), "step": BLOCK[::2], "cut": BLOCK.view(4, 6)[:, 1:3]},
    "expanded": {"x": BLOCK[:1].expand(5), "y": BLOCK[:4].expand(3, 4)},
    "channels last": {"w": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)},
    "parameter": {"p": torch.nn.Parameter(BLOCK), "frozen": torch.nn.Parameter(BLOCK, False)},
    "ordered": OrderedDict(z=BLOCK, a=BLOCK.clone()),
    "a module": torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).state_dict(),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_what_torch_saves_is_found(tmp_path, state, protocol):
    opened = open_checkpoint(saved(tmp_path, state, pickle_protocol=protocol))
    assert list(opened.entries) == list(state)
    for name, expected in state.items():
        assert_same(tensor_of(opened, name), expected.detach())


def test_only_strided_views_are_copied_into_memory(tmp_path):
    opened = open_checkpoint(saved(tmp_path, {**STATES["views"], **STATES["strided"]}))
    in_memory = {name for name, entry in opened.entries.items() if entry.file == IN_MEMORY}
    assert in_memory == {"t", "step", "cut"}
    with open(opened.files[0].path, "rb") as stream:
        stream.seek(opened.entries["tail"].offset)
        assert stream.read(opened.entries["tail"].nbytes) == BLOCK[7:].numpy().tobytes()


def test_shared_storage_is_a_tie_only_where_it_is_shared_exactly(tmp_path):
    content = {"a": BLOCK, "b": BLOCK, "part": BLOCK[:5], "shape": BLOCK.view(4, 6), "c": BLOCK}
    opened = open_checkpoint(saved(tmp_path, content))
    assert opened.ties == {"b": "a", "c": "a"}
    state = to_state_dict(opened)
    assert state["b"] is state["a"]


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_one_level_of_nesting_is_unwrapped(tmp_path, key):
    content = {"epoch": 3, "name": "run", key: {"a": BLOCK}, "optimizer": {"lr": 0.1}}
    assert list(open_checkpoint(saved(tmp_path, content)).entries) == ["a"]


def test_old_and_new_suffixes(tmp_path):
    for name in ("a.pt", "a.pth", "a.bin", "a.ckpt"):
        assert list(open_checkpoint(saved(tmp_path, {"a": BLOCK}, name)).entries) == ["a"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"a": BLOCK, "epoch": 3}, "'epoch': int"),
        ({"weights": {"a": BLOCK}}, "'weights': StateDict|'weights': dict"),
        ([BLOCK], "list"),
        ({3: BLOCK}, "3: View"),
        ({"s": torch.eye(3).to_sparse()}, "sparse"),
    ],
)
def test_anything_but_a_state_dict_is_refused(tmp_path, content, says):
    with pytest.raises(CheckpointError, match=says):
        open_checkpoint(saved(tmp_path, content))


class Attack:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("depth", ["alone", "beside tensors", "nested"])
@pytest.mark.parametrize("function", [os.system, builtins.eval, builtins.getattr, os.mkdir])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, function, depth):
    mark = tmp_path / "ran"
    argument = {
        os.system: f"touch {mark}",
        builtins.eval: f"open({str(mark)!r}, 'w')",
        os.mkdir: str(mark),
    }.get(function, "x")
    attack = Attack(function, argument)
    content = {"beside tensors": {"a": BLOCK, "b": attack}, "nested": {"state_dict": {"a": attack}}}
    with pytest.raises(CheckpointError, match="contains code") as caught:
        open_checkpoint(saved(tmp_path, content.get(depth, attack)))
    assert function.__name__ in str(caught.value)
    assert not mark.exists()


def test_a_pickled_module_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match=r"torch\.nn\.modules\.linear\.Linear"):
        open_checkpoint(saved(tmp_path, torch.nn.Linear(2, 2)))


CRAFTED = {
    "attribute of a permitted name": b"ccollections\nOrderedDict.fromkeys\n)R.",
    "setting attributes of a permitted name": b"ctorch\nSize\n(N}Vname\nVos.system\nst b.",
    "building a permitted name": b"ctorch\nSize\n}Vname\nVos.system\nsb.",
    "instance opcode": b"(Vid\nios\nsystem\n.",
    "new object": b"ctorch\nSize\n)\x81.",
    "extension": b"\x80\x02\x82\x01.",
    "storage of another kind": b"(Vstorage\nctorch\nSize\nV0\nVcpu\nI4\ntQ.",
    "storage without a class": b"(Vstorage\nVtorch\nV0\nVcpu\nI4\ntQ.",
    "memo far away": b"Nr\xff\xff\xff\x7f",
    "no stop": b"}",
    "empty": b"",
    "noise": bytes(range(256)),
}


@pytest.mark.parametrize("data", CRAFTED.values(), ids=CRAFTED.keys())
def test_a_crafted_pickle_is_refused(tmp_path, data):
    with pytest.raises(CheckpointError):
        open_checkpoint(with_pickle(tmp_path, data))


def view_pickle(offset, shape, strides, size=6):
    """A state dict with one tensor 'a' of a float storage '0', with any numbers."""
    stream = io.BytesIO()

    class Crafter(pickle._Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, "0", "cpu", size) if value == "S" else None

    Crafter(stream, protocol=2).dump(
        {"a": Attack(torch._utils._rebuild_tensor_v2, "S", offset, shape, strides, False, None)}
    )
    return stream.getvalue()


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "says"),
    [
        (0, (7,), (1,), "needs 28 bytes"),
        (1, (6,), (1,), "needs 28 bytes"),
        (0, (2, 3), (4, 1), "needs 28 bytes"),
        (-1, (6,), (1,), "damaged"),
        (0, (-6,), (1,), "damaged"),
        (2, (3,), (-1,), "damaged"),
        (0, (6,), (1, 1), "damaged"),
        (0, (2**40,), (0,), "repeats"),
        (0, (2**62, 2**62), (1, 1), "needs"),
    ],
)
def test_a_view_beyond_its_storage_is_refused(tmp_path, offset, shape, strides, says):
    path = with_pickle(tmp_path, view_pickle(offset, shape, strides), {"data/0": bytes(24)})
    with pytest.raises(CheckpointError, match=says):
        open_checkpoint(path)


def test_a_crafted_view_within_its_storage_is_read(tmp_path):
    data = torch.arange(6.0).numpy().tobytes()
    path = with_pickle(tmp_path, view_pickle(1, (2, 2), (1, 3)), {"data/0": data})
    assert tensor_of(open_checkpoint(path), "a").tolist() == [[1, 4], [2, 5]]


def test_a_missing_record_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="data/0"):
        open_checkpoint(with_pickle(tmp_path, view_pickle(0, (6,), (1,))))


def test_a_compressed_archive_is_refused(tmp_path):
    source, path = saved(tmp_path, {"a": BLOCK}), tmp_path / "packed.pt"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    with pytest.raises(CheckpointError, match="compressed"):
        open_checkpoint(str(path))


@pytest.mark.parametrize("keep", [10, 200, 900, -1])
def test_a_truncated_archive_is_refused(tmp_path, keep):
    path = tmp_path / "cut.pt"
    torch.save({"a": BLOCK}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"cut\.pt"):
        open_checkpoint(str(path))


def test_the_old_format_is_refused_with_the_way_to_convert_it(tmp_path):
    path = saved(tmp_path, {"a": BLOCK}, _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError, match=r"old format.*weights_only=True"):
        open_checkpoint(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_torchscript_archive_is_refused(tmp_path):
    path = str(tmp_path / "scripted.pt")
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(path)
    with pytest.raises(CheckpointError, match="TorchScript"):
        open_checkpoint(path)


def test_twenty_thousand_tensors(tmp_path):
    path = saved(tmp_path, {f"layer.{i}": torch.ones(1) for i in range(20_000)})
    start = time.process_time()
    opened = open_checkpoint(path)
    assert time.process_time() - start < 5.0
    assert len(opened.entries) == 20_000
