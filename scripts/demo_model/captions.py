"""Captions from Unicode names: what a glyph or an emoji is called, in a few random phrasings."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

# Names that only number a sign teach nothing ("cuneiform sign 1234"), and the mathematical
# alphabets, presentation forms and ideographs repeat letters that are there already.
LEFT_OUT = re.compile(
    r"^(CJK|HANGUL|PRIVATE|VARIATION|TAG|BRAILLE|MATHEMATICAL .*(CAPITAL|SMALL|DIGIT)|SIGNWRITING)"
    r"|\b[A-Z]*\d+[A-Z]*\b|(ISOLATED|INITIAL|MEDIAL|FINAL) FORM$"
)


def name_of(character: str) -> str | None:
    """The lower-case Unicode name of a visible, usefully named character, else None."""
    name = unicodedata.name(character, "")
    visible = unicodedata.category(character)[0] in "LNPS"
    if not name or not visible or LEFT_OUT.search(name):
        return None
    return words_only(name)


def words_only(text: str) -> str:
    """Lower-case words separated by one space: "T-SHIRT" -> "t shirt"."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def phrase(name: str, styles: tuple[str, ...], rng: random.Random) -> str:
    """One phrasing of a name: each style word on half of the glyphs, a tenth cut in front."""
    words = name.split()
    if len(words) > 1 and rng.random() < 0.1:
        words = words[rng.randrange(1, len(words)) :]
    kept = [style for style in styles if rng.random() < 0.5]
    return " ".join(kept + words)


def vocabulary(names: Iterable[str], always: Iterable[str], *, size: int) -> list[str]:
    """The `size` most frequent words of all names, those in `always` first in any case."""
    counts = Counter(word for name in names for word in name.split())
    required = sorted({word for text in always for word in words_only(text).split()})
    frequent = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    return list(dict.fromkeys(required + frequent))[:size]
