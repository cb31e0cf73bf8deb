"""The parts of scripts/make_demo_model.py that need no Debian fonts."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
import torch

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture(autouse=True)
def scripts_on_the_path(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("T", "latin capital letter t"),
        ("\N{T-SHIRT}", "t shirt"),
        ("\N{EGYPTIAN HIEROGLYPH A001}", None),  # numbered
        ("\N{MATHEMATICAL BOLD SMALL X}", None),  # repeats a letter
        ("\n", None),  # nothing to see
    ],
)
def test_names_are_useful_words_or_nothing(character, name):
    from demo_model.captions import name_of

    assert name_of(character) == name


def test_phrases_keep_the_end_of_the_name():
    from demo_model.captions import phrase

    rng = random.Random(0)
    phrases = {phrase("latin small letter t", ("bold", "serif"), rng) for _ in range(100)}
    assert all(text.endswith("t") for text in phrases)
    assert "bold serif latin small letter t" in phrases


def test_vocabulary_keeps_required_words_then_the_frequent():
    from demo_model.captions import vocabulary

    assert vocabulary(["b a", "b c"], ["Z-y"], size=3) == ["y", "z", "b"]


def test_composed_images_are_reproducible_and_in_range():
    from demo_model.augment import compose

    glyphs, emoji = torch.rand(6, 1, 40, 40), torch.rand(4, 4, 40, 40)
    images = [
        compose(glyphs, emoji, size=32, generator=torch.Generator().manual_seed(0))
        for _ in range(2)
    ]
    assert images[0].shape == (10, 3, 32, 32)
    assert torch.equal(*images)
    assert -1e-5 <= images[0].min() <= images[0].max() <= 1 + 1e-5


def test_equal_captions_share_the_target():
    from demo_model.pretrain import contrastive_loss

    same = torch.tensor([[True, True], [True, True]])
    features = torch.eye(2)
    alike = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    scale = torch.tensor(10.0)
    assert contrastive_loss(alike, alike, scale, same) < contrastive_loss(
        features, features, scale, same
    )
