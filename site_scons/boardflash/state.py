"""Where boardflash keeps what must outlive a build tree: locks, journals, simulated flash.

The conventional per-user places: XDG base directory specification (`XDG_STATE_HOME`), Apple's
Application Support, Windows' local application data. `BOARDFLASH_STATE_DIR` overrides all.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path


def state_dir() -> Path:
    """The per-user state folder; whoever writes there creates it."""
    override = os.environ.get("BOARDFLASH_STATE_DIR")
    if override:
        return Path(override)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "boardflash"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "boardflash"
    xdg = os.environ.get("XDG_STATE_HOME")
    # The XDG specification: a relative path in the variable is invalid and to be ignored.
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".local" / "state"
    return base / "boardflash"


def private_folder(folder: Path) -> Path:
    """The folder, made if it is not there, and for its owner alone: journals hold what a device holds."""
    missing = []
    at = folder
    while not at.exists():
        missing.append(at)
        at = at.parent
    for path in reversed(missing):
        with suppress(FileExistsError):  # another process was quicker
            path.mkdir(mode=0o700)
    return folder


def shared_temporary(name: str) -> Path:
    """A folder in the machine's temporary place that this user's processes share. If somebody else has made
    one of its name, or a link, a new one is made for this process alone."""
    user = hashlib.sha256(str(Path.home()).encode()).hexdigest()[:8]  # tells users apart without naming them
    folder = Path(tempfile.gettempdir()) / f"{name}-{user}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    others = stat.S_IWGRP | stat.S_IWOTH
    ours = sys.platform == "win32" or (status.st_uid == os.geteuid() and not status.st_mode & others)
    return folder if stat.S_ISDIR(status.st_mode) and ours else Path(tempfile.mkdtemp(prefix=f"{name}-"))
