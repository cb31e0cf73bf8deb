"""Any classifier counts: plain modules, transformers' models, and what users bring themselves."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from taujp.data import Splits
from taujp.evaluate import (
    Classifier,
    MergedTangents,
    addition,
    classifier_of,
    merged_models,
    negation,
    predictions,
)
from taujp.train import PreparedTask

GRID = (0.0, 0.5, 1.0)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 8)).eval()


def moved(model, seed, scale=0.3):
    """A stand-in for fine-tuned weights."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value + scale * torch.randn(value.shape, generator=generator)
        for name, value in model.state_dict().items()
    }


def data(classes, seed, count=60):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 6, generator=generator)
    return TensorDataset(inputs, torch.arange(count) % classes)


def task(name, classes, head, **options):
    return PreparedTask(name, head, Splits(*(data(classes, s) for s in (1, 2, 3))), **options)


@pytest.fixture
def heads():
    torch.manual_seed(1)
    return nn.Linear(8, 3), nn.Linear(8, 2)


@pytest.mark.parametrize("make", [merged_models, MergedTangents])
def test_a_plain_module_with_heads_goes_through_every_protocol(heads, make):
    model = network()
    tasks = [task("a", 3, heads[0]), task("b", 2, heads[1])]
    finetuned = {"a": moved(model, 1), "b": moved(model, 2)}
    models = make(model, finetuned)
    added = addition(models, tasks, coefficients=GRID)
    assert len(added.validation) == 3
    assert negation(models, *tasks, coefficients=GRID, keep=0.0).target == "a"
    if make is merged_models:
        state = {
            name: value + finetuned["a"][name] - value + finetuned["b"][name] - value
            for name, value in model.state_dict().items()
        }
        merged = copy.deepcopy(model)
        merged.load_state_dict(state)
        for one in tasks:
            found, true = predictions(merged, one.head, one.splits.test)
            expected = (found == true).double().mean().item()
            assert added.one_shot.scores[one.name].accuracy == pytest.approx(expected, abs=0.02)


def test_heads_stay_where_and_as_they_are(heads):
    heads[0].train()
    models = merged_models(network(), {"a": moved(network(), 1)})
    addition(models, [task("a", 3, heads[0])], coefficients=GRID)
    assert heads[0].training


def test_a_user_may_bring_predict_and_scorer():
    """Regression of one number: no logits, a score of its own, and another call of the model."""
    model = network()

    def closeness(outputs, labels):
        return float(1 / (1 + (outputs - labels).abs().mean()))

    classifier = Classifier(model, "", lambda module, inputs: module(2 * inputs).sum(-1))
    one = task("sum", 5, None, scorer=closeness)
    added = addition(merged_models(classifier, {"sum": moved(model, 1)}), [one], coefficients=GRID)
    inputs, labels = one.splits.test.tensors
    with torch.no_grad():
        expected = closeness(model(2 * inputs).sum(-1), labels)
    zero_shot = added.tasks[0].zero_shot_test
    assert zero_shot.accuracy == pytest.approx(expected, rel=1e-6)
    assert zero_shot.nll is None
    assert zero_shot.count == 60


class Texts(Dataset):
    """Token numbers and a mask, as transformers' models take them."""

    def __init__(self, seed):
        generator = torch.Generator().manual_seed(seed)
        self.tokens = torch.randint(0, 40, (30, 7), generator=generator)

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, index):
        row = {"input_ids": self.tokens[index], "attention_mask": torch.ones(7, dtype=torch.long)}
        return row, index % 2


def test_a_text_classifier_of_transformers_is_added():
    transformers = pytest.importorskip("transformers")
    settings = transformers.BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=2,
    )
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(settings).eval()
    one = PreparedTask("texts", None, Splits(Texts(0), Texts(1), Texts(2)))
    models = merged_models(model, {"texts": moved(model, 1, 0.1)})
    added = addition(models, [one], coefficients=GRID)
    with torch.no_grad():
        logits = model(
            input_ids=one.splits.test.tokens, attention_mask=torch.ones(30, 7).long()
        ).logits
    expected = (logits.argmax(-1) == torch.arange(30) % 2).double().mean().item()
    assert added.tasks[0].zero_shot_test.accuracy == pytest.approx(expected)


@pytest.mark.parametrize("make", [merged_models, MergedTangents])
def test_an_image_model_of_transformers_is_added(make):
    transformers = pytest.importorskip("transformers")
    settings = transformers.ViTConfig(
        image_size=8,
        patch_size=4,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=3,
        attn_implementation="eager",
    )
    torch.manual_seed(0)
    model = transformers.ViTForImageClassification(settings).eval()
    images = torch.randn(30, 3, 8, 8)
    rows = TensorDataset(images, torch.arange(30) % 3)
    one = PreparedTask("images", None, Splits(rows, rows, rows))
    added = addition(make(model, {"images": moved(model, 1, 0.1)}), [one], coefficients=GRID)
    with torch.no_grad():
        right = model(images).logits.argmax(-1) == rows.tensors[1]
    assert added.tasks[0].zero_shot_test.accuracy == pytest.approx(right.double().mean().item())


def test_what_cannot_be_a_model_is_refused():
    with pytest.raises(TypeError, match=r"came|is a dict; expected"):
        classifier_of({})
    with pytest.raises(ValueError, match=r"no weights under 'visual\.'"):
        Classifier(network(), "visual.", lambda module, inputs: module(inputs)).state()


def test_a_checkpoint_of_another_model_names_what_is_missing():
    state = moved(network(), 1)
    state.pop("0.bias")
    with pytest.raises(ValueError, match=r"lacks 1 weights \(\['0.bias'\]\)"):
        merged_models(network(), {"a": state})


def test_half_precision_checkpoints_are_merged_into_a_full_model(heads):
    model = network()
    half = {name: value.half() for name, value in moved(model, 1).items()}
    models = merged_models(model, {"a": half})
    one = task("a", 3, heads[0])
    found = next(models.outputs([{"a": 1.0}], one, "test"))
    assert torch.allclose(found.values, models.own("a", one, "test").values, atol=1e-4)
