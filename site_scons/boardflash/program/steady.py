"""A link that repeats what may be repeated: a single transfer that fails need not end a run.

The loader's RAM has no side effects, so a read is asked again. A write is never repeated blindly: first
it is read back, since what failed may have arrived whole; only what has not is written again. The count
that hands a command over is written this way, too, so no command is handed over twice.
"""

from __future__ import annotations

from collections.abc import Callable

from boardflash.errors import BoardflashError, ExitCode
from boardflash.loader.session import MemoryLink

ATTEMPTS = 3


class SteadyLink:
    """A `MemoryLink` over another one; `note` hears of every repetition."""

    def __init__(self, link: MemoryLink, note: Callable[[str], None]) -> None:
        self._link = link
        self._note = note
        self.halt = link.halt
        self.go = link.go
        self.reset_and_halt = link.reset_and_halt
        self.is_halted = link.is_halted
        self.read_register = link.read_register
        self.write_register = link.write_register
        self.now = link.now
        self.pause = link.pause

    def read_memory(self, address: int, size: int) -> bytes:
        for _ in range(ATTEMPTS - 1):
            try:
                return self._link.read_memory(address, size)
            except BoardflashError as error:
                failed = _of_a_transfer(error)
            self._note(f"note: {failed}; read again")
        return self._link.read_memory(address, size)

    def write_memory(self, address: int, data: bytes) -> None:
        for _ in range(ATTEMPTS - 1):
            try:
                self._link.write_memory(address, data)
            except BoardflashError as error:
                failed = _of_a_transfer(error)
            else:
                return
            if self._link.read_memory(address, len(data)) == data:
                self._note(f"note: {failed}; all of it has arrived")
                return
            self._note(f"note: {failed}; written again")
        self._link.write_memory(address, data)


def _of_a_transfer(error: BoardflashError) -> BoardflashError:
    """Only what the device or the wire did is worth another try; anything else goes up as it is."""
    if error.code != ExitCode.DEVICE_FAILED:
        raise error
    return error
