"""setuptools' build backend, which builds against the torch that is already installed.

pip builds in an empty environment and would download torch (gigabytes) once more for it. Where the
environment that taujp is installed into has torch, that one is used; else torch is asked for.
"""

from __future__ import annotations

import os
import pathlib
import sys
import sysconfig

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  (the hooks of the backend)

OLDEST_TORCH = "torch>=2.11"


def _site_packages() -> list[str]:
    """Where packages of the target environment lie: this interpreter's, and an active venv's."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if os.environ.get("VIRTUAL_ENV"):
        folders.append(os.path.join(os.environ["VIRTUAL_ENV"], "lib", version, "site-packages"))
    config = pathlib.Path(sys.prefix, "pyvenv.cfg")
    if config.exists() and "include-system-site-packages = true" in config.read_text():
        variables = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
        folders.append(sysconfig.get_path("purelib", vars=variables))
    return folders


def _installed_torch() -> str | None:
    return next((f for f in _site_packages() if os.path.exists(f"{f}/torch/version.py")), None)


def _requires() -> list[str]:
    return [] if _installed_torch() else [OLDEST_TORCH]


def _with_torch() -> None:
    folder = _installed_torch()
    if folder and folder not in sys.path:
        sys.path.append(folder)  # last: the build's own requirements come first


def get_requires_for_build_wheel(config_settings=None):
    return _requires()


def get_requires_for_build_editable(config_settings=None):
    return _requires()


def get_requires_for_build_sdist(config_settings=None):
    return _requires()


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    _with_torch()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    _with_torch()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    _with_torch()
    return build_meta.build_sdist(sdist_directory, config_settings)


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    _with_torch()
    return build_meta.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def prepare_metadata_for_build_editable(metadata_directory, config_settings=None):
    _with_torch()
    return build_meta.prepare_metadata_for_build_editable(metadata_directory, config_settings)
