"""The state of a run between two steps, on disk: a killed run goes on from it to the same bits.

Batches, random transforms and dropout are pure functions of (seed, step), so the weights, the
optimiser's moments and the losses so far are all there is to keep.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from taujp.train.atomic_file import write_tensors


class SavedState:
    """The state file beside `out`; without `out` nothing is kept.

    `settings`: JSON-able; a run with other settings is refused the state, and told what differs.
    """

    def __init__(self, out: Path | None, settings: Mapping[str, Any]) -> None:
        self.path = out and out.with_name(f".{out.stem}.resume.safetensors")
        self.settings = json.loads(json.dumps(settings, default=str))

    def restore(self, learner: nn.Module, optimiser: torch.optim.Optimizer) -> list[float]:
        """Puts what was saved into learner and optimiser; the losses of the steps done so far."""
        if self.path is None or not self.path.exists():
            return []
        from safetensors import safe_open

        with safe_open(self.path, "pt") as file:
            self._check(json.loads(file.metadata()["taujp"]))
            saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        with torch.no_grad():
            for name, value in _changing(learner).items():
                value.copy_(saved[f"learner:{name}"])
        for name, parameter in _trained(learner):
            moments = _under(saved, f"optimiser:{name}:")
            if moments:
                optimiser.state[parameter] = {
                    key: value if key == "step" else value.to(parameter.device)
                    for key, value in moments.items()
                }
        return list(saved["losses"].tolist())

    def save(
        self, learner: nn.Module, optimiser: torch.optim.Optimizer, losses: Iterable[float]
    ) -> None:
        """Writes the state after the steps of `losses`, in place of what was there."""
        if self.path is None:
            return
        tensors = {f"learner:{name}": value for name, value in _changing(learner).items()}
        for name, parameter in _trained(learner):
            for key, value in optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser:{name}:{key}"] = value
        tensors["losses"] = torch.tensor(list(losses), dtype=torch.float64)
        write_tensors(tensors, self.path, {"taujp": json.dumps(self.settings)})

    def discard(self) -> None:
        """Removes the state: the run is complete, or shall begin anew."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def how_to_go_on(self) -> str:
        """What to tell whoever stopped the run."""
        if self.path is None:
            return "nothing was kept, for want of `out`"
        return "run the same command again to go on"

    def _check(self, saved: Mapping[str, Any]) -> None:
        before, now = _flat(saved), _flat(self.settings)
        differences = [
            f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        ]
        if differences:
            raise ValueError(
                f"finetune: '{self.path}' is the state of another run: {'; '.join(differences)}; "
                "expected the same settings; give them again, or begin anew with resume=False "
                "(--no-resume)"
            )


def _trained(learner: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, value) for name, value in learner.named_parameters() if value.requires_grad]


def _changing(learner: nn.Module) -> dict[str, Tensor]:
    """What a step changes: the trained parameters, and the statistics of modules in training."""
    changing: dict[str, Tensor] = dict(_trained(learner))
    for name, module in learner.named_modules():
        if module.training:
            buffers = module.named_buffers(name, recurse=False)
            changing.update(buffers)
    return changing


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"recipe": {"steps": 3}} as {"recipe.steps": 3}."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
