"""Builds taujp_ext._cpu, _stream and, where nvcc and a CUDA torch are found, _cuda."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import torch
from setuptools import Extension, setup
from torch.utils import cpp_extension

HERE = pathlib.Path(__file__).parent
# The oldest torch whose stable ABI the built modules ask for: they run on it and on all later ones.
TORCH_TARGET = "0x020b000000000000"
CORE = sorted(str(path.relative_to(HERE)) for path in (HERE / "csrc/core").glob("*.cpp"))
TANGENT = sorted(str(path.relative_to(HERE)) for path in (HERE / "csrc/tangent").glob("*.cpp"))
HEADERS = sorted(str(path.relative_to(HERE)) for path in (HERE / "csrc").rglob("*.h"))
CXX = [
    "-std=c++17",
    "-O3",
    "-ffp-contract=off",  # a fused multiply-add is written, never invented: same bits
    "-fvisibility=hidden",
    "-Wno-psabi",
    "-Wno-maybe-uninitialized",  # of the compiler's own intrinsics
    "-Wno-uninitialized",
]


def cpu_module() -> Extension:
    return cpp_extension.CppExtension(
        "taujp_ext._cpu",
        ["csrc/cpu.cpp", *CORE, *TANGENT],
        include_dirs=[str(HERE / "csrc")],
        extra_compile_args=[*CXX, f"-DTORCH_TARGET_VERSION={TORCH_TARGET}"],
        extra_link_args=["-pthread"],
        depends=HEADERS,
        py_limited_api=True,
    )


def stream_module() -> Extension:
    import pybind11

    return Extension(
        "taujp_ext._stream",
        ["csrc/stream.cpp", *CORE],
        include_dirs=[str(HERE / "csrc"), pybind11.get_include()],
        extra_compile_args=CXX,
        extra_link_args=["-pthread"],
        depends=HEADERS,
        language="c++",
    )


def cuda_architectures() -> str:
    """What the user set, else the GPUs that are present, else 8.0, 9.0 and PTX for later ones."""
    if os.environ.get("TORCH_CUDA_ARCH_LIST"):
        return os.environ["TORCH_CUDA_ARCH_LIST"]
    present = {torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())}
    return ";".join(f"{major}.{minor}" for major, minor in sorted(present)) or "8.0;9.0+PTX"


def nvcc() -> str | None:
    """The CUDA compiler: on the PATH, or in the toolkit that torch found."""
    home = cpp_extension.CUDA_HOME
    return shutil.which("nvcc") or (shutil.which("nvcc", path=f"{home}/bin") if home else None)


def cuda_wanted() -> bool:
    wanted = os.environ.get("TAUJP_CUDA") != "0" and torch.version.cuda is not None
    return wanted and nvcc() is not None


def cuda_libraries() -> list[str]:
    """Where nvcc keeps its runtime library; the one on the PATH may be a script for another."""
    dry = [nvcc(), "--dryrun", "-c", "-x", "cu", os.devnull]
    told = subprocess.run(dry, capture_output=True, text=True, check=False).stderr
    top = next((line[7:] for line in told.splitlines() if line.startswith("#$ TOP=")), None)
    folders = [pathlib.Path(top, name) for name in ("lib64", "lib")] if top else []
    return [str(folder.resolve()) for folder in folders if (folder / "libcudart.so").exists()]


def cuda_module() -> Extension:
    architectures = os.environ["TORCH_CUDA_ARCH_LIST"] = cuda_architectures()
    return cpp_extension.CUDAExtension(
        "taujp_ext._cuda",
        ["csrc/cuda.cu"],
        include_dirs=[str(HERE / "csrc")],
        library_dirs=cuda_libraries(),
        extra_compile_args={
            "cxx": CXX,
            "nvcc": [
                "-std=c++17",
                "-O3",
                "--fmad=false",  # as -ffp-contract=off
                "--extended-lambda",
                f"-DTORCH_TARGET_VERSION={TORCH_TARGET}",
                "-DUSE_CUDA",
                f'-DTAUJP_CUDA_ARCHITECTURES="{architectures}"',
            ],
        },
        depends=HEADERS,
        py_limited_api=True,
    )


setup(
    ext_modules=[cpu_module(), stream_module(), *([cuda_module()] if cuda_wanted() else [])],
    cmdclass={"build_ext": cpp_extension.BuildExtension},
)
