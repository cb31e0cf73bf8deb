"""Linearised models of every kind: value, tangent and gradient against torch.func."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import taujp
from plain_jvp import assert_agree, by_taujp, by_torch, floats_of, random_theta

TOLERANCE = 1e-12  # fp64: sums of some hundred terms in another order


class Convolutions(nn.Module):
    """A small CNN with batch normalisation and pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
            nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, groups=2), nn.GroupNorm(2, 8), nn.SiLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 5),
        )  # fmt: skip
        self.body[1].running_mean.uniform_(-1, 1)
        self.body[1].running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Recurrent(nn.Module):
    """An LSTM and a head on its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, 6, num_layers=2, batch_first=True), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Tied(nn.Module):
    """An embedding whose weight is the output layer's as well."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(11, 6), nn.Linear(6, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, indices: Tensor) -> Tensor:
        return self.head(torch.tanh(self.embedding(indices)).mean(1))


def encoder(**options: Any) -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def words(*shape: int, vocabulary: int = 11) -> Tensor:
    return torch.randint(vocabulary, shape, generator=torch.Generator().manual_seed(3))


PLAIN: dict[str, tuple[Callable[[], nn.Module], Callable[[], dict[str, Any]], str]] = {
    "cnn": (Convolutions, lambda: {"x": torch.randn(3, 3, 8, 8)}, "dual"),
    "post-norm encoder": (encoder, lambda: {"src": torch.randn(2, 5, 8)}, "dual"),
    "pre-norm gelu encoder": (
        lambda: encoder(norm_first=True, activation="gelu"),
        lambda: {"src": torch.randn(2, 5, 8)},
        "dual",
    ),
    "encoder with padding": (
        encoder,
        lambda: {
            "src": torch.randn(2, 5, 8),
            "src_key_padding_mask": torch.tensor([[False] * 5, [False] * 3 + [True] * 2]),
        },
        "dual",
    ),
    "lstm": (Recurrent, lambda: {"x": torch.randn(2, 5, 4)}, "dual"),
    "tied": (Tied, lambda: {"indices": words(3, 4)}, "dual"),
}


@pytest.mark.parametrize("backend", ["auto", "generic"])
@pytest.mark.parametrize("name", PLAIN)
def test_torch_modules(name: str, backend: str) -> None:
    make, inputs, expected = PLAIN[name]
    torch.manual_seed(0)
    check(make(), inputs(), expected if backend == "auto" else backend, backend)


def transformers_models() -> dict[str, Callable[[Any], tuple[nn.Module, dict[str, Any]]]]:
    tiny = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    mask = torch.tensor([[1] * 6, [1, 1, 1, 1, 0, 0]])

    def t5(hf: Any) -> nn.Module:
        sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
        return hf.T5Model(hf.T5Config(vocab_size=11, **sizes, decoder_start_token_id=0))

    return {
        "CLIP vision": lambda hf: (
            hf.CLIPVisionModel(
                hf.CLIPVisionConfig(**tiny, intermediate_size=24, image_size=16, patch_size=8)
            ),
            {"pixel_values": torch.randn(2, 3, 16, 16)},
        ),
        "CLIP vision with projection": lambda hf: (
            hf.CLIPVisionModelWithProjection(
                hf.CLIPVisionConfig(
                    **tiny, intermediate_size=24, image_size=16, patch_size=8, projection_dim=6
                )
            ),
            {"pixel_values": torch.randn(2, 3, 16, 16)},
        ),
        "CLIP text": lambda hf: (
            hf.CLIPTextModel(
                hf.CLIPTextConfig(**tiny, intermediate_size=24, vocab_size=11, eos_token_id=10)
            ),
            {"input_ids": words(2, 6), "attention_mask": mask},
        ),
        "BERT": lambda hf: (
            hf.BertModel(hf.BertConfig(**tiny, intermediate_size=24, vocab_size=11)),
            {"input_ids": words(2, 6), "attention_mask": mask},
        ),
        "GPT-2": lambda hf: (
            hf.GPT2Model(
                hf.GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=11, n_positions=8)
            ),
            {"input_ids": words(2, 6), "attention_mask": mask, "use_cache": False},
        ),
        "T5": lambda hf: (
            t5(hf),
            {
                "input_ids": words(2, 6),
                "attention_mask": mask,
                "decoder_input_ids": words(2, 4),
                "use_cache": False,
            },
        ),
        "T5 encoder": lambda hf: (
            t5(hf).encoder,
            {"input_ids": words(2, 6), "attention_mask": mask},
        ),
    }


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", transformers_models())
def test_transformers(name: str, attention: str) -> None:
    hf = pytest.importorskip("transformers")
    torch.manual_seed(0)
    model, inputs = transformers_models()[name](hf)
    if not hasattr(model, "set_attn_implementation"):
        pytest.skip("this transformers cannot switch the attention")
    model.set_attn_implementation(attention)
    rounds = attention == "eager" and name.startswith("CLIP")  # its softmax is in fp32
    check(model, inputs, "dual", "auto", 1e-6 if rounds else TOLERANCE)


def check(
    model: nn.Module,
    inputs: dict[str, Any],
    expected: str,
    backend: str,
    tolerance: float = TOLERANCE,
) -> None:
    """In fp64: everything agrees with torch.func, by this back end, in pieces as well."""
    model = model.double().eval()
    inputs = {name: in_double(value) for name, value in inputs.items()}
    theta = random_theta(model)
    plain = by_torch(model, theta, **inputs)
    lin = taujp.linearize(model, at=theta, backend=backend)
    assert_agree(by_taujp(lin, **inputs), plain, tolerance)
    assert lin.backend == expected, repr(lin)
    assert f"backend={expected}" in repr(lin)
    pieces = taujp.linearize(model, at=theta, backend=backend, chunk=1)
    assert_agree(by_taujp(pieces, **inputs), plain, tolerance)
    ordinary = lin.delinearize()
    for ours, at_theta in zip(
        floats_of(ordinary(**inputs)), floats_of(lin.module(**inputs)), strict=True
    ):
        assert torch.equal(ours, at_theta)


def in_double(value: Any) -> Any:
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
