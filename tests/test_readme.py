"""What README shows is what happens: its board file loads, its SConstructs run, its commands exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from boardflash.description.load import load_board
from boardflash.errors import BoardflashError, ExitCode

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "BOARDFLASH_STATE_DIR": str(tmp_path / "state"),
        "COLUMNS": "200",
    }


def run(command: list[str], folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment(tmp_path), capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository of a reader's own, with the board file of README and what its SConstructs name."""
    folder = tmp_path / "project"
    (folder / "boards").mkdir(parents=True)
    (folder / "boards" / "acme.toml").write_text(blocks("toml")[0], encoding="utf-8")
    for name in ("startup.c", "led.h"):
        shutil.copy(ROOT / "examples" / "common" / name, folder)
    (folder / "main.c").write_text("int main(void) { for (;;) { } }\n")
    shutil.copy(ROOT / "examples" / "blinky-assets" / "app.ld", folder)
    (folder / "fonts.bin").write_bytes(bytes(range(256)) * 8)
    return folder


def test_the_board_file_loads_and_is_as_short_as_promised(project: Path) -> None:
    board = load_board(str(project / "boards" / "acme.toml"))
    assert board.mcu.name == "stm32f746"
    assert board.qspi is not None
    assert [chip.name for chip in board.qspi.chips] == ["w25q128jv", "n25q128a13"]
    assert board.region("qspi").protect == ((0x90FF_0000, 0x1_0000),)
    assert len(blocks("toml")[0].splitlines()) <= 30


def test_the_message_about_a_wrong_pin_is_the_one_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project / "boards" / "acme.toml"
    path.write_text(path.read_text().replace('io2 = "PF7"', 'io2 = "PE3"'))
    monkeypatch.chdir(project)
    with pytest.raises(BoardflashError) as caught:
        load_board("boards/acme.toml")
    assert str(caught.value) in README


@pytest.mark.parametrize("number", [0, 1])
def test_each_sconstruct_builds_and_flashes(project: Path, tmp_path: Path, number: int) -> None:
    (project / "SConstruct").write_text(blocks("python")[0], encoding="utf-8")
    scons = [sys.executable, "-m", "SCons", "-Q"]
    flash = ["flash", "PROBE=sim", "TWIN=acme-panel"]
    result = run([*scons, *flash], project, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "bytes written" in result.stdout
    if number == 1:
        elf = next((project / "build").rglob("app.elf"))
        shutil.copy(elf, project / "app.elf")
        (project / "SConstruct").write_text(blocks("python")[1], encoding="utf-8")
        result = run([*scons, *flash], project, tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "qspi: " in result.stdout


def test_every_command_shown_is_taken_by_the_command_line(tmp_path: Path) -> None:
    from boardflash.cli.arguments import parse

    shown = [
        line.split("#")[0].split()[1:]
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("boardflash ")
    ]
    assert len(shown) >= 5
    for words in shown:
        parse(words)


def test_every_make_and_scons_word_shown_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake (\w+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    help_text = subprocess.run(
        [sys.executable, "-m", "SCons", "-h"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for word in set(re.findall(r"`scons (?:-q )?(\w+)", README)):
        assert f"scons {word}" in help_text or f"-q {word}" in help_text, word


def test_the_drop_a_file_commands_work_on_the_simulated_board(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    content = bytes(range(256)) * 64
    (folder / "app.bin").write_bytes(content)
    command = [sys.executable, "-m", "boardflash"]
    sim = ["--board", "stm32f746g-disco", "--probe", "sim"]
    flashed = run([*command, "flash", "app.bin@0x90000000", *sim], folder, tmp_path)
    assert flashed.returncode == 0, flashed.stderr
    verified = run([*command, "verify", "app.bin@0x90000000", *sim], folder, tmp_path)
    assert verified.returncode == 0, verified.stderr
    read = run([*command, "read", "0x90000000", "4096", "--output", "out.bin", *sim], folder, tmp_path)
    assert read.returncode == 0, read.stderr
    assert (folder / "out.bin").read_bytes() == content[:4096]


def test_exit_codes_are_those_of_the_program() -> None:
    shown = re.search(r"Exit codes: (.*?)\.\n", README, re.DOTALL)
    assert shown is not None
    numbers = {int(number) for number in re.findall(r"\b(\d+)\b", shown.group(1))}
    assert numbers == {int(code) for code in ExitCode} - {int(ExitCode.USAGE)}


def test_every_message_shown_is_one_that_the_program_says() -> None:
    section = README.split("## When it fails")[1].split("## ")[0]
    shown = re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)
    assert len(shown) >= 6
    package = ROOT / "site_scons" / "boardflash"
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    for message in shown:
        for fragment in filter(None, (part.strip(" ,:") for part in message.split("..."))):
            assert fragment in source, message
