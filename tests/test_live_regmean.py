"""RegMean++: layers merged one after another, on what the merged ones before give."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import TensorDataset

import taujp
from reference_merge_data import regmean
from small_clip import small_clip, small_tasks
from taujp import MergeError


class TwoLayers(nn.Module):
    """Two blocks of one linear map, and a norm before them."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.norm = nn.LayerNorm(6)
        self.blocks = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])

    def forward(self, x):
        x = self.norm(x)
        for block in self.blocks:
            x = functional.gelu(block(x))
        return x


def two_layer_world():
    model = TwoLayers(0)
    with torch.no_grad():
        model.norm.bias.add_(0.1)
    finetuned = {name: TwoLayers(seed).state_dict() for name, seed in (("a", 1), ("b", 2))}
    data = {name: torch.randn(40, 6) * (1 + i) + i for i, name in enumerate(finetuned)}
    return model, finetuned, data


def mean_products(x):
    return (x.T @ x / len(x)).detach()


def test_layers_are_merged_on_what_the_merged_ones_before_give():
    model, finetuned, data = two_layer_world()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = taujp.regmean_plus_plus(
        model, finetuned, {name: [x] for name, x in data.items()}, examples=40
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert list(found) == list(before)
    merged = TwoLayers(0).double()
    for part in ("norm.weight", "norm.bias", "blocks.0.bias", "blocks.1.bias"):
        mean = sum(state[part].double() for state in finetuned.values()) / 2
        torch.testing.assert_close(found[part].double(), mean, rtol=1e-6, atol=1e-6)
    merged.load_state_dict({**before, **found})
    x = {name: merged.norm(value.double()) for name, value in data.items()}
    for block in range(2):
        name = f"blocks.{block}.weight"
        weights = [state[name] for state in finetuned.values()]
        twin = regmean(weights, [1, 1], [mean_products(one) for one in x.values()], 0.95)
        torch.testing.assert_close(found[name].double(), twin, rtol=1e-4, atol=1e-5)
        x = {task: functional.gelu(merged.blocks[block](one)) for task, one in x.items()}


def test_of_one_layer_it_is_regmean_on_the_averaged_rest():
    model, finetuned, data = two_layer_world()
    shared = finetuned["a"]
    for name in list(shared):
        if not name.startswith("blocks.1."):
            finetuned["b"][name] = shared[name]
    grams = []
    for task, state in finetuned.items():
        own = TwoLayers(0)
        own.load_state_dict(state)
        grams.append(taujp.gather_grams(own, [data[task]], examples=40))
    plain = taujp.merge_many(list(finetuned.values()), [1, 1], method="regmean", grams=grams)
    found = taujp.regmean_plus_plus(
        model, finetuned, {name: [x] for name, x in data.items()}, examples=40
    )
    for name, value in plain.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


def test_live_merge_of_open_clip_models():
    model = small_clip()
    tasks = small_tasks(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    finetuned = {
        task.name: {n: t + 0.05 * torch.randn_like(t) for n, t in before.items()} for task in tasks
    }
    data = {task.name: task.splits.train for task in tasks}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = taujp.regmean_plus_plus(model, finetuned, data, examples=20)
    assert found.keys() == {name for name in before if name.startswith("visual.")}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    linear = "visual.transformer.resblocks.0.mlp.c_fc.weight"
    mean = sum(state[linear] for state in finetuned.values()) / 2
    assert not torch.allclose(found[linear], mean, atol=1e-4)


def test_of_transformers_classifiers():
    """Equal models merge to themselves; the pooler and the head are stages after the blocks."""
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=16, num_labels=3,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tuned = {name: t + 0.1 * torch.randn_like(t.float()) for name, t in before.items()}
    other = {name: t + 0.1 * torch.randn_like(t.float()) for name, t in before.items()}
    batch = {"input_ids": torch.randint(0, 40, (12, 9)), "attention_mask": torch.ones(12, 9)}
    data = {"a": [batch], "b": [batch]}
    equal = taujp.regmean_plus_plus(model, {"a": tuned, "b": tuned}, data)
    for name, value in equal.items():
        torch.testing.assert_close(value, tuned[name], rtol=1e-4, atol=1e-4)
    found = taujp.regmean_plus_plus(model, {"a": tuned, "b": other}, data)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    for name in ("classifier.bias", "bert.embeddings.word_embeddings.weight"):
        mean = (tuned[name] + other[name]) / 2
        torch.testing.assert_close(found[name], mean, rtol=1e-5, atol=1e-6)
    model.load_state_dict(found)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f, d: d.pop("a"), r"data of \['b'\] and checkpoints of \['a', 'b'\]"),
        (lambda f, d: f["a"].pop("norm.bias"), "lacks 1 of the model's weights"),
        (lambda f, d: (f.clear(), d.clear()), "no checkpoint came"),
    ],
)
def test_live_merge_refuses(change, told):
    model, finetuned, data = two_layer_world()
    data = {name: TensorDataset(x) for name, x in data.items()}
    change(finetuned, data)
    with pytest.raises(MergeError, match=told):
        taujp.regmean_plus_plus(model, finetuned, data)


def test_sums_in_whole_numbers_are_refused():
    model, finetuned, data = two_layer_world()
    data = {name: TensorDataset(x) for name, x in data.items()}
    with pytest.raises(ValueError, match=r"dtype is torch\.int32"):
        taujp.regmean_plus_plus(model, finetuned, data, dtype=torch.int32)
