"""docs/simulated-board.md: its commands, given to real gdb and OpenOCD, print the lines that it shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serve.serving import PATIENCE_S, ROOT, serving

PAGE = (ROOT / "docs" / "simulated-board.md").read_text(encoding="utf-8")
APP = "build/stm32f746g-disco/blinky-assets"


def section(title: str) -> str:
    return re.split(r"^## ", PAGE, flags=re.MULTILINE)[[*titles()].index(title) + 1]


def titles() -> list[str]:
    return re.findall(r"^## (.*)$", PAGE, re.MULTILINE)


def indented(text: str) -> list[list[str]]:
    """The blocks of a section, by lines."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    return [[line[4:].rstrip() for line in block.splitlines() if line.strip()] for block in blocks]


def shown(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith(("$ ", "(gdb) "))]


def missing(lines: list[str], said: str) -> list[str]:
    """Shown lines that were not said, in their order; spaces at a line's end do not count, nor do times."""
    found = iter([without_time(line.rstrip()) for line in said.splitlines()])
    return [line for line in lines if without_time(line) not in found]


def without_time(line: str) -> str:
    return re.sub(r"[0-9.]+ s on the board's clock", "TIME", line)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with the example built."""
    folder = tmp_path_factory.mktemp("page") / "checkout"
    for name in ("site_scons", "boards", "loader", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("SConstruct", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    scons = [sys.executable, "-m", "SCons", "-Q", "BOARD=stm32f746g-disco"]
    subprocess.run(scons, cwd=folder, check=True, capture_output=True, timeout=PATIENCE_S)
    return folder


@pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="gdb-multiarch is not installed")
def test_gdb_prints_what_is_shown(example: Path, tmp_path: Path) -> None:
    session, server_lines = indented(section("gdb"))[:2]
    program = re.findall(r"^\$ (.*)$", "\n".join(session), re.MULTILINE)[0].split()
    commands = [line[len("(gdb) ") :] for line in session if line.startswith("(gdb) ")]
    with serving(tmp_path, "--gdb", "0") as server:
        port = server.port("gdb")
        words = [program[0], "-nx", "-batch", *(f"{APP}/{name}" for name in program[1:])]
        for command in ("set width 0", *commands):
            words += ["-ex", command.replace(":3333", f":{port}")]
        said = subprocess.run(
            words,
            cwd=example,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
        ).stdout
        assert server.stop() == 0
    assert len(commands) == 5 and len(shown(session)) > 10 and len(shown(server_lines)) == 2
    assert missing(shown(session), said) == [], said
    assert missing(shown(server_lines), "\n".join(server.lines)) == [], server.lines


@pytest.mark.skipif(shutil.which("openocd") is None, reason="openocd is not installed")
def test_openocd_prints_what_is_shown(example: Path, tmp_path: Path) -> None:
    config, session = indented(section("OpenOCD"))[:2]
    (command,) = [line[2:] for line in session if line.startswith("$ ")]
    assert command == 'openocd -f sim.cfg -c "program app.bin 0x08000000 verify exit"'
    shutil.copy(example / APP / "internal.bin", tmp_path / "app.bin")
    with serving(tmp_path / "state", "--bitbang", "0") as server:
        port = server.port("bitbang")
        text = "\n".join(config).replace("remote_bitbang port 3335", f"remote_bitbang port {port}")
        (tmp_path / "sim.cfg").write_text(text + "\n", encoding="utf-8")
        silent = [word for name in ("gdb", "tcl", "telnet") for word in ("-c", f"{name}_port disabled")]
        said = subprocess.run(
            ["openocd", "-f", "sim.cfg", *silent, "-c", "program app.bin 0x08000000 verify exit"],
            cwd=tmp_path,
            env={**os.environ, "LC_ALL": "C"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
        ).stdout
        assert server.stop() == 0
    assert len(shown(session)) > 5
    assert missing(shown(session), said) == [], said
