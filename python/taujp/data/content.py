"""Digests of every image of a split, by the bytes or by the pixels, on several threads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from taujp.data.images import Images, UnreadableImage

Result = TypeVar("Result")


def content_digests(
    images: Images, what: str, *, workers: int = 1, progress: bool = False
) -> list[str]:
    """32 hex digits an image, in order, of its content (`Images.content`)."""
    return list(_each(lambda at: short_digest(images.content(at)), images, what, workers, progress))


def pixel_digests(
    images: Images, what: str, *, workers: int = 1, progress: bool = False
) -> Iterator[str | UnreadableImage]:
    """Decodes each image, in order: 32 hex digits of its size and pixels, or why it cannot be.

    The same picture has the same digest in any lossless format.
    """

    def digest(at: int) -> str | UnreadableImage:
        try:
            image = images.open(at).convert("RGB")
        except UnreadableImage as error:
            return error
        except OSError as error:
            return UnreadableImage(f"open: '{images.name(at)}' cannot be read ({error})")
        return short_digest(f"{image.size}".encode() + image.tobytes())

    return _each(digest, images, what, workers, progress)


def short_digest(content: bytes) -> str:
    """32 hex digits of some bytes."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _each(
    function: Callable[[int], Result], images: Images, what: str, workers: int, progress: bool
) -> Iterator[Result]:
    from tqdm import tqdm

    results = (
        map(function, range(len(images)))
        if workers <= 1
        else _threaded(function, len(images), workers)
    )
    yield from tqdm(results, desc=what, total=len(images), disable=not progress, unit="image")


def _threaded(function: Callable[[int], Result], count: int, workers: int) -> Iterator[Result]:
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, count, 4096):  # not a future for each of a million images at once
            yield from pool.map(function, range(start, min(start + 4096, count)))
