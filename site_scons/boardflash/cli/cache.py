"""Loaders and plans that the command line makes for itself, kept by digest in the per-user state folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from boardflash.state import private_folder, state_dir

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
        os.utime(folder)
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
    folders = [folder for folder in shelf.iterdir() if not folder.name.startswith(".")]
    folders.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders[KEPT_PLANS:]:
        shutil.rmtree(folder, ignore_errors=True)
