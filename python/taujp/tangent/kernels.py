"""The kernels of the tangents: one pass over memory each, on the CPU and on CUDA.

They compute values only. Called where autograd or forward mode would have to follow, they raise:
torch gives an operation without a rule a zero derivative, silently. Tangents are cast to the
dtype of the primal x; sums are formed in fp32 (fp64 for fp64) and rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

import taujp_ext

_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def available(tensor: Tensor) -> bool:
    """Whether the kernels take this tensor: its dtype, and its device has a build of them."""
    taujp_ext.load()
    key = {"cpu": "CPU", "cuda": "CUDA"}.get(tensor.device.type)
    if key is None or tensor.dtype not in _DTYPES:
        return False
    return torch._C._dispatch_has_kernel_for_dispatch_key("taujp::gelu_tangent", key)


def layer_norm_tangent(
    x: Tensor,
    dx: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor | None = None,
    dweight: Tensor | None = None,
    dbias: Tensor | None = None,
) -> Tensor:
    """The tangent of a layer norm, for one whose mean and rstd the primal pass left.

    x, dx: [..., width], normalised over the last dimension; mean, rstd: one number a row, as
    torch.native_layer_norm returns them; weight, dweight, dbias: [width]. None is zero, for the
    weight one. With n = (x - mean) rstd:

        dy = weight rstd (dx - <dx> - n <dx n>) + dweight n + dbias

    Raises RuntimeError on shapes or devices that do not match, and where a gradient is recorded.
    """
    _refuse_derivatives("layer_norm_tangent", x, dx, mean, rstd, weight, dweight, dbias)
    statistics = torch.float64 if x.dtype == torch.float64 else torch.float32
    return torch.ops.taujp.layer_norm_tangent(
        x.contiguous(),
        _like(dx, x),
        mean.to(statistics).contiguous(),
        rstd.to(statistics).contiguous(),
        *(_like(one, x) for one in (weight, dweight, dbias)),
    )


def gelu_tangent(x: Tensor, dx: Tensor, approximate: str = "none") -> Tensor:
    """The tangent of a GELU, dy = f'(x) dx.

    x, dx: one shape. approximate: "none" (x Phi(x)), "tanh", or "quick" (x sigmoid(1.702 x)).
    Equivalent to torch.ops.aten.gelu_backward(dx, x, approximate=approximate). Raises RuntimeError
    on shapes that do not match, on another name, and where a gradient is recorded.
    """
    _refuse_derivatives("gelu_tangent", x, dx)
    return torch.ops.taujp.gelu_tangent(x.contiguous(), _like(dx, x), approximate)


def row_norm(x: Tensor) -> Tensor:
    """The Euclidean norm of every row, x [rows, width] to [rows]; `row_norm.row_norm` derives."""
    _refuse_derivatives("row_norm", x)
    return torch.ops.taujp.row_norm(x.contiguous())


def row_norm_grad(x: Tensor, norm: Tensor, grad: Tensor) -> Tensor:
    """grad_x = grad x / norm for x [rows, width], norm and grad [rows]; 0 where the norm is 0."""
    _refuse_derivatives("row_norm_grad", x, norm, grad)
    return torch.ops.taujp.row_norm_grad(x.contiguous(), _like(norm, x), _like(grad, x))


def deltas(
    theta: Sequence[Tensor], theta0: Sequence[Tensor], dtype: torch.dtype | None = None
) -> list[Tensor]:
    """tau = cast(theta - theta0) of all parameters in one launch, for the tangents of a step.

    theta, theta0: as many tensors, pairwise of one shape and dtype. dtype: of the result, None for
    theta's own; float64 stays float64. The difference is formed in fp32 (fp64) and rounded once.
    Raises RuntimeError where the lists do not match and where a gradient is recorded.
    """
    _refuse_derivatives("deltas", *theta, *theta0)
    if len(theta) == len(theta0) == 0:
        return []
    return list(
        torch.ops.taujp.deltas(
            [one.contiguous() for one in theta],
            [_like(zero, one) for zero, one in zip(theta0, theta, strict=True)],
            dtype,
        )
    )


def attention_tangent(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dq: Tensor | None,
    dk: Tensor | None,
    dv: Tensor | None,
    mask: Tensor | None = None,
    scale: float | None = None,
    causal: bool = False,
) -> Tensor:
    """The tangent of scaled dot-product attention, for sequences of up to some thousand tokens.

    q [B, H, Nq, D], k [B, H, Nk, D], v [B, H, Nk, Dv] and their tangents (None is zero), any
    strides: views of a packed projection are read where they are. mask: additive, [B|1, H|1, Nq|1,
    Nk]. scale: None for 1 / sqrt(D). causal: query i sees the keys 0..i. With P = softmax(S):

        dS = scale (dQ K^T + Q dK^T),  dO = P (dS - <P, dS>) V + P dV

    Returns [B, H, Nq, Dv] in memory that lies as [B, Nq, H, Dv], so that transpose(1, 2).flatten(2)
    is free. Rows whose keys are all masked give 0. Raises RuntimeError on shapes or devices that do
    not match, and where a gradient is recorded.
    """
    _refuse_derivatives("attention_tangent", q, k, v, dq, dk, dv, mask)
    heads = [_last_contiguous(one, q) for one in (q, k, v, dq, dk, dv, mask)]
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    return torch.ops.taujp.attention_tangent(*heads, factor, causal)


def _last_contiguous(tensor: Tensor | None, like: Tensor) -> Tensor | None:
    """In the dtype of `like`, the elements of a row one after another."""
    if tensor is None:
        return None
    tensor = tensor.to(like.dtype)
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _like(tensor: Tensor | None, x: Tensor) -> Tensor | None:
    """In x's dtype, contiguous."""
    return None if tensor is None else tensor.to(x.dtype).contiguous()


def _refuse_derivatives(operation: str, *tensors: Tensor | None) -> None:
    """Loads the kernels; raises where a derivative of the result would be asked for."""
    taujp_ext.load()
    given = [tensor for tensor in tensors if tensor is not None]
    if any(map(_has_derivative, given)):
        raise RuntimeError(
            f"taujp: {operation} computes values only, and an argument requires grad, carries a "
            "forward-mode tangent or is inside a torch.func transform; its derivative would be "
            "lost. Expected plain tensors: call it under torch.no_grad(), or on x.detach()"
        )


def _has_derivative(tensor: Tensor) -> bool:
    if tensor.requires_grad and torch.is_grad_enabled():
        return True
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return True
    level = forward_ad._current_level  # -1 outside of any dual_level
    return level >= 0 and forward_ad.unpack_dual(tensor, level=level).tangent is not None


taujp_ext.load()
