"""How right and how sure a classifier is: accuracy, ECE, ACE and NLL, all computed in float64.

ECE  sum over bins b of n_b / n * |accuracy_b - confidence_b|; `bins` of equal width over the top
     label's probability, [low, high), the last one [low, 1]. Source: Guo et al. 2017.
ACE  1 / (K R) * sum over classes k and ranges r of |share of label k in r - mean p_k in r|; for
     each class the n probabilities p_k, sorted, are cut into R ranges at floor(r n / R), so sizes
     differ by one at most; n < R: into n. Equal probabilities share their labels evenly, so the
     order of the data does not matter. Source: Nixon et al. 2019.
NLL  the mean of -log p of the true label.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from taujp.evaluate.task_scores import Bin, Scores

SORTED_AT_ONCE = 1 << 23  # numbers: 64 MB a copy


def scores(logits: Tensor, labels: Tensor, *, bins: int = 15, reliability: bool = False) -> Scores:
    """Everything about a model's logits [n, classes] and the true labels int64 [n].

    `bins`: of ECE, and ranges of ACE. `reliability`: keep the ECE's bins too. ValueError: no rows,
    shapes or labels that do not fit, or logits whose softmax is not a number.
    """
    logits, labels, losses = _losses(logits, labels)
    probabilities = logits.softmax(-1)  # exp of the logarithms would miss 1/3 by a bit
    correct = (logits.argmax(-1) == labels).double()
    counts, sure, right = _sums(probabilities.amax(-1), correct, bins)
    return Scores(
        accuracy=correct.mean().item(),
        count=len(labels),
        ece=_gap(sure, right, len(labels)),
        ace=_adaptive(probabilities, labels, bins),
        nll=losses.mean().item(),
        reliability=_bins(counts, sure, right) if reliability else (),
    )


def expected_calibration_error(probabilities: Tensor, labels: Tensor, *, bins: int = 15) -> float:
    """The ECE in [0, 1] of probabilities [n, classes] and labels [n]."""
    probabilities, labels = _probabilities(probabilities, labels)
    _, sure, right = _sums(*_top(probabilities, labels), bins)
    return _gap(sure, right, len(labels))


def adaptive_calibration_error(probabilities: Tensor, labels: Tensor, *, ranges: int = 15) -> float:
    """The ACE in [0, 1] of probabilities [n, classes] and labels [n]."""
    return _adaptive(*_probabilities(probabilities, labels), ranges)


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> float:
    """The NLL in nats; inf where a true label has the probability 0."""
    return _losses(logits, labels)[2].mean().item()


def reliability_bins(probabilities: Tensor, labels: Tensor, *, bins: int = 15) -> tuple[Bin, ...]:
    """The ECE's bins from confidence 0 up; an empty one has confidence and accuracy 0."""
    return _bins(*_sums(*_top(*_probabilities(probabilities, labels)), bins))


def _top(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The top label's probability, and 1.0 where it is the true one; of equal ones the first."""
    confidence, predicted = probabilities.max(-1)
    return confidence, (predicted == labels).double()


def _sums(confidence: Tensor, correct: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each bin: how many, the sum of their confidences, how many are right."""
    edges = torch.arange(1, _positive(bins, "bins"), dtype=torch.float64) / bins
    index = torch.bucketize(confidence, edges, right=True)
    counts = torch.bincount(index, minlength=bins)
    sure, right = (torch.bincount(index, each, bins) for each in (confidence, correct))
    return counts, sure, right


def _gap(sure: Tensor, right: Tensor, count: int) -> float:
    return (sure - right).abs().sum().item() / count


def _bins(counts: Tensor, sure: Tensor, right: Tensor) -> tuple[Bin, ...]:
    whole = counts.clamp(min=1)
    columns = (each.tolist() for each in (counts, sure / whole, right / whole))
    return tuple(Bin(*values) for values in zip(*columns, strict=True))


def _adaptive(probabilities: Tensor, labels: Tensor, ranges: int) -> float:
    count, classes = probabilities.shape
    at_once = max(1, SORTED_AT_ONCE // count)
    total = 0.0
    for first in range(0, classes, at_once):
        columns = probabilities[:, first : first + at_once]
        here = (labels >= first) & (labels < first + at_once)
        own = labels[here] - first
        of_true = columns[here].gather(1, own[:, None])
        ordered = torch.from_numpy(np.sort(columns.T.contiguous().numpy(), axis=-1))
        total += _gaps(ordered, of_true, own, min(_positive(ranges, "ranges"), count))
    return total / (classes * min(ranges, count))


def _gaps(ordered: Tensor, of_true: Tensor, labels: Tensor, ranges: int) -> float:
    """The sum over classes and ranges; ordered [classes, n], of_true [m, 1] of labels [m]."""
    classes, count = ordered.shape
    cuts = [r * count // ranges for r in range(1, ranges)]
    parts = ordered.tensor_split(cuts, dim=-1)
    confidence = torch.stack([part.mean(-1) for part in parts], -1)
    before = _labels_before(ordered, of_true, labels, torch.tensor(cuts, dtype=torch.int64))
    found = torch.bincount(labels, minlength=classes).double()[:, None]
    labelled = torch.diff(before, prepend=torch.zeros_like(found), append=found)
    sizes = torch.tensor([part.shape[-1] for part in parts], dtype=torch.float64)
    return (labelled / sizes - confidence).abs().sum().item()


def _labels_before(ordered: Tensor, of_true: Tensor, labels: Tensor, cuts: Tensor) -> Tensor:
    """[classes, cuts]: how many true labels of a class lie before each cut of its sorted row."""
    edge = ordered[:, cuts]
    first = torch.searchsorted(ordered, edge)
    last = torch.searchsorted(ordered, edge, right=True)
    share = (cuts - first) / (last - first).double()  # of those equal to the edge: before the cut
    edge_of, share_of = edge[labels], share[labels]
    weight = (of_true < edge_of) + (of_true == edge_of) * share_of
    return torch.zeros_like(edge).index_add_(0, labels, weight)


def _losses(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits in float64, labels, and -log p of each row's label."""
    logits, labels = _checked(logits, labels, "logits")
    logits = logits.double()
    whole = logits.logsumexp(-1)
    bad = ~whole.isfinite()
    if bad.any():
        raise ValueError(
            f"scores: {int(bad.sum())} of {len(bad)} rows of logits have no softmax (NaN, inf, or "
            f"only -inf), the first is row {int(bad.nonzero()[0])}; expected numbers; check the "
            "checkpoint, or merge with smaller coefficients"
        )
    return logits, labels, whole - logits.gather(1, labels[:, None])[:, 0]


def _probabilities(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    probabilities, labels = _checked(probabilities, labels, "probabilities")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError(
            "calibration: probabilities has values outside [0, 1] or NaN; expected probabilities; "
            "take the softmax of logits first"
        )
    return probabilities.double(), labels


def _checked(outputs: Tensor, labels: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Both on the CPU; ValueError where they are no [n, classes] and its labels."""
    outputs, labels = outputs.detach().cpu(), labels.detach().cpu()
    if outputs.ndim != 2 or not outputs.numel() or labels.shape != outputs.shape[:1]:
        raise ValueError(
            f"scores: {name} have the shape {tuple(outputs.shape)}, labels {tuple(labels.shape)}; "
            "expected [n, classes] and [n] with n and classes above 0"
        )
    whole = not labels.dtype.is_floating_point
    if not whole or labels.min() < 0 or labels.max() >= outputs.shape[1]:
        raise ValueError(
            f"scores: labels are {labels.dtype} from {labels.min()} to {labels.max()}; expected "
            f"whole numbers in [0, {outputs.shape[1]}); give the task a head of all its classes"
        )
    return outputs, labels.long()


def _positive(number: int, name: str) -> int:
    if number < 1:
        raise ValueError(f"calibration: {name} is {number}; expected at least 1")
    return number
