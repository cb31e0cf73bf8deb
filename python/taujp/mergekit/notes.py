"""What the user of a configuration is told about it, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .chat_template import has_tokenizer, template_of
from .config import Configuration
from .keys import stray_keys
from .models import Model
from .peer_method import PeerMethod, parameter_names, unused_parameters
from .reference import ModelReference
from .settings import Settings


def configuration_notes(config: Configuration, method: PeerMethod) -> Iterator[str]:
    """A sentence for what the configuration says and is not done, or not as in mergekit."""
    yield from stray_keys(config.document, parameter_names())
    if unused := unused_parameters(method, _all_settings(config)):
        yield f"{method.name} has no parameter {', '.join(unused)}: without effect"
    if config.double:
        yield "dtype is float64: sums are made in float32 here, so that last bits may differ"


def lacking_notes(
    config: Configuration,
    models: Mapping[ModelReference, Model],
    *,
    planned: bool,
    copied: bool,
) -> Iterator[str]:
    """A sentence for all that the output goes without.

    planned: whether its tokenizer is made anew; copied: whether the donor's goes along otherwise.
    """
    donor = models[config.models[0]]
    folders = [model.folder for model in models.values() if model.folder is not None]
    if not donor.config:
        yield f"{donor.name} has no config.json: the output gets no config and no tokenizer"
    elif config.chat_template == "auto" and not any(map(template_of, folders)):
        yield "chat_template is auto, and no model has a chat template: the output gets none"
    elif config.chat_template and not (planned or copied):
        yield (
            "chat_template has no effect: the tokenizer is not copied (copy_tokenizer=False, "
            "--no-copy-tokenizer), so that the output has none to put it in"
        )
    elif config.chat_template and not (planned or has_tokenizer(donor.folder)):
        yield (
            f"chat_template has no effect: {donor.name} has no tokenizer to put it in; name a "
            f"model that has one as tokenizer_source"
        )


def _all_settings(config: Configuration) -> Iterator[Settings]:
    yield config.parameters
    for module in config.modules.values():
        yield module.parameters
        for part in module.slices:
            yield part.parameters
            yield from (source.parameters for source in part.sources)
