"""`taujp info`: what is installed, what was built, what it will run on."""

from __future__ import annotations

import argparse
import os
import platform

import taujp
import taujp_ext

PACKAGES = ("torch", "open_clip_torch", "transformers", "safetensors", "numpy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> int:
    """Print versions, modules, CUDA architectures, SIMD level and threads."""
    rows = [("taujp", taujp.__version__), ("python", platform.python_version())]
    rows += [(package, _version(package)) for package in PACKAGES]
    rows += [("_stream", _stream()), *_torch_modules()]
    rows += [("processors", str(len(os.sched_getaffinity(0))))]
    for name, value in rows:
        print(f"{name:18} {value}")
    return 0


def _version(package: str) -> str:
    from importlib import metadata  # every command would pay for it

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _stream() -> str:
    try:
        return f"loaded, SIMD {taujp_ext.stream().simd_level()}"
    except ImportError as error:
        return str(error)


def _torch_modules() -> list[tuple[str, str]]:
    try:
        import torch

        taujp_ext.load()
    except ImportError as error:
        return [("_cpu", str(error))]
    rows = [
        ("_cpu", f"loaded, SIMD {torch.ops.taujp.simd_level()}, {torch.get_num_threads()} threads")
    ]
    return [*rows, ("_cuda", _cuda())]


def _cuda() -> str:
    import torch

    if torch.version.cuda is None:
        return "this torch is built without CUDA"
    if taujp_ext.library("_cuda") is None:
        return "not built: install nvcc (CUDA toolkit) and run `pip install .` again"
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    here = ", ".join(devices) or "no GPU here"
    return f"loaded, built for {torch.ops.taujp.cuda_architectures()}; {here}"
