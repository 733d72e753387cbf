"""Every function of the external loader, called as STM32CubeProgrammer calls it, on the simulated board."""

from __future__ import annotations

import pytest

from boardflash.sim.board import SimulatedBoard
from export.caller import Caller, load
from export.export_rig import CHIP_SIZE, MICRON, SECTOR, TWINS, WINDOW, noise, simulated, stldr

OK, FAILED = 1, 0
AT = 0x12_0000
LINKED, MOVED = (
    None,
    0x2000_4004,
)  # version 2.20 was seen to load loaders there (community.st.com td-p/821123)


def started(board: SimulatedBoard, place: int | None = LINKED) -> Caller:
    caller = load(board, stldr(), place)
    assert caller.call("Init") == OK
    return caller


def holds(board: SimulatedBoard, offset: int, size: int) -> bytes:
    return bytes(board.chip.array[offset : offset + size])


def window(board: SimulatedBoard, offset: int, size: int) -> bytes:
    return board.read_memory(WINDOW + offset, size, 4)


@pytest.mark.parametrize("place", [LINKED, MOVED], ids=["linked", "moved"])
@pytest.mark.parametrize("twin", TWINS)
def test_sectors_are_erased_up_to_and_with_that_of_the_end_and_written(twin: str, place: int | None) -> None:
    board = simulated(twin)
    expected = bytearray(board.chip.array)
    caller = started(board, place)
    assert window(board, AT, 256) == expected[AT : AT + 256], "after Init the host reads the window"
    assert caller.call("SectorErase", WINDOW + AT + 5, WINDOW + AT + SECTOR) == OK
    expected[AT : AT + 2 * SECTOR] = b"\xff" * (2 * SECTOR)
    assert bytes(board.chip.array) == expected
    assert window(board, AT, 256) == b"\xff" * 256
    data = noise(10_001, seed=7)
    assert caller.call("Write", WINDOW + AT + 0x123, len(data), caller.put(data)) == OK
    expected[AT + 0x123 : AT + 0x123 + len(data)] = data
    assert bytes(board.chip.array) == expected
    assert window(board, AT + 0x100, 512) == expected[AT + 0x100 : AT + 0x300]
    assert caller.stack_left() > 64
    assert not board.violations


@pytest.mark.parametrize("twin", TWINS)
def test_one_sector_is_erased_where_the_end_is_its_last_byte(twin: str) -> None:
    board = simulated(twin)
    expected = bytearray(board.chip.array)
    caller = started(board)
    assert caller.call("SectorErase", WINDOW + AT, WINDOW + AT + SECTOR - 1) == OK
    expected[AT : AT + SECTOR] = b"\xff" * SECTOR
    assert bytes(board.chip.array) == expected


@pytest.mark.parametrize("twin", TWINS)
def test_the_whole_chip_is_erased(twin: str) -> None:
    board = simulated(twin)
    caller = started(board)
    assert caller.call("MassErase", 0) == OK
    assert board.chip.array.count(0xFF) == CHIP_SIZE
    assert window(board, 0, 64) == b"\xff" * 64


@pytest.mark.parametrize("size", [1, 256, 5003])
def test_read_copies_the_chip(size: int) -> None:
    board = simulated()
    caller = started(board, MOVED)
    caller.put(bytes(size + 1))
    assert caller.call("Read", WINDOW + AT + 1, size, caller.buffer) == OK
    assert caller.take(size + 1) == holds(board, AT + 1, size) + b"\0"


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize(("at", "size"), [(AT, 4096), (AT, 7), (AT + 3, 1001), (AT, 0)])
def test_checksum_is_the_sum_of_bytes(twin: str, at: int, size: int) -> None:
    board = simulated(twin)
    caller = started(board)
    for initial in (0, 0xFFFF_FF00):
        expected = (sum(holds(board, at, size)) + initial) & 0xFFFF_FFFF
        assert caller.call("CheckSum", WINDOW + at, size, initial) == expected


@pytest.mark.parametrize("place", [LINKED, MOVED], ids=["linked", "moved"])
@pytest.mark.parametrize("twin", TWINS)
def test_verify_returns_the_checksum_and_the_first_address_that_differs(twin: str, place: int | None) -> None:
    board = simulated(twin)
    caller = started(board, place)
    data = bytearray(holds(board, AT, 4000))
    total = sum(data)
    assert caller.call_wide("Verify", WINDOW + AT, caller.put(bytes(data)), 1000, 0) == (0, total)
    for wrong in (3999, 1234, 0):
        data[wrong] ^= 1
        found = caller.call_wide("Verify", WINDOW + AT, caller.put(bytes(data)), 1000, 0)
        assert found == (WINDOW + AT + wrong, total)
    assert not board.violations


def test_verify_leaves_what_was_added_for_alignment_out_of_the_checksum() -> None:
    board = simulated()
    caller = started(board)
    data = holds(board, AT, 400)
    skipped, added = 3, 2
    found = caller.call_wide("Verify", WINDOW + AT, caller.put(data), 100, added << 16 | skipped)
    # ST's own: CheckSum(address + start, size - end), reference flash-engines section 7
    assert found == (0, sum(holds(board, AT + skipped, 400 - added)))


@pytest.mark.parametrize("left", ["qpi", "continuous_read", "four_byte", "deep_power_down", "busy_ms"])
@pytest.mark.parametrize("twin", TWINS)
def test_init_gets_the_chip_out_of_whatever_it_was_left_in(twin: str, left: str) -> None:
    board = simulated(twin, **{left: "3000" if left == "busy_ms" else "true"})
    started(board)
    assert window(board, AT, 256) == holds(board, AT, 256)
    assert not board.violations


def test_init_may_be_called_again_at_any_time() -> None:
    board = simulated()
    caller = started(board)
    assert caller.call("Init") == OK
    assert window(board, AT, 256) == holds(board, AT, 256)


@pytest.mark.parametrize(
    ("twin", "faults"),
    [("acme-panel", {}), (MICRON, {"wiring.PD12": ""}), (MICRON, {"jedec_id": '"C8 40 18"'})],
    ids=["other pins", "io1 broken", "unknown chip"],
)
def test_a_board_that_is_not_the_described_one_is_refused(twin: str, faults: dict[str, str]) -> None:
    board = simulated(twin, **faults)
    before = bytes(board.chip.array)
    caller = load(board, stldr())
    assert caller.call("Init") == FAILED
    assert caller.call("SectorErase", WINDOW, WINDOW) == FAILED
    assert caller.call("MassErase", 0) == FAILED
    assert caller.call("Write", WINDOW, 256, caller.put(bytes(256))) == FAILED
    assert caller.call("Read", WINDOW, 256, caller.buffer) == FAILED
    assert caller.call_wide("Verify", WINDOW, caller.put(bytes(256)), 64, 0)[0] == WINDOW
    assert bytes(board.chip.array) == before


def test_what_lies_outside_the_chip_is_refused() -> None:
    board = simulated()
    before = bytes(board.chip.array)
    caller = started(board)
    assert caller.call("SectorErase", WINDOW + CHIP_SIZE - SECTOR, WINDOW + CHIP_SIZE) == FAILED
    assert caller.call("SectorErase", WINDOW + SECTOR, WINDOW) == FAILED
    assert caller.call("Write", WINDOW + CHIP_SIZE - 16, 32, caller.put(bytes(32))) == FAILED
    assert bytes(board.chip.array) == before


def test_an_erase_that_the_chip_fails_is_told() -> None:
    board = simulated(MICRON, erase_fails=f"[{AT}]")
    caller = started(board)
    assert caller.call("SectorErase", WINDOW + AT, WINDOW + AT) == FAILED
    assert window(board, AT, 256) == holds(board, AT, 256)
