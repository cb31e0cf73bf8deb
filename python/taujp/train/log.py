"""Training logs: JSON lines always; TensorBoard and Weights & Biases where asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Logger(Protocol):
    """Where the figures of every step go."""

    def open(self, *, start: int, settings: Mapping[str, Any]) -> None:
        """Once, before step `start`; a run that goes on may find later steps already logged."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One step's figures."""

    def close(self) -> None:
        """After the last step, or an error."""


class JsonLines:
    """A file with one JSON object a step, readable while the run goes on."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def open(self, *, start: int, settings: Mapping[str, Any]) -> None:
        """Keeps the lines of the steps before `start` and drops later ones, cut ones included."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = self._lines()[:start] if start else []
        self._file = self.path.open("wb", buffering=0)  # so that a follower sees every line
        for line in kept:
            self._put(line)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """{"step": ..., "loss": ..., ...}; OSError names the file where it cannot be written."""
        self._put(json.dumps({"step": step, **values}))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _put(self, line: str) -> None:
        try:
            self._file.write(f"{line}\n".encode())
        except OSError as error:
            raise OSError(
                f"finetune: cannot write the log '{self.path}': {error}; make room or choose "
                "another place, and run the same command again"
            ) from error

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []


class TensorBoard:
    """Event files in `folder`, for `tensorboard --logdir`."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def open(self, *, start: int, settings: Mapping[str, Any]) -> None:
        """Opens the folder; what a killed run logged from `start` on is hidden."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard", error) from error
        self._writer = SummaryWriter(self.folder, purge_step=start or None)
        self._writer.add_text("settings", f"```\n{json.dumps(settings, indent=2)}\n```")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """A scalar for every figure."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flushes the event file."""
        self._writer.close()


class WeightsAndBiases:
    """A run in a Weights & Biases project; the account is set up as `wandb` says."""

    def __init__(self, project: str, name: str | None = None) -> None:
        self.project, self.name = project, name

    def open(self, *, start: int, settings: Mapping[str, Any]) -> None:
        """Starts a run with the settings as its configuration."""
        try:
            import wandb
        except ImportError as error:
            raise _missing("wandb", error) from error
        self._run = wandb.init(project=self.project, name=self.name, config=dict(settings))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """All figures of a step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Ends the run."""
        self._run.finish()


def _missing(package: str, error: ImportError) -> ImportError:
    return ImportError(
        f"finetune: {package} cannot be imported ({error}); it is needed for this log; run "
        f"`pip install {package}`, or leave the log out"
    )
