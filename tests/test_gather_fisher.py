"""Fisher information, gathered example by example, and the command that writes statistics."""

from __future__ import annotations

import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import TensorDataset

import taujp
from reference_merge_data import fisher_of
from small_clip import small_clip, small_tasks
from taujp.cli import main


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)).eval()


def inputs_of(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 6, generator=generator), torch.arange(count) % 3


@pytest.mark.parametrize("labels", ["expected", "given"])
def test_gathered_is_the_twin_and_no_square_of_sums(labels):
    model, (inputs, true) = network(), inputs_of(12)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batches = [(inputs[:5], true[:5]), (inputs[5:], true[5:])]
    found = taujp.gather_fisher(model, batches, labels=labels, examples=12)
    twin = fisher_of(network(), inputs, true if labels == "given" else None)
    assert found.tensors.keys() == twin.keys()
    for name, value in twin.items():
        torch.testing.assert_close(found.tensors[name].double(), value, rtol=1e-4, atol=1e-9)
    assert found.settings["examples"] == 12
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_drawn_labels_come_close_to_the_expectation():
    model, (inputs, _) = network(), inputs_of(30)
    exact = taujp.gather_fisher(model, [inputs], examples=30)
    drawn = taujp.gather_fisher(model, [inputs], labels="sampled", draws=60, examples=30)
    again = taujp.gather_fisher(model, [inputs], labels="sampled", draws=60, examples=30)
    for name, value in exact.tensors.items():
        assert torch.equal(drawn.tensors[name], again.tensors[name])
        off = (drawn.tensors[name] - value).norm() / value.norm()
        assert off < 0.1, f"{name}: {off}"


def test_examples_are_counted_across_kinds_of_batches():
    model, (inputs, true) = network(), inputs_of(12)
    dataset = TensorDataset(inputs, true)
    ways = [dataset, [inputs], [(inputs, true)], [{"input": inputs, "labels": true}]]
    found = [taujp.gather_fisher(model, way, examples=12) for way in ways]
    for one in found[1:]:
        for name, value in found[0].tensors.items():
            torch.testing.assert_close(one.tensors[name], value, rtol=1e-4, atol=1e-9)
    some = taujp.gather_fisher(model, dataset, examples=5, seed=1)
    assert some.settings["examples"] == 5


def test_of_an_open_clip_model_it_is_the_image_encoder_and_its_head():
    model = small_clip()
    task = small_tasks(model)[0]
    found = taujp.gather_fisher(model, task.splits.train, task.head, examples=8)
    state = model.state_dict()
    assert all(name.startswith("visual.") for name in found.tensors)
    assert all(value.shape == state[name].shape for name, value in found.tensors.items())
    assert float(found.tensors["visual.transformer.resblocks.0.mlp.c_fc.weight"].sum()) > 0
    ckpts = [{name: t + 0.01 * i for name, t in state.items()} for i in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        taujp.merge_many(
            ckpts, [1, 1], state, method="fisher", fishers=[found] * 2, prefix="visual."
        )


def test_of_a_transformers_classifier():
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=16, num_labels=3,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config).eval()
    batch = {
        "input_ids": torch.randint(0, 40, (6, 9)),
        "attention_mask": torch.ones(6, 9, dtype=torch.int64),
        "labels": torch.arange(6) % 3,
    }
    found = taujp.gather_fisher(model, [batch], labels="given", examples=6)
    parameters = dict(model.named_parameters())
    total = {name: torch.zeros_like(value) for name, value in parameters.items()}
    for i in range(6):
        one = {name: value[i : i + 1] for name, value in batch.items()}
        model.zero_grad()
        model(**one).loss.backward()
        for name, value in parameters.items():
            total[name] += value.grad.square() / 6
    for name, value in total.items():
        torch.testing.assert_close(found.tensors[name], value.detach(), rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize(
    ("data", "options", "told"),
    [
        ([], {}, "not one example came"),
        ([torch.randn(2, 6)], {"examples": 0}, "examples is 0"),
        ([torch.randn(2, 6)], {"labels": "true"}, "labels is 'true'"),
        ([torch.randn(2, 6)], {"labels": "given"}, "the data have none"),
        ([torch.randn(2, 6)], {"draws": 0}, "draws is 0"),
        ([torch.randn(2, 6)], {"examples": 1.5}, "examples is 1.5; expected a whole number"),
        ([torch.randn(2, 6)], {"draws": 1.5}, "draws is 1.5; expected a whole number"),
        ([(torch.randn(2, 6), torch.tensor([0, 7]))], {"labels": "given"}, "a label is 7"),
        ([3], {}, "a batch is a int"),
    ],
)
def test_data_and_options_that_make_no_sense(data, options, told):
    with pytest.raises(ValueError, match=told):
        taujp.gather_fisher(network(), data, **options)


def test_outputs_that_are_no_logits():
    model = nn.Sequential(nn.Linear(6, 8), nn.Unflatten(1, (2, 4)))
    with pytest.raises(ValueError, match=r"gives \(1, 2, 4\) for one example"):
        taujp.gather_fisher(model, [torch.randn(2, 6)])


def test_merging_keeps_what_each_task_needs():
    """Two linear classifiers of other features: the average halves both, Fisher keeps both."""
    torch.manual_seed(0)
    base = nn.Linear(8, 2)
    nn.init.zeros_(base.weight)
    tuned, fishers, data = [], [], []
    for half in (slice(0, 4), slice(4, 8)):
        x = torch.zeros(64, 8)
        x[:, half] = torch.randn(64, 4)
        true = (x.sum(1) > 0).long()
        model = nn.Linear(8, 2)
        with torch.no_grad():
            model.weight.zero_()
            model.bias.zero_()
            model.weight[1, half], model.weight[0, half] = 2.0, -2.0
            # What the task does not look at went astray.
            other = slice(4 - half.start, 8 - half.start)
            model.weight[:, other] = torch.tensor([[3.0], [-3.0]])
        tuned.append(model.state_dict())
        fishers.append(taujp.gather_fisher(model, [x], examples=64))
        data.append((x, true))

    def accuracies(state):
        return [
            float(((x @ state["weight"].T).argmax(1) == true).float().mean()) for x, true in data
        ]

    merged = taujp.merge_many(tuned, [1, 1], method="fisher", fishers=fishers)
    average = taujp.merge_many(tuned, [1, 1], method="average")
    assert min(accuracies(merged)) > 0.99
    assert max(accuracies(average)) < 0.1


def test_commands_gather_and_merge(tmp_path, capsys):
    out = tmp_path / "digits-fisher.safetensors"
    gather = ["statistics", "fisher", "--model", "demo", "--task", "digits", "--images", "2"]
    assert main([*gather, "--labels", "given", "-o", str(out)]) == 0
    assert "fisher of" in capsys.readouterr().out
    found = taujp.load_statistics(out)
    assert found.kind == "fisher"
    assert found.settings["task"] == "digits"
    model = {name: torch.randn(t.shape) for name, t in found.tensors.items()}
    for i in range(2):
        save_file({n: t + i for n, t in model.items()}, tmp_path / f"{i}.safetensors")
    ckpts = [f"--ckpt={tmp_path}/{i}.safetensors=1" for i in range(2)]
    merged = tmp_path / "merged.safetensors"
    arguments = ["merge", *ckpts, "--method", "fisher", "--fishers", f"{out},{out}"]
    assert main([*arguments, "-q", "-o", str(merged)]) == 0
    for name, tensor in load_file(merged).items():
        torch.testing.assert_close(tensor, model[name] + 0.5, rtol=1e-5, atol=1e-5)
    assert main([*gather, "-o", str(tmp_path / "f.bin")]) == 1
    assert "must end in .safetensors" in capsys.readouterr().err
    assert main([*gather, "-o", str(out / "below-a-file.safetensors")]) == 1
    assert "Statistics.save: cannot write" in capsys.readouterr().err


def test_a_model_is_no_statistics(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="holds a model"):
        taujp.load_statistics(tmp_path / "model.safetensors")
