"""Several pieces of work at once: in order, bounded, and nothing left behind."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from taujp.merge import side_by_side as module
from taujp.merge.side_by_side import side_by_side


def test_results_come_in_order_whatever_takes_longest():
    def work(number: int):
        time.sleep(0.02 if number % 3 == 0 else 0.0)
        return number

    pieces = [(10, lambda n=n: work(n)) for n in range(30)]
    for at_once in (1, 2, 5):
        assert list(side_by_side(pieces, at_once)) == list(range(30))


def test_each_has_one_thread_and_the_number_is_put_back():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = list(side_by_side([(10, torch.get_num_threads)] * 6, 3))
        assert found == [1] * 6
        assert torch.get_num_threads() == 3
        assert list(side_by_side([(10, torch.get_num_threads)] * 2, 1)) == [3, 3]
    finally:
        torch.set_num_threads(before)


def test_a_large_piece_is_alone_and_has_all_threads(monkeypatch):
    monkeypatch.setattr(module, "ELEMENTS", 100)
    under_way, most, lock = [0], [0], threading.Lock()

    def work(size: int) -> tuple[int, int]:
        with lock:
            under_way[0] += size
            most[0] = max(most[0], under_way[0])
            seen = under_way[0]
        time.sleep(0.005)
        with lock:
            under_way[0] -= size
        return seen, torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        sizes = [40, 40, 40, 500, 40, 90, 10]
        found = list(side_by_side([(s, lambda s=s: work(s)) for s in sizes], 4))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert most[0] == 500
    assert found[3] == (500, 2)
    assert [threads for i, (_, threads) in enumerate(found) if i != 3] == [1] * 6


def test_an_error_ends_it_and_threads_do_not_stay():
    before, threads = threading.active_count(), torch.get_num_threads()
    done: list[int] = []

    def work(number: int) -> None:
        if number == 2:
            raise ValueError("the third")
        done.append(number)

    pieces = ((1, lambda n=n: work(n)) for n in range(1000))
    with pytest.raises(ValueError, match="the third"):
        list(side_by_side(pieces, 2))
    assert len(done) < 20
    assert threading.active_count() == before
    assert torch.get_num_threads() == threads
