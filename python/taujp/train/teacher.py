"""The distilled recipe: an ordinary student follows a linearised teacher while that one learns.

teacher  f_T(x; a) = f0(x) + a J(x; theta0) (theta_T - theta0), of the same theta0
student  f_S(x; a) = f(x; theta0 + a (theta_S - theta0))
teacher's loss  cross-entropy(head(f_T(x; 1)), y) + sum of weight * penalty
student's loss  mean over x of || f_S(x; a) - f_T(x; a) ||^2 / || f0(x) ||^2

over training images and, where there is one, a generic reference set; a ~ U(0, 1) is drawn anew in
every step, so that the student is asked to be linear along its whole task vector and not only to
end where the teacher does. The student needs no labels, and none of its gradient reaches the
teacher. After Porrello et al. 2026 (arXiv 2605.18993): a curvature-regularised linearised teacher,
online, along the path. Theirs also matches hidden layers; ours matches the features alone, which
any encoder has.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import Dataset

from taujp.train.batch import Batch
from taujp.train.batches import drawn, endless_batches
from taujp.train.modes import full_precision, named_like
from taujp.train.objective import PenalisedClassification
from taujp.train.optimiser import Group
from taujp.train.recipe import Recipe

PATH = 3  # what a step's place on the path is drawn for; batches.py has the other purposes
REFERENCE = "reference"


class TeacherAndStudent(nn.Module):
    """Both models of a step in one forward pass, at place `along` of the path."""

    def __init__(self, lin: Any, encoder: nn.Module) -> None:
        super().__init__()
        self.lin, self.student, self.along = lin, copy.deepcopy(encoder).eval(), 1.0
        for name, value in self.student.named_parameters():
            value.requires_grad_(name in lin.theta0)

    def forward(self, images: Tensor, control: Sequence[dict[str, Tensor]]) -> Any:
        """(features, tangents) of the teacher's loss, and (student, teacher, f0) of the student's.

        The last of `control` has the reference images, if any: both models see them. The three
        of the student are [n, width] each, training images first.
        """
        *penalised, reference = control
        followed = torch.cat([images, *reference.values()])
        rows = [followed, *(part for each in penalised for part in each.values())]
        f0, tangents = (full_precision(part) for part in self.lin.dual(torch.cat(rows)))
        own, *others = tangents.split([len(part) for part in rows])
        f0, count = f0[: len(followed)], len(images)
        target = (f0 + self.along * own).detach()
        taught = f0[:count] + own[:count], named_like(penalised, others)
        return taught, (full_precision(self._student(followed)), target, f0)

    def _student(self, images: Tensor) -> Tensor:
        """f(x; theta0 + along * tau)."""
        theta0 = self.lin.theta0
        moved = {
            name: torch.lerp(theta0[name], value, self.along)
            for name, value in self.student.named_parameters()
            if name in theta0
        }
        return functional_call(self.student, moved, (images,))

    def state(self) -> dict[str, Tensor]:
        """The student's theta: the result is an ordinary model."""
        return dict(self.student.state_dict())


class Distillation(PenalisedClassification):
    """The teacher's loss plus the student's; neither's gradient reaches the other."""

    def __init__(
        self,
        learner: TeacherAndStudent,
        head: nn.Module,
        train: Dataset[Any],
        recipe: Recipe,
        *,
        penalties: Sequence[Any],
        reference: Dataset[Any] | None,
        teacher_learning_rate: float,
        workers: int = 0,
    ) -> None:
        super().__init__(learner, head, train, recipe, penalties=penalties, workers=workers)
        self.reference, self.teacher_learning_rate = reference, teacher_learning_rate
        self._references: Iterator[tuple[Tensor, Tensor]] = iter(())

    def groups(self) -> list[Group]:
        """The student, and the teacher with a learning rate of its own."""
        student, teacher = (
            [value for value in module.parameters() if value.requires_grad]
            for module in (self.learner.student, self.learner.lin)
        )
        return [
            Group("gradient_norm", student, self.recipe.learning_rate),
            Group("teacher_gradient_norm", teacher, self.teacher_learning_rate),
        ]

    def open(self, *, start: int, part: int, parts: int) -> None:
        """Goes to step `start` of the reference images too."""
        super().open(start=start, part=part, parts=parts)
        if self.reference is not None:
            self._references = endless_batches(
                self.reference,
                self.recipe.batch_size,
                seed=self.recipe.seed + 1,
                start=start,
                part=part,
                parts=parts,
                workers=self._workers,
                name="the reference set",
            )

    def batch(self, step: int) -> Batch:
        """The step's images, and its place on the path."""
        self.learner.along = drawn(self.recipe.seed, PATH, step) / 2**62
        batch = super().batch(step)
        reference = {} if self.reference is None else {REFERENCE: next(self._references)[0]}
        return Batch(batch.images, batch.labels, (*batch.control, reference))

    def terms(self, output: Any, batch: Batch) -> dict[str, Tensor]:
        """The sum of both losses, the student's distance, and the teacher's terms."""
        taught, (student, teacher, f0) = output
        terms = {f"teacher_{name}": value for name, value in super().terms(taught, batch).items()}
        distance = ((student - teacher).square().sum(-1) / f0.square().sum(-1)).mean()
        return {"loss": terms["teacher_loss"] + distance, "distance": distance, **terms}
