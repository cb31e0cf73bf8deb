"""Keyboard signs from held-out font families: the control task, which the model is good at.

Negation must forget its target and keep this. The classes are in the order of SIGNS.
"""

from __future__ import annotations

from pathlib import Path

from taujp.data.arrays import ArrayImages, read_arrays
from taujp.data.demo_model import ASSETS
from taujp.data.splits import RawSplits
from taujp.data.task import task

SIGNS = '!"#$%&()*+/;<=>?@[]{}'


@task(
    "symbols",
    classes=(
        "exclamation mark",
        "quotation mark",
        "number sign",
        "dollar sign",
        "percent sign",
        "ampersand",
        "left parenthesis",
        "right parenthesis",
        "asterisk",
        "plus sign",
        "solidus",
        "semicolon",
        "less than sign",
        "equals sign",
        "greater than sign",
        "question mark",
        "commercial at",
        "left square bracket",
        "right square bracket",
        "left curly bracket",
        "right curly bracket",
    ),
    templates=("{}", "bold {}", "serif {}"),
)
def symbols(root: Path) -> RawSplits:
    """Half of the training fonts' images are validation; test is of other font families."""
    arrays = read_arrays(ASSETS / "symbols.npz")
    train = ArrayImages(arrays["train_images"], arrays["train_labels"], "symbols.npz:train")
    test = ArrayImages(arrays["test_images"], arrays["test_labels"], "symbols.npz:test")
    return RawSplits(train, None, test, share=0.5)
