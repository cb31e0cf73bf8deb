"""EMR-Merging: one unified task vector, and a mask and a scale for each task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..formula import Formula
from ..masked import Masked, masked_formula
from ..method import tensor_method
from ..recipe import one_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter
    from ..survey import Survey

SCALES: dict[str | None, str] = {"elements": "elements", "parameters": "parameters"}


@tensor_method("emr", weighted=False, cost="two passes; N models", per_task=True)
def emr(n: int, *, scale: str = "elements") -> Formula:
    """Keep each task's model nearly whole, at the cost of a bit an element for each: N models.

    Elect: the sign of sum_i tau_i (a tie elects +), and the largest |tau_i| that has it: the
    unified vector u. Mask: M_i = (tau_i u > 0). Rescale: s_i = sum |tau_i| / sum |M_i u| over the
    whole model. Model i is theta0 + s_i M_i u; lambda_ scales it (one number, or N). `scale`
    "parameters" sums the means of the parameters instead, as the authors' program does, in which
    a tie elects -.
    `taujp.compact` keeps u, the masks and s_i alone, from which each model can be made again.
    Source: Huang et al. 2024, arXiv 2405.17461.
    """
    weighing = one_of("scale", scale, SCALES)

    def survey(every: Survey) -> list[float]:
        return _scales(every, n, by_parameter=weighing == "parameters")

    def masked(parameter: Parameter) -> Masked:
        unified = _unified(parameter.vectors)
        masks = [tau * unified > 0 for tau in parameter.vectors]
        return Masked(unified, masks, parameter.found)

    return masked_formula(masked, survey)


def _unified(vectors: list[Tensor]) -> Tensor:
    import torch

    positive = sum(vectors[1:], vectors[0]) >= 0
    most, least = vectors[0], vectors[0]
    for tau in vectors[1:]:
        most, least = torch.maximum(most, tau), torch.minimum(least, tau)
    return torch.where(positive, most.clamp(min=0), least.clamp(max=0))


def _scales(every: Survey, tasks: int, *, by_parameter: bool) -> list[float]:
    """s_i; 1 where nothing of a task's vector has the elected signs."""
    import torch

    own = torch.zeros(tasks, dtype=torch.float64)
    kept = torch.zeros(tasks, dtype=torch.float64)
    for parameter in every:
        unified = _unified(parameter.vectors)
        size = every.merge.donor.entries[parameter.name].size if by_parameter else 1
        for i, tau in enumerate(parameter.vectors):
            own[i] += float(tau.abs().sum(dtype=torch.float64)) / size
            mine = unified * (tau * unified > 0)
            kept[i] += float(mine.abs().sum(dtype=torch.float64)) / size
    return (own / kept).where(kept > 0, 1.0).tolist()
