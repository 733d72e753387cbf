"""What the Cortex-M7 does behind the program's back: its data cache, and reading ahead (PM0253 2.2 and
4.8)."""

from __future__ import annotations

import pytest

from boardflash.sim.board import SimulatedBoard
from sim_core.guest import MS, RAM, load, new_board, put, run, vectors, word
from sim_core.test_core_exceptions import HANDLER, TABLE, mpu_region

CCR, CSSELR, CCSIDR, MPU_CTRL, MPU_RNR, MPU_RASR = (
    0xE000ED14,
    0xE000ED84,
    0xE000ED80,
    0xE000ED94,
    0xE000ED98,
    0xE000EDA0,
)
DCIMVAC, DCISW, DCCMVAC, DCCSW, DCCIMVAC, DCCISW = (
    0xE000EF00 + n for n in (0x5C, 0x60, 0x68, 0x6C, 0x70, 0x74)
)
DC = 1 << 16
LINE = RAM + 0x1_0000 + 5 * 32  # SRAM1: set 5
OLD, NEW = b"\x11" * 32, b"\x22" * 32
FLASH, KEYR, CR, OTHER_VIEW = 0x08000000, 0x40023C04, 0x40023C10, 0x00200000


def dirty(board: SimulatedBoard, address: int = LINE) -> None:
    """An application has the cache on and has written a line."""
    board.write_memory(address, OLD, 4)
    put(board, CCR, word(board, CCR) | DC)
    board.core.cache.store(address, NEW)


def off(board: SimulatedBoard) -> bytes:
    put(board, CCR, word(board, CCR) & ~DC)
    return board.read_memory(LINE, 32, 4)


def test_what_was_not_cleaned_is_not_in_ram_once_the_cache_is_off(board: SimulatedBoard) -> None:
    dirty(board)
    assert board.read_memory(LINE, 32, 4) == NEW
    assert off(board) == OLD


@pytest.mark.parametrize("register", [DCCISW, DCCSW])
def test_a_clean_by_set_and_way_brings_it_there(board: SimulatedBoard, register: int) -> None:
    dirty(board)
    put(board, register, 5 << 5)
    assert off(board) == NEW


@pytest.mark.parametrize("register", [DCCIMVAC, DCCMVAC])
def test_so_does_one_by_address(board: SimulatedBoard, register: int) -> None:
    dirty(board)
    put(board, register, LINE + 4)
    assert off(board) == NEW


@pytest.mark.parametrize(
    ("register", "value"), [(DCCISW, 4 << 5), (DCCISW, 1 << 30 | 5 << 5), (DCCIMVAC, LINE + 32)]
)
def test_the_clean_of_another_line_does_not(board: SimulatedBoard, register: int, value: int) -> None:
    dirty(board)
    put(board, register, value)
    assert off(board) == OLD


@pytest.mark.parametrize(("register", "value"), [(DCISW, 5 << 5), (DCIMVAC, LINE)])
def test_an_invalidation_alone_throws_it_away(board: SimulatedBoard, register: int, value: int) -> None:
    dirty(board)
    put(board, register, value)
    assert board.read_memory(LINE, 32, 4) == OLD


def test_a_clean_after_the_switch_writes_over_what_came_since(board: SimulatedBoard) -> None:
    dirty(board)
    off(board)
    board.write_memory(LINE, b"\x33" * 32, 4)
    put(board, DCCISW, 5 << 5)
    assert board.read_memory(LINE, 32, 4) == NEW


def test_four_lines_of_a_set_stay_and_a_fifth_drives_one_out(board: SimulatedBoard) -> None:
    lines = [LINE + 1024 * n for n in range(5)]
    for address in lines:
        board.write_memory(address, OLD, 4)
    put(board, CCR, word(board, CCR) | DC)
    for address in lines:
        board.core.cache.store(address, NEW)
    for way in range(3):
        put(board, DCCISW, way << 30 | 5 << 5)
    put(board, CCR, word(board, CCR) & ~DC)
    kept = [board.read_memory(address, 32, 4) == NEW for address in lines]
    assert kept.count(False) == 1


def test_a_reset_loses_it_too(board: SimulatedBoard) -> None:
    dirty(board)
    board.reset(halt=True)
    assert board.read_memory(LINE, 32, 4) == OLD
    assert not word(board, CCR) & DC


def test_the_geometry_is_told(board: SimulatedBoard) -> None:
    value = word(board, CCSIDR)
    assert ((value >> 13 & 0x7FFF) + 1, (value >> 3 & 0x3FF) + 1, 4 << (value & 7) + 2) == (32, 4, 32)
    put(board, CSSELR, 1)
    assert (word(board, CCSIDR) >> 13 & 0x7FFF) + 1 == 64


ERASE = "str r0, [r1]\n movs r4, #1\n bkpt"
START_256K = 2 | 5 << 3 | 2 << 8 | 1 << 16  # SER, sector 5, x32, STRT


def erase_while(board: SimulatedBoard) -> int:
    """How long a store to FLASH_CR holds the core that starts an erase."""
    put(board, KEYR, 0x45670123)
    put(board, KEYR, 0xCDEF89AB)
    return run(board, ERASE, ms=1500, r0=START_256K, r1=CR)


def closed(board: SimulatedBoard, *bases: int, attributes: int = 0) -> None:
    """Regions of 1 MiB that forbid all or have these attributes, over the default map."""
    for number, base in enumerate(bases):
        mpu_region(board, number, base, 20, 0)
        if attributes:
            put(board, MPU_RNR, number)
            put(board, MPU_RASR, attributes | 19 << 1 | 1)
    put(board, MPU_CTRL, 5)


def test_a_core_that_reads_ahead_in_busy_flash_stands_still() -> None:
    board = new_board(read_ahead=True)
    assert erase_while(board) == pytest.approx(1000 * MS, rel=0.001)


@pytest.mark.parametrize("open_view", [FLASH, OTHER_VIEW])
def test_one_open_view_is_enough_for_that(open_view: int) -> None:
    board = new_board(read_ahead=True)
    closed(board, FLASH + OTHER_VIEW - open_view)
    assert erase_while(board) == pytest.approx(1000 * MS, rel=0.001)


@pytest.mark.parametrize(
    ("attributes", "stands"),
    [
        (0, False),
        (3 << 24, False),
        (3 << 24 | 1 << 16, False),
        (3 << 24 | 1 << 17, True),
        (3 << 24 | 1 << 19, True),
    ],
    ids=["no access", "strongly ordered", "device", "write-through", "not cacheable"],
)
def test_neither_closed_nor_device_memory_is_read_ahead(attributes: int, stands: bool) -> None:
    board = new_board(read_ahead=True)
    closed(board, FLASH, OTHER_VIEW, attributes=attributes)
    assert (erase_while(board) > MS) is stands


def test_the_debuggers_erase_with_a_halted_core_is_none_of_its_business() -> None:
    board = new_board(read_ahead=True)
    start = board.clock.now_ps
    put(board, KEYR, 0x45670123)
    put(board, KEYR, 0xCDEF89AB)
    put(board, CR, START_256K)
    assert board.clock.now_ps == start


@pytest.mark.parametrize(
    ("regions", "noticed"),
    [
        ([], {0x60000000, 0x70000000, 0x80000000, 0x90000000}),
        ([(0x60000000, 29), (0x80000000, 29)], set()),
        ([(0x60000000, 29), (0x90000000, 28)], {0x80000000}),
        ([(0x60000000, 29), (0x80000000, 27), (0x90000000, 27)], {0x80000000, 0x90000000}),
    ],
)
def test_reading_ahead_in_external_memory_is_noticed(
    regions: list[tuple[int, int]], noticed: set[int]
) -> None:
    board = new_board(read_ahead=True)
    for number, (base, log2) in enumerate(regions):
        mpu_region(board, number, base, log2, 0)
    put(board, MPU_CTRL, 5)
    erase_while(board)
    assert {v.detail for v in board.violations} == {
        f"the core may read {base:#010x}, where nothing answers" for base in noticed
    }
    assert {v.rule for v in board.violations} <= {"read_ahead"}


def test_without_the_background_map_nothing_is_open() -> None:
    board = new_board(read_ahead=True)
    mpu_region(board, 0, RAM, 19, 3)
    mpu_region(board, 1, 0x40000000, 29, 3)
    put(board, MPU_CTRL, 1)
    assert erase_while(board) < MS
    assert board.violations == []


def test_a_frame_that_cannot_be_stacked_is_lost_and_the_handler_runs(board: SimulatedBoard) -> None:
    """ARMv7-M B1.5.8, DerivedLateArrival: no lockup, since the vector can be read; SP has moved below RAM."""
    vectors(board, TABLE, {3: HANDLER})
    load(board, "mov r6, sp\n mrs r5, ipsr\n bkpt", HANDLER)
    run(board, "mov sp, r7\n push {r0}\n bkpt", r7=RAM)
    assert board.core.lockup is None
    assert board.read_register(5) == 3
    assert board.read_register(6) == RAM - 32
    assert word(board, 0xE000ED28) & 1 << 12, "STKERR"
    assert word(board, 0xE000ED2C) == 1 << 30


def test_a_handler_that_pushes_below_ram_locks_up(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {3: HANDLER})
    load(board, "push {r0}\n bkpt", HANDLER)
    load(board, "mov sp, r7\n push {r0}\n bkpt")
    board.write_register(7, RAM)
    board.resume()
    board.advance(MS)
    assert board.core.lockup is not None
    assert "no stack at 0x1fffffe0" in board.core.lockup


def test_an_enabled_bus_fault_comes_before_the_interrupt_that_could_not_be_stacked(
    board: SimulatedBoard,
) -> None:
    vectors(board, TABLE, {5: HANDLER, 14: HANDLER + 0x100})
    put(board, 0xE000ED24, 1 << 17)
    put(board, 0xE000ED20, 0x80 << 16)  # PendSV less urgent than BusFault
    load(board, "mrs r5, ipsr\n bkpt", HANDLER)
    run(
        board,
        "mov sp, r7\n ldr r0, =0xE000ED04\n mov r1, #1 << 28\n str r1, [r0]\n b 1f\n 1: nop\n bkpt",
        r7=RAM,
    )
    assert board.read_register(5) == 5
    assert word(board, 0xE000ED04) & 1 << 28, "PendSV waits"
