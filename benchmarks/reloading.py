"""The sweep as the field's earlier code writes it: everything anew at every coefficient.

task_vectors and tangent_task_arithmetic keep the sum of the task vectors in memory and, for each
coefficient, load the pre-trained model, add, and for each data set load its head, make its data set
(training part and all) and a loader with 16 worker processes. Linearised models run torch.func.jvp
on every batch. Here the text tower, which those files carry too, is left out in their favour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader

from taujp.data import find_task, load_demo_model

EARLIER_WORKERS = 16
BATCH = 128
State = dict[str, Tensor]
Predictions = dict[tuple[str, float], Tensor]


def save_heads(heads: Mapping[str, Tensor], folder: Path) -> None:
    """The heads' weights as files, which the sweep reads again and again."""
    for name, weight in heads.items():
        torch.save(weight, folder / f"head_{name}.pt")


def reloading_sweep(
    coefficients: Sequence[float],
    checkpoints: Mapping[str, Path],
    heads: Path,
    *,
    linearised: bool,
    workers: int,
) -> Predictions:
    """The predicted labels of every task's validation data at every coefficient."""
    vector = sum_of_vectors(checkpoints, dict.fromkeys(checkpoints, 1.0))
    found = {}
    for coefficient in coefficients:
        demo = load_demo_model()
        encode = (linearised_encoder if linearised else moved_encoder)(
            demo.model.visual, {name: coefficient * tau for name, tau in vector.items()}
        )
        for task in checkpoints:
            weight = torch.load(heads / f"head_{task}.pt", weights_only=True)
            data = find_task(task).splits(demo.transform).validation
            found[task, coefficient] = predicted_labels(encode, weight, data, workers)
    return found


def moved_encoder(encoder: nn.Module, tau: State) -> Callable[[Tensor], Tensor]:
    """f(x; theta0 + tau)."""
    state = {name: value + tau[name] for name, value in encoder.state_dict().items()}
    encoder.load_state_dict(state)
    return encoder.eval()


def linearised_encoder(encoder: nn.Module, tau: State) -> Callable[[Tensor], Tensor]:
    """f(x; theta0) + J(x; theta0) tau, by torch's forward mode."""
    # Training mode keeps attention off its fused inference path, which has no forward mode; the
    # encoder has no dropout and no batch statistics.
    encoder.train()
    theta0 = {name: value.detach() for name, value in encoder.named_parameters()}

    def encode(images: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            f0, df = jvp(
                lambda theta: functional_call(encoder, theta, (images,)),
                (theta0,),
                ({name: tau[name] for name in theta0},),
            )
        return f0 + df

    return encode


def sum_of_vectors(checkpoints: Mapping[str, Path], row: Mapping[str, float]) -> State:
    """sum_t c_t tau_t of the image encoder."""
    theta0 = load_demo_model().model.visual.state_dict()
    states = {name: load_file(checkpoints[name]) for name in row}
    return {
        key: sum(row[name] * (state[f"visual.{key}"] - value) for name, state in states.items())
        for key, value in theta0.items()
    }


@torch.no_grad()
def predicted_labels(
    encode: Callable[[Tensor], Tensor], weight: Tensor, data: object, workers: int = 0
) -> Tensor:
    """Labels int64 [n] under a head's weight [classes, width]."""
    labels = []
    for images, _ in DataLoader(data, BATCH, num_workers=workers):  # type: ignore[arg-type]
        features = encode(images)
        logits = (features / features.norm(dim=-1, keepdim=True)) @ weight.T
        labels.append(logits.argmax(-1))
    return torch.cat(labels)
