"""What the programmer tells while it works; who shows it decides how."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives phases and amounts; must return quickly."""

    def phase(self, name: str, total: int) -> None:
        """A new phase begins; `total` bytes are to be done in it (0 = unknown)."""

    def advance(self, amount: int) -> None:
        """`amount` more bytes of the present phase are done."""

    def note(self, line: str) -> None:
        """One plain line for the person, for instance what was found."""


class Silent:
    """Progress for tests and libraries: says nothing."""

    def phase(self, name: str, total: int) -> None:
        return None

    def advance(self, amount: int) -> None:
        return None

    def note(self, line: str) -> None:
        return None
