"""Which columns of a Hugging Face data set are the image and its label."""

from __future__ import annotations

from typing import Any

from taujp.data.hub_images import HubImages

IMAGE = ("image", "img", "jpg", "png", "pixel_values")
LABEL = ("label", "labels", "fine_label", "class", "cls", "target")


def hub_images(
    rows: Any, file: str, *, image: str | None, label: str | None, texts: tuple[str, ...] = ()
) -> HubImages:
    """One split's images. A ClassLabel column names the classes; of a column of texts they are
    `texts`, by default all that occur, sorted."""
    import datasets

    kinds = rows.features
    pictures = [name for name, kind in kinds.items() if isinstance(kind, datasets.Image)]
    named = [name for name, kind in kinds.items() if isinstance(kind, datasets.ClassLabel)]
    column = image or _usual(file, "image", list(kinds), pictures, IMAGE)
    answers = label or _usual(file, "label", list(kinds), named, LABEL)
    if column not in pictures or answers not in kinds:
        raise ValueError(
            f"hub: '{file}' has the columns {list(kinds)}, {pictures} of them images; expected "
            f"'{column}' to be images and '{answers}' labels; name two of these columns"
        )
    labels, classes = list(rows[answers]), getattr(kinds[answers], "names", None)
    if labels and isinstance(labels[0], str):
        classes = texts or tuple(sorted(set(labels)))
        labels = _places(file, labels, classes)
    encoded = rows.cast_column(column, datasets.Image(decode=False))
    return HubImages(encoded, column, labels, file, tuple(classes) if classes else None)


def _places(file: str, labels: list[str], classes: tuple[str, ...]) -> list[int]:
    places = {name: place for place, name in enumerate(classes)}
    unknown = sorted(set(labels) - places.keys())
    if unknown:
        raise ValueError(
            f"hub: '{file}' has the labels {unknown[:5]}, which no training image has; expected "
            f"{list(classes[:5])} and so on; correct the data set, or write a task file"
        )
    return [places[label] for label in labels]


def _usual(
    file: str, what: str, columns: list[str], of_this_kind: list[str], names: tuple[str, ...]
) -> str:
    """The only column of a kind, else the first of those that are usually called so."""
    known = [name for name in names if name in (of_this_kind or columns)]
    if len(of_this_kind) == 1 or known:
        return of_this_kind[0] if len(of_this_kind) == 1 else known[0]
    raise ValueError(
        f"hub: '{file}' has the columns {columns}; expected to know the {what} by its kind or as "
        f"one of {names}; say which it is: hub_task(..., {what}='COLUMN') in a task file"
    )
