"""Merges with data by fusion-bench 0.2.33, in its own interpreter: TAUJP_FUSION_PYTHON names it.

Run as a script it is the other end: a folder of inputs, and what to do with them. A request is in
request.json, tensors are in NAME.safetensors, the answer goes to answer.safetensors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

PYTHON = os.environ.get("TAUJP_FUSION_PYTHON", "")
StateDict = Mapping[str, Tensor]


def reason_for_no_peer() -> str | None:
    """Why there is nothing to compare with; None where there is."""
    if not PYTHON:
        return "TAUJP_FUSION_PYTHON names no interpreter that has fusion-bench 0.2.33"
    return None if Path(PYTHON).exists() else f"TAUJP_FUSION_PYTHON={PYTHON} does not exist"


def ask(
    folder: Path, what: str, sets: Mapping[str, Sequence[StateDict]], **request: Any
) -> dict[str, Tensor]:
    """fusion-bench's answer: `sets` of state dicts by name, and numbers, to one state dict."""
    for name, states in sets.items():
        for i, state in enumerate(states):
            save_file({key: t.contiguous() for key, t in state.items()}, _file(folder, name, i))
    counts = {name: len(states) for name, states in sets.items()}
    (folder / "request.json").write_text(json.dumps({"sets": counts, **request}))
    done = subprocess.run(
        [PYTHON, __file__, what, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"fusion-bench: {done.stderr[-2000:]}")
    return load_file(folder / "answer.safetensors")


def network() -> nn.Module:
    """[n, 6] to [n, 8], in both interpreters."""
    return nn.Sequential(nn.Linear(6, 10), nn.GELU(), nn.Linear(10, 8))


def _file(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}-{number}.safetensors"


def _listed(models: Sequence[StateDict]) -> dict[str, list[Tensor]]:
    return {name: [model[name] for model in models] for name in models[0]}


def _fisher(request: dict[str, Any], sets: Mapping[str, Sequence[StateDict]]) -> StateDict:
    from fusion_bench.method.fisher_merging.fisher_merging import merging_with_fisher_weights

    return merging_with_fisher_weights(
        _listed(sets["models"]),
        list(sets["fishers"]),
        torch.tensor(request["coefs"]),
        normalize_fisher_weight=request["normalize"],
        minimal_fisher_weight=request["floor"],
    )


def _regmean(request: dict[str, Any], sets: Mapping[str, Sequence[StateDict]]) -> StateDict:
    from fusion_bench.method.regmean.regmean import merging_with_regmean_weights

    by_module = [
        {name.removesuffix(".weight"): gram for name, gram in grams.items()}
        for grams in sets["grams"]
    ]
    return merging_with_regmean_weights(
        _listed(sets["models"]), by_module, reduce_non_diagonal_ratio=request["scale"]
    )


def _adamerging(request: dict[str, Any], sets: Mapping[str, Sequence[StateDict]]) -> StateDict:
    """Its merged models and entropy, in the loop of its algorithms; by task or by tensor."""
    from fusion_bench.method.adamerging.entropy_loss import entropy_loss
    from fusion_bench.models.wrappers.layer_wise_fusion import LayerWiseMergedModel
    from fusion_bench.models.wrappers.task_wise_fusion import TaskWiseMergedModel

    base, *finetuned = (_loaded(state) for state in (*sets["base"], *sets["models"]))
    tasks, tensors = len(finetuned), len(list(base.parameters()))
    shape = (tasks,) if request["by"] == "task" else (tasks, tensors)
    merged = TaskWiseMergedModel if request["by"] == "task" else LayerWiseMergedModel
    module = merged(torch.full(shape, 0.3), base, finetuned, clamp_weights=True)
    optimiser = torch.optim.Adam([module.merge_weight], lr=request["learning_rate"])
    module.merge_weights()
    for _ in range(request["steps"]):
        for task in sets["tasks"]:
            logits = nn.functional.linear(module(task["inputs"]), task["weight"], task["bias"])
            entropy_loss(logits).backward(retain_graph=True)
        optimiser.step()
        optimiser.zero_grad()
        module.merge_weights()
    return {"coefs": module.merge_weight.detach()}


def _loaded(state: StateDict) -> nn.Module:
    model = network()
    model.load_state_dict(state)
    return model


def _answer(what: str, folder: Path) -> None:
    request = json.loads((folder / "request.json").read_text())
    sets = {
        name: [load_file(_file(folder, name, i)) for i in range(count)]
        for name, count in request["sets"].items()
    }
    ways: dict[str, Callable[..., StateDict]] = {
        "fisher": _fisher, "regmean": _regmean, "adamerging": _adamerging
    }  # fmt: skip
    found = ways[what](request, sets)
    save_file({n: t.contiguous() for n, t in found.items()}, folder / "answer.safetensors")


if __name__ == "__main__":
    _answer(sys.argv[1], Path(sys.argv[2]))
