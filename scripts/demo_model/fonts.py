"""Which Debian font packages the demo's images come from, and under which licence.

Licences were read in /usr/share/doc/PACKAGE/copyright. Left out because a rendered image or a
model trained on it may be doubtful there: Liberation 1.07 (GPL-2 with an exception for embedding
in documents only), Linux Libertine (GPL-2 + OFL), Latin Modern (GUST), and Inconsolata and Old
Standard (OFL 1.0). OFL 1.1 says that it "does not apply to any document created using the fonts".
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FontPackage:
    """A Debian package of fonts: its licence, a word for its design, at most how many files."""

    name: str
    licence: str
    design: str
    files: int = 400

    @property
    def family(self) -> str:
        """The typeface: "fonts-dejavu-core" and "fonts-dejavu-extra" are one."""
        return self.name.split("-")[1]


PRETRAINING = (
    FontPackage("fonts-noto-core", "OFL-1.1", ""),
    FontPackage("fonts-dejavu-core", "Bitstream-Vera", ""),
    FontPackage("fonts-dejavu-extra", "Bitstream-Vera", ""),
    FontPackage("fonts-hack", "MIT and Bitstream-Vera", "monospace"),
    FontPackage("fonts-firacode", "OFL-1.1", "monospace"),
    FontPackage("fonts-cantarell", "OFL-1.1", "sans"),
    FontPackage("fonts-lato", "OFL-1.1", "sans"),
    FontPackage("fonts-open-sans", "Apache-2.0", "sans"),
    FontPackage("fonts-roboto-unhinted", "Apache-2.0", "sans"),
    FontPackage("fonts-crosextra-carlito", "OFL-1.1", "sans"),
    FontPackage("fonts-sil-gentium", "OFL-1.1", "serif"),
    FontPackage("fonts-sil-andika", "OFL-1.1", "sans"),
    FontPackage("fonts-stix", "OFL-1.1", "serif"),
)

# Families the model never sees while it is pre-trained: the letters and symbols tasks.
HELD_OUT_TRAIN = (
    FontPackage("fonts-jetbrains-mono", "Apache-2.0", "monospace", 8),
    FontPackage("fonts-vollkorn", "OFL-1.1", "serif", 8),
    FontPackage("fonts-dosis", "OFL-1.1", "sans"),
    FontPackage("fonts-ebgaramond", "OFL-1.1", "serif"),
    FontPackage("fonts-sil-charis", "OFL-1.1", "serif"),
    FontPackage("fonts-junicode", "OFL-1.1", "serif", 12),
    FontPackage("fonts-lobster", "OFL-1.1", "script"),
)
HELD_OUT_TEST = (
    FontPackage("fonts-cabin", "OFL-1.1", "sans"),
    FontPackage("fonts-crosextra-caladea", "OFL-1.1", "serif"),
    FontPackage("fonts-comfortaa", "OFL-1.1", "sans"),
)
EMOJI = FontPackage("fonts-noto-color-emoji", "OFL-1.1", "emoji")
FASHION = "dataset-fashion-mnist"

STYLES = ("bold", "italic", "oblique", "light", "thin", "black", "condensed")
DESIGNS = ("serif", "sans", "mono")


def debian_packages() -> list[str]:
    """Every Debian package the script reads, for one apt-get line."""
    fonts = (*PRETRAINING, *HELD_OUT_TRAIN, *HELD_OUT_TEST, EMOJI)
    return [*(package.name for package in fonts), FASHION]


def font_files(package: FontPackage) -> list[Path]:
    """The package's font files, in order; if it is missing, the apt-get line that installs all."""
    listed = subprocess.run(
        ["dpkg", "-L", package.name], capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        raise SystemExit(
            f"fonts: the Debian package {package.name} is not installed; install all with\n"
            f"  apt-get install --no-install-recommends {' '.join(debian_packages())}"
        )
    files = sorted(
        Path(line) for line in listed.stdout.splitlines() if line[-4:] in (".ttf", ".otf")
    )
    # An even choice over the sorted names keeps bold, light and italic where a family is capped.
    step = max(1.0, len(files) / package.files)
    return [files[int(i * step)] for i in range(min(len(files), package.files))]


def style_words(path: Path, design: str) -> tuple[str, ...]:
    """Words that describe a font, from its file name: ("bold", "italic", "serif")."""
    stem = path.stem.lower()
    styles = [word for word in STYLES if word in stem]
    designs = [word for word in DESIGNS if word in stem] or ([design] if design else [])
    words = styles + [{"mono": "monospace"}.get(word, word) for word in designs[:1]]
    return tuple(words)
