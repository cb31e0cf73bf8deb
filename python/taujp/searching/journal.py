"""The trials of a search on disk, a line each: a killed search goes on where it was."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from taujp.evaluate.schema import checked, plain
from taujp.searching.result import Trial
from taujp.searching.space import key_of


class Journal:
    """`with Journal(path, identity) as journal`: `trials` by point, `add` writes more at once.

    The first line is the identity: what the trials depend on besides their points. A file with
    another one is an error, and so is a second search that writes into it meanwhile. Without a path
    nothing is written.
    """

    def __init__(self, path: Path | None, identity: Mapping[str, Any]) -> None:
        self.trials: dict[str, Trial] = {}
        self._path, self._identity = path, identity
        self._stream: IO[str] | None = None

    def __enter__(self) -> Journal:
        if self._path is not None:
            self._stream = self._opened(self._path)
            try:
                self._take_over(self._stream)
            except BaseException:
                self._stream.close()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    @staticmethod
    def _opened(path: Path) -> IO[str]:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("a+", encoding="utf-8")
        except OSError as error:
            raise OSError(
                f"search: cannot keep its trials in '{path}': {error.strerror}; choose another out"
            ) from error

    def add(self, trials: Sequence[Trial]) -> None:
        """Keeps the trials; they are on disk when this returns."""
        self.trials.update({key_of(trial.values): trial for trial in trials})
        self._write([plain(trial) for trial in trials])

    def _take_over(self, stream: IO[str]) -> None:
        """Locks the file and reads what is in it; a last line that was cut off is taken out."""
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"search: '{self._path}' is being written by another search; wait for it, choose "
                "another out, or share a study: by='tpe' with storage="
            ) from None
        stream.seek(0)
        text = stream.read()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            os.ftruncate(stream.fileno(), len(whole.encode("utf-8")))
        lines = whole.splitlines()
        if not lines:
            self._write([self._identity])
            return
        self._check(lines[0])
        for number, line in enumerate(lines[1:], 2):
            trial = checked(_parsed(line), Trial, f"search: '{self._path}', line {number}")
            self.trials[key_of(trial.values)] = trial

    def _check(self, line: str) -> None:
        found, wanted = _parsed(line), json.loads(json.dumps(self._identity))
        if found != wanted:
            differing = sorted(
                name
                for name in {*wanted, *(found if isinstance(found, dict) else {})}
                if not isinstance(found, dict) or found.get(name) != wanted.get(name)
            )
            raise ValueError(
                f"search: '{self._path}' holds the trials of another search: they differ in "
                f"{', '.join(differing)}; choose another out, or move the file away"
            )

    def _write(self, lines: Sequence[Any]) -> None:
        if self._stream is None:
            return
        for line in lines:
            self._stream.write(json.dumps(line, allow_nan=False) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return line
