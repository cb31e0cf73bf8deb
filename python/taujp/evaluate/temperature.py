"""Temperature scaling: one number, fitted on validation data, that makes a model as sure as it is
right.

The logits z become z / T. T minimises the NLL of validation data, which is convex in s = 1 / T:

    NLL(s) = mean(logsumexp(s z) - s z_y)      NLL'(s) = mean(<p, z> - z_y), p = softmax(s z)
    NLL''(s) = mean(<p, z^2> - <p, z>^2)

Predictions, and so accuracy, stay as they are. Source: Guo et al. 2017, arXiv 1706.04599.
"""

from __future__ import annotations

from torch import Tensor

LEAST, MOST = 1e-2, 1e2  # T; validation data that are all right or all wrong have no minimum
STEPS = 100
PRECISION = 1e-10  # relative, of 1 / T


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """T for logits [n, classes] and labels int64 [n] of validation data, in [0.01, 100].

    Newton's method on 1 / T in float64, with bisection where a step leaves the bracket. An end of
    the range comes back where the optimum lies beyond it: the smallest for a model that is right
    everywhere, the largest for one no better than chance. ValueError: no rows, other shapes, NaN.
    """
    z, own = _checked(logits, labels)
    low, high = 1 / MOST, 1 / LEAST
    if _slope(z, own, low)[0] >= 0:
        return MOST
    if _slope(z, own, high)[0] <= 0:
        return LEAST
    scale = 1.0
    for _ in range(STEPS):
        first, second = _slope(z, own, scale)
        low, high = (low, scale) if first > 0 else (scale, high)
        newton = scale - first / second if second > 0 else low
        following = newton if low < newton < high else (low + high) / 2
        if abs(following - scale) <= PRECISION * scale:
            return 1 / following
        scale = following
    return 1 / scale


def at_temperature(logits: Tensor, temperature: float) -> Tensor:
    """The logits in float64, divided by T."""
    if not temperature > 0:
        raise ValueError(
            f"at_temperature: the temperature is {temperature}; expected a number above 0; take "
            "what fit_temperature gives"
        )
    return logits.double() / temperature


def _slope(z: Tensor, own: Tensor, scale: float) -> tuple[float, float]:
    """The first and second derivative of the NLL by the scale."""
    p = (scale * z).softmax(-1)
    mean = (p * z).sum(-1)
    spread = (p * (z - mean[:, None]).square()).sum(-1)
    return float((mean - own).mean()), float(spread.mean())


def _checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits in float64, shifted so that each row's largest is 0, and the true labels' ones."""
    z, labels = logits.detach().cpu().double(), labels.detach().cpu()
    if z.ndim != 2 or not z.numel() or labels.shape != z.shape[:1]:
        raise ValueError(
            f"fit_temperature: logits have the shape {tuple(z.shape)}, labels "
            f"{tuple(labels.shape)}; expected [n, classes] and [n] of validation data, n above 0"
        )
    if not z.isfinite().all():
        raise ValueError(
            "fit_temperature: the logits have NaN or inf; expected numbers; check the checkpoint, "
            "or merge with smaller coefficients"
        )
    if labels.min() < 0 or labels.max() >= z.shape[1]:
        raise ValueError(
            f"fit_temperature: labels go from {int(labels.min())} to {int(labels.max())}; expected "
            f"numbers in [0, {z.shape[1]}); give the head all classes of the data"
        )
    z = z - z.amax(-1, keepdim=True)
    return z, z.gather(1, labels[:, None])[:, 0]
