"""Heads on disk: found again, never a wrong one, and never in the way."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from small_clip import WORDS, small_clip, small_tokenizer
from taujp.data import Task
from taujp.train.head_cache import cached_head, default_folder
from taujp.train.zero_shot import zero_shot_head


def colours() -> Task:
    return Task("colours", WORDS[:3], ("{}", "left {}"), lambda root: None)


@pytest.fixture
def model():
    return small_clip()


def count_encoding(model) -> list[int]:
    """The number of texts in each call of the text tower from now on."""
    calls, encode_text = [], model.encode_text

    def counted(tokens, *arguments, **options):
        calls.append(len(tokens))
        return encode_text(tokens, *arguments, **options)

    model.encode_text = counted
    return calls


def head(model, folder, task=None, *, tokenizer=None, tag="small"):
    task = task or colours()
    return cached_head(model, tokenizer or small_tokenizer(), task, tag=tag, folder=folder)


def test_batches_of_texts_give_the_head_of_one_class_at_a_time(model):
    expected = []
    for name in WORDS:
        texts = model.encode_text(small_tokenizer()([name, f"left {name}"]))
        mean = functional.normalize(texts, dim=-1).mean(0)
        expected.append(functional.normalize(mean, dim=-1) * model.logit_scale.exp())
    for at_once in (1, 3, 512):
        made = zero_shot_head(
            model, small_tokenizer(), WORDS, ("{}", "left {}"), texts_at_once=at_once
        )
        torch.testing.assert_close(made.weight, torch.stack(expected).detach())


def test_a_head_is_computed_once(model, tmp_path):
    calls = count_encoding(model)
    first = head(model, tmp_path / "heads")
    assert calls == [6]
    second = head(model, tmp_path / "heads")
    assert calls == [6]
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.weight, zero_shot_head(model, small_tokenizer(), *described()).weight)


def described():
    return colours().classes, colours().templates


def test_fine_tuning_the_image_tower_keeps_the_head(model, tmp_path):
    head(model, tmp_path)
    with torch.no_grad():
        model.visual.conv1.weight.add_(1)
    calls = count_encoding(model)
    head(model, tmp_path)
    assert not calls


CHANGES = {
    "classes in another order": lambda: {"task": replace(colours(), classes=WORDS[2::-1])},
    "another template": lambda: {"task": replace(colours(), templates=("right {}", "left {}"))},
    "another tag": lambda: {"tag": "other"},
    "another tokenizer": lambda: {"tokenizer": lambda texts: small_tokenizer()(texts).flip(0)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_head_depends_on_makes_another(model, tmp_path, change):
    head(model, tmp_path)
    calls = count_encoding(model)
    head(model, tmp_path, **CHANGES[change]())
    assert calls


def test_another_text_tower_makes_another_head(model, tmp_path):
    before = head(model, tmp_path)
    with torch.no_grad():
        model.text_projection.add_(0.1)
    assert not torch.equal(head(model, tmp_path).weight, before.weight)
    assert len(list(tmp_path.iterdir())) == 2


def cut(content: bytes) -> bytes:
    return content[:-7]


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def foreign(content: bytes) -> bytes:
    return b"not a safetensors file"


@pytest.mark.parametrize("damage", [cut, flipped, foreign, lambda content: b""])
def test_a_damaged_file_is_computed_again_and_says_so(model, tmp_path, damage):
    expected = head(model, tmp_path).weight
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    with pytest.warns(UserWarning, match=f"{file.name}.*computed again"):
        assert torch.equal(head(model, tmp_path).weight, expected)
    assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_warns_and_serves(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="cannot keep"):
        made = head(model, tmp_path / "file" / "heads")
    assert made.weight.shape == (3, 16)


def test_many_writers_leave_one_whole_file(model, tmp_path):
    together, made = threading.Barrier(4), []

    def write() -> None:
        together.wait()
        made.append(head(model, tmp_path).weight)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert all(torch.equal(weight, made[0]) for weight in made)
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(head(model, tmp_path).weight, made[0])


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TAUJP_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "heads"
    monkeypatch.delenv("TAUJP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "taujp" / "heads"
