"""A configuration's text as its documents: one merge each, some with names that others refer to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from taujp.merge.errors import MergeError

from .config import Configuration, Module, Slice, configuration
from .reading import mapping_of, text_of
from .reference import ModelReference, Place, model_reference


@dataclass(frozen=True)
class Document:
    """One merge: its configuration, the text of it, and its name if it is for others to use."""

    name: str | None
    config: Configuration
    text: str


def read_documents(source: Any) -> list[Document]:
    """The documents of a YAML file, of a YAML text, or of a mapping, in their order.

    Raises: MergeError for what is no YAML, unknown keys, names that come twice; OSError where the
    file cannot be read; ImportError where PyYAML is missing.
    """
    if isinstance(source, Mapping):
        return _documents([dict(source)], None)
    text = str(source)
    if isinstance(source, os.PathLike) or "\n" not in text:
        text = _text_of_file(source)
    return _documents(_loaded(text), text)


def in_order(documents: list[Document]) -> list[Document]:
    """Every document after those whose names it uses.

    Raises: MergeError where they go round in a circle.
    """
    by_name = {document.name: document for document in documents}
    done: dict[int, Document] = {}
    under_way: list[str] = []

    def visit(document: Document) -> None:
        if id(document) in done:
            return
        name = document.name or "the last merge"
        if name in under_way:
            raise MergeError(f"documents refer to each other: {' -> '.join([*under_way, name])}")
        under_way.append(name)
        for used in names_used(document, by_name):
            visit(by_name[used])
        under_way.pop()
        done[id(document)] = document

    for document in documents:
        visit(document)
    return list(done.values())


def names_used(document: Document, names: Mapping[str | None, Any]) -> list[str]:
    """Which of the documents' names stand for models in this one."""
    spec, merged = document.config.tokenizer, document.config.models
    others = [model_reference("tokenizer", model) for model in (spec.models if spec else ())]
    paths = dict.fromkeys(reference.model.path for reference in (*merged, *others))
    return [path for path in paths if path in names]


def with_folders(document: Document, folders: Mapping[str, str]) -> Document:
    """The document with those names replaced by the folders of what they have become."""

    def placed(reference: ModelReference) -> ModelReference:
        folder = folders.get(reference.model.path)
        return reference if folder is None else replace(reference, model=Place(folder))

    def sliced(part: Slice) -> Slice:
        sources = tuple(replace(source, model=placed(source.model)) for source in part.sources)
        return replace(part, sources=sources, base=part.base and placed(part.base))

    config = document.config
    modules = {
        name: Module(tuple(map(sliced, module.slices)), module.parameters)
        for name, module in config.modules.items()
    }
    base = config.base and placed(config.base)
    spec = config.tokenizer and config.tokenizer.renamed(
        lambda model: str(placed(model_reference("tokenizer", model)))
    )
    return replace(document, config=replace(config, modules=modules, base=base, tokenizer=spec))


def _documents(loaded: list[Any], text: str | None) -> list[Document]:
    documents: list[Document] = []
    for number, found in enumerate(loaded):
        content = dict(mapping_of(f"document {number + 1}", found))
        name = content.pop("name", None)
        name = None if name is None else _folder_name(name)
        if any(document.name == name for document in documents):
            other = f"the name {name!r} stands twice" if name else "two documents have no name"
            raise MergeError(f"configuration: {other}; give each a name of its own")
        own = text if text is not None and len(loaded) == 1 else _dumped(content)
        documents.append(Document(name, configuration(content), own))
    return documents


def _folder_name(value: Any) -> str:
    """A document's name, which becomes a folder among the intermediates and must stay there."""
    name = text_of("name", value)
    if os.path.isabs(name) or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise MergeError(f"name is {name!r}; expected a folder's name, without . and .. in it")
    return name


def _text_of_file(path: str | os.PathLike[str]) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError as error:
        raise type(error)(
            f"configuration: cannot read {str(path)!r}: {error.strerror}; expected a YAML file"
        ) from error
    except UnicodeDecodeError as error:
        raise MergeError(f"configuration: {str(path)!r} is no UTF-8 text: {error}") from error


def _loaded(text: str) -> list[Any]:
    yaml = _yaml()
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for document in yaml.compose_all(text, Loader=loader):
            _refuse_repeated_keys(document)
        found = [d for d in yaml.load_all(text, Loader=loader) if d is not None]
    except yaml.YAMLError as error:
        raise MergeError(f"configuration is no YAML: {error}") from error
    if not found:
        raise MergeError("configuration is empty; expected merge_method, models, ...")
    return found


def _refuse_repeated_keys(document: Any) -> None:
    """YAML's loader would silently take the last of them."""
    waiting, seen = [document], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen or not isinstance(getattr(node, "value", None), list):
            continue
        seen.add(id(node))
        pairs = [item for item in node.value if isinstance(item, tuple)]
        keys = [key.value for key, _ in pairs if isinstance(key.value, str)]
        for key in {key for key in keys if key != "<<" and keys.count(key) > 1}:
            line = node.start_mark.line + 1
            raise MergeError(f"configuration: {key!r} stands twice in the mapping of line {line}")
        waiting += [value for _, value in pairs]
        waiting += [item for item in node.value if not isinstance(item, tuple)]


def _dumped(content: dict[str, Any]) -> str:
    return str(_yaml().safe_dump(content, sort_keys=False))


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ImportError(
            'mergekit configurations are YAML; install PyYAML: pip install "taujp[mergekit]"'
        ) from error
    return yaml
