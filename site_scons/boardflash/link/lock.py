"""One process at a time on a probe: a lock of the operating system on a file named by serial number.

The system drops the lock with the process, so a crash leaves nothing behind. The file holds who has it,
for the message that others get. flock(2); on Windows the C run-time's `_locking`, on a byte far behind
the text, because a locked byte there cannot be read by others.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from boardflash.errors import BoardflashError, ExitCode
from boardflash.files import read_file
from boardflash.state import private_folder, state_dir

WINDOWS_LOCK_OFFSET = 1 << 20
#: flock(2), and Windows' EACCES and EDEADLOCK. Anything else (ENOLCK, EOPNOTSUPP) says nothing of a holder.
BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


class ProbeLock:
    """Held from construction until `release`, or the end of the process."""

    def __init__(self, probe: str, *, folder: Path | None = None) -> None:
        """`probe`: a serial number, or "sim-" and one. PROBE_BUSY if another process has it."""
        where = (folder if folder is not None else state_dir()) / "locks"
        self.path = where / f"probe-{probe}.lock"
        try:
            private_folder(where)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            self._file: int | None = os.open(self.path, flags, 0o600)
        except OSError as failure:
            raise BoardflashError(
                f"no lock can be made here ({failure.strerror}); set BOARDFLASH_STATE_DIR to another folder",
                where=str(self.path),
                code=ExitCode.PROBE_BUSY,
            ) from failure
        try:
            _lock(self._file)
        except OSError as failure:
            os.close(self._file)
            self._file = None
            if failure.errno not in BUSY:
                raise BoardflashError(
                    f"no lock can be taken here ({failure.strerror}); set BOARDFLASH_STATE_DIR to a folder on"
                    " a local disk",
                    where=str(self.path),
                    code=ExitCode.PROBE_BUSY,
                ) from failure
            raise BoardflashError(
                f"is in use by {_holder(self.path)}; wait until it has finished, or choose another probe",
                where=_spoken(probe),
                code=ExitCode.PROBE_BUSY,
            ) from None
        record = {"command": _command(), "pid": os.getpid(), "since": _now()}
        os.ftruncate(self._file, 0)
        os.write(self._file, json.dumps(record, sort_keys=True).encode())

    def release(self) -> None:
        """Let others have the probe. The file stays: to remove it would race with who opens it now."""
        if self._file is None:
            return
        with suppress(OSError):
            os.ftruncate(self._file, 0)
        os.close(self._file)
        self._file = None

    def __enter__(self) -> ProbeLock:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.release()


def _holder(path: Path) -> str:
    """Who has the lock, as far as the file tells; it is empty for a moment after it was taken."""
    for _ in range(10):
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError, BoardflashError):
            record = json.loads(read_file(path))
            return f"process {record['pid']} ({record['command']}) since {record['since']}"
        time.sleep(0.02)
    return "another process"


def _command() -> str:
    name, *arguments = sys.argv if sys.argv and sys.argv[0] else ["python"]
    if Path(name).name == "__main__.py":
        name = Path(name).parent.name
    return " ".join([Path(name).name, *arguments])


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _spoken(probe: str) -> str:
    kind, _, serial = probe.rpartition("-")
    return f"simulated J-Link {serial}" if kind == "sim" else f"J-Link {serial}"


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, WINDOWS_LOCK_OFFSET, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
