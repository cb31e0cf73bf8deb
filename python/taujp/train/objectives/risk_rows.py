"""The risk of every row and its slope in a scale of the logits, by one kernel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from taujp.tangent import kernels


def risk_rows(logits: Tensor, labels: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy at each scale of the logits, and its derivative in the scale, row by row.

    logits: [n, classes]; labels: int64 [n]; scales: [draws], or [draws, n] for a scale of its own
    for every row. Returns loss and slope, both [draws, n], fp32 (fp64 for fp64 logits). With
    p = softmax(w z):

        loss = log sum_j exp(w z_j) - w z_y        slope = d loss / d w = <p, z> - z_y

    Both derive in the logits, in closed form: a gradient penalty built of the slopes needs no
    second backward pass. (A second derivative, where one is asked for, is torch's.) Classes with
    a logit of -inf have no part. A label that is no class gives NaN. Raises RuntimeError on
    shapes, dtypes or devices that do not match.
    Equivalent to loss = cross_entropy(w * logits, labels, reduction="none"), and for the slope
    torch.autograd.grad(loss.sum(), w, create_graph=True) of a w for every row.
    """
    if not kernels.available(logits):
        return _composed(logits, labels, scales)
    return _RiskRows.apply(logits, labels, scales)


class _RiskRows(torch.autograd.Function):
    @staticmethod
    def forward(logits: Tensor, labels: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
        numbers = torch.float64 if logits.dtype == torch.float64 else torch.float32
        given = logits.contiguous(), labels.contiguous(), scales.to(numbers).contiguous()
        return torch.ops.taujp.risk_rows(*given)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        if inputs[2].requires_grad:
            raise RuntimeError(
                "risk_rows: scales requires grad; expected constants: the slope is their gradient"
            )
        ctx.save_for_backward(*inputs, *output)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, grad_slope: Tensor) -> tuple[Tensor, None, None]:
        logits, labels, scales, loss, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # a gradient of this gradient is wanted
            found = _composed(logits, labels, scales)
            grads = (grad_loss, grad_slope)
            return *torch.autograd.grad(found, logits, grads, create_graph=True), None, None
        grad = torch.ops.taujp.risk_rows_grad(
            logits.contiguous(),
            labels.contiguous(),
            scales.to(loss.dtype).contiguous(),
            loss,
            slope,
            grad_loss.contiguous(),
            grad_slope.contiguous(),
        )
        return grad, None, None

    @staticmethod
    def jvp(ctx: Any, dlogits: Tensor, dlabels: Any, dscales: Any) -> tuple[Tensor, Tensor]:
        logits, labels, scales = ctx.saved_tensors
        numbers = torch.float64 if logits.dtype == torch.float64 else torch.float32
        z, dz, w = (part.to(numbers) for part in (logits, dlogits, scales))
        w = w[..., None] if w.dim() == 2 else w[:, None, None]
        p = torch.softmax(w * z, -1)
        along = (p * dz).sum(-1)
        rise = along - dz.gather(1, labels[:, None])[:, 0]
        turn = (p * z * dz).sum(-1) - (p * z).sum(-1) * along
        return w[..., 0] * rise, rise + w[..., 0] * turn


def _composed(logits: Tensor, labels: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
    """Of torch's operations, for devices that the kernels have no build for."""
    z = logits.to(torch.promote_types(logits.dtype, torch.float32))
    w = scales.to(z.dtype)
    w = w[..., None] if w.dim() == 2 else w[:, None, None]
    at_label = z.gather(1, labels[:, None])
    log_p = torch.log_softmax(w * z, -1)
    loss = -log_p.gather(-1, labels[:, None].expand(len(w), -1, 1))[..., 0]
    beside = (z - at_label).masked_fill(z == -torch.inf, 0.0)
    return loss, (log_p.exp() * beside).sum(-1)
