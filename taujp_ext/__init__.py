"""Loads the compiled modules and says what to do when one is missing.

`torch.ops.taujp` holds the operations once `load()` has run; `stream()` is the file engine, which
needs no torch.
"""

from __future__ import annotations

import functools
import importlib
import pathlib
from types import ModuleType

REBUILD = "Build it with `pip install .` in a clone of taujp (README, 'Install')."


class ExtensionError(ImportError):
    """A compiled module is missing or does not load; the message says what to do."""


def library(name: str) -> pathlib.Path | None:
    """The file of module `name` ("_cpu", "_cuda", "_stream"), or None where it was not built."""
    folder = pathlib.Path(__file__).parent
    return next((path for path in sorted(folder.glob(f"{name}.*")) if path.suffix == ".so"), None)


def _missing(name: str) -> ExtensionError:
    folder = pathlib.Path(__file__).parent
    if (folder.parent / "setup.py").exists():
        return ExtensionError(
            f"taujp_ext.{name} is not in {folder}, the source tree: a folder named like an "
            f"installed package hides it. Run Python from another folder, or install taujp for "
            f"development with `pip install -e .`."
        )
    return ExtensionError(f"taujp_ext.{name} was not built ({folder} has none). {REBUILD}")


def _load_library(name: str) -> None:
    import torch

    path = library(name)
    if path is None:
        raise _missing(name)
    try:
        torch.ops.load_library(str(path))
    except OSError as error:
        raise ExtensionError(
            f"{path} does not load under torch {torch.__version__}: {error}. It needs torch 2.11 "
            f"or newer of the kind it was built for. {REBUILD}"
        ) from error


@functools.cache
def load() -> None:
    """Registers torch.ops.taujp: the CPU kernels, and the CUDA ones where there are any."""
    import torch

    _load_library("_cpu")
    if torch.version.cuda is not None and library("_cuda") is not None:
        _load_library("_cuda")
    from taujp_ext import fake  # noqa: F401  (registers the fake kernels)


@functools.cache
def stream() -> ModuleType:
    """The file engine."""
    if library("_stream") is None:
        raise _missing("_stream")
    try:
        return importlib.import_module("taujp_ext._stream")
    except ImportError as error:
        raise ExtensionError(f"taujp_ext._stream does not load: {error}. {REBUILD}") from error
