"""What a verb tells: plain lines, a progress bar on a terminal, JSON for machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from boardflash.errors import ExitCode
from boardflash.files import write_file

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

REPORT_SCHEMA = 1


def say(line: str, stream: TextIO | None) -> None:
    """One line, if anybody is there to read it: a reader that has gone, or a closed stream, ends no run."""
    if stream is None:  # closed before we were started
        return
    try:
        print(printable(line, stream), file=stream, flush=True)
    except BrokenPipeError:
        silence(stream)
    except OSError as error:
        lost.append(error.strerror or str(error))
        silence(stream)


def printable(line: str, stream: TextIO) -> str:
    """Without what a terminal would take for its own, or its encoding does not have."""
    shown = "".join(c if c.isprintable() or c == "\n" else "?" for c in line)
    encoding = stream.encoding or "utf-8"
    return shown.encode(encoding, errors="replace").decode(encoding)


#: Why output did not get where it was sent: a full disk.
lost: list[str] = []


def tell(line: str) -> None:
    """One line to standard output: what a verb was asked for."""
    say(line, sys.stdout)


def silence(stream: TextIO) -> None:
    """Nothing more reaches this stream, not even when the interpreter ends and flushes it."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


class Teller:
    """Lines to standard output, or to standard error where the JSON report takes standard output.

    It is the programmer's `Progress` too. A bar is drawn on a terminal alone; elsewhere, as in CI
    logs, only whole lines appear.
    """

    def __init__(self, *, json_target: str | None = None) -> None:
        self._stream: TextIO | None = sys.stderr if json_target == "-" else sys.stdout
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Teller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bar()

    def phase(self, name: str, total: int) -> None:
        self._end_bar()
        if total > 0 and sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._start_bar(name, total)

    def advance(self, amount: int) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, amount)

    def note(self, line: str) -> None:
        if self._bar is not None:
            self._end_bar()
        say(line, self._stream)

    def lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.note(line)

    def _start_bar(self, name: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(name, total=total)
        self._bar.start()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None


def write_json(target: str, value: dict[str, Any]) -> None:
    """Sorted keys, so that equal reports are equal bytes."""
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    if target == "-":
        say(text.rstrip("\n"), sys.stdout)
    else:
        write_file(Path(target), text.encode())


def error_report(verb: str, message: str, code: ExitCode) -> dict[str, Any]:
    """The report of a run that did not come to an end."""
    return {
        "schema": REPORT_SCHEMA,
        "verb": verb,
        "error": {"kind": code.name.lower(), "message": message},
        "exit_code": int(code),
    }


def simulated_line(board: str, serial: str) -> str:
    """First line of a run on a simulated board."""
    return f"simulated board {board}, probe {serial}: no hardware is touched"
