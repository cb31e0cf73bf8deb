"""What a benchmark found: a table for people, a JSON file for the record."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Line:
    """One figure against its target; `at_least` false: the target is an upper bound."""

    what: str
    figure: float
    unit: str
    target: float | None = None
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.figure >= self.target if self.at_least else self.figure <= self.target


@dataclass
class Record:
    """The lines of one benchmark and the raw numbers behind them."""

    name: str
    lines: list[Line] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def add(
        self,
        what: str,
        figure: float,
        unit: str,
        target: float | None = None,
        *,
        at_least: bool = True,
    ) -> None:
        """Adds a figure and prints it at once: some benchmarks run for minutes."""
        self.lines.append(Line(what, figure, unit, target, at_least))
        print(row_of(self.lines[-1]), flush=True)

    def finish(self) -> Path:
        """Prints the table and writes results/<name>-<cpu>.json."""
        print(f"\n{self.name} on {cpu_name()}, {os.cpu_count()} cores")
        print("\n".join(row_of(line) for line in self.lines))
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}-{slug(self.raw.get('device') or cpu_name())}.json"
        lines = [{**asdict(line), "met": line.met} for line in self.lines]
        content = {"name": self.name, **circumstances(), "lines": lines, "raw": self.raw}
        path.write_text(json.dumps(content, indent=1) + "\n")
        print(
            f"written: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}"
        )
        return path


def row_of(line: Line) -> str:
    """One row of the table."""
    row = f"{line.what:<68} {line.figure:>9.3g} {line.unit:<6}"
    if line.target is None:
        return row
    sign = ">=" if line.at_least else "<="
    return f"{row} {sign} {line.target:<6g} {'met' if line.met else 'NOT MET'}"


def circumstances() -> dict[str, Any]:
    """The machine, the versions, the commit."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {
            name: version_of(name) for name in ("torch", "numpy", "safetensors", "transformers")
        },
        "commit": commit(),
    }


def version_of(package: str) -> str | None:
    """Installed version of a package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit() -> str | None:
    """The commit measured, marked where the working tree differs from it."""
    command = ["git", "-C", str(RESULTS.parent), "describe", "--always", "--dirty", "--abbrev=12"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or None


def cpu_name() -> str:
    """The processor as the system names it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except FileNotFoundError:
        pass
    return platform.processor() or platform.machine()


def slug(text: str) -> str:
    """A part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
