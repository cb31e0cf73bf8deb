"""Where formulas in torch run, from files to files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import taujp
from stream_files import save
from taujp.merge.errors import MergeError

METHODS = ["model_stock", "tsv_m", "karcher"]


@pytest.mark.parametrize("device", ["cuda:99", "nonsense"])
def test_a_device_that_is_not_there(tmp_path: Path, device: str) -> None:
    paths = save(tmp_path, 3)
    with pytest.raises(MergeError, match=rf"device is '{device}', which cannot be used here"):
        taujp.merge_many(
            paths[1:],
            [1, 1],
            paths[0],
            method="model_stock",
            out=tmp_path / "o.safetensors",
            device=device,
        )
    assert not (tmp_path / "o.safetensors").exists()


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_a_gpu_gives_what_the_processor_gives(tmp_path: Path, method: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    paths = save(tmp_path, 3)
    base = {} if method == "karcher" else {"base": paths[0]}
    found = [
        load_file(
            taujp.merge_many(
                paths[1:],
                [1, 1],
                method=method,
                out=tmp_path / f"{device}.safetensors",
                device=device,
                **base,
            )
        )
        for device in ("cpu", "cuda")
    ]
    for name, expected in found[0].items():
        torch.testing.assert_close(found[1][name], expected, rtol=1e-5, atol=1e-6, msg=name)
