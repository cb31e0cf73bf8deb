"""Kronecker factors: what they are of, where the estimate is exact, their files and sums."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import TensorDataset

import taujp
from exact_factors import X, at, exact
from small_clip import colour_images, small_clip
from small_models import assert_same, some_tau, tokens_model, twin
from taujp.cli import main
from taujp.tangent.kronecker import gather_factors, load_factors, sum_factors
from taujp.tangent.kronecker.factors import quadratic_factors
from taujp.tangent.kronecker.sums import as_matrix
from taujp.train.penalties import Kronecker

# Where it is exact


@pytest.mark.parametrize("bias", [True, False])
def test_one_linear_layer_is_exact(bias):
    torch.manual_seed(0)
    model, x = nn.Linear(5, 3, bias=bias).double(), torch.randn(7, 5, dtype=torch.float64)
    tau = some_tau(model)
    value = Kronecker(exact(model, x)).value({}, at(model, tau))
    assert_same(value.detach(), twin(model, tau, x)[1].square().sum(-1).mean())


@pytest.mark.parametrize("name", ["blocks.0.ln_1.weight", "blocks.1.ln_2.bias"])
def test_a_vector_is_exact(name):
    model = tokens_model()
    tau = {name: some_tau(model)[name]}
    lin = at(model, {**{n: torch.zeros_like(p) for n, p in model.named_parameters()}, **tau})
    value = Kronecker(exact(model, X)).value({}, lin)
    assert_same(value.detach(), twin(model, tau, X)[1].square().sum(-1).mean(), 1e-10)


def test_tokens_that_share_their_gradient_are_exact():
    """What is summed over tokens, as in a mean, sees every token's part of the others."""
    torch.manual_seed(0)

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Linear(5, 3).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.map(x).mean(1)

    model, x = Mean(), torch.randn(7, 4, 5, dtype=torch.float64)
    tau = some_tau(model)
    value = Kronecker(exact(model, x)).value({}, at(model, tau))
    assert_same(value.detach(), twin(model, tau, x)[1].square().sum(-1).mean())


def test_the_mean_over_random_changes_is_exact():
    """tr(left) tr(right) / trace = E ||S||^2, which is the mean over dW of unit variance."""
    model, factors = tokens_model(), exact(tokens_model(), X)
    gradients = by_autograd(model, X)
    for block in factors.blocks.values():
        left, right = quadratic_factors(block)
        names = [name for name in (block.weight, block.bias) if name]
        rows = [g[name][block.first : block.last] for name in names for g in gradients]
        assert_same(left.trace() * right.trace(), sum(r.square().sum() for r in rows) / len(X))


# What the factors are


def by_autograd(model: nn.Module, x: Tensor) -> list[dict[str, Tensor]]:
    """The gradient of every output of every image by every parameter."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = []
    for image in x.split(1):
        for output in model(image).flatten():
            grads = torch.autograd.grad(output, parameters, retain_graph=True)
            found.append(dict(zip(names, grads, strict=True)))
    return found


class Mixed(nn.Module):
    """A convolution, embeddings, a map used twice, one written over, a matrix without a module."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 6, 2, stride=2, bias=False)
        self.cls, self.places = nn.Parameter(torch.randn(6)), nn.Parameter(torch.randn(5, 6))
        self.twice, self.gate = nn.Linear(6, 6), nn.Linear(6, 6)
        self.tied = nn.Linear(6, 6)
        self.attn = nn.MultiheadAttention(6, 2)  # tokens first
        self.cross = nn.MultiheadAttention(6, 2, kdim=5, vdim=5, batch_first=True)
        self.proj, self.scale = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.ones(()))
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), 1, -1), x], dim=1) + self.places
        x = torch.tanh(self.twice(torch.tanh(self.twice(x))))
        x = x + functional.relu(self.gate(x), inplace=True)
        y = x.transpose(0, 1)
        x = x + self.attn(y, y, y, need_weights=False)[0].transpose(0, 1)
        x = x + self.cross(x, x[..., :5], x[..., 1:])[0]
        x = x + self.tied(x) + x @ self.tied.weight
        return self.scale * x[:, 0] @ self.proj


def test_every_parameter_has_its_gradients_outer_products():
    model, x = Mixed(), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    factors, gradients = exact(model, x), by_autograd(model, x)
    assert factors.parameters == {name for name, _ in model.named_parameters()}
    for key, block in factors.blocks.items():
        left, right = torch.zeros_like(block.left), torch.zeros_like(block.right)
        for found in gradients:
            s = as_matrix(found[block.weight])[block.first : block.last]
            if block.bias:
                s = torch.cat([s, found[block.bias][block.first : block.last, None]], dim=1)
            left, right = left + s @ s.T, right + s.T @ s
        assert_same(block.left, left / len(x), what=f"{key} left")
        assert_same(block.right, right / len(x), what=f"{key} right")


def test_the_packed_projection_of_attention_is_three_blocks():
    blocks = exact(tokens_model(), X[:1]).blocks
    packed = [b for b in blocks.values() if b.weight == "blocks.0.attn.in_proj_weight"]
    assert [(b.first, b.last) for b in packed] == [(0, 16), (16, 32), (32, 48)]
    assert all(b.bias == "blocks.0.attn.in_proj_bias" and len(b.right) == 17 for b in packed)


def test_random_draws_come_to_the_exact_factors():
    model = nn.Linear(5, 3).double()
    x = torch.randn(1, 5, dtype=torch.float64)
    drawn = gather_factors(model, None, [x], draws=4000, normalised=False).blocks["weight[0:3]"]
    right = exact(model, x).blocks["weight[0:3]"].right
    assert_same(drawn.right, right, 0.1)


def test_normalised_factors_are_of_the_normalised_features():
    model = tokens_model()
    tau = {"head.bias": some_tau(model)["head.bias"]}
    factors = gather_factors(model, None, [X], draws=None, exclude=["blocks*", "head.weight"])
    lin = taujp.linearize(model, trainable=["head.bias"], normalised=True)
    with torch.no_grad():
        lin.module.get_parameter("head.bias").add_(tau["head.bias"])
        expected = lin.dual(X)[1].square().sum(-1).mean()
    assert_same(Kronecker(factors).value({}, lin).detach(), expected)


def test_images_are_drawn_from_all_of_a_data_set():
    model = nn.Linear(1, 1, bias=False).double()
    data = TensorDataset(torch.arange(100.0, dtype=torch.float64)[:, None])
    few = [gather_factors(model, None, data, images=10, seed=seed) for seed in (0, 0, 1)]
    assert all(one.settings["images"] == 10 for one in few)
    first, again, other = (one.described() for one in few)
    assert first == again
    assert first != other


def test_a_model_that_gives_no_features_is_refused():
    with pytest.raises(ValueError, match=r"gives \(1, 4, 16\); expected features \[n, width\]"):
        gather_factors(tokens_model().blocks, None, [X])
    with pytest.raises(ValueError, match="images is 0; expected at least 1"):
        gather_factors(tokens_model(), None, [X], images=0)
    with pytest.raises(ValueError, match="not one image"):
        gather_factors(tokens_model(), None, [])


def test_a_parameter_too_wide_is_refused():
    model = nn.Sequential(nn.Embedding(9000, 2), nn.Flatten()).double()
    with pytest.raises(ValueError, match=r"'0.weight' needs a factor of 9000 x 9000.*exclude"):
        gather_factors(model, None, [torch.zeros(1, 1, dtype=torch.long)])


def test_an_open_clip_encoder_is_covered_and_estimated():
    """Of a random change the estimate is near the sum over blocks of E ||J_l tau_l||^2."""
    model, data = small_clip().double(), colour_images(32, 0)
    images = data.tensors[0].double()
    factors = gather_factors(model, None, [images], draws=8, normalised=False)
    encoder = model.visual
    assert factors.parameters == {name for name, _ in encoder.named_parameters()}
    tau = some_tau(encoder, scale=0.01)
    lin = taujp.linearize(encoder)
    names = {(b.weight, b.bias) for b in factors.blocks.values()}
    parts = [{name: tau[name] for name in pair if name} for pair in sorted(names, key=str)]
    truth = sum(
        df.square().sum(-1).mean().item() for df in lin.tangents(images, task_vectors=parts)[1]
    )
    value = Kronecker(factors).value({}, at(encoder, tau)).item()
    assert 0.7 * truth < value < 1.3 * truth


# Files and sums


def test_sums_are_those_of_all_images_together():
    model, parts = tokens_model(), (X[:2], X[2:4], X[4:])
    all_images = exact(model, X)
    summed = sum_factors([exact(model, part, settings={"tasks": ["t"]}) for part in parts])
    assert summed.settings["tasks"] == ["t"] * 3
    for key, block in all_images.blocks.items():
        assert_same(summed.blocks[key].left, 3 * block.left)
        assert_same(summed.blocks[key].right, 3 * block.right)
    lin = at(model, some_tau(model))
    values = [Kronecker(factors).value({}, lin).item() for factors in (summed, all_images)]
    assert values[0] == pytest.approx(3 * values[1], rel=1e-12)


def test_factors_survive_their_file(tmp_path):
    model, path = tokens_model(), tmp_path / "new" / "digits.safetensors"
    factors = exact(model, X[:2], settings={"model": "small", "tasks": ["digits"]})
    assert factors.save(path) == path
    again = load_factors(path)
    assert again.settings == factors.settings
    assert again.settings["images"] == 2
    lin = at(model, some_tau(model))
    assert torch.equal(Kronecker(path).value({}, lin), Kronecker(factors).value({}, lin))
    save_file({"x": torch.ones(2)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="holds no factors"):
        load_factors(tmp_path / "x.safetensors")


def test_factors_of_different_models_cannot_be_summed():
    mine = exact(tokens_model(), X[:1])
    with pytest.raises(ValueError, match="differ in"):
        sum_factors([mine, exact(nn.Linear(5, 3).double(), torch.ones(1, 5).double())])
    with pytest.raises(ValueError, match=r"normalised is False .* True"):
        sum_factors([mine, gather_factors(tokens_model(), None, [X[:1]])])
    with pytest.raises(ValueError, match="no factors came"):
        sum_factors([])


def test_the_command_writes_factors(tmp_path, capsys):
    path = tmp_path / "digits.safetensors"
    command = f"factors --model demo --task digits --images 3 --draws 1 --seed 5 -o {path}"
    assert main(command.split()) == 0
    assert "blocks of 3 images" in capsys.readouterr().out
    settings = load_factors(path).settings
    assert settings["tasks"] == ["digits"]
    assert {**settings} | {"images": 3, "draws": 1, "seed": 5, "model": "demo"} == settings
