"""One configuration as an assembly that can begin: everything checked, no number read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from taujp.checkpoint import Checkpoint, composed
from taujp.merge.assembly import Assembly
from taujp.merge.errors import MergeError

from .card import card_files
from .chat_template import chat_template, has_tokenizer
from .config import DTYPES, Configuration
from .folders import find_place
from .grouping import Grouping
from .models import Model, check_architectures, open_models
from .notes import configuration_notes, lacking_notes
from .outline import Outline
from .output_config import output_config
from .output_folder import output_companions
from .peer_method import find_peer_method
from .reference import ModelReference, model_reference
from .regions import Alignment, Planner
from .same_names import with_names_of

if TYPE_CHECKING:
    from .tokenizer_plan import TokenizerPlan


@dataclass(frozen=True)
class Choices:
    """What is said beside the configuration, on the command line or as arguments.

    seed: of random methods. rounding: "exact" or "stepwise". missing: "error" or "ignore".
    nonfinite: "error" or "allow". cache: the folder of the Hugging Face hub's cache.
    """

    seed: int = 0
    rounding: str = "exact"
    missing: str = "error"
    nonfinite: str = "error"
    allow_crimes: bool = False
    copy_tokenizer: bool = True
    card: bool = True
    cache: str | os.PathLike[str] | None = None

    def recorded(self, text: str) -> str:
        """The configuration's text with a comment of what else decides about the numbers."""
        said = {n: getattr(self, n) for n in ("seed", "rounding", "missing", "nonfinite")}
        others = {n: value for n, value in said.items() if value != getattr(Choices, n)}
        line = ", ".join(f"{name}: {value}" for name, value in others.items())
        return f"{text.rstrip()}\n# {line}\n" if others else text


@dataclass(frozen=True)
class Built:
    """An assembly, mergekit's name of its method, and what its user should be told."""

    assembly: Assembly
    method: str
    notes: tuple[str, ...]


def build(config: Configuration, text: str, name: str, choices: Choices) -> Built:
    """Open the models and plan the merge.

    text: the configuration as YAML, for the output's folder; name: the output's, for its card.
    Raises: MergeError, CheckpointError: all missing or reshaped tensors at once.
    """
    method = find_peer_method(config.method)
    said = [*configuration_notes(config, method)]
    models, notes = _models(config, choices)
    plan = _tokenizer(config, models, choices.cache)
    align = None if plan is None else _alignment(plan, config, choices)
    outline = Planner(config, method, models, align, choices.missing).outline()
    grouping = Grouping(config, method, choices.seed, choices.rounding, choices.nonfinite)
    merges = grouping.merges(outline)
    notes += [*outline.notes, *(plan.notes if plan else ())]
    notes += lacking_notes(config, models, planned=plan is not None, copied=choices.copy_tokenizer)
    if grouping.mixed:
        notes.append(
            f"{len(grouping.mixed)} tensors differ in dtype between the models and are written as "
            f"float32 ({grouping.mixed[0]}, ...); set dtype or out_dtype to choose another"
        )
    companions = _companions(config, models, outline, plan, choices, mixed=bool(grouping.mixed))
    if choices.card:
        companions |= card_files(config, choices.recorded(text), name)
    assembly = Assembly(tuple(merges), _donor(outline), companions)
    return Built(assembly, config.method, (*said, *notes))


def _models(
    config: Configuration, choices: Choices
) -> tuple[dict[ModelReference, Model], list[str]]:
    """The models, opened, with the donor's names for their tensors; and what is to be told."""
    models = open_models(config.models, choices.cache)
    check_architectures(models.values(), allowed=choices.allow_crimes)
    donor, notes = models[config.models[0]], []
    for reference, model in models.items():
        models[reference], note = with_names_of(donor, model)
        notes += [note] if note else []
    return models, notes


def _donor(outline: Outline) -> Checkpoint:
    """The output's tensors as they would be without a merge."""
    parts = {
        wanted.name: (region.checkpoints[region.first], wanted.sources[region.first])
        for region in outline.regions
        for wanted in region.tensors
    }
    return composed("the output", {**parts, **outline.copied}, ties=outline.ties)


def _tokenizer(
    config: Configuration,
    models: Mapping[ModelReference, Model],
    cache: str | os.PathLike[str] | None,
) -> TokenizerPlan | None:
    if config.tokenizer is None:
        return None
    from .tokenizer_plan import plan_tokenizer
    from .tokenizer_spec import MADE

    folders = {model.name: model.folder for model in models.values() if model.folder is not None}
    files = [model.name for model in models.values() if model.folder is None]
    if files:
        raise MergeError(
            f"tokenizer: {', '.join(files)} are files; expected folders, with a tokenizer in each"
        )
    spec = config.tokenizer
    if spec.source not in (*MADE, *folders):  # a model that gives nothing but its tokenizer
        place = find_place(model_reference("tokenizer", spec.source).model, cache)
        spec = replace(spec, source=place)
    return plan_tokenizer(spec, folders, str(config.models[0]))


def _alignment(plan: TokenizerPlan, config: Configuration, choices: Choices) -> Alignment:
    from .embeddings import aligned

    # averages are rounded to the dtype of the work, as in mergekit, where that is no loss
    dtype = config.dtype if choices.rounding == "stepwise" or config.dtype == "F32" else None
    return lambda checkpoints, base: aligned(
        checkpoints, plan, base=base, rounding=choices.rounding, dtype=dtype
    )


def _companions(
    config: Configuration,
    models: Mapping[ModelReference, Model],
    outline: Outline,
    plan: TokenizerPlan | None,
    choices: Choices,
    *,
    mixed: bool,
) -> dict[str, str | bytes]:
    """Config, tokenizer and the rest, from the base or else the first model."""
    donor = models[config.models[0]]
    if donor.folder is None or not donor.config:
        return {}
    chosen = config.written or ("F32" if mixed else None)
    names = {dtype: name for name, dtype in DTYPES.items()}
    written = output_config(
        donor.config,
        dtype=None if chosen is None else names[chosen],
        layers=outline.layers,
        tokenizer=plan,
        tied_head=False if outline.untied and donor.config.get("tie_word_embeddings") else None,
    )
    copied = choices.copy_tokenizer and has_tokenizer(donor.folder)
    template = _template(config, models)
    return output_companions(
        donor.folder,
        written,
        tokenizer=plan,
        copy_tokenizer=choices.copy_tokenizer,
        chat_template=template if plan is not None or copied else None,
    )


def _template(config: Configuration, models: Mapping[ModelReference, Model]) -> str | None:
    """The chat template that the configuration asks for, which may be one of the models'."""
    folders = [model.folder for model in models.values() if model.folder is not None]
    return chat_template(config.chat_template, folders)
