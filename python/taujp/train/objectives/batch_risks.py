"""The risks of a batch's environments: what every objective is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from taujp.train.objectives.environments import Environments
from taujp.train.objectives.groups import group_means, halves
from taujp.train.objectives.heads import logits_of
from taujp.train.objectives.ranks import sum_over_ranks
from taujp.train.objectives.risk_rows import risk_rows


@dataclass(frozen=True)
class BatchRisks:
    """loss, slope: [draws, n], at scales of which the first is 1; for the objective so named.

    classes: how many the head has.
    """

    objective: str
    loss: Tensor
    slope: Tensor
    environments: Environments
    classes: int

    def risks(self) -> Tensor:
        """R_e, the mean loss of every environment, [environments]."""
        return self._means(self.loss[:1])[0]

    def slopes(self) -> Tensor:
        """dR_e/dw at every scale, [draws, environments]."""
        return self._means(self.slope)

    def squared_slopes(self, estimator: str) -> Tensor:
        """(dR_e/dw)^2 at every scale, [draws, environments].

        "square": of the batch's mean, whose expectation is too large by the mean's variance.
        "split": the mean of an environment's even rows times that of its odd ones, which is
        unbiased and may be negative. ValueError where an environment has a single row.
        """
        if estimator == "square":
            return self.slopes().square()
        self._check_halves()
        count = len(self.environments.names)
        means = group_means(self.slope, halves(self.environments.index, count), 2 * count)
        return means[:, 0::2] * means[:, 1::2]

    def log(self) -> dict[str, Tensor]:
        """The mean risk and every environment's, for the log."""
        risks = self.risks().detach()
        each = zip(self.environments.names, risks, strict=True)
        return {"risk": risks.mean(), **{f"risk_{name}": risk for name, risk in each}}

    def _check_halves(self) -> None:
        counts = sum_over_ranks(self.environments.counts()).tolist()
        for name, count in zip(self.environments.names, counts, strict=True):
            if count < 2:
                raise ValueError(
                    f"{self.objective}: environment '{name}' has 1 row in this batch; expected at "
                    "least 2 to split it into halves; draw larger batches, or choose "
                    "estimator='square'"
                )

    def _means(self, values: Tensor) -> Tensor:
        return group_means(values, self.environments.index, len(self.environments.names))


def batch_risks(
    objective: str,
    features: Tensor,
    head: nn.Module,
    environments: Environments,
    scales: Tensor | None = None,
) -> BatchRisks:
    """The rows' risks at `scales` [draws] or [draws, n] (None: at 1), checked.

    ValueError, naming the environment: a label outside the head's classes, or a risk that is not
    finite.
    """
    logits = logits_of(features, head, environments)
    _check_rows(objective, logits, environments)
    if scales is None:
        scales = torch.ones(1, device=logits.device)
    loss, slope = risk_rows(logits, environments.labels, scales)
    found = BatchRisks(objective, loss, slope, environments, logits.shape[1])
    _check_finite(objective, found.loss.detach()[0], environments)
    return found


def _check_rows(objective: str, logits: Tensor, environments: Environments) -> None:
    if logits.dim() != 2 or len(logits) != len(environments.labels):
        raise ValueError(
            f"{objective}: the head gave logits of shape {tuple(logits.shape)} for "
            f"{len(environments.labels)} labels; expected (rows, classes), a label a row"
        )
    labels, classes = environments.labels, logits.shape[1]
    outside = (labels < 0) | (labels >= classes)
    if bool(outside.any()):
        row = int(outside.nonzero()[0, 0])
        raise ValueError(
            f"{objective}: a label of environment '{environments.name_of(row)}' is "
            f"{int(labels[row])}; expected 0 to {classes - 1}, a class of the head"
        )


def _check_finite(objective: str, loss: Tensor, environments: Environments) -> None:
    wrong = ~loss.isfinite()
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0, 0])
        raise ValueError(
            f"{objective}: the risk of environment '{environments.name_of(row)}' is "
            f"{float(loss[row])} at one of its rows; expected finite logits, and a label that its "
            "head has; lower the learning rate or check the environment's data"
        )
