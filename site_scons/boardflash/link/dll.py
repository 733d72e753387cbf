"""Finds SEGGER's J-Link DLL: the newest that is installed, loaded where it lies.

pylink takes the first that a folder listing gives, and copies a DLL without a version in its path to the
temporary folder, away from the files and windows that belong to it (square/pylink #32, #108, #206).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pylink

from boardflash.errors import BoardflashError, ExitCode

VARIABLE = "BOARDFLASH_JLINK_DLL"
BITS_64 = sys.maxsize > 1 << 32
ASK_SECONDS = 20
# In a process of its own: a DLL for another processor, or a broken one, must not end this one.
ASK_VERSION = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).JLINKARM_GetDLLVersion())"

# By platform: where SEGGER's installers put a folder for each version, and the DLL's name in it.
WINDOWS_NAME = "JLink_x64.dll" if BITS_64 else "JLinkARM.dll"
PLACES: dict[str, tuple[tuple[str, ...], str]] = {
    "linux": (("opt/SEGGER",), "libjlinkarm*.so*"),
    "darwin": (("Applications/SEGGER",), "libjlinkarm*.dylib"),
    "win32": (("Program Files/SEGGER", "Program Files (x86)/SEGGER"), WINDOWS_NAME),
}
_FOLDER_VERSION = re.compile(r"JLink(?:_[A-Za-z]+)?_?V(\d)(\d\d)([a-z]?)(?![0-9])")
_FILE_VERSION = re.compile(r"libjlinkarm(?:\.so)?\.(\d+)\.(\d+)(?:\.(\d+))?")

Version = tuple[int, int, int]


@dataclass(frozen=True)
class FoundDll:
    path: Path
    version: Version | None  # None: neither its name nor its folder tells

    def __str__(self) -> str:
        return f"{spoken(self.version) if self.version else 'of unknown version'} ({self.path})"


class JLinkLibrary:
    """A loaded DLL, as `pylink.JLink(lib=...)` takes it; it knows where it came from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._library = pylink.library.Library(dllpath=str(path), use_tmpcpy=False)

    def dll(self) -> Any:
        return self._library.dll()


def find_dlls(root: Path, platform: str, ask: Callable[[Path], int | None] | None = None) -> list[FoundDll]:
    """All that are installed below `root`, the newest first. `ask` tells the version of one whose name and
    folder don't; it is asked only if there is a choice."""
    folders, pattern = PLACES.get(platform, PLACES["linux"])
    paths = dict.fromkeys(
        path.resolve()
        for folder in folders
        for path in sorted((root / folder).glob(f"JLink*/{pattern}"))
        if path.is_file() and _fits(path)
    )
    found = [FoundDll(path, version_of(path)) for path in paths]
    if len(found) > 1 and ask is not None:
        found = [dll if dll.version else FoundDll(dll.path, _numbers(ask(dll.path))) for dll in found]
    return sorted(found, key=lambda dll: (dll.version or (0, 0, 0), str(dll.path)), reverse=True)


def version_of(path: Path) -> Version | None:
    """From libjlinkarm.so.9.24.1, or the folder JLink_V924a. The letter is the third number, a being 1."""
    named = _FILE_VERSION.match(path.name)
    if named:
        return int(named[1]), int(named[2]), int(named[3] or 0)
    folder = _FOLDER_VERSION.search(path.parent.name)
    if folder:
        letter = ord(folder[3]) - ord("a") + 1 if folder[3] else 0
        return int(folder[1]), int(folder[2]), letter
    return None


def spoken(version: Version) -> str:
    """As SEGGER writes it: V9.24a."""
    letter = chr(ord("a") + version[2] - 1) if 0 < version[2] <= 26 else ""
    return f"V{version[0]}.{version[1]:02d}{letter}"


def load_dll(
    environment: Mapping[str, str] | None = None, root: Path | None = None, platform: str = sys.platform
) -> Any:
    """The DLL that $BOARDFLASH_JLINK_DLL names, or the newest that is installed and can be loaded."""
    chosen = (os.environ if environment is None else environment).get(VARIABLE)
    if chosen:
        return _chosen(Path(chosen), platform)
    where = root or Path(Path.cwd().anchor if platform == "win32" else "/")
    failures: list[str] = []
    for dll in find_dlls(where, platform, _ask):
        try:
            return JLinkLibrary(dll.path)
        except OSError as failure:
            failures.append(f"{dll.path}: {failure}")
    if failures:
        raise no_dll(f"the J-Link DLL cannot be loaded ({failures[0]})")
    return _systems_own()


def _chosen(path: Path, platform: str) -> JLinkLibrary:
    where = f"{VARIABLE}={path}"
    if path.is_dir():
        pattern = PLACES.get(platform, PLACES["linux"])[1]
        inside = [file for file in sorted(path.glob(pattern)) if _fits(file)]
        if not inside:
            raise no_dll(f"no {pattern} in this folder", where)
        path = inside[0]
    if not path.is_file():
        raise no_dll("no such file", where)
    try:
        return JLinkLibrary(path.resolve())
    except OSError as failure:
        raise no_dll(f"the J-Link DLL cannot be loaded ({failure})", where) from failure


def _systems_own() -> Any:
    """Not in SEGGER's places; the loader of the operating system may know one."""
    try:
        library = pylink.library.Library(use_tmpcpy=False)
    except OSError as failure:
        raise no_dll(f"the J-Link DLL cannot be loaded ({failure})") from failure
    if library.dll() is None:
        raise no_dll("no J-Link DLL found")
    return library


def described(library: Any) -> str:
    """`J-Link software 9.24 (PATH)`, for whoever has to say what he runs."""
    path = getattr(library, "path", None) or getattr(library, "_path", None)
    try:
        version = spoken(_numbers(int(library.dll().JLINKARM_GetDLLVersion())) or (0, 0, 0))
    except OSError:
        version = "that does not tell its version"
    return f"J-Link software {version}" + (f" ({path})" if path else "")


def no_dll(what: str, where: str = "PROBE") -> BoardflashError:
    return BoardflashError(
        f"{what}; install SEGGER's J-Link software to use a J-Link, or PROBE=sim tries the simulated board",
        where=where,
        code=ExitCode.NO_PROBE,
    )


def _fits(path: Path) -> bool:
    """SEGGER's Linux folders hold a 32-bit DLL beside the 64-bit one."""
    return ("_x86" in path.name) != BITS_64 or path.suffix == ".dll"


def _numbers(version: int | None) -> Version | None:
    """From the DLL's own number: 92401 is 9.24a."""
    return (version // 10000, version // 100 % 100, version % 100) if version else None


def _ask(path: Path) -> int | None:
    try:
        done = subprocess.run(
            [sys.executable, "-c", ASK_VERSION, str(path)],
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=False,
        )
        return int(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
