"""Ctrl-C while flashing: the running unit is finished first, so nothing is left half-written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def _never() -> bool:
    return False


class Interrupt:
    """Becomes true at the first Ctrl-C; the second one is left to Python."""

    def __init__(self, earlier: Callable[[], bool] = _never) -> None:
        """`earlier` tells of one that the caller has taken before this was there."""
        self.requested = False
        self._earlier = earlier

    def __call__(self) -> bool:
        return self.requested or self._earlier()


@contextmanager
def deferred_interrupt(earlier: Callable[[], bool] = _never) -> Iterator[Interrupt]:
    """Hold SIGINT and SIGTERM back as a flag; outside the main thread they can't be held and are not."""
    interrupt = Interrupt(earlier)
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, note) for number in numbers]
    try:
        yield interrupt
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
