"""How far a result in each dtype may lie from the float64 twin: one table, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reference import Twin


@dataclass(frozen=True)
class Tolerance:
    """`value`: relative, of the one rounding at the end. `floor`: half the smallest subnormal."""

    value: float
    floor: float


# exact: everything runs in fp32 and is rounded once to the dtype, to nearest: half a unit in the
# last place of the value.
TOLERANCE = {
    torch.float32: Tolerance(value=2.0**-24, floor=2.0**-150),  # 24 bits of significand
    torch.float16: Tolerance(
        value=2.0**-11, floor=2.0**-25
    ),  # 11 bits; 2^-24 is its smallest number
    torch.bfloat16: Tolerance(value=2.0**-8, floor=2.0**-134),  # 8 bits; the exponents of fp32
}

# fp32 roundings before that, each of 2^-24 of what was added up: one for each checkpoint's product
# and sum, and the tau, the scale, the divisor, the quotient and lambda.
FP32_STEP = 2.0**-24


def fp32_steps(checkpoints: int) -> int:
    """Roundings in fp32 on the way of one element."""
    return 2 * checkpoints + 6


def assert_close_to_twin(result: Tensor, twin: Twin, checkpoints: int, what: str) -> None:
    """Every element within the table of the twin, or of the twin's other side of a close vote."""
    assert result.shape == twin.value.shape, f"{what}: {result.shape}, the twin {twin.value.shape}"
    table = TOLERANCE[result.dtype]
    got = result.detach().cpu().double()
    errors = []
    for side in (twin.value, twin.other):
        allowed = (
            side.abs() * table.value
            + twin.scale * FP32_STEP * fp32_steps(checkpoints)
            + table.floor
        )
        errors.append((got - side).abs() / allowed)
    worst = torch.minimum(*errors)
    if not (worst <= 1).all():
        at = int(torch.where(worst <= 1, 0.0, worst).nan_to_num(torch.inf).argmax())
        raise AssertionError(
            f"{what}: {int((~(worst <= 1)).sum())} of {worst.numel()} elements off; at {at}: "
            f"{got.flatten()[at].item()!r}, the twin {twin.value.flatten()[at].item()!r}, "
            f"{worst.flatten()[at].item():.3g} times the tolerance"
        )


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal to the bit, the sign of zero included."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    words = {2: torch.int16, 4: torch.int32, 8: torch.int64}[a.element_size()]
    return torch.equal(
        a.detach().cpu().contiguous().view(words), b.detach().cpu().contiguous().view(words)
    )


def assert_same_bits(result: Tensor, expected: Tensor, what: str) -> None:
    """Equal to the bit, or a sentence with the first element that is not."""
    if same_bits(result, expected):
        return
    assert result.dtype == expected.dtype, f"{what}: {result.dtype}, expected {expected.dtype}"
    assert result.shape == expected.shape, f"{what}: {result.shape}, expected {expected.shape}"
    a, b = result.detach().cpu().flatten(), expected.detach().cpu().flatten()
    off = (a.double() != b.double()) | (torch.signbit(a) != torch.signbit(b))
    at = int(off.nonzero()[0])
    raise AssertionError(
        f"{what}: {int(off.sum())} of {a.numel()} elements differ; at {at}: {a[at].item()!r}, "
        f"expected {b[at].item()!r}"
    )
