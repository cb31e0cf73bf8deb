"""Made-up results on disk, with provenance and cost, as `taujp eval` writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from made_calibration import calibration
from made_protocols import analogy, disentanglement, ensemble, interference, subsets, unseen
from made_results import WAYS, MadeResults, MadeWay
from taujp.evaluate.record import Cost, Provenance
from taujp.evaluate.result_files import save_result
from taujp.report import write_report
from taujp.report.published import TASKS as EIGHT

KINDS: dict[str, Callable[[MadeResults], Any]] = {
    "single": MadeResults.single,
    "addition": MadeResults.addition,
    "subsets": subsets,
    "disentanglement": disentanglement,
    "interference": interference,
    "analogy": analogy,
    "unseen": unseen,
    "ensemble": ensemble,
    "calibration": calibration,
    **{
        f"negation-{target}": lambda made, target=target: made.negation(target)
        for target in ("letters", "digits")
    },
}


def write_records(
    folder: Path,
    *,
    model: str = "demo",
    seeds: Iterable[int] = (0,),
    ways: Mapping[str, MadeWay] = WAYS,
    kinds: Iterable[str] = tuple(KINDS),
    tasks: tuple[str, ...] = ("fashion", "animals", "digits", "letters"),
) -> Path:
    """A file for every way, seed and kind."""
    for way, made_way in ways.items():
        for seed in seeds:
            made = MadeResults(made_way, seed, tasks)
            for kind in kinds:
                name = f"{way.replace(' + ', '-')}-{seed}-{kind}.json"
                save_result(
                    KINDS[kind](made),
                    folder / name,
                    provenance=provenance(model, way, seed, kind, tasks),
                    cost=Cost(made.near(12.0, 6.0 * 0.1) + len(kind), 700_000_000, "cpu, 1 thread"),
                )
    return folder


def whole_page(factory: Any) -> Path:
    """The page of every kind of result, two ways and seeds, and of a second model with eight tasks;
    drawn once a run of pytest, of which `factory` is the tmp_path_factory."""
    folder = factory.getbasetemp() / "whole-page"
    page = folder / "report.html"
    if not page.exists():
        two = {way: WAYS[way] for way in ("linear", "linear + tauJp")}
        write_records(folder / "first", seeds=(0, 1), ways=two)
        one, kinds = {"linear": WAYS["linear"]}, ["interference"]
        write_records(folder / "second", model="ViT-B-32", ways=one, kinds=kinds, tasks=EIGHT)
        write_report([folder], page)
    return page


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def provenance(model: str, way: str, seed: int, kind: str, tasks: Iterable[str]) -> Provenance:
    """Digests that look like digests."""
    return Provenance(
        model=model,
        way=way,
        checkpoints={task: digest(f"{task} {way} {seed}") for task in tasks},
        data={task: digest(task) for task in tasks},
        seed=seed,
        software={"taujp": "0.1.0", "torch": "2.15.0", "python": "3.11.9"},
        created="2026-11-23T09:50:00+00:00",
        command=f"taujp eval {kind} --model {model} --way '{way}' --seed {seed}",
    )
