"""Logits of rows whose environments have heads, and classes, of their own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from taujp.train.objectives.environments import Environments


class HeadOfEach(nn.Module):
    """A head for each environment, as when the environments are tasks of task arithmetic.

    forward(features [n, width], index int64 [n]) gives [n, classes of the largest head]: row i
    goes through head index[i]; classes that its head does not have get a logit of -inf, which
    takes no part in any risk.
    """

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, features: Tensor, index: Tensor) -> Tensor:
        rows = [torch.nonzero(index == number)[:, 0] for number in range(len(self.heads))]
        parts = [head(features[which]) for head, which in zip(self.heads, rows, strict=True)]
        classes = max(part.shape[1] for part in parts)
        padded = [
            functional.pad(part, (0, classes - part.shape[1]), value=-torch.inf) for part in parts
        ]
        back = torch.argsort(torch.cat(rows))
        return torch.cat(padded)[back]


def logits_of(features: Tensor, head: nn.Module, environments: Environments) -> Tensor:
    """head(features), each row through its environment's own where there is one for each."""
    if isinstance(head, HeadOfEach):
        return head(features, environments.index)
    return head(features)
