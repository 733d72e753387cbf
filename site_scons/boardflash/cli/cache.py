"""Loaders and plans that the command line makes for itself, kept by digest in the per-user state folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from boardflash.state import private_folder, state_dir

#: A plan that was asked for so recently may be in the hands of another process.
IN_USE_S = 3600.0
KEPT_PLANS = 8  # a 16 MiB image is in there as .bin and .hex; older ones are made again when needed


def digest_of_parts(parts: Iterable[bytes]) -> str:
    """One name for several inputs; each part's length counts, so that no two lists share a name."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "little"))
        whole.update(part)
    return whole.hexdigest()[:32]


def cached_folder(kind: str, digest: str, marker: str, make: Callable[[Path], None]) -> Path:
    """The folder `cache/<kind>/<digest>`; made by `make` in a temporary place if `marker` is not in it."""
    shelf = state_dir() / "cache" / kind
    folder = shelf / digest
    if (folder / marker).is_file():
        with suppress(OSError):  # another process may be dropping it; it is young again if it stays
            os.utime(folder)
        if (folder / marker).is_file():
            return folder
    private_folder(shelf)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=shelf))
    try:
        make(work)
        if folder.exists() and not (folder / marker).is_file():
            shutil.rmtree(folder)
        # Another process may have put the same bytes there meanwhile: then those serve.
        with suppress(OSError):
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def forget(kind: str, digest: str) -> None:
    """Drop one folder of the cache."""
    shutil.rmtree(state_dir() / "cache" / kind / digest, ignore_errors=True)


def forget_old_plans() -> None:
    """Keep the plans that were used last."""
    shelf = state_dir() / "cache" / "plans"
    if not shelf.is_dir():
        return
    ages: list[tuple[float, Path]] = []
    for folder in shelf.iterdir():
        with suppress(OSError):  # dropped by another process meanwhile
            ages.append((time.time() - folder.stat().st_mtime, folder))
    plans = sorted(age for age in ages if not age[1].name.startswith("."))
    left_behind = [age for age in ages if age[1].name.startswith(".")]
    for age, folder in (*plans[KEPT_PLANS:], *left_behind):
        if age > IN_USE_S:
            shutil.rmtree(folder, ignore_errors=True)
