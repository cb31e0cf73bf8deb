"""The device that people ask for, checked before any work begins on it."""

from __future__ import annotations


def usable(device: str) -> str:
    """The device; ValueError where this machine lacks it. The CPU needs no torch to be there."""
    if device == "cpu":
        return device
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device is {device!r}, which cannot be used here ({reason}); expected 'cpu', or "
            f"'cuda' where torch finds a GPU"
        ) from None
    return device
