"""Against PEFT itself, where it is installed: what it saves we read, what we write it loads."""

from __future__ import annotations

import warnings

import pytest
import torch

import taujp
from taujp.checkpoint import open_adapted, to_state_dict

peft = pytest.importorskip("peft", reason="PEFT is not installed; pip install peft")
transformers = pytest.importorskip("transformers")

SMALL = {"num_hidden_layers": 2, "vocab_size": 130, "hidden_size": 48, "intermediate_size": 80}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}


def llama():
    config = transformers.LlamaConfig(**SMALL, **HEADS)
    return transformers.LlamaForCausalLM(config)


def gpt2():
    config = transformers.GPT2Config(n_layer=2, n_head=4, n_embd=48, vocab_size=130)
    return transformers.GPT2LMHeadModel(config)


def bert():
    config = transformers.BertConfig(**SMALL, num_attention_heads=4)
    return transformers.BertForSequenceClassification(config)


def clip():
    tower = {**SMALL, "num_attention_heads": 4}
    vision = {**tower, "image_size": 16, "patch_size": 8}
    config = transformers.CLIPConfig(text_config=tower, vision_config=vision)
    return transformers.CLIPModel(config)


CASES = {
    "llama": (llama, {"target_modules": ["q_proj", "v_proj", "down_proj"], "use_rslora": True}),
    "llama head": (llama, {"target_modules": "all-linear", "modules_to_save": ["lm_head"]}),
    "llama embedding": (llama, {"target_modules": ["embed_tokens", "k_proj"], "r": 3}),
    "gpt2": (gpt2, {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True}),
    "bert": (bert, {"target_modules": ["query", "dense"], "bias": "all", "task_type": "SEQ_CLS"}),
    "clip": (
        clip,
        {
            "target_modules": ["q_proj", "fc1", "patch_embedding"],
            "rank_pattern": {"vision_model.encoder.layers.0.mlp.fc1": 9},
            "alpha_pattern": {"fc1": 5},
        },
    ),
}


def trained(model, settings):
    """PEFT's model with an adapter that moved: all that it would train is random."""
    torch.manual_seed(1)
    adapted = peft.get_peft_model(model, peft.LoraConfig(**{"r": 5, "lora_alpha": 7, **settings}))
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    return adapted


@pytest.mark.parametrize("name", CASES)
def test_what_peft_saves_is_read_as_peft_merges_it(tmp_path, name):
    make, settings = CASES[name]
    torch.manual_seed(0)
    model = make()
    model.save_pretrained(tmp_path / "base")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = trained(model, settings)
        adapted.save_pretrained(tmp_path / "adapter")
        adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    expected = to_state_dict(taujp.open_checkpoint(tmp_path / "merged"))
    found = to_state_dict(open_adapted(tmp_path / "base", tmp_path / "adapter"))
    base = to_state_dict(taujp.open_checkpoint(tmp_path / "base"))
    assert found.keys() == expected.keys()
    assert any(not torch.equal(found[key], base[key]) for key in base)
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-5, atol=1e-6, msg=key)


def test_two_adapters_merge_as_peft_puts_them_side_by_side(tmp_path):
    """PEFT's `cat` is the sum of the changes."""
    torch.manual_seed(0)
    model = llama()
    model.save_pretrained(tmp_path / "base")
    settings = [{"r": 5, "target_modules": ["q_proj", "up_proj"]}, {"r": 3, "lora_alpha": 2}]
    for i, one in enumerate(settings):
        config = peft.LoraConfig(**{"target_modules": ["q_proj", "v_proj"], **one})
        adapted = peft.get_peft_model(llama(), config)
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        adapted.save_pretrained(tmp_path / str(i))
    both = peft.PeftModel.from_pretrained(model, tmp_path / "0", adapter_name="0")
    both.load_adapter(tmp_path / "1", adapter_name="1")
    both.add_weighted_adapter(["0", "1"], [0.6, 0.3], "sum", combination_type="cat")
    both.set_adapter("sum")
    expected = both.merge_and_unload().state_dict()
    folders = [tmp_path / "0", tmp_path / "1"]
    found = taujp.merge_many(folders, [0.6, 0.3], tmp_path / "base")
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("make", [llama, gpt2, bert])
def test_what_is_extracted_peft_loads(tmp_path, make):
    torch.manual_seed(0)
    model = make().eval()
    model.save_pretrained(tmp_path / "base")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                step = torch.randn(len(parameter), 3) @ torch.randn(3, parameter.shape[1])
                parameter += 0.02 * step
            else:
                parameter += 0.02 * torch.randn_like(parameter)
    model.save_pretrained(tmp_path / "tuned")
    modules = ["*layers*", "*.h.*", "*encoder*"]  # tied embeddings PEFT does not adapt together
    base = to_state_dict(taujp.open_checkpoint(tmp_path / "base"))
    tuned = to_state_dict(taujp.open_checkpoint(tmp_path / "tuned"))
    outside = {n: tuned[n] for n in tuned if not any(p in n for p in ("layers", ".h.", "encoder"))}
    found = taujp.extract_lora({**base, **outside}, tuned, tmp_path / "a", rank=4, modules=modules)
    assert found.left_out == {}
    assert found.error < 1e-4
    again = type(model).from_pretrained(tmp_path / "base").eval()
    assert not again.load_state_dict(outside, strict=False).unexpected_keys
    loaded = peft.PeftModel.from_pretrained(again, tmp_path / "a").eval()
    ids = torch.arange(24).reshape(2, 12)
    with torch.no_grad():
        torch.testing.assert_close(
            loaded(input_ids=ids).logits, model(input_ids=ids).logits, rtol=1e-3, atol=1e-3
        )
