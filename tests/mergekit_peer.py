"""Asks mergekit for its answers: in this process where it is installed, else in its interpreter.

Run as a script it is the other end: one JSON request a line (files of tensors, method, parameters;
or a configuration, as `mergekit-yaml` takes it), one line of answer. TAUJP_PEER_PYTHON names an
interpreter that has mergekit 0.1.5.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

VERSION = "0.1.5"
StateDict = Mapping[str, Tensor]


def merge_by_mergekit(
    models: Sequence[StateDict], method: str, base: bool, parameters: dict[str, Any]
) -> dict[str, Tensor]:
    """mergekit's in-memory merge; the first of `models` is the base where there is one."""
    from mergekit.merge_methods import merge_state_dicts

    return merge_state_dicts(
        {str(i): model for i, model in enumerate(models)},
        method,
        base="0" if base else None,
        parameters=parameters,
    )


def run_by_mergekit(config: str, out: str, options: dict[str, Any]) -> None:
    """What `mergekit-yaml config out` does; the options are its flags."""
    import yaml
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    parsed = MergeConfiguration.model_validate(yaml.safe_load(config))
    run_merge(parsed, out, MergeOptions(quiet=True, **options), config_source=config)


class Here:
    """mergekit in this process."""

    __call__ = staticmethod(merge_by_mergekit)
    run = staticmethod(run_by_mergekit)

    def close(self) -> None:
        """Nothing was started."""


class Peer:
    """mergekit at the end of a pipe, started once."""

    def __init__(self, python: str, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [python, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )

    def __call__(
        self, models: Sequence[StateDict], method: str, base: bool, parameters: dict[str, Any]
    ) -> dict[str, Tensor]:
        files = [str(self.folder / f"{i}.safetensors") for i in range(len(models))]
        for file, model in zip(files, models, strict=True):
            save_file(dict(model), file)
        request = {"files": files, "method": method, "base": base, "parameters": parameters}
        answer = self.folder / "answer.safetensors"
        self._ask({**request, "answer": str(answer)})
        return load_file(answer)

    def run(self, config: str, out: str, options: dict[str, Any]) -> None:
        """As run_by_mergekit, there."""
        self._ask({"config": config, "out": out, "options": options})

    def _ask(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = (
            json.loads(line) if line else {"error": "its interpreter ended; see its messages above"}
        )
        if "error" in answer:
            raise RuntimeError(f"mergekit: {answer['error']}")

    def close(self) -> None:
        """Ends the interpreter."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def reason_for_no_peer(python: str | None) -> str | None:
    """Why there is nothing to compare with; None where there is."""
    if python:
        return None if Path(python).exists() else f"TAUJP_PEER_PYTHON={python} does not exist"
    if importlib.util.find_spec("mergekit") is None:
        return "mergekit is not installed, and TAUJP_PEER_PYTHON names no interpreter that has it"
    found = importlib.metadata.version("mergekit")
    return None if found == VERSION else f"mergekit is {found}; the comparison is with {VERSION}"


def open_peer(folder: Path) -> Here | Peer:
    """A callable like merge_by_mergekit, whose `run` is like run_by_mergekit."""
    python = os.environ.get("TAUJP_PEER_PYTHON")
    return Peer(python, folder) if python else Here()


def _answer(request: dict[str, Any]) -> None:
    if "config" in request:
        return run_by_mergekit(request["config"], request["out"], request["options"])
    models = [load_file(file) for file in request["files"]]
    parameters = request["parameters"]
    merged = merge_by_mergekit(models, request["method"], request["base"], parameters)
    save_file({name: t.contiguous() for name, t in merged.items()}, request["answer"])


def _serve() -> None:
    for line in sys.stdin:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # the answer is all that goes there
                _answer(json.loads(line))
            answer = {}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
