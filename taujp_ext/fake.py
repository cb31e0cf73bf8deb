"""What the operations return, without computing it: for meta tensors and torch.compile."""

from __future__ import annotations

import torch


@torch.library.register_fake("taujp::merge_")
def _merge_(sources, bases, results, coefs, *rest):
    return torch.empty(len(sources) // coefs.shape[2], dtype=torch.int8)


@torch.library.register_fake("taujp::products")
def _products(sources, bases, coefs, deltas, left, threads):
    return torch.empty((left, coefs.shape[1]), dtype=torch.float64)


@torch.library.register_fake("taujp::layer_norm_tangent")
def _layer_norm_tangent(x, dx, mean, rstd, weight, dweight, dbias):
    return torch.empty_like(x)


@torch.library.register_fake("taujp::gelu_tangent")
def _gelu_tangent(x, dx, approximate):
    return torch.empty_like(x)


@torch.library.register_fake("taujp::row_norm")
def _row_norm(x):
    return x.new_empty(x.shape[0])


@torch.library.register_fake("taujp::row_norm_grad")
def _row_norm_grad(x, norm, grad):
    return torch.empty_like(x)


@torch.library.register_fake("taujp::deltas")
def _deltas(theta, theta0, dtype):
    return [torch.empty_like(t, dtype=dtype) for t in theta]


@torch.library.register_fake("taujp::attention_tangent")
def _attention_tangent(q, k, v, dq, dk, dv, mask, scale, causal):
    return q.new_empty((q.shape[0], q.shape[2], q.shape[1], v.shape[3])).transpose(1, 2)


@torch.library.register_fake("taujp::risk_rows")
def _risk_rows(logits, labels, scales):
    shape = (scales.shape[0], logits.shape[0])
    return scales.new_empty(shape), scales.new_empty(shape)


@torch.library.register_fake("taujp::risk_rows_grad")
def _risk_rows_grad(logits, labels, scales, loss, slope, grad_loss, grad_slope):
    return torch.empty_like(logits)
