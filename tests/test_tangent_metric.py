"""tauJp, its matrix, its layers and the cached features, against plain torch.func in float64."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import taujp
from small_models import moved, some_tau, tokens_model, twin
from taujp.tangent.attribution import layer_groups


class Whole(nn.Module):
    """Stands for an open_clip model: an image encoder beside weights that play no part."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual, self.text = visual, nn.Linear(2, 2).double()


@pytest.fixture
def model():
    return tokens_model()


@pytest.fixture
def taus(model):
    return {name: some_tau(model, seed=seed) for seed, name in enumerate("abc")}


def images(seed: int, count: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, 16, generator=generator, dtype=torch.float64)


def expected(model: nn.Module, tau: dict[str, Tensor], x: Tensor) -> float:
    return twin(model, tau, x)[1].norm(dim=-1).mean().item()


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_tau_jp_is_the_mean_norm_of_the_jvp(model, taus, batch):
    x = images(0)
    value = taujp.tau_jp(model, None, taus["a"], DataLoader(TensorDataset(x), batch))
    assert value == pytest.approx(expected(model, taus["a"], x), rel=1e-12)


def test_a_data_set_with_labels_a_list_and_chunks_give_the_same(model, taus):
    x = images(0)
    value = taujp.tau_jp(model, None, taus["a"], [x])
    labelled = TensorDataset(x, torch.arange(7))
    assert taujp.tau_jp(model, None, taus["a"], labelled, batch_size=2) == pytest.approx(value)
    assert taujp.tau_jp(model, None, taus["a"], [x], chunk=2) == pytest.approx(value)


def test_tau_jp_is_of_degree_one_and_zero_at_zero(model, taus):
    x = images(0)
    value = taujp.tau_jp(model, None, taus["a"], [x])
    tripled = {name: -3 * tau for name, tau in taus["a"].items()}
    assert taujp.tau_jp(model, None, tripled, [x]) == pytest.approx(3 * value, rel=1e-12)
    nothing = {name: torch.zeros_like(tau) for name, tau in taus["a"].items()}
    assert taujp.tau_jp(model, None, nothing, [x]) == 0


def test_the_matrix_is_tau_jp_of_every_pair(model, taus):
    loaders = {"one": [images(0)], "two": [images(1, 3), images(2, 5)]}
    matrix = taujp.tau_jp_matrix(model, None, taus, loaders)
    assert (matrix.tasks, matrix.data) == (("a", "b", "c"), ("one", "two"))
    for task, tau in taus.items():
        for data, loader in loaders.items():
            single = taujp.tau_jp(model, None, tau, loader)
            assert matrix.value(task, data) == pytest.approx(single, rel=1e-12)


def test_task_vectors_may_come_in_any_form(model, taus, tmp_path):
    x, path = images(0), tmp_path / "theta.safetensors"
    whole = Whole(model)
    save_file({f"visual.{name}": value for name, value in moved(model, taus["a"]).items()}, path)
    value = taujp.tau_jp(model, None, taus["a"], [x])
    base = whole.float().state_dict()
    whole.double()
    vector = taujp.TaskVector(
        {name: base[name] for name in base if name.startswith("visual.")},
        {f"visual.{name}": value.float() for name, value in moved(model, taus["a"]).items()},
    )
    saved = vector.save(tmp_path / "tau.safetensors")
    prefixed = {f"visual.{name}": tau for name, tau in taus["a"].items()}
    prefixed["text.weight"] = torch.ones(2, 2)
    for source in (path, prefixed, taus["a"], vector, saved):
        assert taujp.tau_jp(whole, None, source, [x]) == pytest.approx(value, rel=1e-5)


def test_a_sum_of_task_vectors_is_the_sum_of_the_taus(model, taus):
    x, base = images(0), {name: value.float() for name, value in model.state_dict().items()}
    vectors = [
        taujp.TaskVector(base, {n: base[n] + tau.float() for n, tau in taus[key].items()})
        for key in "ab"
    ]
    both = {name: taus["a"][name] - 0.5 * taus["b"][name] for name in taus["a"]}
    value = taujp.tau_jp(model, None, vectors[0] - 0.5 * vectors[1], [x])
    assert value == pytest.approx(taujp.tau_jp(model, None, both, [x]), rel=1e-5)
    assert taujp.tau_jp(model, None, vectors[0] - vectors[0], [x]) == 0


def test_base_is_where_the_jacobian_is_taken(model, taus, tmp_path):
    x, other = images(0), tokens_model(seed=5)
    value = taujp.tau_jp(model, other.state_dict(), taus["a"], [x])
    assert value == pytest.approx(expected(other, taus["a"], x), rel=1e-12)
    assert value != pytest.approx(taujp.tau_jp(model, None, taus["a"], [x]), rel=1e-3)
    path = tmp_path / "base.safetensors"
    save_file(other.state_dict(), path)
    assert taujp.tau_jp(model, path, taus["a"], [x]) == pytest.approx(value, rel=1e-12)
    theta = {name: value + taus["a"][name] for name, value in other.state_dict().items()}
    save_file(theta, tmp_path / "theta.safetensors")
    from_file = taujp.tau_jp(model, path, tmp_path / "theta.safetensors", [x])
    assert from_file == pytest.approx(value, rel=1e-10)


def test_an_empty_loader_is_an_error(model, taus):
    with pytest.raises(ValueError, match="not one image"):
        taujp.tau_jp(model, None, taus["a"], [])
    with pytest.raises(ValueError, match="not one image"):
        taujp.tau_jp(model, None, taus["a"], TensorDataset(images(0, 0)))


def test_a_batch_of_something_else_is_an_error(model, taus):
    with pytest.raises(ValueError, match="a batch is a dict"):
        taujp.tau_jp(model, None, taus["a"], [{"image": images(0)}])


def test_names_and_shapes_that_do_not_match_are_errors(model, taus):
    x, tau = [images(0)], taus["a"]
    with pytest.raises(ValueError, match=r"no \['other'\]"):
        taujp.tau_jp(model, None, {**tau, "other": torch.ones(2)}, x)
    with pytest.raises(ValueError, match=r"'head.bias' has shape \(3,\); the encoder has \(5,\)"):
        taujp.tau_jp(model, None, {**tau, "head.bias": torch.ones(3)}, x)
    with pytest.raises(ValueError, match=r"has no tensor 'blocks"):
        taujp.tau_jp(model, {"head.bias": torch.ones(5)}, tau, x)
    with pytest.raises(ValueError, match="0 names"):
        taujp.tau_jp(model, None, {}, x)
    with pytest.raises(ValueError, match="came a float"):
        taujp.tau_jp(model, None, 1.0, x)
    with pytest.raises(ValueError, match="0 task vectors and 1 loaders"):
        taujp.tau_jp_matrix(model, None, {}, {"one": x})


def test_names_left_out_of_a_mapping_do_not_move(model, taus):
    x, part = images(0), {"head.weight": taus["a"]["head.weight"]}
    assert taujp.tau_jp(model, None, part, [x]) == pytest.approx(
        expected(model, part, x), rel=1e-12
    )


def test_the_model_is_left_as_it_was(model, taus):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    taujp.tau_jp(model, tokens_model(3).state_dict(), taus["a"], [images(0)])
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# Layers


def test_shares_of_layers_sum_to_the_whole(model, taus):
    x = images(0)
    found = taujp.tau_jp_by_layer(model, None, taus["a"], [x[:3], x[3:]], at_once=2)
    assert found.groups == ("blocks.0", "blocks.1", "head")
    assert found.total == pytest.approx(expected(model, taus["a"], x), rel=1e-12)
    assert sum(found.shares) == pytest.approx(found.total, rel=1e-12)
    for group, norm in zip(found.groups, found.norms, strict=True):
        part = {name: tau for name, tau in taus["a"].items() if name.startswith(group)}
        assert norm == pytest.approx(expected(model, part, x), rel=1e-12)


def test_norms_of_a_linear_model_with_one_output_add_up():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)).double()
    for value in model.parameters():
        value.data.abs_()
    tau = {name: torch.rand_like(value) for name, value in model.named_parameters()}
    x = torch.rand(6, 3, dtype=torch.float64)  # every part has one sign: nothing cancels
    found = taujp.tau_jp_by_layer(model, None, tau, [x])
    assert found.groups == ("0", "1")
    assert sum(found.norms) == pytest.approx(found.total, rel=1e-12)
    assert found.norms == pytest.approx(found.shares, rel=1e-12)


def test_groups_by_pattern_hold_every_parameter_once(model, taus):
    x = [images(0)]
    own = {"attention": ["*attn*"], "rest": ["*ln_*", "*mlp*", "head*"]}
    found = taujp.tau_jp_by_layer(model, None, taus["a"], x, groups=own)
    assert found.groups == ("attention", "rest")
    assert sum(found.shares) == pytest.approx(found.total, rel=1e-12)
    with pytest.raises(ValueError, match=r"'head\.weight' in 0"):
        taujp.tau_jp_by_layer(model, None, taus["a"], x, groups={"blocks": ["blocks*"]})
    with pytest.raises(ValueError, match=r"'head\.weight' in 2"):
        taujp.tau_jp_by_layer(model, None, taus["a"], x, groups={"a": ["*"], "b": ["head*"]})
    with pytest.raises(ValueError, match=r"\['none'\]"):
        taujp.tau_jp_by_layer(model, None, taus["a"], x, groups={"all": ["*"], "none": ["x"]})


def test_layers_of_a_zero_vector_are_zero(model, taus):
    nothing = {name: torch.zeros_like(tau) for name, tau in taus["a"].items()}
    found = taujp.tau_jp_by_layer(model, None, nothing, [images(0)])
    assert found.total == 0
    assert set(found.norms) == set(found.shares) == {0.0}


def test_a_group_ends_at_the_first_number():
    names = [
        "conv1.weight",
        "class_embedding",
        "ln_pre.weight",
        "ln_pre.bias",
        "proj",
        "transformer.resblocks.0.attn.in_proj_weight",
        "transformer.resblocks.0.ln_1.weight",
        "transformer.resblocks.11.mlp.c_fc.bias",
        "embeddings.words.weight",
    ]
    assert list(layer_groups(names)) == [
        "conv1",
        "class_embedding",
        "ln_pre",
        "proj",
        "transformer.resblocks.0",
        "transformer.resblocks.11",
        "embeddings.words",
    ]
