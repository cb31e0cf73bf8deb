"""SIGINT and SIGTERM ask a run to stop after its step, instead of tearing it down inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class StopRequest:
    """Whether a signal came."""

    came: bool = False


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Notes the first signal inside the block; a second one acts as it would have without this.

    A block that came to its end all the same raises KeyboardInterrupt then: whoever sent the
    signal wanted the program to stop. Outside the main thread, where Python allows no handlers,
    signals act as ever.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        request.came = True
        restore()

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()
    if request.came:
        raise KeyboardInterrupt("stopped; the run that was under way is complete")
