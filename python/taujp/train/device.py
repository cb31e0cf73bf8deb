"""Where a run computes and in which precision: Lightning Fabric, made from plain settings."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

Precision = Literal["fp32", "tf32", "bf16", "fp64"]
# tau is a small difference of weights: weights kept in 16 bits would lose it, so none are offered.
FABRIC_PRECISIONS = {
    "fp32": "32-true",
    "tf32": "32-true",
    "bf16": "bf16-mixed",
    "fp64": "64-true",
}


def make_fabric(
    device: str | torch.device = "cpu", *, devices: int | None = None, precision: Precision = "fp32"
) -> Any:
    """A launched `Fabric` for `finetune(fabric=...)`: one process a device, weights in fp32.

    `device`: "cpu", "cuda" or one GPU. `devices`: processes on this machine; None: those that
    torchrun started, else one. Without torchrun, Fabric runs the same command again for each.
    "tf32": fp32 with TF32 matrix products; "bf16": autocast. ImportError without
    lightning-fabric; ValueError for an unknown precision, a GPU where there is none, or
    a number that torchrun contradicts.
    """
    if precision not in FABRIC_PRECISIONS:
        raise ValueError(
            f"make_fabric: precision is {precision!r}; expected one of {list(FABRIC_PRECISIONS)}"
        )
    fabric_class = _fabric_class()
    here, nodes = _processes(devices)
    if precision == "tf32":
        torch.set_float32_matmul_precision("high")
    kind, precision_name = _kind(device), FABRIC_PRECISIONS[precision]
    if kind.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"make_fabric: device is '{kind}', and torch finds no GPU; expected 'cpu'")
    one = 1 if kind.index is None else [kind.index]
    many = here * nodes > 1
    fabric = fabric_class(
        accelerator=kind.type,
        strategy="ddp" if many else "auto",
        devices=here if many else one,
        num_nodes=nodes,
        precision=precision_name,
    )
    fabric.launch()
    return fabric


def _kind(device: str | torch.device) -> torch.device:
    try:
        return torch.device(device)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"make_fabric: device is {device!r} ({reason}); expected 'cpu', 'cuda' or 'cuda:1'"
        ) from None


def copy_for(module: nn.Module, fabric: Any) -> nn.Module:
    """A frozen copy on `fabric`'s device, in fp32, or fp64 where `fabric` computes in that.

    ValueError where `fabric` would keep weights in 16 bits.
    """
    precision = str(fabric.strategy.precision.precision)
    if precision not in FABRIC_PRECISIONS.values():
        raise ValueError(
            f"finetune: fabric has the precision '{precision}'; expected one of "
            f"{sorted(set(FABRIC_PRECISIONS.values()))}: theta - theta0 needs fp32 weights, and "
            "fp16 a scaled loss"
        )
    return copy.deepcopy(module).to(fabric.device, number_type(fabric)).requires_grad_(False)


def number_type(fabric: Any) -> torch.dtype:
    """What weights, features and losses are in: fp64, or fp32 also under autocast."""
    return torch.float64 if fabric.strategy.precision.precision == "64-true" else torch.float32


@contextmanager
def surroundings(fabric: Any) -> Iterator[None]:
    """A block whose random numbers and default dtype are its own.

    The dtype, because Fabric casts every output of a module to the default one.
    """
    own = [fabric.device] if fabric.device.type == "cuda" else []
    before = torch.get_default_dtype()
    with torch.random.fork_rng(own):
        try:
            torch.set_default_dtype(number_type(fabric))
            yield
        finally:
            torch.set_default_dtype(before)


def _processes(devices: int | None) -> tuple[int, int]:
    """How many processes run on this machine, and on how many machines."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return devices or 1, 1
    world, here = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if devices not in (None, here):
        raise ValueError(
            f"make_fabric: devices is {devices}, torchrun started {here} processes here; expected "
            "the same number; leave devices out under torchrun"
        )
    return here, world // here


def _fabric_class() -> Any:
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise ImportError(
            f"finetune: lightning-fabric cannot be imported ({error}); it is needed to train; "
            "run `pip install 'taujp[clip]'`"
        ) from error
    return Fabric
