"""`mergekit`: a configuration in, a model out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from taujp.merge.errors import MergeError
from taujp.merge.fill_output import Progress
from taujp.merge.output_layout import target_of
from taujp.merge.to_files import assemble_to_files

from .build import Built, Choices, build
from .documents import Document, in_order, names_used, read_documents, with_folders
from .intermediates import is_made

SHARD_SIZE = 5_000_000_000  # bytes, as mergekit's 5B


def mergekit(
    config: Any,
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    threads: int | None = None,
    shard_size: int = SHARD_SIZE,
    device: str = "cpu",
    ranks: bool = False,
    intermediates: str | os.PathLike[str] | None = None,
    lazy: bool = True,
    tell: Callable[[str], None] | None = None,
    **choices: Any,
) -> str:
    """Merge as a mergekit configuration says, from files to files, in bounded memory.

    Args:
      config: the path of a YAML file, a YAML text, or a mapping; one document, or several of which
        all but one have a `name` that the others may use for a model.
      out: the output's folder. It appears once the merge is complete; the same call goes on with
        one that was broken off.
      overwrite: replace an output that exists.
      progress, threads, device, ranks: as for `merge_many` with `out`.
      shard_size: bytes that one file of the output may hold.
      intermediates: folder of the named documents' models; default: beside `out`, its name and
        "-intermediate". With `lazy` those that are there already, of the same configuration and
        newer than their inputs, are taken as they are.
      tell: is called with each thing worth knowing (dtypes that differ, parameters without
        effect); default: warnings.warn.
      **choices: seed (default 0), rounding ("exact" or "stepwise"), missing ("error" or "ignore"),
        nonfinite ("error" or "allow"), allow_crimes, copy_tokenizer, card, cache.

    Returns: the output's path. Raises: MergeError, CheckpointError (all missing tensors at once,
      before any work), OSError, ImportError.

    Like mergekit 0.1.5's `mergekit-yaml` and `mergekit-multimerge`; docs/mergekit.md has the
    differences.
    """
    say = tell or (lambda note: warnings.warn(note, stacklevel=3))
    chosen = Choices(**choices)
    target = target_of(out)
    if target.suffix == ".safetensors":
        raise MergeError(f"out is {str(target)!r}, one file; a merge makes a model's folder")
    for document, folder, last in steps(config, target, intermediates):
        if not last and lazy and is_made(folder, document.config, chosen.recorded(document.text)):
            say(f"{document.name}: taken as it is from {str(folder)!r}")
            continue
        built = build(document.config, document.text, folder.name, chosen)
        for note in built.notes:
            say(note)
        assemble_to_files(
            built.assembly,
            folder,
            overwrite=overwrite or not last,
            progress=progress,
            threads=threads,
            shard_size=shard_size,
            device=device,
            ranks=ranks,
        )
    return str(target)


def planned(
    config: Any,
    out: str | os.PathLike[str],
    *,
    intermediates: str | os.PathLike[str] | None = None,
    **choices: Any,
) -> Iterator[tuple[Built, Path]]:
    """What `mergekit` would merge, and the folders it would write; nothing is written.

    Raises: MergeError for documents that need a named one that is not made yet.
    """
    waiting: set[str] = set()
    for document, folder, _ in steps(config, target_of(out), intermediates):
        if not folder.exists():
            waiting.add(str(folder))
        lacking = [m.model.path for m in document.config.models if m.model.path in waiting]
        if lacking:
            raise MergeError(f"{', '.join(lacking)} is not made yet; its merge comes first")
        yield build(document.config, document.text, folder.name, Choices(**choices)), folder


def steps(
    config: Any, target: Path, intermediates: str | os.PathLike[str] | None
) -> Iterator[tuple[Document, Path, bool]]:
    """(document, the folder it becomes, whether it is the output), in the order of their use."""
    documents = in_order(read_documents(config))
    folder = Path(intermediates or target.parent / f"{target.name}-intermediate")
    names = {document.name for document in documents if document.name is not None}
    final = _final(documents)
    for document in documents:
        used = names_used(document, dict.fromkeys(names))
        placed = with_folders(document, {name: str(folder / name) for name in used})
        last = document is final
        yield placed, target if last else folder / str(document.name), last


def _final(documents: list[Document]) -> Document:
    """The one without a name; of documents that all have names, the one that no other uses."""
    if len(documents) == 1:
        return documents[0]
    unnamed = [document for document in documents if document.name is None]
    if unnamed:
        return unnamed[0]
    names = dict.fromkeys(document.name for document in documents)
    used = {name for document in documents for name in names_used(document, names)}
    ends = [document for document in documents if document.name not in used]
    if len(ends) != 1:
        raise MergeError(
            f"configuration: {', '.join(str(d.name) for d in ends)} are used by no other document; "
            f"leave out the name of the one that is the output"
        )
    return ends[0]
