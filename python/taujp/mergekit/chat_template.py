"""The output's chat template: the inputs' most common one, a known format, or a text."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from taujp.merge.errors import MergeError

from .chat_formats import FORMATS
from .tokenizer_file import CONTENT, SETTINGS, TEMPLATE, read_json

# A tag of transformers' own: what stands between the two is what the assistant said.
_GENERATION = re.compile(r"\{%-?\s*(end)?generation\s*-?%\}")


def chat_template(setting: str | None, folders: Sequence[str]) -> str | None:
    """The Jinja text that `setting` asks for; None where it asks for nothing (or no model has one).

    Args:
      setting: "auto" (the most common one of the folders; of equally common ones the first), a
        name (alpaca, chatml, exaone, llama3, mistral), or a Jinja text.
      folders: the models' folders, in the configuration's order.

    Raises: MergeError for a name that is not known, and a text that is no template.
    """
    if setting is None or setting == "":
        return None
    if not isinstance(setting, str):
        raise MergeError(f"chat_template is {setting!r}; expected {_expected()}")
    if setting == "auto":
        templates = [found for folder in folders if (found := template_of(folder))]
        return Counter(templates).most_common(1)[0][0] if templates else None
    if setting in FORMATS:
        return FORMATS[setting]
    if "{" not in setting:
        raise MergeError(f"chat_template is {setting!r}; expected {_expected()}")
    _check(setting)
    return setting


def template_of(folder: str) -> str | None:
    """The chat template of a model's tokenizer, stripped; None where it has none."""
    path = os.path.join(folder, TEMPLATE)
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as stream:
            return stream.read().strip() or None
    path = os.path.join(folder, SETTINGS)
    if not os.path.isfile(path):
        return None
    found: Any = read_json(folder, SETTINGS, path).get("chat_template")
    if isinstance(found, list):  # [{name, template}, ...]
        found = {entry.get("name"): entry.get("template") for entry in found}
    if isinstance(found, dict):
        found = found.get("default")
    return (found.strip() or None) if isinstance(found, str) else None


def has_tokenizer(folder: str | None) -> bool:
    """Whether a model's folder holds a tokenizer that a template can be put into."""
    names = (SETTINGS, CONTENT)
    return folder is not None and any(os.path.isfile(os.path.join(folder, n)) for n in names)


def with_chat_template(
    files: Mapping[str, str | bytes], template: str | None
) -> dict[str, str | bytes]:
    """A tokenizer's files with this template in them; unchanged where it is None.

    It is written both as a file of its own, which newer transformers reads, and among the
    settings, for all else.

    Raises: MergeError where there is no tokenizer among the files.
    """
    if template is None:
        return dict(files)
    if SETTINGS not in files and CONTENT not in files:
        raise MergeError(
            "chat_template: the output has no tokenizer to put it in; leave it out, or give the "
            "base model's folder its tokenizer"
        )
    settings = read_json("the output", SETTINGS, files[SETTINGS]) if SETTINGS in files else {}
    settings = {**settings, "chat_template": template}
    text = json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
    return {**files, SETTINGS: text.encode(), TEMPLATE: template.encode()}


def _expected() -> str:
    return f"auto, one of {', '.join(FORMATS)}, or a Jinja template with {{{{ }}}} or {{% %}} in it"


def _check(template: str) -> None:
    """Jinja's own opinion, where it is installed: transformers needs it to use a template."""
    if importlib.util.find_spec("jinja2") is None:
        return
    import jinja2

    plain = _GENERATION.sub("", template)
    try:
        jinja2.Environment(extensions=["jinja2.ext.loopcontrols"]).parse(plain)
    except jinja2.TemplateSyntaxError as error:
        raise MergeError(f"chat_template: line {error.lineno}: {error.message}") from None
