"""Text files that are whole or not there, and the question before long work whether they can be."""

from __future__ import annotations

import os

import pytest

from taujp.whole_file import check_place, write_whole


def test_a_place_that_will_do_stays_as_it_is(tmp_path):
    check_place(tmp_path / "new" / "page.html", "inspect")
    assert list((tmp_path / "new").iterdir()) == []
    write_whole("first", tmp_path / "page.html", "inspect")
    check_place(tmp_path / "page.html", "inspect")
    assert (tmp_path / "page.html").read_text() == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "page.html"]


@pytest.mark.parametrize("attempt", [check_place, lambda *where: write_whole("text", *where)])
def test_a_place_that_will_not_do_is_told(tmp_path, monkeypatch, attempt):
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path / "file" / "page.html", tmp_path, ""):
        with pytest.raises(OSError, match=r"inspect: cannot write '.*; expected a place"):
            attempt(place, "inspect")
    if os.path.isdir("/proc/self"):
        with pytest.raises(OSError, match=r"inspect: cannot write ./proc/page\.html"):
            attempt("/proc/page.html", "inspect")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
