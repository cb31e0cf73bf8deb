"""Runs every invariance objective on the test beds and writes the tables of docs/invariance.md.

    OMP_NUM_THREADS=1 python scripts/invariance_tables.py [--seeds 0,1,2] [--only-tables]

Takes about five minutes on one core. The figures go to docs/invariance.json, run by run: what is
there is not run again, so a killed run goes on; remove the file to begin anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from invariance.digits import SETTINGS, calibrated, digits_data, trained_on_digits
from invariance.structure import OBJECTIVES, found_coefficients
from invariance.tables import digits_table, environments_table, settings_table, structure_table
from tables_in_pages import with_table

from taujp.data.structural_model import structural_model

DOCS = Path(__file__).parent.parent / "docs"
FIGURES, PAGE = DOCS / "invariance.json", DOCS / "invariance.md"
ROWS = (300, 1000, 3000, 10000)


def main() -> None:
    """Run what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1,2", help="default 0,1,2")
    parser.add_argument("--only-tables", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if not arguments.only_tables:
        for seed in arguments.seeds.split(","):
            _run_digits(figures, seed)
            _run_structure(figures, seed)
    page = PAGE.read_text()
    for name, table in tables(figures).items():
        page = with_table(page, name, table)
    PAGE.write_text(page)


def tables(figures: dict[str, Any]) -> dict[str, str]:
    """Every table of the page by its name."""
    return {
        "digits": digits_table(figures),
        "environments": environments_table(figures),
        "settings": settings_table(),
        "structure": structure_table(figures),
    }


def _run_digits(figures: dict[str, Any], seed: str) -> None:
    figures["unseen"] = digits_data(int(seed)).unseen
    for name, setting in SETTINGS.items():

        def measure(setting: Any = setting) -> dict[str, Any]:
            network = trained_on_digits(setting, int(seed))
            found = calibrated(network, digits_data(int(seed)))
            return {
                environment: {
                    "temperature": one.temperature,
                    "plain": one.plain.metrics(),
                    "scaled": one.scaled.metrics(),
                }
                for environment, one in found.items()
            }

        _keep(figures, ("digits", name, seed), measure)


def _run_structure(figures: dict[str, Any], seed: str) -> None:
    for name in OBJECTIVES:
        for rows in ROWS:

            def measure(name: str = name, rows: int = rows) -> float:
                model = structural_model(rows, seed=int(seed))
                return model.error(found_coefficients(name, model))

            _keep(figures, ("structure", name, str(rows), seed), measure)


def _keep(figures: dict[str, Any], place: tuple[str, ...], measure: Callable[[], Any]) -> None:
    """Measures what is not there yet, and writes it down at once."""
    inner = figures
    for part in place[:-1]:
        inner = inner.setdefault(part, {})
    if place[-1] not in inner:
        inner[place[-1]] = measure()
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
        print(*place, flush=True)


if __name__ == "__main__":
    main()
