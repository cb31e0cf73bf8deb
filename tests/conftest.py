"""What every test shares: the devices, the dtypes, the profile of Hypothesis."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile

import pytest
import torch
from hypothesis import HealthCheck, settings

# What tests need besides torch, by the beginnings of their names; the kernels' need nothing.
IMAGES = ("data_", "train", "evaluate", "report", "reproduce", "demo", "tangent_clip", "gather",
          "live_regmean", "adamerging", "search", "method_table", "guides")  # fmt: skip
FOR_IMAGES = ("torchvision", "open_clip", "PIL", "sklearn", "matplotlib", "lightning_fabric",
              "pydantic", "scipy")  # fmt: skip
NEEDS = ((IMAGES, FOR_IMAGES), (("mergekit",), ("yaml",)))


def missing(packages: tuple[str, ...]) -> list[str]:
    """The packages that are not installed."""
    return [name for name in packages if importlib.util.find_spec(name) is None]


collect_ignore_glob = [
    f"test_{room}*" for rooms, packages in NEEDS if missing(packages) for room in rooms
]


def pytest_report_header() -> list[str]:
    return [
        f"not collected without {', '.join(missing(packages))}: test_{{{','.join(rooms)}}}*"
        for rooms, packages in NEEDS
        if missing(packages)
    ]


# Heads that tests compute are kept for this run alone, and not in the user's cache.
os.environ["TAUJP_CACHE"] = tempfile.mkdtemp(prefix="taujp-tests-")
atexit.register(shutil.rmtree, os.environ["TAUJP_CACHE"], ignore_errors=True)

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

# The first example of a test loads the kernels, and CI machines stall: no deadline.
settings.register_profile(
    "taujp", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("taujp"), max_examples=1000)
settings.load_profile(os.environ.get("TAUJP_HYPOTHESIS", "taujp"))


def missing_gpu() -> str | None:
    """Why CUDA tests cannot run here; None where they can."""
    if not torch.version.cuda:
        return f"torch {torch.__version__} is a build without CUDA"
    if not torch.cuda.is_available():
        return "no CUDA device is visible"
    from taujp_ext import load

    load()
    if not torch._C._dispatch_has_kernel_for_dispatch_key("taujp::merge_", "CUDA"):
        return "taujp_ext._cuda is not built; see `taujp info`"
    return None


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device in turn; a missing GPU skips and says so."""
    if request.param == "cuda" and (reason := missing_gpu()):
        pytest.skip(f"CUDA part not run: {reason}")
    return torch.device(request.param)


@pytest.fixture
def gpu() -> torch.device:
    """The CUDA device, or a skip that says why there is none."""
    if reason := missing_gpu():
        pytest.skip(f"CUDA test not run: {reason}")
    return torch.device("cuda")


@pytest.fixture(params=list(DTYPES))
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """Each dtype that a checkpoint may have."""
    return DTYPES[request.param]
