"""The players of the IRM game: a network, or a head, of each environment; together the mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call


class Members(nn.Module):
    """forward(x) is the mean of the members' outputs; in training, `turn` says who learns.

    turn: None: all of them. A member's number: that one; the others are constants, and get no
    gradient rather than one of zeros, so that no optimiser moves them. FEATURES: whatever made x;
    the members pass its gradient on and get none.
    """

    FEATURES = -1

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("Members: there is none; expected one for each environment")
        self.members = nn.ModuleList(members)
        self.turn: int | None = None

    def __len__(self) -> int:
        return len(self.members)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [self._output(number, x) for number in range(len(self))]
        return torch.stack(outputs).mean(0)

    def _output(self, number: int, x: Tensor) -> Tensor:
        member = self.members[number]
        if self.turn is None or not self.training:
            return member(x)
        if self.turn == self.FEATURES:
            fixed = {name: value.detach() for name, value in member.named_parameters()}
            return functional_call(member, fixed, (x,))
        x = x.detach()
        if self.turn == number:
            return member(x)
        with torch.no_grad():
            return member(x)
