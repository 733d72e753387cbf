"""docs/first-bench.md: its commands, in its order, print the lines that it shows."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from boardflash.cli import main
from boardflash.link import probes
from boardflash.sim.jlink import SimulatedJLink
from boardflash.sim.jlink_commands import DllOptions
from rig import Rig

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "first-bench.md").read_text(encoding="utf-8")
DELIVERED = random.Random(1).randbytes(4096)  # what the scratch sector holds when the board arrives
SIM = ("--probe", "sim", "--twin", "stm32f746g-disco")
PULLED = ("--fault", "unplug_at_call=150")


@dataclass(frozen=True)
class Shown:
    """One command of the page and what it is shown to print."""

    command: str
    lines: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        return shlex.split(self.command, comments=True)[1:]

    @property
    def exit_code(self) -> int:
        codes = re.findall(r"^\(exit code (\d+)\)$", "\n".join(self.lines), re.MULTILINE)
        return int(codes[0]) if codes else 0

    @property
    def printed(self) -> list[str]:
        return [timeless(line) for line in self.lines if not line.startswith("(exit code ")]


def shown() -> Iterator[Shown]:
    blocks = re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
    for block in blocks:
        first, *rest = [line[4:] for line in block.splitlines()]
        assert first.startswith("$ boardflash ")
        yield Shown(first.removeprefix("$ "), tuple(rest))


def timeless(line: str) -> str:
    """Without times, which are the board's, and what a simulated board says before its last line."""
    return re.sub(r"\d+\.\d{3} s", "T s", re.sub(r"^simulated board \S+: ", "", line))


def missing(lines: list[str], said: str) -> list[str]:
    """Shown lines that were not said, in their order."""
    found = iter([timeless(line) for line in said.splitlines()])
    return [line for line in lines if line not in found]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the example built, and a board that has something in its scratch sector."""
    folder = tmp_path_factory.mktemp("first") / "checkout"
    for name in ("site_scons", "boards", "loader", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("SConstruct", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (build,) = re.findall(r"`(scons BOARD=\S+)`", PAGE)
    scons = [sys.executable, "-m", "SCons", "-Q", *build.split()[1:]]
    subprocess.run(scons, cwd=folder, check=True, capture_output=True, timeout=600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOARDFLASH_STATE_DIR", str(folder / "state"))
        Rig(folder, serial="991479673").flash({0x90FF_F000: DELIVERED})
    return folder


def list_probes(monkeypatch: pytest.MonkeyPatch) -> int:
    library: Any = SimulatedJLink({801012345: object()}, options=DllOptions(version=92401))  # type: ignore[dict-item]
    library.path = "/opt/SEGGER/JLink_V924a/libjlinkarm.so.9.24.1"
    with monkeypatch.context() as patch:
        patch.setattr(probes, "load_dll", lambda: library)
        return main(["list-probes"])


def test_each_command_in_its_order_prints_what_is_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(project / "state"))
    monkeypatch.chdir(project)
    commands = list(shown())
    assert len(commands) == 19
    capsys.readouterr()
    for step in commands:
        if step.words == ["list-probes"]:
            code = list_probes(monkeypatch)
        else:
            pulled = PULLED if "# pull the cable" in step.command else ()
            code = main([*step.words, *SIM, *pulled])
        said = capsys.readouterr()
        assert code == step.exit_code, (step.command, said)
        assert missing(step.printed, said.out + said.err) == [], (step.command, said)
    rig = Rig(project, serial="991479673")
    assert rig.memory("qspi")[-4096:] == DELIVERED == (project / "backup.bin").read_bytes()
    with zipfile.ZipFile(project / "first-bench.zip") as archive:
        assert {"README.txt", "verify-trace.jsonl", "verify.json", "versions.json"} <= set(archive.namelist())


def test_the_last_command_is_the_one_that_makes_the_file() -> None:
    assert list(shown())[-1].words[0] == "bench-report"


def test_each_message_in_the_tables_is_one_that_the_program_says() -> None:
    tables = PAGE.split("## What is still unproved")[0]
    messages = re.findall(r"^\| [^|]*?`(.+?)`[^|]*\|", tables, re.MULTILINE)
    assert len(messages) >= 9
    package = ROOT / "site_scons" / "boardflash"
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    for message in messages:
        for part in filter(None, re.split(r" ?\.\.\. ?| 0 mV", message)):
            assert part in source, message


def test_every_step_says_what_is_at_stake() -> None:
    steps = re.split(r"^## \d+\. ", PAGE.split("## What is still unproved")[0], flags=re.MULTILINE)[1:]
    assert len(steps) == 9
    assert all("At stake: " in step for step in steps)


def test_what_is_unproved_has_an_observation_that_would_settle_it() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE.split("## What is still unproved")[1], re.MULTILINE)[1:]
    assert len(rows) >= 20
    assert all(len(what) > 20 and len(how) > 20 for what, how in rows)
