"""Every function of the flash algorithms, called as a host calls it, on the simulated board."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from boardflash.sim.board import SimulatedBoard
from export.caller import Caller, load
from export.export_rig import (
    CHIP_SIZE,
    INTERNAL,
    MICRON,
    SECTOR,
    TWINS,
    WINBOND,
    WINDOW,
    flm,
    internal_flm,
    jlink_flm,
    noise,
    simulated,
    verify_flm,
)

PLACES = (0x2000_0404, 0x2001_2340)  # it is linked to 0, where no RAM for it is
ERASE, PROGRAM, VERIFY = 1, 2, 3
AT = 0x12_0000
CLOCK = 16_000_000


def started(
    board: SimulatedBoard, path: Path, function: int = PROGRAM, place: int = PLACES[0], base: int = WINDOW
) -> Caller:
    caller = load(board, path, place)
    assert caller.call("Init", base, CLOCK, function) == 0
    return caller


def holds(board: SimulatedBoard, offset: int, size: int) -> bytes:
    return bytes(board.chip.array[offset : offset + size])


@pytest.mark.parametrize("place", PLACES, ids=hex)
@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("path", [flm, verify_flm, jlink_flm], ids=lambda make: make.__name__)
def test_a_sector_is_erased_and_a_page_programmed_wherever_the_code_lies(
    path: Callable[[], Path], twin: str, place: int
) -> None:
    board = simulated(twin)
    before = bytes(board.chip.array)
    caller = load(board, path(), place)
    assert caller.call("Init", WINDOW, CLOCK, ERASE) == 0
    assert caller.call("BlankCheck", WINDOW + AT, SECTOR, 0xFF) == 1
    assert caller.call("EraseSector", WINDOW + AT) == 0
    assert caller.call("BlankCheck", WINDOW + AT, SECTOR, 0xFF) == 0
    assert caller.call("UnInit", ERASE) == 0
    assert caller.call("Init", WINDOW, CLOCK, PROGRAM) == 0
    page = noise(4096)
    assert caller.call("ProgramPage", WINDOW + AT + 0x1000, len(page), caller.put(page)) == 0
    assert caller.call("UnInit", PROGRAM) == 0
    expected = bytearray(before)
    expected[AT : AT + SECTOR] = b"\xff" * SECTOR
    expected[AT + 0x1000 : AT + 0x2000] = page
    assert bytes(board.chip.array) == expected
    assert board.read_memory(WINDOW + AT + 0x1000, 64, 4) == page[:64], "UnInit leaves the window mapped"
    assert caller.stack_left() > 64
    assert not board.violations


@pytest.mark.parametrize("twin", TWINS)
def test_the_whole_chip_is_erased(twin: str) -> None:
    board = simulated(twin)
    caller = started(board, flm(), ERASE)
    assert caller.call("EraseChip") == 0
    assert board.chip.array.count(0xFF) == CHIP_SIZE
    assert not board.violations


@pytest.mark.parametrize("left", ["qpi", "continuous_read", "four_byte", "deep_power_down", "busy_ms"])
@pytest.mark.parametrize("twin", TWINS)
def test_init_gets_the_chip_out_of_whatever_it_was_left_in(twin: str, left: str) -> None:
    board = simulated(twin, **{left: "3000" if left == "busy_ms" else "true"})
    caller = started(board, flm(), VERIFY)
    assert board.clock.seconds > (3 if left == "busy_ms" else 0)
    assert board.read_memory(WINDOW + AT, 256, 4) == holds(board, AT, 256)
    assert caller.call("UnInit", VERIFY) == 0
    assert not board.violations


@pytest.mark.parametrize("twin", TWINS)
def test_init_waits_for_a_chip_that_is_busy_in_qpi(twin: str) -> None:
    board = simulated(twin, qpi="true", busy_ms="3000")
    started(board, flm(), VERIFY)
    assert board.clock.seconds > 3
    assert board.read_memory(WINDOW + AT, 256, 4) == holds(board, AT, 256)


@pytest.mark.parametrize(
    ("twin", "faults"),
    [
        ("acme-panel", {}),
        (MICRON, {"wiring.PD12": ""}),
        (WINBOND, {"wiring.PB6": ""}),
        (MICRON, {"jedec_id": '"C8 40 18"'}),
    ],
    ids=["other pins", "io1 broken", "select broken", "unknown chip"],
)
def test_init_fails_on_a_board_that_is_not_the_described_one(twin: str, faults: dict[str, str]) -> None:
    board = simulated(twin, **faults)
    before = bytes(board.chip.array)
    caller = load(board, flm(), PLACES[0])
    assert caller.call("Init", WINDOW, CLOCK, ERASE) == 1
    for name in ("EraseSector", "EraseChip"):
        assert caller.call(name, WINDOW) == 1
    assert caller.call("ProgramPage", WINDOW, 256, caller.put(bytes(256))) == 1
    assert caller.call("UnInit", ERASE) == 1
    assert bytes(board.chip.array) == before


def test_an_erase_that_the_chip_fails_is_told() -> None:
    board = simulated(MICRON, erase_fails=f"[{AT}]")
    caller = started(board, flm(), ERASE)
    assert caller.call("EraseSector", WINDOW + AT) == 1
    assert caller.call("EraseSector", WINDOW + AT + SECTOR) == 0


def test_what_lies_outside_the_chip_is_refused() -> None:
    board = simulated()
    before = bytes(board.chip.array)
    caller = started(board, flm(), ERASE)
    assert caller.call("EraseSector", WINDOW + CHIP_SIZE) == 1
    assert caller.call("EraseSector", 0x0800_0000) == 1
    assert caller.call("ProgramPage", WINDOW + CHIP_SIZE - 256, 512, caller.put(bytes(512))) == 1
    assert bytes(board.chip.array) == before


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("path", [verify_flm, jlink_flm], ids=lambda make: make.__name__)
def test_verify_returns_the_end_or_the_first_address_that_differs(
    path: Callable[[], Path], twin: str
) -> None:
    board = simulated(twin)
    caller = started(board, path(), VERIFY)
    data = bytearray(holds(board, AT, 5000))
    address = WINDOW + AT
    assert caller.call("Verify", address, len(data), caller.put(bytes(data))) == address + len(data)
    for wrong in (4999, 300, 0):
        data[wrong] ^= 0x10
        assert caller.call("Verify", address, len(data), caller.put(bytes(data))) == address + wrong
    assert board.read_memory(address, 64, 4) == holds(board, AT, 64), "the window stays mapped"
    assert not board.violations


# J-Link's additions


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("size", [1, 255, 256, 4099])
def test_segger_read_returns_the_number_of_bytes(twin: str, size: int) -> None:
    board = simulated(twin)
    caller = started(board, jlink_flm(), PROGRAM, PLACES[1])
    caller.put(bytes(size + 1))
    assert caller.call("SEGGER_OPEN_Read", WINDOW + AT + 3, size, caller.buffer) == size
    assert caller.take(size + 1) == holds(board, AT + 3, size) + b"\0"


def test_segger_read_beyond_the_chip_is_an_error() -> None:
    caller = started(simulated(), jlink_flm())
    assert caller.call("SEGGER_OPEN_Read", WINDOW + CHIP_SIZE - 4, 8, caller.buffer) == 0xFFFF_FFFF


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("size", [0, 1, 4096, 10_001])
@pytest.mark.parametrize("start", [0, 0xFFFF_FFFF, 0x1234_5678])
def test_segger_crc_is_that_of_zlib_without_its_inversions(twin: str, size: int, start: int) -> None:
    board = simulated(twin)
    caller = started(board, jlink_flm(), VERIFY)
    found = caller.call("SEGGER_OPEN_CalcCRC", start, WINDOW + AT, size, 0xEDB8_8320)
    assert found == zlib.crc32(holds(board, AT, size), start ^ 0xFFFF_FFFF) ^ 0xFFFF_FFFF


def test_segger_crc_takes_any_polynomial_and_goes_on_from_a_start_value() -> None:
    board = simulated()
    caller = started(board, jlink_flm(), VERIFY)
    polynomial = 0x82F6_3B78  # Castagnoli
    value = 0xFFFF_FFFF
    for byte in holds(board, AT, 600):
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
    half = caller.call("SEGGER_OPEN_CalcCRC", 0xFFFF_FFFF, WINDOW + AT, 300, polynomial)
    assert caller.call("SEGGER_OPEN_CalcCRC", half, WINDOW + AT + 300, 300, polynomial) == value


@pytest.mark.parametrize("twin", TWINS)
def test_segger_erases_a_run_of_sectors_and_programs_any_length(twin: str) -> None:
    board = simulated(twin)
    expected = bytearray(board.chip.array)
    caller = started(board, jlink_flm(), ERASE, PLACES[1])
    assert caller.call("SEGGER_OPEN_Erase", WINDOW + AT, AT // SECTOR, 3) == 0
    expected[AT : AT + 3 * SECTOR] = b"\xff" * (3 * SECTOR)
    data = noise(9001, seed=4)
    assert caller.call("SEGGER_OPEN_Program", WINDOW + AT + 0x1FF00, len(data), caller.put(data)) == 0
    expected[AT + 0x1FF00 : AT + 0x1FF00 + len(data)] = data
    assert bytes(board.chip.array) == expected
    assert caller.call("UnInit", PROGRAM) == 0
    assert not board.violations


def test_segger_erase_that_runs_over_the_end_is_an_error() -> None:
    board = simulated()
    caller = started(board, jlink_flm(), ERASE)
    assert caller.call("SEGGER_OPEN_Erase", WINDOW + CHIP_SIZE - SECTOR, 255, 2) == 1


# The internal flash


@pytest.mark.parametrize("place", PLACES, ids=hex)
@pytest.mark.parametrize(("at", "sector"), [(0x8000, 0x8000), (0x10_0000 - 0x4_0000, 0x4_0000)], ids=hex)
def test_internal_flash_is_erased_by_its_real_sectors_and_programmed(
    at: int, sector: int, place: int
) -> None:
    board = simulated()
    expected = bytearray(board.flash.array)
    caller = started(board, internal_flm(), ERASE, place, INTERNAL)
    assert caller.call("EraseSector", INTERNAL + at) == 0
    assert caller.call("BlankCheck", INTERNAL + at, sector, 0xFF) == 0
    page = noise(1024, seed=2)
    assert caller.call("ProgramPage", INTERNAL + at + 1024, len(page), caller.put(page)) == 0
    assert caller.call("UnInit", PROGRAM) == 0
    expected[at : at + sector] = b"\xff" * sector
    expected[at + 1024 : at + 2048] = page
    assert bytes(board.flash.array) == expected
    assert not board.violations


def test_internal_flash_is_erased_as_a_whole() -> None:
    board = simulated()
    caller = started(board, internal_flm(), ERASE, base=INTERNAL)
    assert caller.call("EraseChip") == 0
    assert set(board.flash.array) == {0xFF}
    assert not board.violations


def test_a_write_protected_sector_is_not_touched() -> None:
    board = simulated(**{"option_bytes.optcr": hex(0xC0FF_AAFD & ~(1 << 17))})  # nWRP of sector 1
    before = bytes(board.flash.array)
    caller = started(board, internal_flm(), ERASE, base=INTERNAL)
    assert caller.call("EraseSector", INTERNAL + 0x8000) == 1
    assert caller.call("ProgramPage", INTERNAL + 0x8000, 1024, caller.put(bytes(1024))) == 1
    assert bytes(board.flash.array) == before
    assert not board.violations
