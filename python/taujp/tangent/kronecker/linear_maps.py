"""Watches one image's forward pass for the linear maps W x + b in it: their inputs and outputs.

It looks at torch's functions, not at modules, so that it also sees those inside torch's
multi-head attention, whose packed projection no Linear owns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from taujp.tangent.dual import TangentError
from taujp.tangent.rules import COMPOSED


@dataclass(frozen=True)
class Use:
    """One use of a linear map: y's rows are x's rows times W^T, plus b.

    x: [tokens, in]. y: as the model sees it; `rows(y)` is [tokens, out].
    """

    weight: str
    bias: str | None
    x: Tensor
    y: Tensor
    rows: Callable[[Tensor], Tensor]


# x [tokens, in], weight, bias, and what turns y into [tokens, out].
LinearMap = tuple[Tensor, Tensor, Tensor | None, Callable[[Tensor], Tensor]]


class LinearMaps(TorchFunctionMode):
    """Inside, every linear map whose weight is one of `parameters` is kept in `uses`.

    `elsewhere`: the parameters that something else used; a map with one of them is not complete.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        super().__init__()
        self.maps: Mapping[Callable[..., Any], Callable[..., LinearMap | None]] = MAPS
        self._names = {id(value): name for name, value in parameters.items()}
        self._versions: list[tuple[Use, int]] = []
        self.elsewhere: set[str] = set()

    def complete(self) -> dict[str, list[Use]]:
        """The uses of each weight that was used in nothing but linear maps, as was its bias."""
        uses: dict[str, list[Use]] = {}
        for use, version in self._versions:
            uses.setdefault(use.weight, []).append(use)
            if use.x._version != version:  # written over since: no longer what the map saw
                self.elsewhere.add(use.weight)
        return {name: found for name, found in uses.items() if self._is_complete(name, found)}

    def _is_complete(self, weight: str, uses: list[Use]) -> bool:
        biases = {use.bias for use in uses}
        return len(biases) == 1 and not self.elsewhere & {weight, *biases}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in COMPOSED:
            try:
                with self:
                    return COMPOSED[func](*args, **kwargs)
            except TangentError:
                pass  # written out for fewer cases than torch's own function takes
        out = func(*args, **kwargs)
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        used = {self._names[id(leaf)] for leaf in leaves if id(leaf) in self._names}
        if not used or getattr(func, "__name__", "") == "__get__":  # a shape, a dtype
            return out
        found = self.maps[func](*args, **kwargs) if func in self.maps else None
        if found is None or not self._keep(found, out, used):
            self.elsewhere.update(used)
            return out
        return out.clone()  # what works in place on it leaves y alone

    def _keep(self, found: LinearMap, y: Tensor, used: set[str]) -> bool:
        x, weight, bias, rows = found
        own = [id(one) for one in (weight, bias) if one is not None]
        if {self._names.get(key) for key in own} != used:
            return False  # a part of a parameter, or one from elsewhere
        use = Use(self._names[id(weight)], self._names.get(id(bias)), x.detach(), y, rows)
        self.add(use)
        return True

    def add(self, use: Use) -> None:
        """Takes one use of a map, right after it; another watcher may keep something else of it."""
        self._versions.append((use, use.x._version))


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> LinearMap:
    width = weight.shape[0]
    return input.reshape(-1, weight.shape[1]), weight, bias, lambda y: y.reshape(-1, width)


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> LinearMap | None:
    """Its patches are the tokens; None where groups or padding by name make it something else."""
    if groups != 1 or isinstance(padding, str) or input.dim() != 4 or len(input) != 1:
        return None
    patches = functional.unfold(
        input.detach(), tuple(weight.shape[2:]), dilation=dilation, padding=padding, stride=stride
    )
    return patches[0].T, weight, bias, lambda y: y[0].flatten(1).T


MAPS: dict[Callable[..., Any], Callable[..., LinearMap | None]] = {
    functional.linear: _linear,
    functional.conv2d: _conv2d,
}
