"""The same merge as a command of taujp and as one of mergekit, and where mergekit is."""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def add_peer_python(parser: argparse.ArgumentParser) -> None:
    """--peer-python: mergekit has an environment of its own, or none."""
    parser.add_argument(
        "--peer-python",
        default=os.environ.get("TAUJP_PEER_PYTHON"),
        help="an interpreter with mergekit 0.1.5, `mergekit-yaml` beside it (default: "
        "TAUJP_PEER_PYTHON); without it only ours is timed",
    )


def compile_taujp() -> None:
    """Leaves bytecode beside the sources, as pip does: a first run would make it, or none ever."""
    for package in ("taujp", "taujp_ext"):
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None:
            compileall.compile_dir(Path(found.origin).parent, quiet=2)


def taujp_merge(
    method: str,
    base: Path | None,
    ckpts: Sequence[Path],
    coefs: Sequence[float],
    out: Path,
    **options: Any,
) -> list[str]:
    """`taujp merge ...`, run from source or as installed alike."""
    command = [
        sys.executable,
        "-m",
        "taujp",
        "merge",
        "--method",
        method,
        "--quiet",
        "--out",
        str(out),
    ]
    for path, coef in zip(ckpts, coefs, strict=True):
        command += ["--ckpt", f"{path}={coef}"]
    if base is not None:
        command += ["--base", str(base)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return command


def mergekit_yaml(
    python: str,
    method: str,
    base: Path | None,
    ckpts: Sequence[Path],
    coefs: Sequence[float],
    out: Path,
    *,
    parameters: Mapping[str, Any] = {},
    shared: Mapping[str, Any] = {},
) -> list[str]:
    """mergekit's command; its configuration is JSON, which YAML contains."""
    models = [
        {"model": str(path), "parameters": {"weight": coef, **parameters}}
        for path, coef in zip(ckpts, coefs, strict=True)
    ]
    config: dict[str, Any] = {"merge_method": method, "models": models, "dtype": "bfloat16"}
    if shared:
        config["parameters"] = dict(shared)
    if base is not None:
        config["base_model"] = str(base)
    file = out.with_name(out.name + ".yml")
    file.write_text(json.dumps(config))
    return mergekit_of(python, file, out)


def mergekit_of(python: str, config: Path, out: Path) -> list[str]:
    """`mergekit-yaml config out` of that interpreter's environment."""
    return [str(Path(python).with_name("mergekit-yaml")), str(config), str(out)]
