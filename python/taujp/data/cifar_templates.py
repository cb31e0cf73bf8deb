"""The eighteen captions that CLIP's authors use for CIFAR-10 and CIFAR-100."""

from __future__ import annotations

PHOTOS = (
    "photo",
    "blurry photo",
    "black and white photo",
    "low contrast photo",
    "high contrast photo",
    "bad photo",
    "good photo",
)

CIFAR_TEMPLATES = tuple(
    caption
    for article in ("a", "the")
    for caption in (
        *(f"a {photo} of {article} {{}}." for photo in PHOTOS),
        *(f"a photo of {article} {size} {{}}." for size in ("small", "big")),
    )
)
