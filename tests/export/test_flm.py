"""The flash algorithm as a file: what its hosts parse, and the same bytes from the same sources."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from boardflash.description.load import list_boards, load_board
from boardflash.export.flm import SYMBOLS, build_flm

BOARD = "stm32f746g-disco"
DEVICE = "<H128sHLLLLBxxxLL"  # as pyOCD unpacks it (reference flash-engines section 1.3)


@pytest.fixture(scope="module")
def flm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_flm(load_board(BOARD), tmp_path_factory.mktemp("flm"))


def test_algorithm_has_what_hosts_look_for_and_no_verify(flm: Path) -> None:
    with flm.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        names = {symbol.name for symbol in table.iter_symbols()}
        assert set(SYMBOLS) <= names
        assert "Verify" not in names
        assert elf.get_section_by_name("PrgCode")["sh_addr"] == 0
        assert elf.get_section_by_name("PrgData")["sh_type"] == "SHT_PROGBITS"


def test_algorithm_is_the_same_bytes_in_any_folder(flm: Path, tmp_path: Path) -> None:
    other = build_flm(load_board(BOARD), tmp_path / "a folder" / "elsewhere")
    assert other.read_bytes() == flm.read_bytes()
    assert str(tmp_path).encode() not in flm.read_bytes()


def test_device_is_described_as_the_board_file_has_it(flm: Path) -> None:
    with flm.open("rb") as file:
        section = ELFFile(file).get_section_by_name("DevDscr").data()
    version, name, kind, base, size, page, _, empty, program_ms, erase_ms = struct.unpack_from(
        DEVICE, section
    )
    assert (version, kind, empty) == (0x0101, 5, 0xFF)
    assert name.rstrip(b"\0").decode() == f"{BOARD} QSPI"
    assert (base, size, page) == (0x90000000, 16 << 20, 4096)
    assert program_ms == 16 * 5  # N25Q128A: 5 ms a page at most
    assert erase_ms == 3000
    assert struct.unpack_from("<4L", section, 160) == (0x10000, 0, 0xFFFFFFFF, 0xFFFFFFFF)


def test_every_die_that_a_shipped_board_has_builds(tmp_path: Path) -> None:
    boards = [load_board(entry.name) for entry in list_boards()]
    by_die = {board.mcu.name: board for board in boards if board.qspi}
    assert len(by_die) > 1
    for board in by_die.values():
        assert build_flm(board, tmp_path / board.name).is_file()
