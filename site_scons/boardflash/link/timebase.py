"""The clock that a board lives by: the wall for a real one, its own for a simulated one."""

from __future__ import annotations

import time
from typing import Protocol


class Timebase(Protocol):
    """Where `Link.now` and `Link.pause` come from."""

    def now(self) -> float:
        """Seconds; only differences mean anything."""

    def pause(self, seconds: float) -> None:
        """Let `seconds` pass for the board."""


class RealTime:
    def now(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)
