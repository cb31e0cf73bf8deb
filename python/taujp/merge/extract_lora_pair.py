"""The two models of which an adapter is extracted: what changed, parameter by parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from taujp.checkpoint import Checkpoint, check_agreement, check_integer_buffers
from taujp.checkpoint.tensors import tensor_of

from .errors import MergeError

if TYPE_CHECKING:
    from torch import Tensor

OPERATION = "extract_lora"


@dataclass(frozen=True)
class TunedPair:
    """theta0 and theta."""

    theta0: Checkpoint
    theta: Checkpoint

    def tau(self, name: str) -> Tensor:
        """theta - theta0 in fp32, on the CPU."""
        start = tensor_of(self.theta0, name).detach().cpu().float()
        return self.tuned(name).float() - start

    def tuned(self, name: str) -> Tensor:
        """theta's own, on the CPU."""
        return tensor_of(self.theta, name).detach().cpu()

    def norms(self) -> dict[str, float]:
        """|tau| of each parameter that changed.

        Raises: CheckpointError where the two are not of one model; MergeError for NaN or Inf, and
          where nothing changed.
        """
        import torch

        agreement = check_agreement(
            self.theta0,
            [self.theta],
            operation=OPERATION,
            advice="rename= (--rename) maps names; otherwise give the two of one model",
        )
        check_integer_buffers(self.theta0, [self.theta], agreement.integers)
        found = {
            name: float(torch.linalg.vector_norm(self.tau(name), dtype=torch.float64))
            for name in agreement.names
        }
        broken = [name for name, norm in found.items() if not 0 <= norm < float("inf")]
        if broken:
            raise MergeError(f"{OPERATION}: NaN or Inf in {', '.join(broken[:10])} of the models")
        changed = {name: norm for name, norm in found.items() if norm > 0}
        if not changed:
            raise MergeError(f"{OPERATION}: the two models are equal; there is nothing to extract")
        return changed
