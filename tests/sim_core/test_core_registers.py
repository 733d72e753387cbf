"""Registers of the core's own space, one rule of the ARMv7-M ARM each (B3.2, B3.4, B3.5)."""

from __future__ import annotations

import pytest

from boardflash.sim.board import SimulatedBoard
from sim_core.guest import MS, RAM, load, put, run, vectors, word
from sim_core.test_core_exceptions import HANDLER, TABLE, mpu_region

ICSR, VTOR, AIRCR, CFSR, HFSR, MMFAR = 0xE000ED04, 0xE000ED08, 0xE000ED0C, 0xE000ED28, 0xE000ED2C, 0xE000ED34
ISER, ISPR, SHPR3 = 0xE000E100, 0xE000E200, 0xE000ED20
MPU_CTRL, MPU_RNR, MPU_RBAR, MPU_RASR = 0xE000ED94, 0xE000ED98, 0xE000ED9C, 0xE000EDA0
WINDOW, PORT = 0x90000000, 0x40023C00
ENABLE, HFNMIENA, PRIVDEFENA = 1, 2, 4
NO_ACCESS, FULL, READ_ONLY = 0, 3, 5


def test_the_vector_table_is_aligned_to_128_bytes(board: SimulatedBoard) -> None:
    put(board, VTOR, RAM + 0x17F)
    assert word(board, VTOR) == RAM + 0x100


def test_fault_status_bits_are_cleared_by_ones(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {3: HANDLER})
    load(board, "bkpt", HANDLER)
    run(board, "ldr r0, [r2]\n bkpt", r2=0x60000000)
    assert word(board, CFSR) == 0x8200
    put(board, CFSR, 0x200)
    assert word(board, CFSR) == 0x8000
    put(board, HFSR, 0)
    assert word(board, HFSR) == 1 << 30
    put(board, HFSR, 1 << 30)
    assert word(board, HFSR) == 0


@pytest.mark.parametrize("value", [0x00000004, 0x12340004, 0xFA050004])
def test_a_reset_request_needs_its_key(board: SimulatedBoard, value: int) -> None:
    board.write_register(0, 77)
    put(board, AIRCR, value)
    board.advance(1000)
    assert board.read_register(0) == 77
    put(board, AIRCR, 0x05FA0004)
    assert board.read_register(0) == 0


def test_there_are_98_interrupts(board: SimulatedBoard) -> None:
    put(board, ISER + 12, 0xFFFFFFFF)
    assert word(board, ISER + 12) == 3
    put(board, ISER + 16, 1)
    assert word(board, ISER + 16) == 0


def test_the_pending_exception_that_is_told_is_the_most_urgent(board: SimulatedBoard) -> None:
    put(board, SHPR3, 0x20 << 16)  # PendSV
    put(board, 0xE000E400, 0x10)  # line 0: more urgent
    put(board, ISER, 3)
    put(board, ICSR, 1 << 28)
    assert word(board, ICSR) >> 12 & 0x1FF == 14
    put(board, ISPR, 3)
    assert word(board, ICSR) >> 12 & 0x1FF == 17, "line 1 has priority 0"
    put(board, 0xE000E280, 2)
    assert word(board, ICSR) >> 12 & 0x1FF == 16


def refused(board: SimulatedBoard, code: str, address: int) -> bool:
    vectors(board, TABLE, {3: HANDLER})
    load(board, "bkpt", HANDLER)
    put(board, CFSR, 0xFFFFFFFF)
    run(board, f"{code} r0, [r2]\n bkpt", r2=address)
    return bool(word(board, CFSR) & 2)


@pytest.mark.parametrize(("access", "write"), [(READ_ONLY, True), (6, True), (FULL, False)])
def test_a_read_only_region_can_be_read(board: SimulatedBoard, access: int, write: bool) -> None:
    mpu_region(board, 0, PORT, 10, access)
    put(board, MPU_CTRL, ENABLE | PRIVDEFENA)
    assert not refused(board, "ldr", PORT)
    assert refused(board, "str", PORT) is write


@pytest.mark.parametrize(("closed", "open_", "expected"), [(5, 2, True), (2, 5, False)])
def test_the_region_with_the_highest_number_decides(
    board: SimulatedBoard, closed: int, open_: int, expected: bool
) -> None:
    mpu_region(board, closed, PORT, 10, NO_ACCESS)
    mpu_region(board, open_, PORT, 10, FULL)
    put(board, MPU_CTRL, ENABLE | PRIVDEFENA)
    assert refused(board, "ldr", PORT) is expected


@pytest.mark.parametrize(("log2", "expected"), [(10, False), (7, True)])
def test_eighths_can_be_left_out_of_regions_from_256_bytes_on(
    board: SimulatedBoard, log2: int, expected: bool
) -> None:
    mpu_region(board, 0, PORT, log2, NO_ACCESS)
    put(board, MPU_RASR, 1 << 8 | (log2 - 1) << 1 | 1)
    put(board, MPU_CTRL, ENABLE | PRIVDEFENA)
    assert refused(board, "ldr", PORT) is expected


def test_an_eighth_that_is_not_left_out_is_covered(board: SimulatedBoard) -> None:
    mpu_region(board, 0, 0x40023800, 11, NO_ACCESS)
    put(board, MPU_RASR, 0xF0 << 8 | 10 << 1 | 1)
    put(board, MPU_CTRL, ENABLE | PRIVDEFENA)
    assert refused(board, "ldr", 0x40023800)
    assert not refused(board, "ldr", PORT)


def test_rbar_can_choose_the_region(board: SimulatedBoard) -> None:
    """VALID and REGION (B3.5.8): one write in place of two."""
    put(board, MPU_RNR, 1)
    put(board, MPU_RBAR, PORT | 1 << 4 | 6)
    assert word(board, MPU_RNR) == 6
    put(board, MPU_RASR, 9 << 1 | 1)
    put(board, MPU_RNR, 1)
    assert word(board, MPU_RASR) == 0
    put(board, MPU_CTRL, ENABLE | PRIVDEFENA)
    assert refused(board, "ldr", PORT)


@pytest.mark.parametrize(("control", "passes"), [(0, True), (HFNMIENA, False)])
def test_the_hard_fault_handler_runs_without_the_mpu_unless_it_is_told(
    board: SimulatedBoard, control: int, passes: bool
) -> None:
    """B3.5.1: else a handler could not read what it is to report."""
    mpu_region(board, 0, PORT, 10, NO_ACCESS)
    put(board, MPU_CTRL, ENABLE | PRIVDEFENA | control)
    vectors(board, TABLE, {3: HANDLER})
    load(board, "ldr r5, [r2]\n bkpt", HANDLER)
    load(board, "ldr r0, [r2]\n bkpt")
    board.write_register(2, PORT)
    board.resume()
    board.advance(MS)
    assert (board.core.lockup is None) is passes
    assert board.halted() is passes


@pytest.mark.parametrize("bits", [0, 1])
def test_fault_mask_lifts_it_as_well(board: SimulatedBoard, bits: int) -> None:
    mpu_region(board, 0, PORT, 10, NO_ACCESS)
    put(board, MPU_CTRL, ENABLE | PRIVDEFENA)
    vectors(board, TABLE, {3: HANDLER})
    load(board, "bkpt", HANDLER)
    run(
        board, "msr faultmask, r7\n isb\n b 1f\n 1: ldr r0, [r2]\n movs r6, #1\n bkpt", r2=PORT, r7=bits, r6=0
    )
    assert board.read_register(6) == bits


@pytest.mark.parametrize(("priority", "taken"), [(0x20, True), (0x40, False), (0x60, False)])
def test_base_priority_holds_back_what_is_not_more_urgent(
    board: SimulatedBoard, priority: int, taken: bool
) -> None:
    vectors(board, TABLE, {14: HANDLER})
    load(board, "movs r7, #1\n bx lr", HANDLER)
    put(board, SHPR3, priority << 16)
    source = "movs r7, #0\n movs r0, #0x40\n msr basepri, r0\n ldr r0, =0xE000ED04\n mov r1, #1 << 28\n"
    run(
        board,
        source + "str r1, [r0]\n b 1f\n 1: nop\n b 2f\n 2: mov r6, r7\n movs r0, #0\n msr basepri, r0\n bkpt",
    )
    assert bool(board.read_register(6)) is taken


def test_only_the_upper_four_bits_of_a_priority_exist(board: SimulatedBoard) -> None:
    put(board, SHPR3, 0xFFFFFFFF)
    assert word(board, SHPR3) == 0xF0F0F0F0


SYST_CSR, SYST_RVR, SYST_CVR = 0xE000E010, 0xE000E014, 0xE000E018


@pytest.mark.parametrize(("tickint", "pending"), [(0, False), (2, True)])
def test_systick_pends_its_exception_only_with_tickint(
    board: SimulatedBoard, tickint: int, pending: bool
) -> None:
    put(board, SYST_RVR, 1599)
    put(board, SYST_CVR, 0)
    put(board, SYST_CSR, 5 | tickint)
    load(board, "cpsid i\n 1: b 1b")
    board.resume()
    board.advance(MS)
    assert bool(word(board, ICSR) & 1 << 26) is pending
    assert word(board, SYST_CSR) & 1 << 16, "COUNTFLAG"
    assert not word(board, SYST_CSR) & 1 << 16, "cleared by reading"


def test_a_write_to_the_count_clears_it_and_countflag(board: SimulatedBoard) -> None:
    put(board, SYST_RVR, 1599)
    put(board, SYST_CSR, 5)
    load(board, "1: b 1b")
    board.resume()
    board.advance(MS)
    board.halt()
    put(board, SYST_CVR, 7)
    assert word(board, SYST_CSR) == 5


def test_systick_stands_still_while_the_debugger_has_the_core(board: SimulatedBoard) -> None:
    put(board, SYST_RVR, 0xFFFFFF)
    put(board, SYST_CVR, 0)
    put(board, SYST_CSR, 5)
    load(board, "1: b 1b")
    board.resume()
    board.advance(MS)
    board.halt()
    before = word(board, SYST_CVR)
    assert before < 0xFFFFFF - 15_000
    board.advance(MS)
    assert word(board, SYST_CVR) == before


@pytest.mark.parametrize(("clksource", "hz"), [(4, 16_000_000), (0, 2_000_000)])
def test_without_clksource_systick_counts_an_eighth(board: SimulatedBoard, clksource: int, hz: int) -> None:
    """RM0385 figure 12: HCLK/8 is the other clock."""
    put(board, SYST_RVR, 0xFFFFFF)
    put(board, SYST_CVR, 0)
    put(board, SYST_CSR, 1 | clksource)
    load(board, "1: b 1b")
    board.resume()
    board.advance(MS)
    board.halt()
    assert 0xFFFFFF - word(board, SYST_CVR) == pytest.approx(hz / 1000, abs=4)
