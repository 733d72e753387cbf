"""A flash algorithm whose host attached to a running application: nothing of that is lost or in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import with_faults
from boardflash.sim.options import SimOptions
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from export.caller import Caller, load
from export.export_rig import INTERNAL, MICRON, WINDOW, flm, internal_flm, jlink_flm, noise, stldr

SCB_CCR, CACHES = 0xE000_ED14, 3 << 16
MPU_CTRL, MPU_RNR, MPU_RBAR, MPU_RASR = 0xE000_ED94, 0xE000_ED98, 0xE000_ED9C, 0xE000_EDA0
FULL_ACCESS_CACHED = 3 << 24 | 1 << 17 | 1 << 16 | 1
RCC_CR, PLLCFGR, CFGR, APB1ENR = 0x4002_3800, 0x4002_3804, 0x4002_3808, 0x4002_3840
FLASH_ACR, PWR_CR1 = 0x4002_3C00, 0x4000_7000
SCALE_3 = 1 << 14
APPLICATION = 0x2003_0000  # its data: cached RAM, the whole data cache full of it
CACHE_SIZE = 4096
PLACE = 0x2000_0404
WATCHED = {"option_bytes.optcr": hex(0xC0FFAAFD & ~(1 << 5)), "start": "noise", "busy_stays": "always"}
PROGRAM = 2

ALL = pytest.mark.parametrize("path", [flm, internal_flm, jlink_flm, stldr], ids=lambda make: make.__name__)


@pytest.fixture
def board() -> SimulatedBoard:
    found = with_faults(load_twin(MICRON), WATCHED).twin
    return SimulatedBoard(found, BoardState.in_memory("5"), SimOptions(read_ahead=True))


def put(board: SimulatedBoard, address: int, value: int) -> None:
    board.write_memory(address, value.to_bytes(4, "little"), 4)


def word(board: SimulatedBoard, address: int) -> int:
    return int.from_bytes(board.read_memory(address, 4, 4), "little")


def attached(board: SimulatedBoard, path: Callable[[], Path]) -> Caller:
    return load(board, path(), None if path is stldr else PLACE)


def init(caller: Caller, path: Callable[[], Path]) -> bool:
    if path is stldr:
        return caller.call("Init") == 1
    return caller.call("Init", INTERNAL if path is internal_flm else WINDOW, 16_000_000, PROGRAM) == 0


@ALL
def test_what_lay_in_the_data_cache_is_in_ram_once_it_is_off(
    board: SimulatedBoard, path: Callable[[], Path]
) -> None:
    caller = attached(board, path)
    board.write_memory(APPLICATION, bytes(CACHE_SIZE), 4)
    put(board, SCB_CCR, word(board, SCB_CCR) | CACHES)
    board.core.cache.store(APPLICATION, noise(CACHE_SIZE))
    assert init(caller, path)
    assert not word(board, SCB_CCR) & CACHES
    assert board.read_memory(APPLICATION, CACHE_SIZE, 4) == noise(CACHE_SIZE)


@ALL
def test_a_core_voltage_that_was_lowered_is_raised_before_the_clock(
    board: SimulatedBoard, path: Callable[[], Path]
) -> None:
    caller = attached(board, path)
    put(board, APB1ENR, 1 << 28)
    put(board, PWR_CR1, SCALE_3)
    put(board, FLASH_ACR, 0x107)
    put(board, PLLCFGR, 0x2000_0000 | 140 << 6 | 8)
    put(board, RCC_CR, 0x0100_0083)
    board.advance(10**9)
    put(board, CFGR, 2)
    assert board.rcc.hclk_hz == 140_000_000
    put(board, APB1ENR, 0)
    assert init(caller, path)
    assert board.rcc.hclk_hz == 168_000_000
    assert board.violations == []


@pytest.mark.parametrize("number", [0, 3, 7])
@pytest.mark.parametrize(("base", "log2"), [(INTERNAL, 20), (0x6000_0000, 30)], ids=hex)
@ALL
def test_regions_of_the_application_do_not_open_what_must_be_closed(
    board: SimulatedBoard, path: Callable[[], Path], number: int, base: int, log2: int
) -> None:
    """The region with the highest number decides."""
    caller = attached(board, path)
    put(board, MPU_RNR, number)
    put(board, MPU_RBAR, base)
    put(board, MPU_RASR, FULL_ACCESS_CACHED | (log2 - 1) << 1)
    put(board, MPU_CTRL, 5)
    assert init(caller, path)
    memory = INTERNAL if path is internal_flm else WINDOW
    if path is stldr:
        assert caller.call("SectorErase", memory, memory) == 1
    else:
        assert caller.call("EraseSector", memory) == 0
    assert board.violations == []


def test_an_erase_of_internal_flash_does_not_hold_the_core_up(board: SimulatedBoard) -> None:
    """256 KiB take two seconds, the watchdog's time is half of one."""
    caller = attached(board, internal_flm)
    assert init(caller, internal_flm)
    assert caller.call("EraseSector", INTERNAL + 0x4_0000) == 0
    assert bytes(board.flash.array[0x4_0000:0x8_0000]) == b"\xff" * 0x4_0000
    page = noise(1024, seed=2)
    assert caller.call("ProgramPage", INTERNAL + 0x4_0000, len(page), caller.put(page)) == 0
    assert caller.call("UnInit", PROGRAM) == 0
    assert board.read_memory(INTERNAL + 0x4_0000, 1024, 4) == page
    assert word(board, MPU_CTRL) == 0
    assert board.violations == []


def test_an_erase_that_never_ends_is_given_up_without_waiting_for_it(board: SimulatedBoard) -> None:
    """A write to the busy controller would hold the core up, and the watchdog would start the application."""
    caller = attached(board, internal_flm)
    assert init(caller, internal_flm)
    board.flash._options = SimOptions(flash_typ_ratio=3.0)
    assert caller.call("EraseSector", INTERNAL + 0x4_0000) == 1
    assert board.flash.busy
