"""The linearised model: f(x; theta0) + J(x; theta0) (theta - theta0)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._pytree import tree_leaves, tree_map

from taujp.tangent import pieces
from taujp.tangent.backends import Backend
from taujp.tangent.differences import checked, differences
from taujp.tangent.dual import TangentError
from taujp.tangent.graph import at_theta0, carry
from taujp.tangent.low_rank import LowRank
from taujp.tangent.passes import Call


class Linearized(nn.Module):
    """Made by `taujp.linearize`. Trained like any module: its parameters are theta.

    `module` is the ordinary model at theta (with low-rank tangents: at theta0); `theta0` holds the
    pre-trained values of what is trained, by name.
    """

    def __init__(
        self,
        module: nn.Module,
        names: Sequence[str],
        *,
        rank: int | None,
        normalised: bool,
        chunk: int | None,
        backend: str,
    ) -> None:
        super().__init__()
        self.module, self.chunk, self.normalised = module, chunk, normalised
        self.theta0 = {name: module.get_parameter(name).detach().clone() for name in names}
        self.low_rank = None if rank is None else LowRank(self.theta0, rank)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name in self.theta0 and rank is None)
        self._backend = Backend(backend)

    # What it computes

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """f(x; theta0) + J(x; theta0) (theta - theta0), structured as the module's output."""
        f0, df = self.dual(*args, **kwargs)
        return tree_map(lambda a, b: a + b if pieces.is_moving(a) else a, f0, df)

    def dual(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """(f0, df): f(x; theta0), and J(x; theta0) (theta - theta0), differentiable in theta."""
        if not torch.is_grad_enabled():
            f0, (df,) = self._computed((args, kwargs), [self._tau()])
            return f0, df
        _refuse_inputs_with_grad(args, kwargs)
        if self._backend.name == "dual" and self.chunk is None:
            try:
                return self._recorded(args, kwargs)
            except TangentError as error:
                self._backend.change(error)
        return self._in_pieces((args, kwargs))

    def tangents(
        self, *args: Any, task_vectors: Sequence[Mapping[str, Tensor]], **kwargs: Any
    ) -> tuple[Any, list[Any]]:
        """(f0, [J tau_1, ..., J tau_T]) by one primal pass, without a graph.

        task_vectors: each name -> tau in the shape of that parameter; what is left out is zero.
        """
        taus = [checked(tau, self.theta0, index) for index, tau in enumerate(task_vectors)]
        return self._computed((args, kwargs), taus)

    # What it holds

    def task_vector(self) -> dict[str, Tensor]:
        """tau = theta - theta0 of what is trained, formed in fp32 (fp64 for fp64), by name."""
        if self.low_rank is not None:
            return {name: tau.detach() for name, tau in self.low_rank.products().items()}
        return differences(self.module, self.theta0)

    def state(self) -> dict[str, Tensor]:
        """theta and the buffers under the model's own names: a state dict of the ordinary model."""
        state = {name: value.detach() for name, value in self.module.state_dict().items()}
        if self.low_rank is not None:
            for name, tau in self.task_vector().items():
                state[name] = self.theta0[name] + tau
        return state

    def delinearize(self) -> nn.Module:
        """The ordinary model at theta, a copy that shares nothing with this one."""
        plain = copy.deepcopy(self.module)
        plain.load_state_dict(self.state())
        return plain.requires_grad_(True)

    def train(self, mode: bool = True) -> Linearized:
        """Sets `training` here only: J is a property of the model without dropout."""
        self.training = mode
        return self

    @property
    def backend(self) -> str:
        """ "dual" or "generic"; with "auto" it is known for sure after the first call."""
        return self._backend.name

    def extra_repr(self) -> str:
        reason = f" ({self._backend.reason})" if self._backend.reason else ""
        chosen = f"backend={self._backend.name}{reason}"
        parts = [chosen, f"trained={len(self.theta0)} parameters"]
        parts += [f"chunk={self.chunk}"] * (self.chunk is not None)
        parts += ["normalised features"] * self.normalised
        return ", ".join(parts)

    # How

    def _tau(self) -> dict[str, Tensor]:
        """theta - theta0; matrices are rounded to what autocast would round them to."""
        device = next(iter(self.theta0.values())).device.type
        if self.low_rank is not None or not torch.is_autocast_enabled(device):
            return self.task_vector()
        if self._backend.name == "generic":
            return self.task_vector()
        dtype = torch.get_autocast_dtype(device)
        return differences(self.module, self.theta0, matrices=dtype)

    def _anchors(self) -> dict[str, Tensor]:
        """What the gradient with respect to each weight goes to: theta, or the factors' product."""
        if self.low_rank is not None:
            return self.low_rank.products()
        return {name: self.module.get_parameter(name) for name in self.theta0}

    def _call(self, args: Any, kwargs: Any) -> Call:
        def call(module: nn.Module) -> Any:
            out = module(*args, **kwargs)
            return tree_map(_normalised, out) if self.normalised else out

        return call

    def _calls(self, inputs: pieces.Inputs) -> list[Call]:
        return [self._call(args, kwargs) for args, kwargs in pieces.cut(inputs, self.chunk)]

    def _recorded(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The whole batch in one pass: theta0's values, with theta's place in the graph."""
        anchors = self._anchors()
        points = {name: at_theta0(anchor, self.theta0[name]) for name, anchor in anchors.items()}
        call = self._call(args, kwargs)
        f0, df = self._backend.recorded(self.module, points, self._tau(), call)
        carried = tree_map(lambda a, b: carry(a, b) if pieces.is_moving(a) else b, f0, df)
        return tree_map(lambda a: a.detach() if isinstance(a, Tensor) else a, f0), carried

    def _computed(
        self, inputs: pieces.Inputs, taus: Sequence[Mapping[str, Tensor]]
    ) -> tuple[Any, list[Any]]:
        return self._backend.computed(self.module, self.theta0, taus, self._calls(inputs))

    def _in_pieces(self, inputs: pieces.Inputs) -> tuple[Any, Any]:
        """Tangents now, without a graph; the primal again when the gradient is asked for."""
        f0, (df,) = self._computed(inputs, [self._tau()])
        autocast = pieces.Autocast(next(iter(self.theta0.values())).device.type)

        def gradient(grads: Sequence[Tensor]) -> list[Tensor | None]:
            with autocast.again():
                calls = self._calls(inputs)
                return self._backend.gradient(self.module, self.theta0, calls, grads)

        return f0, pieces.recomputed(df, list(self._anchors().values()), gradient)

    def _apply(self, fn: Any, recurse: bool = True) -> Linearized:
        moved = {name: fn(value) for name, value in self.theta0.items()}
        half = [value.dtype for value in moved.values() if value.dtype.itemsize < 4]
        if half:
            raise ValueError(
                f"linearize: moved to {half[0]}; expected float32 or float64, since theta - theta0 "
                "is lost in half precision; run it under torch.autocast instead"
            )
        self.theta0 = moved
        return super()._apply(fn, recurse)


def _normalised(leaf: Any) -> Any:
    return functional.normalize(leaf, dim=-1) if pieces.is_moving(leaf) else leaf


def _refuse_inputs_with_grad(args: Any, kwargs: Any) -> None:
    if any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in tree_leaves((args, kwargs))):
        raise ValueError(
            "linearize: an input requires grad; a linearised model is differentiable in its "
            "parameters only; detach the input"
        )
