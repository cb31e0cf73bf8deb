"""One training step of a linearised encoder with the tauJp penalty: the problem, and taujp's step.

Minimised: cross-entropy(head(f0 + J tau)) + weight * tauJp, where tauJp is the mean over control
sets of the mean over their images of || J tau ||_2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

import taujp

Parameters = dict[str, Tensor]


@dataclass(frozen=True)
class Problem:
    """An encoder at theta0, the theta being trained, a frozen head, and a step's batches."""

    encoder: nn.Module
    theta0: Parameters
    theta: Parameters
    head: Tensor  # [width, classes]
    images: Tensor
    labels: Tensor
    controls: tuple[Tensor, ...]
    weight: float = 0.1

    @property
    def rows(self) -> Tensor:
        """The training rows, then those of every control set."""
        return torch.cat([self.images, *self.controls])


@dataclass(frozen=True)
class Step:
    """What a step yields: both terms and the gradient of loss + weight * penalty."""

    loss: Tensor
    penalty: Tensor
    grad_theta: Parameters


def vit(name: str) -> nn.Module:
    """The image encoder of an open_clip model, at random weights."""
    import open_clip

    torch.manual_seed(0)
    return open_clip.create_model(name, pretrained=None).visual.eval()


def four_layers() -> nn.Module:
    """A ViT of 4 layers of width 384 on 50 tokens."""
    from open_clip.transformer import VisionTransformer

    torch.manual_seed(0)
    return VisionTransformer(224, 32, 384, 4, 6, 4.0, output_dim=512).eval()


def problem(
    encoder: nn.Module, *, train: int, controls: int, rows: int, size: int = 224, classes: int = 10
) -> Problem:
    """`train` random images, `rows` more in each of the control sets, and a small random tau."""
    generator = torch.Generator().manual_seed(0)
    first = next(encoder.parameters())

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(first)

    theta0 = {name: theta.detach() for name, theta in encoder.named_parameters()}
    theta = {name: (t + 1e-3 * noise(*t.shape)).requires_grad_() for name, t in theta0.items()}
    images = noise(train, 3, size, size)
    with torch.no_grad():
        width = encoder.eval()(images[:1]).shape[-1]
    labels = torch.randint(classes, (train,), generator=generator).to(first.device)
    sets = tuple(noise(rows, 3, size, size) for _ in range(controls))
    return Problem(encoder, theta0, theta, noise(width, classes), images, labels, sets)


def objective(p: Problem, features: Tensor) -> Tensor:
    """Cross-entropy of the frozen head on normalised features."""
    return cross_entropy(100 * normalize(features) @ normalize(p.head, dim=0), p.labels)


def mean_norm(dfeatures: Tensor) -> Tensor:
    """Mean over rows of their Euclidean norm."""
    return torch.linalg.vector_norm(dfeatures, dim=1).mean()


def terms(p: Problem, f0: Tensor, df: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and penalty from the features and tangents of `p.rows`."""
    train, *controls = df.split([len(rows) for rows in (p.images, *p.controls)])
    penalty = torch.stack([mean_norm(control) for control in controls]).mean()
    return objective(p, f0[: len(p.images)] + train), penalty


def finished(p: Problem, loss: Tensor, penalty: Tensor, theta: Parameters) -> Step:
    """The gradient of both terms with respect to `theta`."""
    grads = torch.autograd.grad(loss + p.weight * penalty, list(theta.values()))
    return Step(loss.detach(), penalty.detach(), dict(zip(theta, grads, strict=True)))


def linearized(p: Problem, **options: object) -> taujp.tangent.Linearized:
    """taujp's model of the problem: base theta0, at theta."""
    theta = {name: t.detach() for name, t in p.theta.items()}
    return taujp.linearize(p.encoder, at=theta, **options)


def dual_step(p: Problem, lin: taujp.tangent.Linearized) -> Step:
    """taujp's step: primal and tangent in one pass over all rows, one vector-Jacobian product."""
    return finished(p, *terms(p, *lin.dual(p.rows)), dict(lin.module.named_parameters()))


def arithmetic(p: Problem) -> float:
    """Floating-point operations of a dual step's matrix products: what bounds its time.

    A forward pass once, its tangent twice (dx W and x dW), its reverse twice (but for the gradient
    of the images); the last block beyond keys and values for one token of a sequence only.
    """
    encoder, rows = p.encoder, len(p.rows)
    width, patch = encoder.conv1.out_channels, encoder.conv1.kernel_size[0]
    tokens, blocks = len(encoder.positional_embedding), len(encoder.transformer.resblocks)
    mixing = 2 * tokens * width  # scores and values, a token
    whole, keys = 12 * width**2 + mixing, 2 * width**2
    products = tokens * ((blocks - 1) * whole + keys) + (whole - keys) + width * encoder.output_dim
    patches = (tokens - 1) * 3 * patch**2 * width
    return 2.0 * rows * (5 * products + 3 * patches)
