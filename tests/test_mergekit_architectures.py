"""More architectures: the output of each loads in transformers without a weight missing, and runs.

mergekit 0.1.5 has no way to merge some of them (docs/mergekit.md): nothing here compares with it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from test_mergekit_loads import generated, loaded, merged, save_family
from tiny_transformers import save_family as save_alike
from tiny_transformers import transformers, weights

DECODERS = ("gemma", "gemma2", "phi", "phi3", "gpt-neox", "mixtral", "mamba", "t5")
KINDS = {"t5": "unigram"}


@pytest.mark.parametrize("family", DECODERS)
def test_a_model_of_the_union_generates(tmp_path: Path, family: str):
    folders = save_family(tmp_path, family, kind=KINDS.get(family, "bpe"))
    out = merged(folders, tmp_path / "out", "tokenizer_source: union\n", method="ties")
    model, tokenizer = loaded(out, family), transformers.AutoTokenizer.from_pretrained(out)
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)
    assert generated(model, tokenizer).max() < len(tokenizer)


TWO = torch.ones(1, 2, dtype=torch.int64)
INPUTS = {
    "vit": {"pixel_values": torch.ones(1, 3, 16, 16)},
    "whisper": {"input_features": torch.ones(1, 8, 32), "decoder_input_ids": TWO},
    "roberta-mlm": {"input_ids": TWO},
}


@pytest.mark.parametrize("family", INPUTS)
def test_models_of_one_vocabulary_run(tmp_path: Path, family: str):
    folders = save_alike(tmp_path, family)
    out = merged(folders, tmp_path / "out")
    assert weights(out).keys() == weights(folders["base"]).keys()
    with torch.no_grad():
        assert loaded(out, family)(**INPUTS[family])[0].isfinite().all()
