"""Whole pickled modules: their tensors and names come out as from their state_dict()."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from earlier_modules import ImageClassifier, ImageEncoder, saved
from taujp.checkpoint import CheckpointError, open_checkpoint, open_module, to_state_dict

FORMATS = {"zip": True, "before torch 1.6": False}


def assert_read(path, expected):
    found = to_state_dict(open_module(path))
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


class Layered(nn.Module):
    """What pickles in unusual ways: partials, enumerations by name, lists of parameters, ties."""

    def __init__(self):
        super().__init__()
        self.make = functools.partial(nn.Linear, 3, bias=False)
        self.items = nn.ParameterList([nn.Parameter(torch.randn(2)) for _ in range(3)])
        self.named = nn.ParameterDict({"a": nn.Parameter(torch.randn(2))})
        self.norm = nn.BatchNorm1d(4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.first = nn.Linear(4, 4)
        self.again = self.first
        self.frozen = nn.Parameter(torch.randn(3), requires_grad=False)
        self.nothing = None
        self.register_parameter("absent", None)
        self.short = nn.Parameter(torch.randn(3).to(torch.bfloat16))
        self.hooked = nn.Linear(1, 1)
        self.hooked.register_forward_hook(hook)


def hook(module, inputs, output):
    """A function that a pickle names."""


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("as_zip", FORMATS.values(), ids=FORMATS.keys())
def test_a_module_is_read_as_its_state_dict(tmp_path, as_zip, protocol):
    for module in (Layered(), ImageEncoder(nn.Linear(2, 3)), ImageClassifier(nn.Linear(2, 3))):
        path = saved(tmp_path, module, as_zip=as_zip, pickle_protocol=protocol)
        assert_read(path, module.state_dict())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("as_zip", FORMATS.values(), ids=FORMATS.keys())
def test_modules_and_tensors_within_dicts_have_their_keys_before_them(tmp_path, as_zip):
    module = nn.Linear(2, 2)
    content = {"model": module, "extra": {"step": torch.tensor(3)}, "epoch": 7, "args": hook}
    expected = {f"model.{name}": value for name, value in module.state_dict().items()}
    expected["extra.step"] = torch.tensor(3)
    assert_read(saved(tmp_path, content, as_zip=as_zip), expected)


def test_shared_modules_are_ties_and_buffers_that_pass_are_left_out(tmp_path):
    opened = open_module(saved(tmp_path, Layered()))
    assert opened.ties["again.weight"] == "first.weight"
    assert "passing" not in open_module(saved(tmp_path, ImageEncoder(nn.ReLU()))).entries


def test_a_module_without_its_class_is_read(tmp_path):
    """What torch.load could not do: the class is gone."""
    vanished = type("Vanished", (nn.Module,), {"__module__": __name__})
    globals()["Vanished"] = vanished
    module = vanished()
    module.weight = nn.Parameter(torch.randn(4))
    path = saved(tmp_path, module)
    del globals()["Vanished"]
    with pytest.raises(AttributeError):
        torch.load(path, weights_only=False)
    assert_read(path, {"weight": module.weight.detach()})


def test_the_refusal_of_open_checkpoint_names_the_command_that_imports(tmp_path):
    with pytest.raises(CheckpointError, match="taujp import"):
        open_checkpoint(str(saved(tmp_path, nn.Linear(2, 2))))
