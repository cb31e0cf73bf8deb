"""The float64 twins of the methods that look at data, in plain torch, from the papers' formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn


def fisher(thetas: Sequence[Tensor], coefs: Sequence[float], fishers: Sequence[Tensor]) -> Tensor:
    """sum_i c_i F_i theta_i / sum_i c_i F_i, the plain mean where no F is above 0."""
    weights = [c * f.double() for c, f in zip(coefs, fishers, strict=True)]
    above = sum(w * theta.double() for w, theta in zip(weights, thetas, strict=True))
    below = sum(weights)
    mean = sum(c * theta.double() for c, theta in zip(coefs, thetas, strict=True)) / sum(coefs)
    return torch.where(below > 0, above / below, mean)


def regmean(
    weights: Sequence[Tensor], coefs: Sequence[float], grams: Sequence[Tensor], scale: float
) -> Tensor:
    """sum_i c_i W_i G_i (sum_i c_i G_i)^-1 for W [out, in]."""
    shrunk = [
        c * torch.where(torch.eye(len(g), dtype=torch.bool), g.double(), scale * g.double())
        for c, g in zip(coefs, grams, strict=True)
    ]
    right = sum(w.double() @ g for w, g in zip(weights, shrunk, strict=True))
    return right @ torch.linalg.inv(sum(shrunk))


def fisher_of(model: nn.Module, inputs: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
    """mean_x E_y (d log p(y | x))^2 by one backward pass for each x and y, in float64."""
    model = model.double()
    parameters = dict(model.named_parameters())
    total = {name: torch.zeros_like(value) for name, value in parameters.items()}
    for i, x in enumerate(inputs.double()):
        p = model(x[None])[0].softmax(-1).detach()
        for y in range(len(p)) if labels is None else [int(labels[i])]:
            log_p = model(x[None])[0].log_softmax(-1)[y]
            grads = torch.autograd.grad(log_p, list(parameters.values()))
            share = p[y] if labels is None else 1.0
            for name, grad in zip(parameters, grads, strict=True):
                total[name] += share * grad.square() / len(inputs)
    return total


def entropy_gradient(model, head, theta0, taus, coefs, inputs) -> Tensor:
    """d mean entropy / d coefs for plain autograd through theta0 + sum_i c_i tau_i."""
    coefs = torch.tensor(coefs, dtype=torch.float64, requires_grad=True)
    state = {
        name: value.double()
        + sum(c * tau[name].double() for c, tau in zip(coefs, taus, strict=True))
        for name, value in theta0.items()
    }
    logits = head(torch.func.functional_call(model, state, (inputs.double(),)))
    p = logits.softmax(-1)
    (-(p * p.log()).sum(-1).mean()).backward()
    return coefs.grad


def saved_statistics(tensors: Mapping[str, Tensor], kind: str, path: Path) -> Path:
    """A file as taujp.statistics writes it."""
    save_file(dict(tensors), path, metadata={"taujp.kind": kind, "taujp.settings": "{}"})
    return path
