"""The one exception that reaches a user, and the exit codes that scripts may rely on."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Documented exit codes of the CLI; the same numbers stand in `--json` reports."""

    OK = 0
    DIFFERS = 1  # `verify`: the device does not hold the plan
    USAGE = 2  # argparse's own code
    BAD_INPUT = 3  # a board, chip, image or plan file is wrong
    NO_PROBE = 4  # no probe, several probes, or no J-Link DLL
    PROBE_BUSY = 5  # another process holds the probe
    WRONG_DEVICE = 6  # device ID, part or JEDEC ID is not what the board file says
    DEVICE_FAILED = 7  # the loader does not answer, or an erase, program or read failed
    VERIFY_FAILED = 8  # what was written does not read back
    INTERNAL = 70  # a fault of boardflash itself (EX_SOFTWARE of sysexits.h)
    INTERRUPTED = 130  # Ctrl-C


MESSAGE_MOST = 1500


def one_line(text: str) -> str:
    """The text as it may reach a terminal: titles, file names and symbols of others may hold anything, line
    breaks and the terminal's own commands among it."""
    line = "".join(c if c.isprintable() else " " if c in "\n\t" else "?" for c in text)
    return line if len(line) <= MESSAGE_MOST else line[: MESSAGE_MOST - 3] + "..."


class BoardflashError(Exception):
    """A fault, told to the person who can mend it.

    `where` names the place (file, table and key; or region and address), `message` says what is
    wrong, what was expected and found, and what to do. One line each.
    """

    def __init__(self, message: str, *, where: str = "", code: ExitCode = ExitCode.BAD_INPUT) -> None:
        message, where = one_line(message), one_line(where)
        super().__init__(message)
        self.message = message
        self.where = where
        self.code = code

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


def missing_package(error: ModuleNotFoundError) -> str:
    """What to do about an import that failed, for instance in a checkout used without being installed."""
    return (
        f"the Python package {error.name} is missing; install boardflash with its dependencies"
        " (pip install boardflash, or pip install -e . in a checkout)"
    )
