"""Gram matrices of the inputs of all kinds of linear layers."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

import taujp
from reference_merge_data import regmean
from small_clip import small_clip, small_tasks
from small_models import Tokens
from taujp.cli import main


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
    assert found.tensors.keys() == {"visual.proj", *(f"{block}.{name}" for name in names)}
    assert found.settings["inputs_first"] == ["visual.proj"]
    with torch.no_grad():
        rows = torch.stack([task.splits.train[i][0] for i in range(len(task.splits.train))])
        pooled = functional.linear(model.encode_image(rows), torch.linalg.pinv(model.visual.proj).T)
        every = taujp.gather_grams(model, [rows], examples=len(rows)).tensors["visual.proj"]
    torch.testing.assert_close(every, pooled.T @ pooled / len(rows), rtol=1e-3, atol=1e-4)
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


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("command", [["statistics", "grams"], ["factors"]])
def test_commands_without_the_task_or_the_device(command, tmp_path, capsys):
    common = [*command, "--model", "demo", "-o", str(tmp_path / "found.safetensors")]
    assert main([*common, "--task", "zzz"]) == 1
    assert "'zzz' is not registered" in capsys.readouterr().err
    assert main([*common, "--task", "digits", "--device", "cuda"]) == 1
    assert "device is 'cuda', which cannot be used here" in capsys.readouterr().err


def test_the_command_gathers(tmp_path, capsys):
    out = tmp_path / "grams.safetensors"
    arguments = ["statistics", "grams", "--model", "demo", "--task", "digits", "--images", "3"]
    assert main([*arguments, "-o", str(out)]) == 0
    assert "grams of" in capsys.readouterr().out
    found = taujp.load_statistics(out)
    assert found.settings["examples"] == 3
    model = {name: torch.randn(5, t.shape[0]) for name, t in found.tensors.items()}
    model["visual.proj"] = model["visual.proj"].T.contiguous()  # [in, out]
    merged = taujp.merge_many([model, model], [1, 1], method="regmean", grams=[out, found])
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, model[name], rtol=1e-4, atol=1e-4)
    save_file({"a": torch.ones(2)}, tmp_path / "other.safetensors")
    wrong = ["--ckpt", str(tmp_path / "other.safetensors")]
    assert main([*arguments, *wrong, "-o", str(out)]) == 1
    assert "lacks" in capsys.readouterr().err
