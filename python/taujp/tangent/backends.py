"""Which back end computes the tangents: `dual` while every operation has a rule, else `generic`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from taujp.tangent import generic, pieces
from taujp.tangent.dual import TangentError
from taujp.tangent.passes import Call, dual_pass, primal_pass
from taujp.tangent.tower import fused_forwards
from taujp.tangent.watch import Watch

Weights = Mapping[str, Tensor]


class Backend:
    """The passes of a module at theta0. `name`: "dual" or "generic"; `reason`: why it changed."""

    def __init__(self, name: str) -> None:
        self._may_change = name == "auto"
        self.name = "dual" if name == "auto" else name
        self.reason = ""
        self._seen = False

    def change(self, error: TangentError) -> None:
        """Goes on with `generic`, where that was left open; else raises the error."""
        if self.name == "generic" or not self._may_change:
            raise error
        self.name, self.reason, self._seen = "generic", str(error).split(";")[0], False

    def recorded(
        self, module: nn.Module, points: Weights, tau: Weights, call: Call
    ) -> tuple[Any, Any]:
        """(f0, J tau) by the back end dual, autograd recording the primal."""
        call = self._watched(module, points, call)
        f0, (df,) = dual_pass(module, points, [tau], call, fused_forwards(module))
        return f0, df

    @torch.no_grad()
    def computed(
        self, module: nn.Module, theta0: Weights, taus: Sequence[Weights], calls: list[Call]
    ) -> tuple[Any, list[Any]]:
        """f0 and every J tau without a graph, one call after another, joined over their rows."""
        try:
            parts = [self._piece(module, theta0, taus, call) for call in calls]
        except TangentError as error:
            self.change(error)
            parts = [self._piece(module, theta0, taus, call) for call in calls]
        f0, dfs = zip(*parts, strict=True)
        return pieces.join(list(f0)), [pieces.join(list(one)) for one in zip(*dfs, strict=True)]

    def gradient(
        self, module: nn.Module, theta0: Weights, calls: list[Call], grads: Sequence[Tensor]
    ) -> list[Tensor | None]:
        """The gradient with respect to every weight: a primal pass and its VJP for each call."""
        total: list[Tensor | None] = [None] * len(theta0)
        rest = list(grads)
        for call in calls:
            points = {name: base.detach().requires_grad_(True) for name, base in theta0.items()}
            forwards = fused_forwards(module) if self.name == "dual" else {}
            with torch.enable_grad():
                out = primal_pass(module, points, call, forwards)
            leaves = [leaf for leaf in tree_leaves(out) if pieces.is_moving(leaf)]
            if len(calls) > 1:
                mine = [g[: len(leaf)] for g, leaf in zip(rest, leaves, strict=True)]
                rest = [g[len(leaf) :] for g, leaf in zip(rest, leaves, strict=True)]
            else:
                mine = rest
            for i, grad in enumerate(_pulled_back(leaves, list(points.values()), mine)):
                total[i] = grad if total[i] is None else _add(total[i], grad)
        return total

    def _piece(
        self, module: nn.Module, theta0: Weights, taus: Sequence[Weights], call: Call
    ) -> tuple[Any, list[Any]]:
        call = self._watched(module, theta0, call)
        if self.name == "dual":
            return dual_pass(module, theta0, taus, call, fused_forwards(module))
        found = [generic.dual_pass(module, theta0, tau, call) for tau in taus]
        return found[0][0], [df for _, df in found]

    def _watched(self, module: nn.Module, names: Iterable[str], call: Call) -> Call:
        """Looks over the first run; over every one of `generic`, where torch may drop tangents."""
        if self._seen and self.name == "dual":
            return call
        parameters = [module.get_parameter(name) for name in names]

        def watched(swapped_module: nn.Module) -> Any:
            with Watch(parameters):
                out = call(swapped_module)
            self._seen = True
            return out

        return watched


def _pulled_back(
    leaves: list[Tensor], points: list[Tensor], grads: Sequence[Tensor]
) -> Sequence[Tensor | None]:
    """The vector-Jacobian product; None for a weight that nothing depends on."""
    pairs = [(leaf, grad) for leaf, grad in zip(leaves, grads, strict=True) if leaf.requires_grad]
    return torch.autograd.grad(
        [leaf for leaf, _ in pairs],
        points,
        [grad.to(leaf.dtype) for leaf, grad in pairs],
        allow_unused=True,
    )


def _add(total: Tensor | None, grad: Tensor | None) -> Tensor | None:
    return total if total is None or grad is None else total.add_(grad)
