"""This repository's own example through real SCons onto a simulated board: what a new user sees."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from boardflash.description.load import load_board
from boardflash.link.probes import open_link

ROOT = Path(__file__).resolve().parents[2]
FLASH = ("flash", "PROBE=sim", "BOARD=stm32f746g-disco")
APP = "build/stm32f746g-disco/blinky-assets"
MIB = 1024 * 1024
GPIOI_MODER = 0x4002_2000  # RM0385 2.2.2, 6.4.1


@dataclass
class Example:
    """A copy of the checkout, and what its first flash said."""

    project: object
    first: list[str]

    @property
    def folder(self) -> Path:
        return self.project.folder  # type: ignore[attr-defined]

    def flash(self, *words: str) -> tuple[list[str], dict]:
        """Flash again; the lines of the flasher, and its report."""
        out = self.project.run(*FLASH, "JSON=report.json", *words).stdout  # type: ignore[attr-defined]
        return told(out), json.loads((self.folder / "report.json").read_text())


def told(out: str) -> list[str]:
    """What the flasher said, without what SCons prints about its steps."""
    lines = out.splitlines()
    start = max(index for index, line in enumerate(lines) if line.startswith("flash     "))
    return lines[start + 1 :]


def shown_in_readme() -> list[str]:
    """The flasher's lines in README's picture of the output."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("```text\n$ make flash\n")[1].split("```")[0]
    return told(block)


def without_time(lines: list[str]) -> list[str]:
    return [re.sub(r"[0-9.]+ s on the board's clock", "TIME", line) for line in lines]


def copy_of_checkout(folder: Path) -> Path:
    for name in ("site_scons", "boards", "loader", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "SConstruct", folder)
    return folder


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, make_project) -> Example:
    base = tmp_path_factory.mktemp("example")
    project = make_project(copy_of_checkout(base / "one"), {"BOARDFLASH_STATE_DIR": str(base / "state")})
    return Example(project, told(project.run(*FLASH).stdout))


def test_first_flash_says_what_it_found_and_did(example: Example) -> None:
    text = "\n".join(example.first)
    assert "simulated" in example.first[0] and "simulated" in example.first[-1]
    for part in ("STM32F746NG", "device ID 0x449", "unique ID", "JEDEC ID 20 BA 18", "n25q128a13"):
        assert part in text
    for region in ("internal: erased", "qspi: erased"):
        assert region in text
    assert "bytes written, 0 bytes unchanged" in text and "on the board's clock" in text


def test_second_flash_writes_nothing(example: Example) -> None:
    lines, report = example.flash()
    assert any(line.startswith("0 bytes written") for line in lines)
    assert report["bytes_written"] == 0 and all(not region["erases"] for region in report["regions"])
    assert report["bytes_unchanged"] > 1.5 * MIB


def test_one_changed_byte_erases_one_unit_and_tells_why(example: Example) -> None:
    title = example.folder / "examples/blinky-assets/title.txt"
    title.write_text(title.read_text().replace(" A", " C"))  # 41h to 43h: bit 1 must rise
    lines, report = example.flash()
    internal, qspi = report["regions"]
    assert internal["bytes_programmed"] == 0 and internal["erases"] == []
    assert qspi["erases"] == [{"size": 4096, "count": 1}]
    assert 1 <= qspi["pages_programmed"] <= 16
    assert len(qspi["units"]) == 1
    assert any("0x90000000" in line and "bits must rise" in line for line in lines)
    assert without_time(lines) == without_time(shown_in_readme())


def test_stamps_answer_the_question_and_verify_asks_the_device(example: Example) -> None:
    example.flash()
    example.project.run("-q", *FLASH)
    out = example.project.run("verify", *FLASH[1:]).stdout
    assert "matches the plan" in out and "simulated" in out


def test_plan_flashes_from_another_folder_without_scons(example: Example, cli_of, tmp_path: Path) -> None:
    elsewhere = tmp_path / "released"
    shutil.copytree(example.folder / APP, elsewhere)
    for path in elsewhere.glob("*.[oe]*"):
        if path.name != "loader.elf":
            path.unlink()
    said = cli_of(example.project, "flash", elsewhere / "plan.json", "--probe", "sim")
    assert "0 bytes written" in said


def test_a_busy_probe_is_one_line_and_leaves_no_stamp(example: Example) -> None:
    from boardflash.link.lock import ProbeLock
    from boardflash.link.probes import default_serial

    serial = default_serial("stm32f746g-disco")
    with ProbeLock(f"sim-{serial}", folder=example.folder.parent / "state"):
        outcome = example.project.run(*FLASH, expect=2)
    assert "in use" in outcome.stderr
    assert not list((example.folder / "build/flash").rglob("*.stamp"))


def test_no_file_spans_the_regions(example: Example) -> None:
    """`objcopy -O binary` makes 2.3 GB of such an ELF."""
    sizes = {path: path.stat().st_size for path in (example.folder / "build").rglob("*") if path.is_file()}
    assert max(sizes.values()) < 8 * MIB
    assert sizes[example.folder / APP / "internal.bin"] < MIB // 8


def test_code_data_and_pictures_are_where_the_linker_script_says(example: Example) -> None:
    plan = json.loads((example.folder / APP / "plan.json").read_text())
    regions = {region["name"]: region for region in plan["regions"]}
    assert sum(size for _, size in regions["qspi"]["runs"]) > 1.5 * MIB
    assert regions["internal"]["address"] == 0x0800_0000


def test_the_firmware_runs_from_the_flashed_board(example: Example, monkeypatch) -> None:
    """Reset, .data copied from its load address, the LED's port set up, and no fault handler."""
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", example.project.environment["BOARDFLASH_STATE_DIR"])
    with (example.folder / APP / "blinky-assets.elf").open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        symbols = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}
    board = load_board("stm32f746g-disco")
    with open_link(
        "sim",
        board_name=board.name,
        jlink_device=board.part.jlink_device,
        interface=board.probe.interface,
        speed_khz=board.probe.speed_khz,
        under_reset=board.probe.connect_under_reset,
    ) as link:
        link.reset_and_run()
        link.pause(0.2)
        first = link.read_u32(symbols["beats"])
        link.pause(0.2)
        assert link.read_u32(symbols["beats"]) > first > 0
        assert link.read_u32(symbols["pattern"]) == 0xA5F0_0FA5
        assert link.read_u32(symbols["frame"]) == symbols["assets"] == 0x9000_0000
        mode = link.read_u32(GPIOI_MODER)
        assert mode >> 2 & 3 == 1, "PI1 is an output"


def test_another_folder_gives_the_same_bytes(example: Example, make_project, tmp_path: Path) -> None:
    other = make_project(copy_of_checkout(tmp_path / "a longer name"), example.project.environment)
    shutil.rmtree(other.folder / "examples")
    shutil.copytree(example.folder / "examples", other.folder / "examples")
    other.run(APP)
    compared = 0
    for path in sorted((other.folder / APP).iterdir()):
        content = path.read_bytes()
        assert content == (example.folder / APP / path.name).read_bytes(), path.name
        assert str(tmp_path).encode() not in content, path.name
        compared += 1
    assert compared >= 6


def test_a_second_build_has_nothing_to_do(example: Example) -> None:
    example.project.run()
    assert "is up to date" in example.project.run().stdout
