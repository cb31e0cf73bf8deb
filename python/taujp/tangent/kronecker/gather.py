"""Gathers Kronecker factors: one pass over some images of a task, before any fine-tuning."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset, Subset

from taujp.tangent.encoder import checked_features, encoder_at
from taujp.tangent.images import images_of
from taujp.tangent.kronecker.factors import Factors
from taujp.tangent.kronecker.linear_maps import LinearMaps
from taujp.tangent.kronecker.sums import Sums, as_matrix
from taujp.tangent.linearize import in_full_precision


def gather_factors(
    model: nn.Module,
    base: Any,
    loader: Any,
    *,
    images: int = 256,
    draws: int | None = 2,
    seed: int = 0,
    exclude: Sequence[str] = (),
    normalised: bool = True,
    settings: dict[str, Any] | None = None,
    workers: int = 0,
) -> Factors:
    """The factors that stand for a task's data in the penalty `Kronecker`.

    For every weight: the means of S S^T and S^T S over images and draws, where S is the gradient
    of <v, f(x; theta0)> by it. In a linear map with inputs x_t and output gradients g_t at tokens
    t, S = sum_t g_t x_t^T; the tokens are summed before the outer products are taken, so what one
    token does to another counts. A bias is one more column; a packed in_proj_weight is three
    blocks; every other parameter is a block of its own (exact for vectors). Images go through the
    model one by one.

    Args:
      model, base, loader, workers: as in `tau_jp`; of a data set `images` are drawn at random, of
      a loader the first are taken.
      draws: of v ~ N(0, I) for each image; None: every output in turn, which is exact.
      exclude: patterns of parameter names to leave out. settings: kept with the factors, such as
      model and tasks. normalised: of features / |features|, as in the paper, so that one weight
      of the penalty suits every model.

    Raises ValueError as `tau_jp` does, and for a parameter too wide for a factor.
    Source: Porrello et al. 2026, arXiv 2602.17385; factors of matched traces are ours.
    """
    for what, count in (("images", images), ("draws", draws)):
        if count is not None and count < 1:
            raise ValueError(f"gather_factors: {what} is {count}; expected at least 1")
    encoder = encoder_at(model, base)
    module = in_full_precision(copy.deepcopy(encoder.module).eval()).requires_grad_(False)
    parameters = {
        name: value
        for name, value in module.named_parameters()
        if value.is_floating_point() and not any(fnmatchcase(name, one) for one in exclude)
    }
    for value in parameters.values():
        value.requires_grad_(True)
    chosen = drawn_from(loader, images, seed) if isinstance(loader, Dataset) else loader
    generator = torch.Generator(encoder.device).manual_seed(seed)
    sums, seen = Sums(parameters), 0
    for image in singly(images_of(chosen, device=encoder.device, workers=workers), images):
        _add_image(module, image, sums, generator, draws, normalised)
        seen += 1
    how = {"images": seen, "draws": draws, "seed": seed, "normalised": normalised}
    return Factors(sums.blocks(seen), {"tasks": [], "model": None, **(settings or {}), **how})


def drawn_from(dataset: Dataset[Any], count: int, seed: int) -> Dataset[Any]:
    """`count` images of a data set at random, or all of them: its order may be that of classes."""
    total = len(dataset)  # type: ignore[arg-type]
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    return Subset(dataset, order[:count].tolist())


def singly(batches: Iterator[tuple[Tensor, Tensor | None]], most: int) -> Iterator[Tensor]:
    """The first `most` images, each as a batch of one."""
    for batch, _ in batches:
        for image in batch.split(1):
            if most <= 0:
                return
            yield image
            most -= 1


@torch.enable_grad()
def _add_image(
    module: nn.Module,
    image: Tensor,
    sums: Sums,
    generator: torch.Generator,
    draws: int | None,
    normalised: bool,
) -> None:
    """One forward pass, and one backward pass a draw."""
    with LinearMaps(sums.parameters) as maps:
        features = checked_features(module(image), "gather_factors")
    features = functional.normalize(features, dim=-1) if normalised else features
    uses = maps.complete()
    flat = [use for found in uses.values() for use in found]
    covered = {name for use in flat for name in (use.weight, use.bias)}
    rest = [name for name in sums.parameters if name not in covered]
    inputs = [use.y for use in flat] + [sums.parameters[name] for name in rest]
    for v, weight in _directions(features, generator, draws):
        found = torch.autograd.grad(features, inputs, v, retain_graph=True, materialize_grads=True)
        grads = dict(zip(map(id, flat), found[: len(flat)], strict=True))
        for name, calls in uses.items():
            sums.add_map(name, calls, [grads[id(use)] for use in calls], weight)
        for name, grad in zip(rest, found[len(flat) :], strict=True):
            sums.add_matrix(name, as_matrix(grad), weight)


def _directions(
    features: Tensor, generator: torch.Generator, draws: int | None
) -> Iterator[tuple[Tensor, float]]:
    """Random output directions and the weight of each in the mean; or all basis vectors."""
    if draws is None:
        for index in range(features.numel()):
            v = torch.zeros_like(features).flatten()
            v[index] = 1
            yield v.view_as(features), 1.0
    for _ in range(draws or 0):
        v = torch.randn(
            features.shape, generator=generator, device=features.device, dtype=features.dtype
        )
        yield v, 1 / (draws or 1)
