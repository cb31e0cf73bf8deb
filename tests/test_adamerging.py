"""AdaMerging: coefficients learned from unlabelled data, through the live edit."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import Subset, TensorDataset

import taujp
from adapters import on_modules, write_adapter
from reference_merge_data import entropy_gradient
from small_clip import small_clip, small_tasks
from taujp import MergeError, TaskVector
from taujp.checkpoint import open_adapted, open_checkpoint, to_state_dict
from taujp.data import Splits, find_task, load_demo_model
from taujp.evaluate import accuracy
from taujp.learn import load_learned
from taujp.learn.trimmed import trimmed
from taujp.train import PreparedTask, Recipe, finetune, prepare

FIRST, LAST = ["0.weight", "0.bias"], ["2.weight", "2.bias"]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 10), nn.GELU(), nn.Linear(10, 8)).eval()


@pytest.fixture
def world():
    """A plain module, two stand-ins for fine-tunes, and tasks with heads of their own."""
    model = network()
    generator = torch.Generator().manual_seed(1)
    finetuned = {
        name: {
            key: value + 0.4 * torch.randn(value.shape, generator=generator)
            for key, value in model.state_dict().items()
        }
        for name in ("a", "b")
    }
    tasks = []
    for classes, name in ((3, "a"), (2, "b")):
        inputs = torch.randn(40, 6, generator=generator)
        data = TensorDataset(inputs, torch.zeros(40, dtype=torch.int64))
        head = nn.Linear(8, classes)
        with torch.no_grad():
            head.weight.copy_(torch.randn(classes, 8, generator=generator))
        tasks.append(PreparedTask(name, head, Splits(data, data, data)))
    return model, finetuned, tasks


def learned(world, **options):
    model, finetuned, tasks = world
    return taujp.adamerging(model, finetuned, tasks, **{"batch_size": 40, "steps": 3, **options})


def test_coefficients_by_group_write_what_merge_many_returns(world):
    model, finetuned, _ = world
    base = {name: t.detach().clone() for name, t in model.state_dict().items()}
    vectors = [TaskVector(base, one) for one in finetuned.values()]
    edit = taujp.edit(model, base, vectors, groups={"first": FIRST, "last": LAST})
    edit([[0.2, 0.5], [-0.1, 0.7]])
    rows = {"0.*": [0.2, 0.5], "*": [-0.1, 0.7]}
    expected = taujp.merge_many(list(finetuned.values()), rows, base)
    assert all(torch.equal(t, expected[name]) for name, t in model.state_dict().items())
    edit.restore()
    assert all(torch.equal(t, base[name]) for name, t in model.state_dict().items())


def test_gradient_of_coefficients_by_group(world):
    model, finetuned, _ = world
    base = {name: t.detach().clone() for name, t in model.state_dict().items()}
    vectors = [TaskVector(base, one) for one in finetuned.values()]
    edit = taujp.edit(model, base, vectors, groups={"first": FIRST, "last": LAST})
    coefs = torch.tensor([[0.2, 0.5], [-0.1, 0.7]], requires_grad=True)
    inputs = torch.randn(9, 6)
    edit.call(coefs, inputs).square().sum().backward()
    plain = torch.tensor(coefs.tolist(), requires_grad=True)
    state = {
        name: value
        + sum(
            plain[int(name in LAST), i] * (one[name] - value)
            for i, one in enumerate(finetuned.values())
        )
        for name, value in base.items()
    }
    torch.func.functional_call(model, state, (inputs,)).square().sum().backward()
    torch.testing.assert_close(coefs.grad, plain.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("groups", "coefs", "told"),
    [
        ({"first": FIRST}, [[0.1, 0.2]], r"in none of them: \['2.bias', '2.weight'\]"),
        ({"all": FIRST + LAST, "more": LAST}, [[0.1, 0.2]] * 2, "'2.weight' twice"),
        ({"first": FIRST, "last": LAST}, [0.1, 0.2], "2 coefficients for 2 task vectors by 2 gro"),
        ({"first": FIRST, "last": LAST}, [[0.1, 0.2]] * 3, r"\(3, 2\) for 2 task vectors by 2 gro"),
    ],
)
def test_groups_that_do_not_fit(world, groups, coefs, told):
    model, finetuned, _ = world
    base = copy.deepcopy(model.state_dict())
    vectors = [TaskVector(base, one) for one in finetuned.values()]
    with pytest.raises(MergeError, match=told):
        taujp.edit(model, base, vectors, groups=groups)(coefs)


def test_the_first_step_is_adams_on_the_twins_gradient(world):
    """Adam's first step is the rate times the gradient's sign; the entropies are plain torch's."""
    model, finetuned, tasks = world
    found = learned(world, by="task", steps=1, learning_rate=0.01)
    theta0 = {name: value.detach() for name, value in model.state_dict().items()}
    taus = [{name: one[name] - theta0[name] for name in theta0} for one in finetuned.values()]
    gradient = sum(
        entropy_gradient(
            network().double(), copy.deepcopy(task.head).double(), theta0, taus, [0.3, 0.3],
            task.splits.test.tensors[0],
        )
        for task in tasks
    )  # fmt: skip
    expected = 0.3 - 0.01 * gradient.sign()
    torch.testing.assert_close(torch.tensor(found.table[0]), expected.float(), rtol=0, atol=1e-5)
    state = taujp.merge_many(list(finetuned.values()), [0.3, 0.3], theta0)
    for task, entropy in zip(tasks, found.entropies[0], strict=True):
        logits = task.head(torch.func.functional_call(model, state, task.splits.test.tensors[0]))
        p = logits.softmax(-1)
        assert entropy == pytest.approx(float(-(p * p.log()).sum(-1).mean()), rel=1e-5)


@pytest.mark.parametrize("by", ["task", "layer", "tensor"])
def test_entropy_falls_and_the_model_is_itself_again(world, by):
    model, finetuned, tasks = world
    before = copy.deepcopy(model.state_dict())
    found = learned(world, by=by, steps=25, learning_rate=0.05, clamp=None)
    assert sum(found.entropies[-1]) < 0.8 * sum(found.entropies[0])
    assert len(found.entropies) == 25
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(p.grad is None and p.requires_grad for t in tasks for p in t.head.parameters())
    counts = {"task": 1, "layer": 2, "tensor": 4}
    assert len(found.table) == counts[by]
    merged = taujp.merge_many(list(finetuned.values()), found.coefs, before)
    logits = tasks[0].head(
        torch.func.functional_call(model, merged, tasks[0].splits.test.tensors[0])
    )
    p = logits.softmax(-1)
    assert float(-(p * p.log()).sum(-1).mean()) < found.entropies[0][0]


def test_coefficients_are_clamped_as_published(world):
    found = learned(world, by="task", steps=12, learning_rate=0.2)
    assert all(0.0 <= c <= 1.0 for c in found.table[0])
    assert {0.0, 1.0} & set(found.table[0])
    free = learned(world, by="task", steps=12, learning_rate=0.2, clamp=None)
    assert any(not 0.0 <= c <= 1.0 for c in free.table[0])


def test_a_stopped_run_goes_on_to_the_same_bits(world, tmp_path, monkeypatch):
    from taujp.learn.learner import Learner

    options = {"by": "tensor", "steps": 9, "batch_size": 7, "learning_rate": 0.05}
    whole = learned(world, **options)
    plain, count = Learner.step, [0]

    def stopping(self, *arguments):
        count[0] += 1
        if count[0] == 6:
            raise KeyboardInterrupt
        return plain(self, *arguments)

    monkeypatch.setattr(Learner, "step", stopping)
    out = tmp_path / "learned.json"
    with pytest.raises(KeyboardInterrupt):
        learned(world, **options, out=out, save_every=2)
    assert not out.exists()
    found = learned(world, **options, out=out, save_every=2)
    assert count[0] == 6 + 5  # from the state after the fourth step
    assert found.table == whole.table
    assert found.entropies == whole.entropies
    assert [path.name for path in tmp_path.iterdir()] == ["learned.json"]
    again = load_learned(out)
    assert again.coefs == found.coefs
    assert again.entropies == found.entropies


def test_other_settings_are_refused_the_state(world, tmp_path, monkeypatch):
    from taujp.learn.learner import Learner

    plain, count = Learner.step, [0]

    def stopping(self, *arguments):
        count[0] += 1
        if count[0] == 4:
            raise KeyboardInterrupt
        return plain(self, *arguments)

    monkeypatch.setattr(Learner, "step", stopping)
    out = tmp_path / "learned.json"
    with pytest.raises(KeyboardInterrupt):
        learned(world, steps=6, out=out, save_every=2)
    with pytest.raises(ValueError, match="seed was 0 and is 5"):
        learned(world, steps=6, out=out, seed=5)
    assert learned(world, steps=6, out=out, seed=5, resume=False).settings["seed"] == 5


def test_trimmed_vectors_are_what_ties_keeps_before_its_mean(world):
    model, finetuned, _ = world
    theta0 = {name: value.detach() for name, value in model.state_dict().items()}
    views = {name: taujp.open_checkpoint(one) for name, one in finetuned.items()}
    kept = trimmed(theta0, views, 0.2)
    options = {"density": 0.2, "trim": "model", "normalize": False}
    expected = taujp.merge_many(list(finetuned.values()), [1, 1], theta0, method="ties", **options)
    for name, start in theta0.items():
        total = start + sum(one[name] - start for one in kept.values())
        torch.testing.assert_close(total, expected[name], rtol=1e-5, atol=1e-6)
    moved = sum(int((kept["a"][name] != theta0[name]).sum()) for name in theta0)
    assert 0 < moved <= 0.2 * sum(value.numel() for value in theta0.values())
    found = learned(world, by="task", trim=0.2, steps=2)
    assert found.settings["trim"] == 0.2
    merged = found.merged(theta0, finetuned)
    by_hand = taujp.merge_many(list(kept.values()), found.table[0], theta0)
    for name, value in merged.items():
        torch.testing.assert_close(value, by_hand[name], rtol=1e-6, atol=1e-6)
    with pytest.raises(MergeError, match="expected the same tasks"):
        found.merged(theta0, {"a": finetuned["a"]})


def test_tied_weights_are_one():
    """A head tied to the embedding: one coefficient, both of its uses in the gradient."""

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(7, 5)
            self.head = nn.Linear(5, 7, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, ids):
            return self.head(self.embedding(ids).mean(1))

    torch.manual_seed(0)
    model, ids = Tied(), torch.arange(24).reshape(8, 3) % 7
    data = TensorDataset(ids, torch.zeros(8))
    task = PreparedTask("words", None, Splits(data, data, data))
    weight = model.embedding.weight.detach().clone()
    tau = 0.5 * torch.randn(7, 5)
    tuned = {"embedding.weight": weight + tau, "head.weight": weight + tau}
    found = taujp.adamerging(
        model, {"words": tuned}, [task], by="task", steps=1, learning_rate=0.1, batch_size=8
    )
    c = torch.tensor(0.3, requires_grad=True)
    logits = (weight + c * tau)[ids].mean(1) @ (weight + c * tau).T
    p = logits.softmax(-1)
    (-(p * p.log()).sum(-1).mean()).backward()
    assert found.table[0][0] == pytest.approx(0.3 - 0.1 * float(c.grad.sign()), abs=1e-4)
    merged = found.merged(
        {"embedding.weight": weight, "head.weight": weight.clone()}, {"words": tuned}
    )
    assert torch.equal(merged["embedding.weight"], merged["head.weight"])
    assert not torch.equal(merged["head.weight"], weight)


def test_open_clip_models_learn_on_their_image_encoders():
    model = small_clip()
    tasks = small_tasks(model)
    before = copy.deepcopy(model.state_dict())
    finetuned = {
        task.name: {n: t + 0.1 * torch.randn_like(t) for n, t in before.items()} for task in tasks
    }
    found = taujp.adamerging(model, finetuned, tasks, by="layer", steps=3, batch_size=8)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert "visual.transformer.resblocks.0" in found.groups
    assert found.coefs["*"] == [0.0, 0.0]
    merged = taujp.merge_many(list(finetuned.values()), found.coefs, before)
    again = found.merged(before, finetuned)
    assert list(again) == list(before)
    assert all(torch.equal(value, merged[name]) for name, value in again.items())
    assert torch.equal(merged["token_embedding.weight"], before["token_embedding.weight"])


def test_transformers_classifiers_learn_too():
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=16, num_labels=3,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config).eval()

    class Texts(torch.utils.data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, index):
            ids = torch.arange(index, index + 7) % 40
            return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, index % 3

    task = PreparedTask("texts", None, Splits(Texts(), Texts(), Texts()))
    tuned = {n: t + 0.1 * torch.randn_like(t.float()) for n, t in model.state_dict().items()}
    found = taujp.adamerging(
        model, {"texts": tuned}, [task], by="task", steps=4, learning_rate=0.05, batch_size=6
    )
    assert found.table[0][0] != 0.3
    assert all(math.isfinite(one) for row in found.entropies for one in row)


def test_adapters_are_taken_as_the_models_they_make(world, tmp_path):
    model, _, tasks = world
    before = copy.deepcopy(model.state_dict())
    folders, states = {}, {}
    for seed, name in enumerate(("a", "b")):
        tensors = on_modules({"0": (10, 6), "2": (8, 10)}, seed=seed)
        folders[name] = write_adapter(tmp_path / name, tensors, target_modules=["0", "2"])
        states[name] = to_state_dict(open_adapted(open_checkpoint(before), folders[name]))
    found = learned((model, folders, tasks), steps=5)
    assert found.table == learned((model, states, tasks), steps=5).table
    data = {name: [torch.randn(30, 6)] for name in folders}
    merged = [taujp.regmean_plus_plus(model, one, data) for one in (folders, states)]
    assert all(torch.equal(value, merged[1][name]) for name, value in merged[0].items())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"by": "block"}, "by is 'block'"),
        ({"steps": -1}, "steps is -1"),
        ({"clamp": (1.0, 0.0)}, r"clamp is \(1.0, 0.0\)"),
        ({"trim": 0.0}, "trim is 0.0"),
        ({"trim": "all"}, "trim is 'all'"),
        ({"steps": 1.5}, "steps is 1.5; expected a whole number, at least 0"),
        ({"batch_size": 0}, "batch_size is 0; expected a whole number, at least 1"),
        ({"batch_size": -3}, "batch_size is -3"),  # once ran for ever
        ({"save_every": 0}, "save_every is 0"),
        ({"start": float("inf")}, "start is inf"),
        ({"learning_rate": "low"}, "learning_rate is 'low'"),
        ({"clamp": 0.5}, "clamp is 0.5"),
        ({"clamp": (1.0,)}, r"clamp is \(1.0,\)"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"seed": "a"}, "seed is 'a'"),
        ({"out": "."}, "out '.' is a folder"),
    ],
)
def test_options_that_make_no_sense(world, options, told):
    with pytest.raises(MergeError, match=rf"^adamerging: {told}"):
        learned(world, **options)


def test_inputs_that_do_not_fit(world, tmp_path):
    model, finetuned, tasks = world
    with pytest.raises(MergeError, match=r"data of \['a'\] and checkpoints of \['a', 'b'\]"):
        taujp.adamerging(model, finetuned, tasks[:1])
    broken = {**finetuned, "b": {"0.weight": torch.ones(10, 6)}}
    with pytest.raises(MergeError, match="lacks 3 of the model's weights"):
        taujp.adamerging(model, broken, tasks)
    data = TensorDataset(torch.full((4, 6), torch.nan), torch.zeros(4))
    nan = [replace(tasks[0], splits=Splits(data, data, data)), tasks[1]]
    with pytest.raises(FloatingPointError, match="the entropy of 'a' is nan at step 0"):
        taujp.adamerging(model, finetuned, nan, batch_size=4)
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(MergeError, match="holds no learned coefficients"):
        load_learned(tmp_path / "other.json")


def some(dataset, count):
    return Subset(dataset, range(0, len(dataset), max(1, len(dataset) // count)))


def test_on_the_demos_tasks_data_help(tmp_path):
    """Two tasks of the demo: learned coefficients against 0.3, regression against the average."""
    demo = load_demo_model()
    model = demo.model
    recipe = Recipe(
        steps=25, batch_size=40, learning_rate=1e-3, weight_decay=0.0, warmup_steps=3, seed=0
    )
    tasks, finetuned, grams = [], {}, []
    own = copy.deepcopy(model)
    for name in ("digits", "letters"):
        task = prepare(find_task(name), model, demo.tokenizer, demo.transform)
        finetuned[name] = tmp_path / f"{name}.safetensors"
        finetune(model, task.head, task.splits.train, recipe, out=finetuned[name], progress=False)
        own.load_state_dict(taujp.merge_many([finetuned[name]], [1.0]), strict=False)
        grams.append(taujp.gather_grams(own, task.splits.train, examples=128))
        splits = task.splits
        small = Splits(splits.train, splits.validation, some(splits.test, 250))
        tasks.append(replace(task, splits=small))
    base = {n: t for n, t in model.state_dict().items() if n.startswith("visual.")}
    ckpts = [taujp.merge_many([path], [1.0]) for path in finetuned.values()]
    ckpts = [{name: one[name] for name in base} for one in ckpts]

    def mean_accuracy(state):
        own.load_state_dict(state, strict=False)
        return sum(accuracy(own, task.head, task.splits.test) for task in tasks) / len(tasks)

    found = taujp.adamerging(model, finetuned, tasks, steps=25, learning_rate=1e-2)
    added = mean_accuracy(taujp.merge_many(ckpts, [0.3, 0.3], base))
    assert mean_accuracy(found.merged(base, finetuned)) > added + 0.03
    average = mean_accuracy(taujp.merge_many(ckpts, [1, 1], method="average"))
    regressed = taujp.merge_many(ckpts, [1, 1], method="regmean", grams=grams)
    live = taujp.regmean_plus_plus(
        model, finetuned, {task.name: task.splits.train for task in tasks}, examples=128
    )
    assert mean_accuracy(regressed) > average + 0.01
    assert mean_accuracy(live) > average + 0.01
