"""The small files of an output: config, generation config, tokenizer, and what else goes along."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from taujp.checkpoint import companions

from .chat_template import with_chat_template
from .output_config import read_generation_config, with_new_ids
from .tokenizer_file import tokenizer_files

if TYPE_CHECKING:
    from .tokenizer_plan import TokenizerPlan

# Templates of processors, which `with_chat_template` does not know of.
_OTHER_TEMPLATES = ("chat_template.json",)


def output_companions(
    donor: str,
    config: Mapping[str, Any],
    *,
    tokenizer: TokenizerPlan | None = None,
    copy_tokenizer: bool = True,
    chat_template: str | None = None,
) -> dict[str, str | bytes]:
    """All small files of an output: {path below it: a file's path, or bytes}.

    The donor's files go along (config, processor, code, ...); config.json is `config`; the
    tokenizer is the plan's, or else the donor's where copy_tokenizer, with `chat_template` (a
    Jinja text, from `chat_template`) in it; generation_config.json has the tokenizer's ids.

    Raises: MergeError for a chat template where there is no tokenizer to put it in.
    """
    files: dict[str, str | bytes] = {os.path.basename(path): path for path in companions(donor)}
    own = tokenizer_files(donor)
    for name in own:
        files.pop(name, None)
    if tokenizer is not None:
        own_or_planned: Mapping[str, str | bytes] = tokenizer.files
    else:
        own_or_planned = own if copy_tokenizer else {}
    if chat_template is not None:
        own_or_planned = with_chat_template(own_or_planned, chat_template)
        for name in _OTHER_TEMPLATES:
            files.pop(name, None)
    files.update(own_or_planned)
    files["config.json"] = json_bytes(config)
    generation = read_generation_config(donor)
    if tokenizer is not None and generation is not None:
        files["generation_config.json"] = json_bytes(with_new_ids(generation, tokenizer))
    return files


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """A configuration as text, its keys in their order."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
