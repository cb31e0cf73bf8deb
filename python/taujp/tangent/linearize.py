"""`taujp.linearize`: a model as the tangent plane of itself at its pre-trained weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from taujp.tangent.linearized import Linearized
from taujp.tangent.trainable import trainable_names


def linearize(
    model: nn.Module,
    at: Mapping[str, Tensor] | None = None,
    *,
    trainable: str | Sequence[str] | None = None,
    rank: int | None = None,
    normalised: bool = False,
    chunk: int | None = None,
    backend: Literal["auto", "dual", "generic"] = "auto",
) -> Linearized:
    """Fine-tune a model in its tangent space, so that task vectors add up.

    Returns a module whose parameters theta start at the model's, theta0, and whose output is
    f(x; theta0) + J(x; theta0) (theta - theta0), J the Jacobian with respect to the parameters.
    The model is copied, not changed; the copy stays in evaluation mode, and half-precision weights
    become fp32 (theta - theta0 would be lost in half precision; use torch.autocast for speed).

    at: theta by name, for post-hoc linearisation of what ordinary fine-tuning found.
    trainable: None (every floating parameter), "attention", or patterns of names ("*attn*").
    rank: trained matrices [out, in] move by B A alone, of this rank, and nothing else is trained.
    normalised: linearises the outputs divided by their norm.
    chunk: rows a forward and a vector-Jacobian product are cut into; same result, less memory.
    backend: "dual" computes primal and tangent together and raises TangentError at an operation
    without a rule; "generic" is torch's forward mode, for any module; "auto" is dual, and generic
    from such an operation on. `repr` shows it.

    Equivalent: `torch.func.jvp(lambda p: functional_call(model, p, x), (theta0,), (tau,))`, summed.
    Source: Ortiz-Jimenez et al. 2023, "Task arithmetic in the tangent space".
    """
    if backend not in ("auto", "dual", "generic"):
        raise ValueError(f"linearize: backend is {backend!r}; expected 'auto', 'dual' or 'generic'")
    for name, value in (("chunk", chunk), ("rank", rank)):
        if value is not None and value < 1:
            raise ValueError(f"linearize: {name} is {value}; expected None or at least 1")
    module = in_full_precision(copy.deepcopy(model).eval())
    names = trainable_names(module, trainable)
    if rank is not None:
        names = [name for name in names if module.get_parameter(name).dim() == 2]
    if not names:
        raise ValueError(
            f"linearize: {type(model).__name__} has no floating parameter to train"
            f"{' of two dimensions' if rank else ''}; expected at least one"
        )
    linearized = Linearized(
        module, names, rank=rank, normalised=normalised, chunk=chunk, backend=backend
    )
    if at is not None:
        move_to(linearized, at)
    return linearized


def in_full_precision(module: nn.Module) -> nn.Module:
    """The module with half-precision parameters and buffers in fp32."""
    return module._apply(
        lambda t: t.float() if t.is_floating_point() and t.dtype.itemsize < 4 else t
    )


def move_to(linearized: Linearized, at: Mapping[str, Tensor]) -> None:
    """Sets theta; `at` must have every trained name, in its shape, and none that is unknown."""
    if linearized.low_rank is not None:
        raise ValueError(
            "linearize: at and rank were both given; expected one of them, since a theta is not of "
            "low rank in general"
        )
    known = linearized.module.state_dict()
    wrong = [
        f"'{name}': {tuple(at[name].shape) if name in at else 'missing'}, expected "
        f"{tuple(base.shape)}"
        for name, base in linearized.theta0.items()
        if name not in at or at[name].shape != base.shape
    ]
    wrong += [f"'{name}': unknown" for name in at if name not in known]
    if wrong:
        raise ValueError(
            f"linearize: at does not fit the model: {'; '.join(wrong[:8])}"
            f"{f' and {len(wrong) - 8} more' if len(wrong) > 8 else ''}"
        )
    with torch.no_grad():
        for name in linearized.theta0:
            linearized.module.get_parameter(name).copy_(at[name])
