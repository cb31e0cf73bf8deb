"""What is edited of a model, and how its outputs come from a batch: for any classifier.

open_clip and transformers models and plain modules are recognised; for anything else make a
`Classifier` with your own `predict`.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

# Where the outputs of transformers' models keep what a head needs, the best first.
OUTPUTS = ("logits", "image_embeds", "pooler_output")


@dataclass(frozen=True)
class Classifier:
    """module: holds the weights; those whose names begin with `prefix` are edited.

    predict: (module, batch of inputs on its device: a tensor or a mapping of tensors) to features
    [n, width] or, for tasks without a head, to outputs [n, ...].
    """

    module: nn.Module
    prefix: str
    predict: Callable[[Any, Any], Tensor]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    def state(self) -> dict[str, Tensor]:
        """The live weights and buffers that are edited, by their names in the module."""
        state = self.module.state_dict()
        kept = {name: value for name, value in state.items() if name.startswith(self.prefix)}
        if not kept:
            raise ValueError(
                f"Classifier: {type(self.module).__name__} has no weights under '{self.prefix}'; "
                f"expected some; its names are such as {list(state)[:3]}"
            )
        return kept

    def outputs(self, inputs: Any, head: nn.Module | None) -> Tensor:
        """The head's outputs in fp32 (fp64 of an fp64 model) for one batch of inputs."""
        weight = next(self.module.parameters())
        found = self.predict(self.module, placed(inputs, weight))
        found = found if found.dtype == torch.float64 else found.float()
        return found if head is None else head(found)

    def forward_module(self) -> nn.Module:
        """A module of the same weights and names whose forward is `predict`, for tangents."""
        if isinstance(getattr(self.module, "visual", None), nn.Module):
            return self.module  # the tangents know open_clip's models
        predict = self.predict

        def forward(own: nn.Module, inputs: Any) -> Tensor:
            # Without this forward, as `predict` may call the module; the weights are shared.
            plain = copy.copy(own)
            del plain.__dict__["forward"]
            return predict(plain, inputs)

        module = copy.copy(self.module)
        # Bound, so that copies of the module run with their own weights.
        module.forward = types.MethodType(forward, module)
        return module


def classifier_of(model: Any) -> Classifier:
    """What to edit of a model: of open_clip's the image encoder, of others all weights.

    transformers' models answer with logits, image embeddings or the pooled output, whichever they
    have; plain modules with what they return. A `Classifier` passes through.
    """
    if isinstance(model, Classifier):
        return model
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"classifier_of: the model is a {type(model).__name__}; expected an open_clip or "
            "transformers model, a module, or taujp.evaluate.Classifier(module, prefix, predict)"
        )
    if hasattr(model, "encode_image"):
        return Classifier(model, "visual.", _encode_image)
    if any(kind.__name__ == "PreTrainedModel" for kind in type(model).__mro__):
        return Classifier(model, "", _of_transformers)
    return Classifier(model, "", _call)


def placed(inputs: Any, weight: Tensor) -> Any:
    """A batch on the weight's device, floating numbers in its dtype."""
    if isinstance(inputs, Mapping):
        return {name: placed(value, weight) for name, value in inputs.items()}
    dtype = weight.dtype if inputs.is_floating_point() else inputs.dtype
    return inputs.to(weight.device, dtype)


def _encode_image(model: Any, images: Tensor) -> Tensor:
    return model.encode_image(images)


def _call(module: nn.Module, inputs: Any) -> Tensor:
    return module(**inputs) if isinstance(inputs, Mapping) else module(inputs)


def _of_transformers(model: Any, inputs: Any) -> Tensor:
    """Logits of a classifier, image features of CLIP and its kin, else the pooled output."""
    if not isinstance(inputs, Mapping):
        inputs = {model.main_input_name: inputs}
    if hasattr(model, "get_image_features") and set(inputs) == {"pixel_values"}:
        found = model.get_image_features(**inputs)
    else:
        found = model(**inputs)
    if isinstance(found, Tensor):
        return found
    for name in OUTPUTS:
        if getattr(found, name, None) is not None:
            return getattr(found, name)
    raise ValueError(
        f"classifier_of: {type(model).__name__} gives {type(found).__name__} with none of "
        f"{', '.join(OUTPUTS)}; expected one; make a Classifier with your own predict"
    )
