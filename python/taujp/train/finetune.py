"""Ordinary fine-tuning of an image encoder on one task, under a frozen head."""

from __future__ import annotations

import copy
import itertools
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from taujp.train.encoder import PREFIX
from taujp.train.log import WriteLine, training_log
from taujp.train.recipe import Recipe, learning_rate_factor


@dataclass(frozen=True)
class Finetuned:
    """The fine-tuned weights by name, where they were written, and the loss of every step."""

    state: dict[str, Tensor]
    path: Path | None
    losses: tuple[float, ...]


def finetune(
    model: Any,
    head: nn.Module,
    train: Dataset[Any],
    recipe: Recipe | None = None,
    *,
    out: str | Path | None = None,
    log: str | Path | None = None,
    configuration: Mapping[str, Any] | None = None,
    workers: int = 0,
    progress: bool = True,
) -> Finetuned:
    """Fine-tunes a copy of `model.visual` on (image, label) pairs; the model stays as it is.

    Minimises cross-entropy(head(visual(images)), labels) with AdamW, linear warm-up and a cosine.
    `out`: a safetensors file of the "visual.*" weights in fp32, with the recipe and
    `configuration` in its metadata. `log`: a file with one JSON object a step. The same seed on
    the same machine and number of threads gives the same weights. A loss that is not finite
    raises ValueError and writes no weights.
    """
    recipe = recipe or Recipe()
    encoder = copy.deepcopy(model.visual).float().train().requires_grad_(True)
    frozen = copy.deepcopy(head).to(next(model.parameters()).device).requires_grad_(False)
    with training_log(log) as write_line, torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        batches = endless_batches(train, recipe, workers=workers)
        losses = tuple(_fit(encoder, frozen, batches, recipe, write_line, progress))
    state = {
        PREFIX + name: value.detach().cpu().contiguous()
        for name, value in encoder.state_dict().items()
    }
    if out is not None:
        save_finetuned(state, Path(out), recipe, losses, configuration or {})
    return Finetuned(state, Path(out) if out is not None else None, losses)


def _fit(
    encoder: nn.Module,
    head: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    recipe: Recipe,
    write_line: WriteLine,
    progress: bool,
) -> Iterator[float]:
    """The loop: trains `encoder` in place and yields the loss of each step."""
    optimiser = torch.optim.AdamW(
        encoder.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    started = time.perf_counter()
    bar = tqdm(range(recipe.steps), desc="fine-tuning", disable=not progress, leave=False)
    for step in bar:
        rate = recipe.learning_rate * learning_rate_factor(
            step, steps=recipe.steps, warmup_steps=recipe.warmup_steps
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss, norm = _step(encoder, head, next(batches), optimiser, recipe)
        if not math.isfinite(loss):
            raise ValueError(
                f"finetune: the loss is {loss} at step {step}; expected a finite number; lower "
                f"the learning rate (now {recipe.learning_rate}) or check the images"
            )
        seconds = round(time.perf_counter() - started, 3)
        write_line(step=step, loss=loss, learning_rate=rate, gradient_norm=norm, seconds=seconds)
        bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        yield loss


def _step(
    encoder: nn.Module,
    head: nn.Module,
    batch: tuple[Tensor, Tensor],
    optimiser: torch.optim.Optimizer,
    recipe: Recipe,
) -> tuple[float, float]:
    """One update; returns the loss before it and the gradient's norm before clipping."""
    device = next(encoder.parameters()).device
    images, labels = (part.to(device) for part in batch)
    loss = functional.cross_entropy(
        head(encoder(images)), labels, label_smoothing=recipe.label_smoothing
    )
    optimiser.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(encoder.parameters(), recipe.gradient_clip)
    optimiser.step()
    return loss.item(), float(norm)


def endless_batches(
    train: Dataset[Any], recipe: Recipe, *, workers: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one shuffled pass after another; the last, smaller one of a pass is dropped."""
    size = min(recipe.batch_size, len(train))  # type: ignore[arg-type]
    if not size:
        raise ValueError("finetune: train has no images; expected at least one; check its folder")
    generator = torch.Generator().manual_seed(recipe.seed)
    loader: DataLoader[Any] = DataLoader(
        train, size, shuffle=True, drop_last=True, num_workers=workers, generator=generator
    )
    return itertools.chain.from_iterable(itertools.repeat(loader))


def save_finetuned(
    state: dict[str, Tensor],
    path: Path,
    recipe: Recipe,
    losses: tuple[float, ...],
    configuration: Mapping[str, Any],
) -> None:
    """Writes a safetensors file with the run's settings under "taujp" in its metadata."""
    from safetensors.torch import save_file

    settings = {
        "recipe": asdict(recipe),
        "configuration": dict(configuration),
        "last_loss": losses[-1],
        "torch": torch.__version__,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    save_file(state, partial, metadata={"format": "pt", "taujp": json.dumps(settings)})
    os.replace(partial, path)
