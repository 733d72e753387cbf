"""pylink's own lock on a J-Link: a file with a process ID, by serial number, in the temporary folder.

Other programs that use pylink (pyOCD among them) honour it, so a real probe is opened with it. A simulated
probe is nobody's but this user's, and its lock lies in the state folder: two users of one machine, or two
test runs, can have a simulated board of the same serial number.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import psutil
import pylink


class LockedJLink(pylink.JLink):  # type: ignore[misc]
    """pylink's JLink, with its lock in a folder of the caller's choice."""

    _held: Any = None

    def __init__(self, *, lock_folder: Path | None = None, **arguments: Any) -> None:
        self.lock_folder = lock_folder
        super().__init__(**arguments)

    @property
    def _lock(self) -> Any:
        return self._held

    @_lock.setter
    def _lock(self, lock: Any) -> None:
        """pylink makes the lock, hands it over here, and then takes it."""
        if lock is not None and self.lock_folder is not None:
            self.lock_folder.mkdir(parents=True, exist_ok=True)
            path = self.lock_folder / lock.name
            # Whoever opens a simulated probe holds the system's lock on it (lock.py), so a file that is there
            # was left by a process that was killed; its process ID may be another's by now.
            path.unlink(missing_ok=True)
            lock.path = str(path)
        self._held = lock

    @_lock.deleter
    def _lock(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Give the lock back; pylink keeps it when opening fails."""
        if self._held is not None:
            self._held.release()
            self._held = None


def who_has_it(serial: int, folder: Path | None = None) -> str:
    """Why pylink calls the probe taken: which file, whose, and what to do."""
    name = pylink.jlock.JLock.SERIAL_NAME_FMT.format(serial)
    path = (folder or Path(tempfile.gettempdir())) / name
    owner = _owner(path)
    try:
        pid = int(path.read_text(encoding="ascii", errors="replace").split()[0])
    except (OSError, ValueError, IndexError):
        return (
            f"{path} says that another program has it; the file is {owner}'s and cannot be read: "
            f"ask {owner}, or delete it if no such program runs"
        )
    if not psutil.pid_exists(pid):
        return (
            f"{path} was left by process {pid}, which has ended, but the file is {owner}'s and cannot be"
            f" removed: ask {owner} to delete it"
        )
    return (
        f"process {pid} ({_command(pid)}, user {owner}), which uses pylink, has it; end that, "
        f"or delete {path} if that process has nothing to do with a J-Link"
    )


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (OSError, KeyError, NotImplementedError):
        return "another user"


def _command(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return "unknown"
