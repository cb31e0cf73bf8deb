"""Editing a live model: theta0 + sum_i c_i tau_i, written into its parameters in one launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

import taujp_ext
from taujp.checkpoint import CheckpointError, open_checkpoint, tensor_of

from .combine import sources_of
from .edit_groups import dots_with, group_of_each
from .errors import MergeError
from .task_vector import TaskVector, agreed_names, same_checkpoint


def edit(
    model: torch.nn.Module,
    base: Any,
    task_vectors: Sequence[TaskVector],
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Editor:
    """Sweep or learn coefficients on a live model without reloading anything.

    `e = taujp.edit(model, base, [a, b])` holds theta0 and the checkpoints under the task vectors on
    the model's device; `e([0.3, 0.4])` writes theta0 + 0.3 a + 0.4 b into the live parameters;
    `e.call(coefs, *inputs)` runs the model there and is differentiable in `coefs`; `e.restore()`
    puts back what was there before.

    groups: {group: parameters' names}, for coefficients by layer: they are then [groups, vectors],
    in the mapping's order. Each parameter of the vectors is in one group.

    Raises: CheckpointError where the vectors' names or shapes are not the model's; MergeError for
    coefficients of the wrong number, and for groups that miss or share a parameter.
    """
    return Editor(model, base, task_vectors, groups)


class Editor:
    """Made by `taujp.edit`. Parameters that no vector changes stay as they are.

    names: the parameters that are edited. shape: that of the coefficients.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        base: Any,
        task_vectors: Sequence[TaskVector],
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        taujp_ext.load()
        if not task_vectors:
            raise MergeError("edit: no task vectors; expected at least one")
        self.model = model
        checkpoints, rows = sources_of(task_vectors)
        self._rows = torch.tensor(rows, dtype=torch.float64)  # [vectors, checkpoints]
        self._deltas = any(term.delta for vector in task_vectors for term in vector.terms)
        theta0 = open_checkpoint(base, label="base")
        self.names = agreed_names([theta0, *checkpoints]) if checkpoints else ()
        self._group = group_of_each(self.names, groups or {"all": self.names})
        self.shape = (len(task_vectors),) if groups is None else (len(groups), len(task_vectors))
        self._live = _live_tensors(model, self.names, theta0)
        self._parameters = dict(model.named_parameters(remove_duplicate=False)).keys()
        device = next(iter(self._live.values())).device if self._live else torch.device("cpu")

        def held(checkpoint: Any, name: str) -> torch.Tensor:
            return tensor_of(checkpoint, name).detach().to(device).contiguous().clone()

        self._bases = [held(theta0, name) for name in self.names]
        by_checkpoint = [
            self._bases if same_checkpoint(c, theta0) else [held(c, name) for name in self.names]
            for c in checkpoints
        ]
        self._sources = [tensor for row in zip(*by_checkpoint, strict=True) for tensor in row]
        self._before = [tensor.detach().clone() for tensor in self._live.values()]

    def __call__(self, coefs: Any) -> None:
        """Write theta0 + sum_i coefs[i] * task_vectors[i] into the live parameters."""
        table = self._table(coefs)
        if not self.names:
            return
        live = [tensor.detach() for tensor in self._live.values()]
        results = [
            tensor if tensor.is_contiguous() else torch.empty_like(tensor).contiguous()
            for tensor in live
        ]
        self._launch(table, results)
        for tensor, result in zip(live, results, strict=True):
            if result is not tensor:
                tensor.copy_(result)
        torch.autograd.graph.increment_version(list(self._live.values()))

    def call(self, coefs: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """The edited model's output; gradients flow into `coefs` [vectors] or [groups, vectors].

        The gradient of c_i is the dot product of the parameters' gradient with tau_i: one pass.
        """
        edited = dict(zip(self.names, _Edit.apply(self, coefs), strict=True))
        # Buffers are edited in place and carry no gradient, as everywhere in torch.
        parameters = {name: t for name, t in edited.items() if name in self._parameters}
        return torch.func.functional_call(self.model, parameters, args, kwargs)

    def restore(self) -> None:
        """Put back the parameters that the model had when the editor was made."""
        with torch.no_grad():
            for tensor, before in zip(self._live.values(), self._before, strict=True):
                tensor.copy_(before)

    def _table(self, coefs: Any) -> torch.Tensor:
        """Coefficients as [groups, vectors], float64 on the CPU."""
        table = torch.as_tensor(coefs, dtype=torch.float64).detach().cpu()
        if table.shape != self.shape and (len(self.shape) > 1 or table.numel() != self.shape[0]):
            came = f"{table.numel()} coefficients" if table.dim() < 2 else f"{tuple(table.shape)}"
            by = f" by {self.shape[0]} groups" if len(self.shape) > 1 else ""
            raise MergeError(f"edit: {came} for {self.shape[-1]} task vectors{by}")
        if not bool(torch.isfinite(table).all()):
            raise MergeError(f"edit: coefficients are {table.tolist()}; expected finite numbers")
        return table.reshape(-1, self.shape[-1])

    def _launch(self, table: torch.Tensor, results: list[torch.Tensor]) -> None:
        weights = (table @ self._rows).to(torch.float32)  # [groups, checkpoints]
        torch.ops.taujp.merge_(
            self._sources,
            self._bases,
            results,
            weights.unsqueeze(1),
            torch.tensor(self._group, dtype=torch.int64),
            torch.zeros(0, dtype=torch.int64),
            [1.0],
            [1.0] * weights.shape[1],
            [],
            "linear",
            "none",
            "none",
            "exact",
            False,
            False,
            self._deltas,
            False,
            torch.get_num_threads(),
        )

    def gradient(self, grads: Sequence[torch.Tensor | None]) -> torch.Tensor:
        """d loss / d coefs, of their shape, float64, from d loss / d parameter for each name."""
        count = self._rows.shape[1]
        groups = self.shape[0] if len(self.shape) > 1 else 1
        flat: list[list[torch.Tensor]] = [[] for _ in range(groups)]
        for p, (group, grad) in enumerate(zip(self._group, grads, strict=True)):
            if grad is not None:
                sources = self._sources[p * count : (p + 1) * count]
                flat[group] += [grad.contiguous(), *sources]
        return torch.stack([self._rows @ dots_with(one, count) for one in flat]).reshape(self.shape)


class _Edit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, editor: Editor, coefs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        editor(coefs)
        ctx.editor, ctx.like = editor, coefs
        return tuple(tensor.detach() for tensor in editor._live.values())

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor | None) -> tuple[None, torch.Tensor]:
        return None, ctx.editor.gradient(grads).to(ctx.like).reshape(ctx.like.shape)


def _live_tensors(
    model: torch.nn.Module, names: Sequence[str], base: Any
) -> dict[str, torch.Tensor]:
    """The model's own parameters and buffers under those names."""
    live = {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }

    def shape_of(name: str) -> tuple[int, ...] | None:
        return tuple(live[name].shape) if name in live else None

    wrong = [
        f"{name!r}: the model has {shape_of(name)}, the base {base.entries[name].shape}"
        for name in names
        if shape_of(name) != base.entries[name].shape
    ]
    if wrong:
        more = f"\n  ... and {len(wrong) - 20} more" if len(wrong) > 20 else ""
        raise CheckpointError(
            "edit: the model is not the base's:\n  " + "\n  ".join(wrong[:20]) + more
        )
    return {name: live[name] for name in names}
