"""Files that others have made, or put in our way: kind and size are asked before one is read or replaced.

A path may name a pipe that nobody writes to, a device without an end, or a file larger than memory; and an
output may be /dev/null, a pipe or a link, which are written through and never replaced.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from boardflash.errors import BoardflashError

KIB, MIB = 1 << 10, 1 << 20
#: Text that people and programs write: board files, stamps, locks, records of a simulated board.
SMALL = 4 * MIB


def read_file(path: Path, most: int = SMALL) -> bytes:
    """All of a regular file. Raises OSError as `open` does, BoardflashError where it is none or has more than
    `most` bytes."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    # A pipe is opened without waiting for its other end.
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise BoardflashError(f"is {kind_of(status.st_mode)}, not a file", where=str(path))
    with os.fdopen(handle, "rb") as file:
        if status.st_size > most:
            raise BoardflashError(f"has {status.st_size:,} bytes; at most {most:,} are read", where=str(path))
        data = file.read(most + 1)
        if len(data) > most:  # it grows
            raise BoardflashError(f"has more than {most:,} bytes", where=str(path))
        return data


def kind_of(mode: int) -> str:
    """What a file is that is no regular one."""
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((name for asks, name in kinds if asks(mode)), "of another kind")


def write_file(path: Path, data: bytes) -> None:
    """The whole file or nothing: a reader, or an interruption, never meets half of it. What is no regular
    file is written in place; a link stays one. BoardflashError names the file if that fails."""
    try:
        target = _target(path)
        if target is None:
            with path.open("wb", buffering=0) as stream:
                _write_all(stream.fileno(), data)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with part.open("wb", buffering=0) as file:
                _write_all(file.fileno(), data)
                os.fsync(file.fileno())
                with suppress(OSError):  # as it was, where there was one
                    part.chmod(stat.S_IMODE(target.stat().st_mode))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BoardflashError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def _target(path: Path) -> Path | None:
    """The file that is replaced, at the end of all links; None for what is written in place."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Path(os.path.realpath(path))
    if stat.S_ISREG(mode):
        return Path(os.path.realpath(path))
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(None, "is a folder", str(path))
    return None


def _write_all(handle: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def write_private(path: Path, data: bytes | bytearray) -> None:
    """A file of our own state, for its owner alone, whole or not at all. A link that somebody has put in its
    place is replaced, not followed. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        create_private(part, data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def create_private(path: Path, data: bytes | bytearray) -> None:
    """The same for a file that nobody reads before it has its proper name; on disk when this returns."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, flags, 0o600)
    try:
        _write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
