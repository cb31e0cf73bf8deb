"""Gram matrices, the merge by regression that they make, and RegMean++ layer by layer."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from torch.utils.data import TensorDataset

import taujp
from reference_merge_data import regmean
from small_clip import small_clip, small_tasks
from small_models import Tokens
from states import on
from taujp import MergeError
from taujp.cli import main
from taujp.statistics import Statistics
from tolerance import TOLERANCE, assert_same_bits

ROW = [1.0, 0.5, 2.0]
SHAPES = {"a.weight": (13, 29), "a.bias": (13,), "b.weight": (5, 5), "embed": (7, 3, 2)}


def random_world(count: int = 3, dtype: torch.dtype = torch.float32, seed: int = 0):
    """A base, fine-tunes, and Gram matrices of correlated inputs for the matrices."""
    generator = torch.Generator().manual_seed(seed)

    def like(shape):
        return torch.randn(shape, generator=generator).to(dtype)

    base = {name: like(shape) for name, shape in SHAPES.items()}
    ckpts = [{name: t + 0.3 * like(t.shape) for name, t in base.items()} for _ in range(count)]
    grams = []
    for _ in range(count):
        inputs = {n: like((90, s[1])).float() @ like((s[1], s[1])).float() for n, s in matrices()}
        grams.append({name: x.T @ x / len(x) for name, x in inputs.items()})
    return base, ckpts, grams


def matrices():
    return [(name, shape) for name, shape in SHAPES.items() if len(shape) == 2]


@pytest.mark.parametrize("based", [True, False])
@pytest.mark.parametrize("scale", [0.95, 0.3])
def test_twin(based, scale, device, dtype):
    base, ckpts, grams = random_world(dtype=dtype)
    theta0 = on(device, base) if based else None
    found = taujp.merge_many(
        [on(device, c) for c in ckpts], ROW, theta0, method="regmean", grams=grams, scale=scale
    )
    for name, shape in SHAPES.items():
        values = [c[name] for c in ckpts]
        if len(shape) == 2:
            twin = regmean(values, ROW, [g[name] for g in grams], scale)
        else:
            twin = sum(c * v.double() for c, v in zip(ROW, values, strict=True)) / sum(ROW)
        close = {"rtol": TOLERANCE[dtype].value + 1e-6, "atol": 2e-6}
        torch.testing.assert_close(found[name].cpu().double(), twin, **close)


def test_it_is_the_least_squares_solution():
    """Among all W it minimises sum_i mean |W x - W_i x|^2: the gradient there is 0."""
    torch.manual_seed(0)
    inputs = [torch.randn(50, 6).double() @ torch.randn(6, 6).double() for _ in range(2)]
    weights = [torch.randn(4, 6) for _ in range(2)]
    grams = [{"w": (x.T @ x / len(x)).float()} for x in inputs]
    (merged,) = taujp.merge_many(
        [{"w": w} for w in weights], [1, 1], method="regmean", grams=grams, scale=1.0
    ).values()
    w = merged.double().requires_grad_()
    pairs = zip(inputs, weights, strict=True)
    loss = sum((x @ (w - own.double()).T).square().sum(1).mean() for x, own in pairs)
    (gradient,) = torch.autograd.grad(loss, w)
    assert gradient.norm() < 1e-4 * loss.detach()


def test_properties():
    base, ckpts, grams = random_world()
    merge = dict(method="regmean", base=base)
    one = taujp.merge_many(ckpts[:1], [0.7], grams=grams[:1], **merge)
    equal = taujp.merge_many([ckpts[0]] * 3, ROW, grams=grams, **merge)
    there = taujp.merge_many(ckpts, ROW, grams=grams, **merge)
    back = taujp.merge_many(ckpts[::-1], ROW[::-1], grams=grams[::-1], **merge)
    alike = taujp.merge_many(ckpts, ROW, grams=grams[:1] * 3, **merge)
    diagonal = taujp.merge_many(ckpts, ROW, grams=[spread(g) for g in grams], scale=0.0, **merge)
    average = taujp.merge_many(ckpts, ROW, method="average")
    none = taujp.merge_many(ckpts, ROW, grams=grams, lambda_=0.0, **merge)
    for name, theta in ckpts[0].items():
        torch.testing.assert_close(one[name], theta, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(equal[name], theta, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(back[name], there[name], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(alike[name], average[name], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(diagonal[name], average[name], rtol=1e-5, atol=1e-5)
        assert torch.equal(none[name], base[name])


def spread(grams):
    """The same diagonal everywhere: with scale 0 nothing else counts."""
    return {
        name: g * 0.1 + torch.eye(len(g)) - (g * 0.1).diagonal().diag() for name, g in grams.items()
    }


def test_directions_without_inputs_are_as_in_the_average():
    weights = [torch.randn(4, 5), torch.randn(4, 5)]
    gram = torch.diag(torch.tensor([3.0, 0.0, 1.0, 2.0, 0.0]))
    ckpts, grams = [{"w": w} for w in weights], [{"w": gram}, {"w": gram.flip(0, 1) * 0}]
    (found,) = taujp.merge_many(ckpts, [1, 3], method="regmean", grams=grams).values()
    seen = gram.diagonal() > 0
    torch.testing.assert_close(found[:, seen], weights[0][:, seen], rtol=1e-6, atol=1e-6)
    mean = (weights[0] + 3 * weights[1]) / 4
    torch.testing.assert_close(found[:, ~seen], mean[:, ~seen], rtol=1e-6, atol=1e-6)
    nothing = [{"w": torch.zeros(5, 5)}] * 2
    (found,) = taujp.merge_many(ckpts, [1, 3], method="regmean", grams=nothing).values()
    torch.testing.assert_close(found, mean, rtol=1e-6, atol=1e-6)


def test_matrices_without_a_gram_are_averaged_and_told():
    base, ckpts, grams = random_world(2)
    del grams[1]["b.weight"]
    with pytest.warns(
        UserWarning, match=r"regmean: 1 parameters are not in all of grams.*b.weight"
    ):
        found = taujp.merge_many(ckpts, [1, 1], base, method="regmean", grams=grams)
    mean = (ckpts[0]["b.weight"] + ckpts[1]["b.weight"]) / 2
    torch.testing.assert_close(found["b.weight"], mean, rtol=1e-5, atol=1e-6)


def test_files_give_the_bits_of_memory(tmp_path):
    base, ckpts, grams = random_world(dtype=torch.bfloat16)
    paths = [tmp_path / f"{i}.safetensors" for i in range(4)]
    for path, one in zip(paths, (base, *ckpts), strict=True):
        save_file(one, path)
    sets = [
        Statistics("grams", one, {}).save(tmp_path / f"{i}-grams.safetensors")
        for i, one in enumerate(grams)
    ]
    out = tmp_path / "merged.safetensors"
    rows = [ROW, [0.0, 1.0, 0.0]]
    taujp.merge_many(paths[1:], rows[0], paths[0], method="regmean", grams=sets, out=out)
    expected = taujp.merge_many(ckpts, rows[0], base, method="regmean", grams=grams)
    for name, tensor in load_file(out).items():
        assert_same_bits(tensor, expected[name], name)
    with safe_open(out, "pt") as file:
        told = json.loads(file.metadata()["taujp"])["options"]["grams"]
    assert told[0].startswith("0-grams.safetensors, ")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda g: None, "grams is missing"),
        (lambda g: g[:1], "grams has 1 sets for 2"),
        (
            lambda g: [{**g[0], "a.weight": torch.eye(13)}, g[1]],
            r"shape \(13, 13\), not \(29, 29\)",
        ),
        (
            lambda g: [{**g[0], "a.weight": torch.full((29, 29), torch.nan)}, g[1]],
            "NaN or Inf in 'a",
        ),
        (lambda g: [Statistics("fisher", one, {}) for one in g], "holds 'fisher'"),
    ],
)
def test_statistics_that_do_not_fit(change, told):
    base, ckpts, grams = random_world(2)
    with pytest.raises(MergeError, match=told):
        taujp.merge_many(ckpts, [1, 1], base, method="regmean", grams=change(grams))


def test_scale_lies_between_0_and_1():
    base, ckpts, grams = random_world(2)
    with pytest.raises(MergeError, match=r"scale is 1\.5"):
        taujp.merge_many(ckpts, [1, 1], base, method="regmean", grams=grams, scale=1.5)


def hooked(model, inputs) -> dict[str, torch.Tensor]:
    """The inputs' mean products of every Linear, from its own hook."""
    seen: dict[str, list[torch.Tensor]] = {}
    hooks = [
        part.register_forward_pre_hook(
            lambda _, args, name=name: seen.setdefault(f"{name}.weight", []).append(args[0])
        )
        for name, part in model.named_modules()
        if type(part) is nn.Linear
    ]
    with torch.no_grad():
        model(inputs)
    for hook in hooks:
        hook.remove()
    flat = {n: torch.cat([x.reshape(-1, x.shape[-1]) for x in xs]) for n, xs in seen.items()}
    return {name: x.T @ x / len(x) for name, x in flat.items()}


def test_gathered_with_what_attention_packs():
    torch.manual_seed(0)
    model = Tokens().eval()
    inputs = torch.randn(10, 4, 16)
    found = taujp.gather_grams(model, [inputs[:3], inputs[3:]], examples=10)
    for name, gram in hooked(model, inputs).items():
        torch.testing.assert_close(found.tensors[name], gram, rtol=1e-4, atol=1e-5)
    y = model.blocks[0].ln_1(inputs).reshape(-1, 16)
    packed = found.tensors["blocks.0.attn.in_proj_weight"]
    torch.testing.assert_close(packed, (y.T @ y / 40).detach(), rtol=1e-4, atol=1e-5)
    assert "blocks.1.attn.out_proj.weight" in found.tensors
    assert found.settings["rows"]["blocks.0.mlp.0.weight"] == 40
    assert found.settings["examples"] == 10


def test_half_precision_models_have_sums_in_full_precision():
    model = nn.Sequential(nn.Linear(6, 6, bias=False)).to(torch.bfloat16)
    inputs = torch.randn(700, 6)
    found = taujp.gather_grams(model, [inputs], examples=700)
    x = inputs.to(torch.bfloat16).double()
    close = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(found.tensors["0.weight"].double(), x.T @ x / 700, **close)
    exact = taujp.gather_grams(model, [inputs], examples=700, dtype=torch.float64)
    assert exact.tensors["0.weight"].dtype == torch.float64
    with pytest.raises(ValueError, match="dtype is"):
        taujp.gather_grams(model, [inputs], dtype=torch.bfloat16)


def test_of_an_open_clip_model():
    model = small_clip()
    task = small_tasks(model)[0]
    found = taujp.gather_grams(model, task.splits.train, examples=9)
    block = "visual.transformer.resblocks.0"
    names = {"attn.in_proj_weight", "attn.out_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"}
    assert found.tensors.keys() == {f"{block}.{name}" for name in names}
    assert found.tensors[f"{block}.mlp.c_proj.weight"].shape == (64, 64)


def test_of_a_gpt2_whose_weights_are_inputs_first():
    """Conv1D's [in, out], square ones too; the head is tied to the embedding and has none."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=1, n_head=2)
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config).eval()
    batch = {"input_ids": torch.randint(0, 40, (6, 9))}
    found = taujp.gather_grams(model, [batch], examples=6)
    block = "transformer.h.0"
    square = f"{block}.attn.c_proj.weight"
    assert found.tensors.keys() == {
        square, f"{block}.attn.c_attn.weight", f"{block}.mlp.c_fc.weight",
        f"{block}.mlp.c_proj.weight",
    }  # fmt: skip
    assert found.settings["inputs_first"] == sorted(found.tensors)
    state = {name: value.detach() for name, value in model.named_parameters()}
    ckpts = [{n: v + 0.1 * torch.randn_like(v) for n, v in state.items()} for _ in range(2)]
    other = taujp.gather_grams(model, [{"input_ids": torch.randint(0, 9, (6, 9))}], examples=6)
    with pytest.warns(
        UserWarning, match=r"wte.weight, transformer.wpe|wpe.weight, transformer.wte"
    ):
        merged = taujp.merge_many(ckpts, [1, 1], state, method="regmean", grams=[found, other])
    for name in found.tensors:
        weights = [c[name].T for c in ckpts]
        grams = [one.tensors[name] for one in (found, other)]
        twin = regmean(weights, [1, 1], grams, 0.95).T
        torch.testing.assert_close(merged[name].double(), twin, rtol=1e-5, atol=1e-5)


def test_a_model_without_linear_layers():
    with pytest.raises(ValueError, match="no linear layer ran"):
        taujp.gather_grams(nn.Sequential(nn.Conv2d(3, 4, 2)), [torch.randn(2, 3, 4, 4)])


def test_the_command_gathers(tmp_path, capsys):
    out = tmp_path / "grams.safetensors"
    arguments = ["statistics", "grams", "--model", "demo", "--task", "digits", "--images", "3"]
    assert main([*arguments, "-o", str(out)]) == 0
    assert "grams of" in capsys.readouterr().out
    found = taujp.load_statistics(out)
    assert found.settings["examples"] == 3
    model = {name: torch.randn(5, t.shape[0]) for name, t in found.tensors.items()}
    merged = taujp.merge_many([model, model], [1, 1], method="regmean", grams=[out, found])
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, model[name], rtol=1e-4, atol=1e-4)
    save_file({"a": torch.ones(2)}, tmp_path / "other.safetensors")
    wrong = ["--ckpt", str(tmp_path / "other.safetensors")]
    assert main([*arguments, *wrong, "-o", str(out)]) == 1
    assert "lacks" in capsys.readouterr().err


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
