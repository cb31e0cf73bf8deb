"""Hostile pickled modules: nothing that a file names is ever run, and no file takes for ever."""

from __future__ import annotations

import builtins
import copyreg
import functools
import io
import os
import pickle
import subprocess
import sys
import time
import zipfile

import pytest
import torch
from torch import nn

from earlier_modules import saved
from taujp.checkpoint import CheckpointError, open_module
from taujp.checkpoint.module_reader import ModuleReader

FORMATS = {"zip": True, "before torch 1.6": False}


def with_pickle(tmp_path, data):
    path = tmp_path / "crafted.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
    return path


class Attack:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


CALLS = {
    "system": lambda mark: Attack(os.system, f"touch {mark}"),
    "popen": lambda mark: Attack(subprocess.check_output, ["touch", str(mark)]),
    "eval": lambda mark: Attack(eval, f"open({str(mark)!r}, 'w')"),
    "exec": lambda mark: Attack(exec, f"open({str(mark)!r}, 'w')"),
    "mkdir": lambda mark: Attack(os.mkdir, str(mark)),
    "getattr chain": lambda mark: Attack(Attack, os.mkdir, str(mark)),
    "partial": lambda mark: functools.partial(os.mkdir, str(mark)),
    "in a partial's call": lambda mark: Attack(functools.partial(os.mkdir, str(mark))),
    "extension registry": lambda mark: Attack(copyreg.add_extension, "os", "mkdir", 99),
    "import": lambda mark: Attack(builtins.__import__, "antigravity"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("as_zip", FORMATS.values(), ids=FORMATS.keys())
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_call_beside_the_weights_is_not_run(tmp_path, call, as_zip):
    mark, module = tmp_path / "ran", nn.Linear(2, 2)
    module.extra = call(mark)
    path = saved(tmp_path, {"model": module, "again": call(mark)}, as_zip=as_zip)
    expected = {f"model.{name}": value for name, value in nn.Linear(2, 2).state_dict().items()}
    assert list(open_module(path).entries) == list(expected)
    assert not mark.exists()
    assert 99 not in copyreg._inverted_registry


class Restored:
    """Its state would run code where it is set."""

    def __init__(self, mark):
        self.mark = mark

    def __setstate__(self, state):
        os.mkdir(state["mark"])

    def __init_subclass__(cls):
        raise AssertionError


@pytest.mark.parametrize("protocol", [1, 2, 4, 5])
def test_a_state_is_not_set_by_the_files_own_code(tmp_path, protocol):
    mark, module = tmp_path / "ran", nn.Linear(2, 2)
    module.extra = Restored(str(mark))
    open_module(saved(tmp_path, module, pickle_protocol=protocol))
    assert not mark.exists()


def chain(depth):
    """A module within a module, and so on."""
    inner = nn.Sequential()
    inner.register_buffer("b", torch.ones(1))
    for _ in range(depth):
        outer = nn.Module()
        outer.a = inner
        inner = outer
    return inner


def doubled(depth):
    """2^depth names from a few bytes."""
    inner = nn.Linear(1, 1)
    for _ in range(depth):
        outer = nn.Module()
        outer.a = outer.b = inner
        inner = outer
    return inner


def within_itself():
    module = nn.Linear(1, 1)
    module._modules["self"] = module
    return module


def with_attribute(kind, value):
    module = nn.Linear(1, 1)
    module.__dict__[kind] = value
    return module


HOSTILE = {
    "within itself": within_itself,
    "very deep": lambda: chain(1100),
    "doubling": lambda: doubled(40),
    "a list of modules": lambda: with_attribute("_modules", ["a"]),
    "numbers for names": lambda: with_attribute("_modules", {3: nn.Linear(1, 1)}),
    "a call as parameter": lambda: with_attribute("_parameters", {"w": Attack(os.getpid)}),
    "a name twice": lambda: {"a": {"b": torch.ones(1)}, "a.b": torch.ones(1)},
    "no tensor": lambda: nn.ReLU(),
    "a bare list": lambda: [torch.ones(1)],
    "a sparse buffer": lambda: with_attribute("_buffers", {"s": torch.eye(2).to_sparse()}),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_sound_module_is_refused_in_time(tmp_path, make):
    recursion = sys.getrecursionlimit()
    sys.setrecursionlimit(50_000)
    try:
        path = saved(tmp_path, make())
    finally:
        sys.setrecursionlimit(recursion)
    start = time.process_time()
    with pytest.raises(CheckpointError):
        open_module(path)
    assert time.process_time() - start < 20


def nested_tuples(depth):
    """A tuple whose hash, and whose text, take 2^depth steps: each holds the one before twice."""
    twice = b"".join(b"q%c0h%ch%c\x86" % (i, i, i) for i in range(depth))
    return b"\x80\x02)" + twice


CRAFTED = {
    "memo far away": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "memo that is not there": b"\x80\x02h\x07.",
    "extension": b"\x80\x02\x82\x01.",
    "calls a string": b"\x80\x02X\x02\x00\x00\x00os)R.",
    "calls what a call gave": b"cos\ngetpid\n)R)R.",
    "calls a tuple": b"\x80\x02))R.",
    "instance of a string": b"\x80\x02X\x02\x00\x00\x00os)\x81.",
    "state of a list": b"\x80\x02]}b.",
    "state of a class": b"ctorch\nSize\n}b.",
    "items of a number": b"\x80\x02K\x01K\x01K\x01s.",
    "values of a number": b"\x80\x02K\x01K\x01a.",
    "a tuple that takes for ever to hash": b"\x80\x02}" + nested_tuples(100)[2:] + b"K\x01s.",
    "a tuple that takes for ever to print": nested_tuples(100) + b")R.",
    "storage key of that kind": nested_tuples(100)[:2] + b"(X\x07\x00\x00\x00storage"
    b"ctorch\nFloatStorage\n" + nested_tuples(100)[2:] + b"X\x03\x00\x00\x00cpuK\x01tQ.",
    "bytes without end": b"\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "bytearray without end": b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\x00\x00.",
    "frame beyond the file": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\x00\x00N.",
    "out of band buffer": b"\x80\x05\x97.",
    "no stop": b"\x80\x02}",
    "empty": b"",
    "noise": bytes(range(256)),
}


@pytest.mark.parametrize("data", CRAFTED.values(), ids=CRAFTED.keys())
def test_a_crafted_pickle_is_refused_in_time(tmp_path, data):
    start = time.process_time()
    with pytest.raises(CheckpointError):
        open_module(with_pickle(tmp_path, data))
    assert time.process_time() - start < 5


def test_a_pickle_that_would_unpack_to_any_size_is_refused(tmp_path):
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"N0" * 10_000_000 + b"}.")
    assert path.stat().st_size < 1e5
    start = time.process_time()
    with pytest.raises(CheckpointError, match="compressed"):
        open_module(path)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("keep", [0, 1, 10, 14, 40, 200, 900, -1])
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("as_zip", FORMATS.values(), ids=FORMATS.keys())
def test_a_truncated_file_is_refused(tmp_path, keep, as_zip):
    path = saved(tmp_path, nn.Linear(3, 3), as_zip=as_zip)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"module\.pt"):
        open_module(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("count", [-1, 10, 2**62])
def test_a_false_count_in_an_old_file_is_refused(tmp_path, count):
    path = saved(tmp_path, {"a": torch.arange(5.0)}, as_zip=False)
    data = path.read_bytes()
    place = data.rindex(torch.arange(5.0).numpy().tobytes()) - 8
    path.write_bytes(data[:place] + count.to_bytes(8, "little", signed=True) + data[place + 8 :])
    with pytest.raises(CheckpointError, match="storage"):
        open_module(path)


def test_every_opcode_of_python_is_handled_by_this_reader_or_is_harmless():
    """What the parent class does with an opcode must not call, import or set anything."""
    dangerous = ("REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "APPEND", "APPENDS", "SETITEM",
                 "SETITEMS", "DICT", "ADDITEMS", "FROZENSET")  # fmt: skip
    for name in dangerous:
        code = getattr(pickle, name)[0]
        assert ModuleReader.dispatch[code] is not pickle._Unpickler.dispatch[code], name
    for name in ("find_class", "get_extension", "_instantiate", "persistent_load"):
        assert getattr(ModuleReader, name) is not getattr(pickle._Unpickler, name)
    stream = io.BytesIO(b"(lp0\n.")
    assert ModuleReader(stream, "x").load() == []
