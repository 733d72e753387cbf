"""Distributions built once, and environments that hold our dependencies but no boardflash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(
    *("__pycache__", "*.egg-info", ".git", ".venv", "build", "dist", ".*_cache", ".hypothesis", ".sconsign*")
)


@dataclass(frozen=True)
class Environment:
    """A fresh virtual environment."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self, *words: object) -> None:
        command = [
            sys.executable,
            "-m",
            "pip",
            "--quiet",
            "--python",
            self.python,
            "install",
            "--no-deps",
            *words,
        ]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def run(self, *words: object, cwd: Path) -> str:
        """Run the environment's Python in `cwd`; its output."""
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        kept["BOARDFLASH_STATE_DIR"] = str(self.folder / "state")
        done = subprocess.run(
            [str(self.python), *(str(word) for word in words)],
            cwd=cwd,
            env=kept,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return make_environment(tmp_path / "venv")


def make_environment(folder: Path) -> Environment:
    """The dependencies come from the environment that runs the tests.

    A path in a .pth file makes packages importable, but the .pth files there are not read: the editable
    boardflash of the tests stays invisible.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    made = Environment(folder)
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run(
        [made.python, "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    probe = subprocess.run(
        [made.python, "-c", "import boardflash"], capture_output=True, cwd=folder, check=False
    )
    assert probe.returncode != 0, "boardflash must not be there yet"
    return made


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of this repository's files."""
    folder = tmp_path_factory.mktemp("checkout") / "boardflash"
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    return folder


@pytest.fixture(scope="session")
def distributions(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(checkout)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def other_repository(tmp_path: Path) -> Callable[[str], Path]:
    """Somebody else's project that builds firmware with our tools; the argument is its toolpath."""

    def make(toolpath: str) -> Path:
        folder = tmp_path / "other repository"
        folder.mkdir()
        (folder / "SConstruct").write_text(
            f"env = Environment(tools=['zigcc', 'flash'], toolpath=[{toolpath}])\n"
            "env.FlashApplication('app', ['main.c'], 'stm32f746g-disco', LINKERSCRIPT='app.ld')\n"
        )
        (folder / "main.c").write_text(
            '__attribute__((section(".vectors"), used)) void *const vectors[2];\n'
            "__attribute__((used)) void reset_handler(void) { for (;;) { } }\n"
        )
        (folder / "app.ld").write_text(
            "MEMORY { FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 1024K }\n"
            "SECTIONS { .text : { KEEP(*(.vectors)) *(.text .text.*) } > FLASH }\n"
        )
        return folder

    return make
