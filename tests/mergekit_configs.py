"""One configuration for mergekit 0.1.5 and for `taujp mergekit`, and what both made of it.

Configurations are YAML as people write it, with the names of tiny models (base, a, b, c, zero)
where a path stands; each test resolves them to folders.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mergekit_peer import open_peer, reason_for_no_peer
from tiny_transformers import weights
from tolerance import assert_same_bits

yaml = pytest.importorskip("yaml", reason="configurations are YAML")
Folders = Mapping[str, Path | str]  # or model+adapter
Tensors = dict[str, Tensor]


def resolved(node: Any, folders: Folders) -> Any:
    """The configuration with every name of a model replaced by its folder."""
    if isinstance(node, dict):
        return {key: resolved(value, folders) for key, value in node.items()}
    if isinstance(node, list):
        return [resolved(value, folders) for value in node]
    return str(folders[node]) if isinstance(node, str) and node in folders else node


def config_file(config: str, folders: Folders, path: Path) -> Path:
    """Writes the resolved configuration; a text of several documents stays that."""
    documents = [resolved(document, folders) for document in yaml.safe_load_all(config)]
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return path


def by_taujp(config: str, folders: Folders, folder: Path, **options: Any) -> Path:
    """Our output of a configuration."""
    from taujp import mergekit

    out = folder / "ours"
    mergekit(config_file(config, folders, folder / "ours.yml"), out, **options)
    return out


def command(
    config: Path, out: Path, *flags: str, **environment: str
) -> subprocess.CompletedProcess:
    """`taujp mergekit config out` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "taujp", "mergekit", str(config), str(out), *flags],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


class Both:
    """both(config, folders, **options of ours) -> (our tensors, mergekit's)."""

    def __init__(self, peer: Any, folder: Path) -> None:
        self.peer = peer
        self.folder = folder
        self.numbers = itertools.count()

    def __call__(self, config: str, folders: Folders, **options: Any) -> tuple[Tensors, Tensors]:
        folder = self.folder / str(next(self.numbers))
        folder.mkdir()
        theirs = self.by_mergekit(config, folders, folder)
        return weights(by_taujp(config, folders, folder, **options)), weights(theirs)

    def by_mergekit(self, config: str, folders: Folders, folder: Path, **options: Any) -> Path:
        """mergekit's output of a configuration."""
        file = config_file(config, folders, folder / "theirs.yml")
        out = folder / "theirs"
        self.peer.run(file.read_text(), str(out), {"copy_tokenizer": False, **options})
        return out


@cache
def started() -> Both:
    """One mergekit for all files of tests that this process runs."""
    folder = Path(tempfile.mkdtemp(prefix="taujp-mergekit-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    peer = open_peer(folder)
    atexit.register(peer.close)
    return Both(peer, folder)


@pytest.fixture(scope="session")
def both() -> Both:
    """Both programs on one configuration, or a skip that says what is missing."""
    if reason := reason_for_no_peer(os.environ.get("TAUJP_PEER_PYTHON")):
        pytest.skip(f"not compared with mergekit: {reason}")
    return started()


def assert_same_names(ours: Tensors, theirs: Tensors, what: str = "") -> None:
    """No tensor dropped, none invented, the same shapes and dtypes."""
    assert set(ours) == set(theirs), f"{what}: {sorted(set(ours) ^ set(theirs))}"
    for name, tensor in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (tensor.dtype, tensor.shape), (
            f"{what} {name}: {ours[name].dtype} {tuple(ours[name].shape)}, "
            f"mergekit {tensor.dtype} {tuple(tensor.shape)}"
        )


def assert_bits(ours: Tensors, theirs: Tensors, what: str = "") -> None:
    """Every tensor to the bit, but for the sign of zeros."""
    assert_same_names(ours, theirs, what)
    for name in theirs:
        assert_same_bits(ours[name] + 0.0, theirs[name] + 0.0, f"{what} {name}")


def assert_near(
    ours: Tensors, theirs: Tensors, what: str = "", *, tolerance: float, share: float = 0.0
) -> None:
    """Within `tolerance` of each tensor's largest magnitude, but for a share of its elements."""
    assert_same_names(ours, theirs, what)
    for name, expected in theirs.items():
        error = (ours[name].double() - expected.double()).abs()
        off = ~(error <= tolerance * expected.double().abs().max())  # a NaN is off
        assert off.sum() <= share * off.numel(), (
            f"{what} {name}: {int(off.sum())} of {off.numel()} off, up to {float(error.max()):.3g}"
            f" where the largest is {float(expected.double().abs().max()):.3g}"
        )


DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
