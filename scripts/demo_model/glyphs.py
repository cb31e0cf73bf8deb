"""Renders characters and emoji into small arrays with their names."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from demo_model.captions import name_of
from demo_model.fonts import EMOJI, FontPackage, font_files, style_words

CANVAS = 40  # rendered larger than the model's 32 so that rotation and shift keep the corners
EMOJI_SIZE = 109  # the only size Noto Color Emoji holds


@dataclass(frozen=True)
class Rendered:
    """Images with alpha, uint8 [n, CANVAS, CANVAS, channels], a name and style words for each."""

    images: NDArray[np.uint8]
    characters: str
    names: list[str]
    styles: list[tuple[str, ...]]


def render(font: ImageFont.FreeTypeFont, character: str, size: int) -> NDArray[np.uint8] | None:
    """One glyph's coverage, centred by its ink, or None when it has none or does not fit."""
    left, top, right, bottom = font.getbbox(character)
    width, height = right - left, bottom - top
    if not (0 < width <= 2 * size and 0 < height <= 2 * size):
        return None
    side = int(max(width, height, size))
    image = Image.new("L", (side, side))
    corner = ((side - width) / 2 - left, (side - height) / 2 - top)
    ImageDraw.Draw(image).text(corner, character, fill=255, font=font)
    if side > size:
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels if pixels.max() > 64 else None


def character_map(path: Path) -> list[str]:
    """The usefully named characters a font file draws."""
    with TTFont(path, lazy=True) as font:
        codes = sorted(font.getBestCmap() or {})
    return [chr(code) for code in codes if name_of(chr(code))]


def common_sign(character: str) -> bool:
    """Digits, punctuation and signs of every keyboard: in every font, so worth knowing well."""
    return ord(character) < 0x100 and not character.isalpha()


def worth_learning(character: str, families: set[str]) -> bool:
    """Pictographs, and what at least two families draw: one drawing teaches no shape."""
    pictograph = 0x2000 <= ord(character) < 0x2C00 or 0x1F300 <= ord(character) < 0x1FB00
    return pictograph or len(families) > 1


def choose_characters(
    family: dict[Path, str], *, per_character: int, per_sign: int, seed: int
) -> dict[Path, list[str]]:
    """For every font the characters to render: each character in a random few of its fonts."""
    holders: dict[str, list[Path]] = defaultdict(list)
    for path in family:
        for character in character_map(path):
            holders[character].append(path)
    rng = random.Random(seed)
    chosen: dict[Path, list[str]] = {path: [] for path in family}
    for character in sorted(holders):
        if not worth_learning(character, {family[path] for path in holders[character]}):
            continue
        most = per_sign if common_sign(character) else per_character
        held_by = holders[character]
        for path in rng.sample(held_by, min(len(held_by), most)):
            chosen[path].append(character)
    return chosen


def render_glyphs(
    packages: tuple[FontPackage, ...], *, per_character: int, per_sign: int, seed: int
) -> Rendered:
    """The named characters of the packages' fonts, each in at most so many of them."""
    package_of = {path: package for package in packages for path in font_files(package)}
    family = {path: package.family for path, package in package_of.items()}
    chosen = choose_characters(family, per_character=per_character, per_sign=per_sign, seed=seed)
    images, drawn, styles = [], [], []
    for path, characters in chosen.items():
        font = ImageFont.truetype(str(path), CANVAS * 3 // 4)
        words = style_words(path, package_of[path].design)
        for character in characters:
            pixels = render(font, character, CANVAS)
            if pixels is not None:
                images.append(pixels)
                drawn.append(character)
                styles.append(words)
    names = [str(name_of(character)) for character in drawn]
    return Rendered(np.stack(images)[..., None], "".join(drawn), names, styles)


def render_emoji() -> Rendered:
    """Every single-character emoji of the colour font, RGBA, with its Unicode name."""
    path = font_files(EMOJI)[0]
    font = ImageFont.truetype(str(path), EMOJI_SIZE)
    images, drawn = [], []
    for character in character_map(path):
        if ord(character) < 0x2000:  # digits and signs that only serve as keycap bases
            continue
        image = Image.new("RGBA", (136, 136))
        ImageDraw.Draw(image).text((0, 4), character, font=font, embedded_color=True)
        if image.getbbox() is None:
            continue
        small = image.crop(image.getbbox()).copy()
        small.thumbnail((CANVAS - 6, CANVAS - 6), Image.Resampling.BOX)
        canvas = Image.new("RGBA", (CANVAS, CANVAS))
        canvas.paste(small, ((CANVAS - small.width) // 2, (CANVAS - small.height) // 2))
        images.append(np.asarray(canvas))
        drawn.append(character)
    names = [str(name_of(character)) for character in drawn]
    return Rendered(np.stack(images), "".join(drawn), names, [()] * len(names))
