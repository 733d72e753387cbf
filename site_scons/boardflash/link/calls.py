"""One call of the J-Link DLL through pylink: whatever goes wrong in it becomes one line for the user."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pylink

from boardflash.errors import BoardflashError, ExitCode

T = TypeVar("T")

# OSError: what ctypes makes of an access violation inside the DLL on Windows (square/pylink #27, #67).
# ValueError: pylink meets an error code that it has no text for.
FAILURES = (pylink.errors.JLinkException, OSError, ValueError, TypeError)

#: After this time a call that may show a window says so.
WINDOW_NOTICE_S = 2.0


class Calls:
    """Makes calls, and keeps what the DLL says through its error and warning callbacks."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.messages: list[str] = []

    def note(self, text: str) -> None:
        self.messages.append(text.strip())

    def call(self, what: str, function: Callable[[], T], *, hint: str = "") -> T:
        said = len(self.messages)
        try:
            return function()
        except FAILURES as failure:
            told = "".join(f" ({m.rstrip('.')})" for m in self.messages[said:][:1])
            text = f"{what} failed: {str(failure).rstrip('.')}{told}"
            raise self.error(text + (f"; {hint}" if hint else "")) from failure

    def error(self, message: str, code: ExitCode = ExitCode.DEVICE_FAILED) -> BoardflashError:
        return BoardflashError(message, where=self.where, code=code)


@contextmanager
def told_if_slow(line: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Say `line` if what follows takes long: a window of the J-Link software may wait for an answer.

    The DLL does not return while it waits, so another thread says it.
    """
    timer = threading.Timer(WINDOW_NOTICE_S, tell, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def to_stderr(line: str) -> None:
    print(f"boardflash: {line}", file=sys.stderr, flush=True)


def error_text(code: int) -> str:
    try:
        return str(pylink.enums.JLinkGlobalErrors.to_string(code))
    except ValueError:
        return f"error {code}"


def ignore(_text: str) -> None:
    """The DLL's chatter is kept by `--trace`, not shown."""
