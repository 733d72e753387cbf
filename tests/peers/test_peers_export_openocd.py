"""Debian's OpenOCD, unmodified, flashes and verifies both memories with the configuration that we export.

Every register that it writes before it finds the chip is from our board files; the board is simulated.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.description.load import list_boards, load_board
from boardflash.export.formats import ExportRequest, export, format_named
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from peers.both_memories import app_assets, app_code, app_elf
from peers.exported_openocd import run_exported
from peers.images import FLASH_BASE, assets, firmware
from peers.openocd_client import OpenocdRun, openocd_version

pytestmark = pytest.mark.skipif(openocd_version() is None, reason="openocd is not installed")

WINDOW = 0x90000000
CODE_SIZE, ASSETS_SIZE = 3_000, 3_001
DISCO = "stm32f746g-disco"
BOARD_FILE = Path(__file__).resolve().parents[2] / "boards" / f"{DISCO}.toml"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "export-openocd.md"
#: Board file, and the board that is really there.
BOARDS = [(DISCO, DISCO), (DISCO, f"{DISCO}-c03"), (DISCO, f"{DISCO}-c03-im"), ("acme-panel", "acme-panel")]


def used_board(twin: str, chip: str = "", **options: object) -> SimulatedBoard:
    """A board whose memories hold something else, so that a missing erase shows."""
    found = load_twin(twin)
    found = replace(found, start="noise", chip=chip or found.chip, chip_options=options)
    return SimulatedBoard(found, BoardState.in_memory())


def flash_qspi(board: SimulatedBoard, board_file: str, folder: Path, offset: int = 0) -> OpenocdRun:
    path = folder / "assets.bin"
    path.write_bytes(assets(ASSETS_SIZE, seed=3))
    at = f"{WINDOW + offset:#x}"
    return run_exported(
        board,
        board_file,
        folder,
        "reset init",
        f"flash write_image erase {path} {at}",
        f"flash verify_image {path} {at}",
        f"verify_image {path} {at}",
    )


def check_qspi(board: SimulatedBoard, run: OpenocdRun, before: bytes, offset: int = 0) -> None:
    assert run.returncode == 0, run.output
    assert f"wrote {ASSETS_SIZE} bytes" in run.output
    assert f"verified {ASSETS_SIZE} bytes" in run.output
    board.save()
    content = board.state.qspi
    assert content[offset : offset + ASSETS_SIZE] == assets(ASSETS_SIZE, seed=3)
    start, end = offset & ~0xFFFF, (offset & ~0xFFFF) + 0x10000
    assert content[:start] == before[:start] and content[end:] == before[end:]


@pytest.mark.parametrize(("board_file", "twin"), BOARDS, ids=[twin for _, twin in BOARDS])
def test_openocd_writes_and_verifies_the_qspi_chip(board_file: str, twin: str, tmp_path: Path) -> None:
    board = used_board(twin)
    before = bytes(board.chip.array)
    run = flash_qspi(board, board_file, tmp_path)
    check_qspi(board, run, before)
    assert re.search(r"^QSPI: (n25q128a13, JEDEC ID 0x20 0xba|w25q128jv, JEDEC ID 0xef) ", run.output, re.M)
    assert "Error" not in run.output.replace("Error: [stm32f7x.cpu] clearing lockup after double fault", "")
    assert not board.violations


@pytest.mark.parametrize(("board_file", "twin"), [BOARDS[0], BOARDS[1], BOARDS[3]])
def test_openocd_programs_and_verifies_internal_flash(board_file: str, twin: str, tmp_path: Path) -> None:
    board = used_board(twin)
    path = tmp_path / "code.bin"
    path.write_bytes(firmware(CODE_SIZE, seed=1))
    run = run_exported(board, board_file, tmp_path, f"program {path} {FLASH_BASE:#x} verify")
    assert run.returncode == 0, run.output
    assert "** Verified OK **" in run.output
    board.save()
    assert board.state.internal[:CODE_SIZE] == firmware(CODE_SIZE, seed=1)


@pytest.mark.parametrize("twin", [DISCO, f"{DISCO}-c03"])
def test_an_elf_of_both_memories_is_programmed_as_the_docs_show(twin: str, tmp_path: Path) -> None:
    """The `program` of docs/export-openocd.md and its lines, but for its `exit`: that is ours to say."""
    text = DOCS.read_text(encoding="utf-8")
    shown = re.search(r'-c "program app\.elf verify reset exit"', text)
    assert shown
    board = used_board(twin)
    (tmp_path / "app.elf").write_bytes(app_elf())
    run = run_exported(board, DISCO, tmp_path, f"program {tmp_path / 'app.elf'} verify reset")
    assert run.returncode == 0, run.output
    block = re.search(r"```\n(QSPI: n25q128a13.*?)```", text, re.S)
    assert block
    for line in block[1].splitlines():
        assert line in run.output or (line.startswith("QSPI: ") and twin != DISCO)
    board.save()
    assert board.state.internal[: len(app_code())] == app_code()
    assert board.state.qspi[: len(app_assets())] == app_assets()


@pytest.mark.parametrize("left", ["qpi", "continuous_read", "deep_power_down"])
@pytest.mark.parametrize("twin", [DISCO, f"{DISCO}-c03"])
def test_the_chip_is_brought_out_of_what_firmware_left_it_in(left: str, twin: str, tmp_path: Path) -> None:
    board = used_board(twin, **{left: True})
    before = bytes(board.chip.array)
    check_qspi(board, flash_qspi(board, DISCO, tmp_path), before)


@pytest.mark.parametrize(
    ("chip", "soldered"),
    [
        ("n25q256a13", "N25Q256A13"),  # 4-byte mode by B7h after 06h
        ("w25q256jv", "W25Q256JV-IQ"),  # commands with four address bytes of their own
        ("mx25l51245g", "MX25L51245G"),
        ("gd25q128e", "GD25Q128E"),
        ("sst26vf064b", "SST26VF064B"),  # all blocks locked after power-up; erases 4 KiB
        ("at25ql128a", "AT25QL128A"),  # not in OpenOCD's table
    ],
)
def test_chips_are_driven_as_the_chip_file_says(chip: str, soldered: str, tmp_path: Path) -> None:
    """Near the end of the chip, where a wrong FSIZE or three address bytes for four would show."""
    own = tmp_path / "own.toml"
    own.write_text(
        'schema = 1\nname = "own"\ntitle = "Own board"\nmcu = "STM32F746NG"\n'
        f'[qspi]\nbank = 1\nchips = ["{chip}"]\nclock_hz_max = 90_000_000\n'
        'pins = { clk = "PB2", ncs = "PB6", io0 = "PD11", io1 = "PD12", io2 = "PE2", io3 = "PD13" }\n',
        encoding="utf-8",
    )
    board = used_board(DISCO, soldered)
    size = len(board.chip.array)
    before = bytes(board.chip.array)
    run = flash_qspi(board, str(own), tmp_path, size - ASSETS_SIZE)
    assert run.returncode == 0, run.output
    board.save()
    content = board.state.qspi
    assert content[size - ASSETS_SIZE :] == assets(ASSETS_SIZE, seed=3)
    assert content[: size - 0x10000] == before[: size - 0x10000]


@pytest.mark.parametrize(
    ("board_file", "twin", "chip"), [(DISCO, DISCO, "MX25L12833F"), (DISCO, "acme-panel", "")]
)
def test_a_chip_that_the_board_file_does_not_name_is_not_written(
    board_file: str, twin: str, chip: str, tmp_path: Path
) -> None:
    """OpenOCD's own table knows the Macronix chip, and would have gone on. Other pins: no chip answers."""
    board = used_board(twin, chip)
    before = bytes(board.chip.array)
    run = flash_qspi(board, board_file, tmp_path)
    assert run.returncode > 0, run.output
    said = re.search(r"QSPI: JEDEC ID 0x\w\w .* is not that of n25q128a13 or w25q128jv.*", run.output)
    assert said
    assert not chip or said[0] in DOCS.read_text(encoding="utf-8").splitlines()
    assert board.chip.array == before


def test_protected_blocks_are_told(tmp_path: Path) -> None:
    board = used_board(f"{DISCO}-c03", registers={"sr1": 0x04})
    run = run_exported(board, DISCO, tmp_path, "reset init")
    assert "QSPI: blocks are protected (status 0x04)" in run.output


def test_protected_ranges_of_the_board_file_are_not_erased(tmp_path: Path) -> None:
    own = tmp_path / f"{DISCO}.toml"
    text = BOARD_FILE.read_text(encoding="utf-8")
    text += '[[protect]]\nregion = "qspi"\naddress = 0x9001_0000\nsize = 0x2_0000\n'
    own.write_text(text, encoding="utf-8")
    board = used_board(DISCO)
    before = bytes(board.chip.array)
    for offset, word in (
        (0x10000, "protected"),
        (0x2F000, "protected"),
        (0x30000, "verified"),
        (0, "verified"),
    ):
        run = flash_qspi(board, str(own), tmp_path, offset)
        assert (run.returncode == 0) == (word == "verified"), run.output
        assert word in run.output
    assert board.chip.array[0x10000:0x30000] == before[0x10000:0x30000]
    assert board.chip.array[:ASSETS_SIZE] == assets(ASSETS_SIZE, seed=3)


@pytest.mark.parametrize("name", [entry.name for entry in list_boards()])
def test_openocd_reads_the_file_of_every_shipped_board(name: str, tmp_path: Path) -> None:
    """Its configuration stage alone, with no target behind it: banks and handlers are accepted."""
    board = load_board(name)
    (made,) = export(format_named("openocd"), ExportRequest(board, tmp_path))
    words = ["adapter driver remote_bitbang", "transport select jtag", f"source {{{made}}}"]
    words += ["puts [flash list]", "puts [$BOARD_TARGET cget -event reset-init]", "shutdown"]
    done = subprocess.run(
        ["openocd", *(part for word in words for part in ("-c", word))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert "board_reset_init" in done.stdout and "Error" not in done.stdout
    banks = re.findall(r"driver (\w+) base (\d+)", done.stdout) or re.findall(
        r"name (\w+) base (\d+)", done.stdout
    )
    assert ("stmqspi", str(WINDOW)) in banks, done.stdout
    both = board.part.flash_size > 0x100000
    assert (("stm32h7x", str(0x08100000)) in banks) == both


def test_a_flash_command_before_reset_init_writes_nothing(tmp_path: Path) -> None:
    """What docs/export-openocd.md warns of: OpenOCD 0.12 itself gives up."""
    board = used_board(DISCO)
    before = bytes(board.chip.array)
    path = tmp_path / "assets.bin"
    path.write_bytes(assets(100, seed=3))
    run = run_exported(board, DISCO, tmp_path, "halt", f"flash write_image erase {path} {WINDOW:#x}")
    assert run.returncode != 0
    assert "Assertion" in run.output
    assert board.chip.array == before
