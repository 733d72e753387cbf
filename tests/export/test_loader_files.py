"""Loader files as their hosts parse them: every field at its documented offset, by two readers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from boardflash.description.load import list_boards, load_board
from boardflash.errors import BoardflashError
from boardflash.export.formats import ExportRequest, export, format_named
from export.export_rig import BOARD, exported, flm, internal_flm, jlink_flm, stldr, verify_flm
from export.plain_elf import SHT_PROGBITS, PlainElf

CMSIS = {"Init", "UnInit", "EraseChip", "EraseSector", "ProgramPage", "BlankCheck"}
SEGGER = {f"SEGGER_OPEN_{name}" for name in ("Read", "CalcCRC", "Program", "Erase", "Start")}
STLDR = {"Init", "Read", "Write", "SectorErase", "MassErase", "Verify", "CheckSum"}
END = 0xFFFF_FFFF
Files = pytest.mark.parametrize(
    "path", [flm, verify_flm, internal_flm, jlink_flm, stldr], ids=lambda make: make.__name__
)


def u32(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def u16(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "little")


def public(path: Path) -> set[str]:
    """Global symbols, by pyelftools."""
    with path.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        return {s.name for s in table.iter_symbols() if s["st_info"]["bind"] == "STB_GLOBAL"}


@Files
def test_both_readers_see_the_same_file(path: Callable[[], Path]) -> None:
    plain = PlainElf(path())
    with path().open("rb") as file:
        elf = ELFFile(file)
        loaded = [s for s in elf.iter_sections() if s["sh_flags"] & 2]
        assert [(s.name, s["sh_addr"], s.data()) for s in loaded] == [
            (s.name, s.address, s.data) for s in plain.loaded
        ]
        assert [(s["p_vaddr"], s["p_memsz"], s.data()) for s in elf.iter_segments()] == [
            (s.address, s.memory_size, s.data) for s in plain.segments
        ]
        table = elf.get_section_by_name(".symtab")
        for name in {"Init", *public(path())}:
            assert table.get_symbol_by_name(name)[0]["st_value"] == plain.symbols[name]


@Files
def test_everything_is_in_the_file_and_there_is_no_room_between(path: Callable[[], Path]) -> None:
    plain = PlainElf(path())
    assert all(section.kind == SHT_PROGBITS and section.data for section in plain.loaded)
    assert all(len(segment.data) == segment.memory_size for segment in plain.segments)
    code, data = plain.loaded[:2]
    assert code.address + len(code.data) == data.address


@Files
def test_functions_are_thumb_code_of_the_first_section(path: Callable[[], Path]) -> None:
    plain = PlainElf(path())
    code = plain.loaded[0]
    for name in public(path()) - {"FlashDevice", "StorageInfo"}:
        assert plain.symbols[name] & 1, name
        assert code.address <= plain.symbols[name] < code.address + len(code.data), name
    assert plain.entry == plain.symbols["Init"]


@pytest.mark.parametrize(
    ("path", "more"),
    [(flm, set()), (internal_flm, set()), (verify_flm, {"Verify"}), (jlink_flm, {"Verify"} | SEGGER)],
    ids=["flm", "internal", "verify", "jlink"],
)
def test_flash_algorithms_have_these_functions_and_no_other(path: Callable[[], Path], more: set[str]) -> None:
    assert public(path()) == CMSIS | {"FlashDevice"} | more
    assert [section.name for section in PlainElf(path()).loaded] == ["PrgCode", "PrgData", "DevDscr"]
    assert PlainElf(path()).loaded[0].address == 0


@pytest.mark.parametrize("path", [flm, verify_flm, jlink_flm], ids=lambda make: make.__name__)
def test_flash_device_of_the_qspi_chip(path: Callable[[], Path]) -> None:
    data = PlainElf(path()).at_symbol("FlashDevice", 160 + 512 * 8)
    assert len(data) == 160 + 512 * 8
    assert u16(data, 0) == 0x0101
    assert data[2:130].rstrip(b"\0") == f"{BOARD} QSPI".encode()
    assert u16(data, 130) == 5
    assert [u32(data, at) for at in (132, 136, 140, 144)] == [0x90000000, 16 << 20, 4096, 0]
    assert data[148] == 0xFF
    assert [u32(data, at) for at in (152, 156)] == [80, 3000]
    assert [u32(data, at) for at in (160, 164, 168, 172)] == [0x10000, 0, END, END]
    assert not any(data[176:])


def test_flash_device_of_the_internal_flash_has_its_real_sectors() -> None:
    data = PlainElf(internal_flm()).at_symbol("FlashDevice", 160 + 512 * 8)
    assert data[2:130].rstrip(b"\0") == f"{BOARD} internal flash".encode()
    assert u16(data, 130) == 1
    assert [u32(data, at) for at in (132, 136, 140)] == [0x08000000, 1 << 20, 1024]
    sectors = [struct.unpack_from("<2I", data, 160 + 8 * n) for n in range(4)]
    assert sectors == [(0x8000, 0), (0x20000, 0x20000), (0x40000, 0x40000), (END, END)]
    assert u32(data, 152) >= 1024 * 100 // 1000
    assert u32(data, 156) == 4000


def test_storage_info_of_the_external_loader() -> None:
    plain = PlainElf(stldr())
    data = plain.at_symbol("StorageInfo", 0x200)
    assert len(data) == 200
    assert data[:100].rstrip(b"\0") == f"QSPI_{BOARD}".encode()
    assert u16(data, 100) == 3
    assert [u32(data, at) for at in (104, 108, 112)] == [0x90000000, 16 << 20, 4096]
    assert data[116] == 0xFF
    assert [u32(data, at) for at in (120, 124, 128, 132)] == [256, 0x10000, 0, 0]
    assert not any(data[136:])


def test_external_loader_has_its_functions_and_a_segment_of_its_own_that_describes_it() -> None:
    plain = PlainElf(stldr())
    assert public(stldr()) == STLDR | {"StorageInfo"}
    loader, info = plain.segments
    assert loader.address == 0x2000_0004
    assert loader.address <= plain.symbols["Init"] < loader.address + len(loader.data)
    assert (info.address, len(info.data)) == (plain.symbols["StorageInfo"], 200)


def test_chips_that_share_an_id_are_refused(tmp_path: Path) -> None:
    board = load_board(BOARD)
    assert board.qspi is not None
    first, second = board.qspi.chips
    twin = replace(second, name="twin", jedec_ids=(*second.jedec_ids, first.jedec_ids[0]))
    shared = replace(board, qspi=replace(board.qspi, chips=(first, twin)))
    with pytest.raises(BoardflashError, match=f"{first.name} and twin share the JEDEC ID 20 BA 18"):
        export(format_named("flm"), ExportRequest(shared, tmp_path))


@pytest.mark.parametrize("name", ["flm", "jlink", "stldr"])
def test_every_shipped_board_builds(name: str, tmp_path: Path) -> None:
    for entry in list_boards():
        made = export(format_named(name), ExportRequest(load_board(entry.name), tmp_path / entry.name))
        assert all(path.is_file() for path in made)


def test_the_folder_of_each_format_has_no_path_of_this_machine() -> None:
    for name in ("flm", "jlink", "stldr"):
        for path in exported(name).rglob("*.*"):
            if path.is_file():
                assert b"/tmp" not in path.read_bytes()
