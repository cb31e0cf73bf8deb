"""Adapters extracted from fine-tuned models: as good as the best of their rank, and loadable."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import taujp
from taujp.checkpoint import CheckpointError, open_adapted, to_state_dict
from taujp.cli import main
from taujp.merge.low_rank import exact, randomised

SHAPES = {
    "model.embed_tokens.weight": (300, 96),
    "model.layers.0.q_proj.weight": (96, 96),
    "model.layers.0.q_proj.bias": (96,),
    "model.layers.0.up_proj.weight": (220, 96),
    "model.layers.0.norm.weight": (96,),
    "model.layers.0.norm.bias": (96,),
    "model.layers.1.q_proj.weight": (96, 96),
    "scale": (),
}


def decaying(shape, generator, strongest=0.5, rate=0.8) -> torch.Tensor:
    """A matrix whose singular values fall by a factor each."""
    rank = min(shape)
    left, _ = torch.linalg.qr(torch.randn(shape[0], rank, generator=generator))
    right, _ = torch.linalg.qr(torch.randn(shape[1], rank, generator=generator))
    return (left * (strongest * rate ** torch.arange(rank))) @ right.mT


@pytest.fixture
def pair() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """theta0, and theta that differs everywhere but in the second layer."""
    generator = torch.Generator().manual_seed(11)
    base = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    tuned = {}
    for name, tensor in base.items():
        step = decaying(tensor.shape, generator) if tensor.ndim == 2 else torch.tensor(0.1)
        tuned[name] = tensor if ".1." in name else tensor + step
    return base, tuned


def best_error(tau: torch.Tensor, rank: int) -> float:
    """Of the truncated SVD: Eckart and Young."""
    values = torch.linalg.svdvals(tau.double())
    return float(values[rank:].norm() / values.norm())


@pytest.mark.parametrize("method", ["randomised", "exact"])
def test_error_is_that_of_the_best_of_its_rank(pair, tmp_path, method):
    base, tuned = pair
    found = taujp.extract_lora(base, tuned, tmp_path / "a", rank=8, method=method)
    adapted = to_state_dict(open_adapted(base, tmp_path / "a"))
    assert {m.name for m in found.matrices} == {
        name for name in SHAPES if len(SHAPES[name]) == 2 and ".1." not in name
    }
    for matrix in found.matrices:
        tau = tuned[matrix.name] - base[matrix.name]
        best = best_error(tau, 8)
        assert matrix.rank == 8
        assert best - 1e-5 < matrix.error < 1.001 * best + 1e-5, matrix
        rest = (tuned[matrix.name] - adapted[matrix.name]).norm() / tau.norm()
        assert abs(float(rest) - matrix.error) < 1e-4


def test_what_is_no_matrix_is_kept_whole(pair, tmp_path):
    base, tuned = pair
    found = taujp.extract_lora(base, tuned, tmp_path / "a", rank=8)
    adapted = to_state_dict(open_adapted(base, tmp_path / "a"))
    whole = {n for n in SHAPES if "norm" in n} | {"model.layers.0.q_proj.bias"}
    assert set(found.whole) == whole
    assert all(torch.equal(adapted[name], tuned[name]) for name in whole)
    assert list(found.left_out) == ["scale"]
    assert torch.equal(
        adapted["model.layers.1.q_proj.weight"], tuned["model.layers.1.q_proj.weight"]
    )
    lost = sum(float((tuned[n] - adapted[n]).double().norm()) ** 2 for n in base)
    size = sum(float((tuned[n] - base[n]).double().norm()) ** 2 for n in base)
    assert abs(found.error - (lost / size) ** 0.5) < 1e-5
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert config["r"] == config["lora_alpha"] == 8
    assert config["modules_to_save"] == ["model.layers.0.norm"]
    written = load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert sum(tensor.nbytes for tensor in written.values()) == found.bytes
    lean = taujp.extract_lora(base, tuned, tmp_path / "b", rank=8, whole=False)
    assert set(lean.left_out) == {n for n in whole if "norm" in n} | {"scale"}


@pytest.mark.parametrize("method", ["randomised", "exact"])
def test_rank_by_energy_is_the_least_that_holds_it(pair, tmp_path, method):
    base, tuned = pair
    found = taujp.extract_lora(base, tuned, tmp_path / "a", energy=0.99, method=method)
    for matrix in found.matrices:
        values = torch.linalg.svdvals((tuned[matrix.name] - base[matrix.name]).double()).square()
        least = int((values.cumsum(0) < 0.99 * values.sum()).sum()) + 1
        assert matrix.rank == least
        assert matrix.error**2 <= 0.01 + 1e-6
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert config["rank_pattern"] == config["alpha_pattern"]
    capped = taujp.extract_lora(
        base, tuned, tmp_path / "b", energy=0.99, rank=3, method=method, overwrite=True
    )
    assert {matrix.rank for matrix in capped.matrices} == {3}


def test_a_change_of_low_rank_comes_back_whole(tmp_path):
    base = {"a.weight": torch.randn(80, 70), "b.weight": torch.randn(90, 70)}
    tuned = {
        name: tensor + torch.randn(len(tensor), 2 + i) @ torch.randn(2 + i, 70)
        for i, (name, tensor) in enumerate(base.items())
    }
    for method in ("randomised", "exact"):
        found = taujp.extract_lora(
            base, tuned, tmp_path / method, rank=16, energy=1 - 1e-9, method=method
        )
        assert [matrix.rank for matrix in found.matrices] == [2, 3]
        adapted = to_state_dict(open_adapted(base, tmp_path / method))
        for name, tensor in tuned.items():
            torch.testing.assert_close(adapted[name], tensor, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rate", [1.0, 0.99, 0.9, 0.5])
@pytest.mark.parametrize("shape", [(400, 300), (300, 700)])
def test_randomised_against_exact(shape, rate):
    """Also where all directions are nearly as strong, which no sketch likes."""
    matrix = decaying(shape, torch.Generator().manual_seed(2), rate=rate)
    for rank in (4, 32):
        sketched = randomised(matrix, rank, None, seed=0)
        best = exact(matrix, rank, None)
        error, least = (
            float((matrix.double() - (u * s) @ v).norm() / matrix.double().norm())
            for u, s, v in (sketched, best)
        )
        assert abs(least - best_error(matrix, rank)) < 1e-6
        assert error < 1.01 * least + 1e-5
        torch.testing.assert_close(
            sketched.left.mT @ sketched.left,
            torch.eye(len(sketched.values), dtype=torch.float64),
            rtol=0,
            atol=1e-5,
        )


def test_the_same_seed_gives_the_same_bits(pair, tmp_path):
    base, tuned = pair
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        taujp.extract_lora(base, tuned, tmp_path / out, rank=4, seed=seed)
    a, b, c = (load_file(tmp_path / out / "adapter_model.safetensors") for out in "abc")
    assert all(torch.equal(tensor, b[name]) for name, tensor in a.items())
    assert any(not torch.equal(tensor, c[name]) for name, tensor in a.items())


def test_rows_that_are_inputs(tmp_path):
    """A bias as long as the rows tells GPT-2's Conv1D, and the square weight follows."""
    base = {
        "h.0.attn.c_attn.weight": torch.randn(40, 120),
        "h.0.attn.c_attn.bias": torch.randn(120),
        "h.0.attn.c_proj.weight": torch.randn(40, 40),
        "h.0.attn.c_proj.bias": torch.randn(40),
    }
    tuned = {n: t + torch.randn(len(t), 3) @ torch.randn(3, t.shape[1]) if t.ndim == 2 else t
             for n, t in base.items()}  # fmt: skip
    taujp.extract_lora(base, tuned, tmp_path / "a", rank=3)
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert config["fan_in_fan_out"] is True
    written = load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert written["base_model.model.h.0.attn.c_attn.lora_A.weight"].shape == (3, 40)
    adapted = to_state_dict(open_adapted(base, tmp_path / "a"))
    for name, tensor in tuned.items():
        torch.testing.assert_close(adapted[name], tensor, rtol=0, atol=1e-4)


def test_attention_of_torch(tmp_path):
    base = {
        "attn.in_proj_weight": torch.randn(120, 40),
        "attn.in_proj_bias": torch.randn(120),
        "attn.out_proj.weight": torch.randn(40, 40),
        "attn.out_proj.bias": torch.randn(40),
    }
    tuned = {name: tensor + 0.1 for name, tensor in base.items()}
    found = taujp.extract_lora(base, tuned, tmp_path / "a", rank=2)
    assert [(m.name, m.rank) for m in found.matrices] == [("attn.in_proj_weight", 1)]
    assert found.whole == ("attn.in_proj_bias",)
    assert set(found.left_out) == {"attn.out_proj.weight", "attn.out_proj.bias"}
    adapted = to_state_dict(open_adapted(base, tmp_path / "a"))
    torch.testing.assert_close(adapted["attn.in_proj_weight"], tuned["attn.in_proj_weight"])
    assert torch.equal(adapted["attn.in_proj_bias"], tuned["attn.in_proj_bias"])


def test_modules_whose_names_end_alike_are_kept_together(tmp_path):
    """PEFT keeps "norm" by the end of its name, and then needs "layers.0.norm" too."""
    base = {
        "fc.weight": torch.randn(60, 50),
        "norm.weight": torch.randn(50),
        "layers.0.norm.weight": torch.randn(50),
        "head.weight": torch.randn(3, 50),
        "layers.0.head.deep.weight": torch.randn(50),
    }
    tuned = {n: t + 1 if not n.startswith("layers") else t for n, t in base.items()}
    found = taujp.extract_lora(base, tuned, tmp_path / "a", rank=4)
    assert set(found.whole) == {"norm.weight"}
    assert "layers.0.head" in found.left_out["head.weight"]
    names = load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert "base_model.model.layers.0.norm.weight" in names


def test_ranks_of_modules_whose_names_end_alike(tmp_path):
    base = {f"{m}.weight": torch.randn(60, 50) for m in ("fc", "layers.0.fc", "up", "layers.0.up")}
    ranks = {"fc": 2, "layers.0.fc": 3, "up": 3, "layers.0.up": 3}
    tuned = {
        f"{m}.weight": base[f"{m}.weight"] + torch.randn(60, r) @ torch.randn(r, 50)
        for m, r in ranks.items()
    }
    taujp.extract_lora(base, tuned, tmp_path / "a", rank=3)
    adapted = to_state_dict(open_adapted(base, tmp_path / "a"))
    for name, tensor in tuned.items():
        torch.testing.assert_close(adapted[name], tensor, rtol=0, atol=1e-4)


def test_dtypes_and_files(pair, tmp_path):
    base, tuned = pair
    save_file(base, tmp_path / "base.safetensors")
    save_file(tuned, tmp_path / "tuned.safetensors")
    places = [tmp_path / "base.safetensors", tmp_path / "tuned.safetensors"]
    found = taujp.extract_lora(*places, tmp_path / "a", rank=8, dtype="bfloat16")
    written = load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert {t.dtype for n, t in written.items() if "lora_" in n} == {torch.bfloat16}
    exact_one = taujp.extract_lora(*places, tmp_path / "b", rank=8)
    for coarse, fine in zip(found.matrices, exact_one.matrices, strict=True):
        assert fine.error < coarse.error < fine.error + 0.01


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "give rank=, energy=, or both"),
        ({"rank": 0}, "rank is 0; expected a whole number"),
        ({"rank": 2.5}, "rank is 2.5"),
        ({"rank": True}, "rank is True"),
        ({"energy": 0}, "energy is 0"),
        ({"energy": 1.2}, "energy is 1.2"),
        ({"rank": 4, "method": "fast"}, "method is 'fast'; expected one of"),
        ({"rank": 4, "dtype": "int8"}, "dtype is 'int8'"),
        ({"rank": 4, "modules": ["nothing*"]}, "none of the 7 changed parameters"),
        ({"rank": 4000}, "none of the 7 changed parameters"),
    ],
)
def test_senseless_arguments(pair, tmp_path, options, told):
    with pytest.raises(taujp.MergeError, match=told):
        taujp.extract_lora(*pair, tmp_path / "a", **options)
    assert not list(tmp_path.iterdir())


def test_wrong_models(pair, tmp_path):
    base, tuned = pair
    with pytest.raises(taujp.MergeError, match="the two models are equal"):
        taujp.extract_lora(base, base, tmp_path / "a", rank=4)
    less = {name: tensor for name, tensor in tuned.items() if name != "scale"}
    with pytest.raises(CheckpointError, match=r"^extract_lora: .*\n.* lacks 'scale'") as caught:
        taujp.extract_lora(base, less, tmp_path / "a", rank=4)
    assert "--rename" in str(caught.value)
    assert "prefix=" not in str(caught.value)
    broken = {**tuned, "model.layers.0.q_proj.weight": torch.full((96, 96), torch.nan)}
    with pytest.raises(taujp.MergeError, match=r"NaN or Inf in model\.layers\.0\.q_proj\.weight"):
        taujp.extract_lora(base, broken, tmp_path / "a", rank=4)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").touch()
    with pytest.raises(FileExistsError, match="overwrite"):
        taujp.extract_lora(base, tuned, tmp_path / "a", rank=4)


def test_there_and_back(pair, tmp_path):
    """What is extracted merges as what it was extracted from."""
    base, tuned = pair
    taujp.extract_lora(base, tuned, tmp_path / "a", energy=1.0, method="exact")
    found = taujp.merge_many([tmp_path / "a"], [0.5], base)
    expected = taujp.merge_many([tuned], [0.5], base)
    for name in set(base) - {"scale"}:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-5)


def test_command(pair, tmp_path, capsys):
    for name, state in zip(("base", "tuned"), pair, strict=True):
        save_file(state, tmp_path / f"{name}.safetensors")
    places = [str(tmp_path / f"{name}.safetensors") for name in ("base", "tuned")]
    command = ["lora", "extract", *places, "-o", str(tmp_path / "a")]
    assert main([*command, "--rank", "8"]) == 0
    told = capsys.readouterr().out
    assert "model.layers.0.up_proj.weight" in told
    assert "left out (it belongs to no module" in told
    assert (tmp_path / "a" / "adapter_config.json").exists()
    assert main([*command, "--rank", "8"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--energy", "0.5", "--modules", "*q_proj"]) == 0
    assert "up_proj" not in capsys.readouterr().out.split("left out")[0].split("kept whole")[0]
    renaming = ["--overwrite", "--rank", "8", "--rename", "^model=net"]
    assert main([*command, *renaming]) == 0
    assert "net.layers.0.up_proj.weight" in capsys.readouterr().out
