"""The engine below the merge: fingerprints, offsets beyond 4 GB, plans it must refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import taujp_ext


def fingerprints(path: Path, pieces: list[tuple[int, int]], threads: int) -> dict[int, int]:
    """The engine's fingerprints of (offset, bytes) of a file, by their number."""
    stream = taujp_ext.stream()
    status, plan = path.stat(), stream.Plan()
    plan.inputs = [stream.InputFile(str(path), status.st_size, status.st_mtime_ns)]
    plan.items = [copy_of(offset, size) for offset, size in pieces]
    plan.threads = threads
    job = stream.Job(plan)
    while not job.wait(1.0):
        pass
    assert job.bytes_done == sum(size for _, size in pieces)
    return {done.item: done.fingerprints[0] for done in job.take_finished()}


def copy_of(offset: int, size: int, targets: list[tuple[int, ...]] | None = None) -> Any:
    sources = [(0, offset, 1, 0)]
    return taujp_ext.stream().Item(
        copy=True, size=size, coefs=0, sources=sources, targets=targets or [], keys=[]
    )


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_tiles_in_any_order_give_the_fingerprint_of_the_whole(tmp_path: Path, threads: int) -> None:
    content = bytes(range(251)) * 13_000
    path = tmp_path / "file"
    path.write_bytes(content)
    pieces = [(0, len(content)), (3, 1_000_000), (5, 1023), (0, 1024), (9, 1025), (0, 0)]
    found = fingerprints(path, pieces, threads)
    whole = taujp_ext.stream().fingerprint
    assert found == {i: whole(content[o : o + n]) for i, (o, n) in enumerate(pieces)}


@given(st.binary(min_size=1, max_size=5000), st.integers(0, 2**32))
def test_a_changed_bit_changes_the_fingerprint(content: bytes, where: int) -> None:
    bit = where % (8 * len(content))
    other = bytearray(content)
    other[bit // 8] ^= 1 << bit % 8
    fingerprint = taujp_ext.stream().fingerprint
    assert fingerprint(content) != fingerprint(bytes(other))


def test_place_and_length_count() -> None:
    fingerprint = taujp_ext.stream().fingerprint
    one, two = bytes([1]) * 1024, bytes([2]) * 1024
    seen = [one + two, two + one, b"", bytes(1), bytes(1023), bytes(1024), bytes(1025), bytes(2048)]
    assert len({fingerprint(content) for content in seen}) == len(seen)


def test_the_fingerprint_stays_what_it_is() -> None:
    # it is written into files: another value for the same bytes would break their provenance
    assert taujp_ext.stream().fingerprint(bytes(range(256)) * 9) == 0xA1241D6BC16CE21E


def test_offsets_beyond_four_gigabytes(tmp_path: Path) -> None:
    stream, far = taujp_ext.stream(), 5 * 2**30 + 6
    source, target = tmp_path / "in", tmp_path / "out"
    with source.open("wb") as file:
        file.seek(far)
        file.write(b"far away")
    target.touch()
    status, plan = source.stat(), stream.Plan()
    plan.recipe = stream.Recipe(
        fold="linear", sparsifier="none", rescale="none", rounding="exact", normalize=False,
        keep_one=False, density=[], skip=[], lambdas=[1.0],
    )  # fmt: skip
    plan.inputs = [stream.InputFile(str(source), status.st_size, status.st_mtime_ns)]
    plan.outputs = [str(target)]
    plan.items = [copy_of(far, 8, [(0, 2 * far, 1, 0)])]
    assert stream.Job(plan).wait(10.0)
    with target.open("rb") as file:
        file.seek(2 * far)
        assert file.read() == b"far away"


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"sources": [(1, 0, 1, 0)]}, "in no file"),
        ({"sources": [(0, -1, 1, 0)]}, "before the beginning"),
        ({"sources": []}, "wrong number of sources"),
        ({"size": -1}, "negative size"),
        ({"targets": [(0, 0, 1, 0)]}, "targets are not K"),
    ],
)
def test_a_plan_out_of_bounds_is_refused(tmp_path: Path, item: dict[str, Any], why: str) -> None:
    stream, path = taujp_ext.stream(), tmp_path / "file"
    path.write_bytes(bytes(10))
    plan = stream.Plan()
    plan.inputs = [stream.InputFile(str(path), 10, path.stat().st_mtime_ns)]
    fields = {"size": 10, "sources": [(0, 0, 1, 0)], "targets": [], **item}
    plan.items = [stream.Item(copy=True, coefs=0, keys=[], **fields)]
    with pytest.raises(ValueError, match=why):
        stream.Job(plan)
