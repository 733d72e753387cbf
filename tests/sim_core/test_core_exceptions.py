"""Faults, interrupts and sleep (ARMv7-M ARM, B1.5)."""

from __future__ import annotations

import pytest

from boardflash.sim.board import SimulatedBoard
from sim_core.guest import MS, RAM, STACK, load, new_board, put, run, vectors, word

CFSR, HFSR, BFAR, MMFAR, SHCSR, DFSR = 0xE000ED28, 0xE000ED2C, 0xE000ED38, 0xE000ED34, 0xE000ED24, 0xE000ED30
SYST_CSR, SYST_RVR, SYST_CVR, SCR, ICSR = 0xE000E010, 0xE000E014, 0xE000E018, 0xE000ED10, 0xE000ED04
TABLE = RAM + 0x4000
HANDLER = RAM + 0x2000


def test_bkpt_halts_with_the_pc_at_the_bkpt(board: SimulatedBoard) -> None:
    run(board, "movs r0, #5\n bkpt\n movs r0, #6")
    assert board.read_register(15) == RAM + 2
    assert board.read_register(0) == 5
    assert word(board, DFSR) & 2


@pytest.mark.parametrize("stacked", [0, 4])
def test_bus_fault_stacks_the_frame_and_enters_hard_fault(board: SimulatedBoard, stacked: int) -> None:
    vectors(board, TABLE, {3: HANDLER})
    load(board, "mov r4, lr\n mrs r5, ipsr\n mov r6, sp\n bkpt", HANDLER)
    run(board, "sub sp, r7\n movs r1, #7\n ldr r0, [r2]\n movs r1, #9\n bkpt", r2=0x60000000, r7=stacked)
    assert board.read_register(15) == HANDLER + 8
    assert board.read_register(4) == 0xFFFFFFF9
    assert board.read_register(5) == 3
    frame = board.read_register(6)
    assert frame % 8 == 0
    assert frame == (STACK - stacked - 32) & ~7
    assert word(board, frame + 4) == 7, "the instruction after the fault has not run"
    assert word(board, frame + 24) == RAM + 6, "the return address is the faulting load"
    assert bool(word(board, frame + 28) & 1 << 9) == bool(stacked), "xPSR tells whether the stack was aligned"
    assert word(board, CFSR) == 0x8200
    assert word(board, BFAR) == 0x60000000
    assert word(board, HFSR) == 1 << 30


def test_bus_fault_handler_runs_when_enabled_and_can_return(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {5: HANDLER})
    put(board, SHCSR, 1 << 17)
    load(board, "ldr r0, [sp, #24]\n adds r0, #2\n str r0, [sp, #24]\n movs r5, #1\n bx lr", HANDLER)
    run(board, "movs r5, #0\n ldr r3, [r2]\n movs r6, #3\n mrs r4, ipsr\n bkpt", r2=0x60000000, r0=77)
    assert board.read_register(0) == 77, "unstacked"
    assert (board.read_register(4), board.read_register(5), board.read_register(6)) == (0, 1, 3)
    assert board.read_register(13) == STACK


def test_store_to_nowhere_faults_too(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {3: HANDLER})
    load(board, "bkpt", HANDLER)
    run(board, "str r0, [r2]\n bkpt", r2=0x60000010)
    assert board.read_register(15) == HANDLER
    assert word(board, BFAR) == 0x60000010


def test_undefined_instruction_is_a_usage_fault(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {3: HANDLER})
    load(board, "bkpt", HANDLER)
    run(board, "udf #1\n bkpt")
    assert word(board, CFSR) == 1 << 16
    assert word(board, board.read_register(13) + 24) == RAM


def test_jump_into_peripherals_is_refused(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {3: HANDLER})
    load(board, "bkpt", HANDLER)
    run(board, "bx r2\n bkpt", r2=0x40020001)
    assert word(board, CFSR) & 1
    assert word(board, board.read_register(13) + 24) == 0x40020000


def test_fault_without_a_handler_locks_the_core_up(board: SimulatedBoard) -> None:
    load(board, "ldr r0, [r2]\n bkpt")
    board.write_register(2, 0x60000000)
    board.resume()
    board.advance(MS)
    assert not board.halted()
    assert board.core.lockup
    assert "after bus fault at pc 0x20000000, address 0x60000000" in board.core.lockup, (
        "the first cause is told"
    )
    assert word(board, 0xE000EDF0) & 1 << 19
    board.halt()
    assert board.read_register(15) == 0xFFFFFFFE


def test_blank_flash_ends_in_lockup(board: SimulatedBoard) -> None:
    board.reset(halt=False)
    board.advance(MS)
    assert board.core.lockup
    board.halt()
    assert board.halted()


def test_svc_enters_its_handler(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {11: HANDLER})
    load(board, "movs r5, #11\n bx lr", HANDLER)
    run(board, "movs r5, #0\n svc #0\n movs r6, #1\n bkpt")
    assert (board.read_register(5), board.read_register(6)) == (11, 1)


def test_psp_and_msp_are_kept_apart_over_an_exception(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {11: HANDLER})
    load(board, "mov r5, sp\n mov r6, lr\n bx lr", HANDLER)
    run(
        board,
        "msr psp, r4\n movs r0, #2\n msr control, r0\n isb\n svc #0\n mov r7, sp\n bkpt",
        r4=RAM + 0x6000,
    )
    assert board.read_register(5) == STACK
    assert board.read_register(6) == 0xFFFFFFFD
    assert board.read_register(7) == RAM + 0x6000


SYSTICK_COUNTER = """
    ldr r1, =0xE000E010
    movs r0, #{control}
    ldr r2, =1599
    str r2, [r1, #4]
    str r2, [r1, #8]
    str r0, [r1]
    movs r7, #0
"""


def test_systick_interrupt_is_taken_at_its_time(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {15: HANDLER})
    load(board, "adds r7, #1\n bx lr", HANDLER)
    passed = run(board, SYSTICK_COUNTER.format(control=7) + "1: cmp r7, #5\n bne 1b\n bkpt")
    assert 5 * 100_000_000 < passed < 5 * 100_000_000 + 6_000_000, "5 periods of 1600 cycles at 16 MHz"


def test_primask_holds_systick_back_and_cpsie_lets_it_in(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {15: HANDLER})
    load(board, "adds r7, #1\n bx lr", HANDLER)
    wait = "cpsid i\n" + SYSTICK_COUNTER.format(control=7)
    wait += "movw r2, #5000\n 1: subs r2, #1\n bne 1b\n mov r6, r7\n ldr r4, =0xE000ED04\n ldr r4, [r4]\n"
    run(board, wait + "cpsie i\n nop\n mov r5, r7\n cpsid i\n bkpt")
    assert board.read_register(6) == 0
    assert board.read_register(4) & 1 << 26, "PENDSTSET"
    assert board.read_register(5) == 1


@pytest.mark.parametrize("skip", [True, False])
def test_wfe_sleeps_until_systick_pends_with_sevonpend(skip: bool) -> None:
    board = new_board(skip_waiting=skip)
    source = "cpsid i\n ldr r1, =0xE000ED10\n movs r0, #0x10\n str r0, [r1]\n"
    source += SYSTICK_COUNTER.format(control=7)
    passed = run(board, source + "wfe\n bkpt")
    assert 100_000_000 < passed < 102_000_000
    assert word(board, ICSR) & 1 << 26


def test_wfe_without_sevonpend_sleeps_on(board: SimulatedBoard) -> None:
    load(board, "cpsid i\n" + SYSTICK_COUNTER.format(control=7) + "wfe\n bkpt")
    board.resume()
    board.advance(5 * MS)
    assert not board.halted()
    assert word(board, 0xE000EDF0) & 1 << 18, "S_SLEEP"


def test_sev_makes_the_next_wfe_fall_through(board: SimulatedBoard) -> None:
    passed = run(board, "sev\n wfe\n bkpt")
    assert passed < 10_000_000


def test_wfi_wakes_although_primask_is_set(board: SimulatedBoard) -> None:
    passed = run(board, "cpsid i\n" + SYSTICK_COUNTER.format(control=7) + "wfi\n bkpt")
    assert 100_000_000 < passed < 102_000_000


def test_flash_interrupt_comes_when_the_erase_ends(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {16 + 4: HANDLER})
    load(board, "movs r7, #1\n ldr r4, =0x40023C0C\n movs r5, #1\n str r5, [r4]\n bx lr", HANDLER)
    source = """
        ldr r0, =0xE000E100
        movs r1, #1 << 4
        str r1, [r0]
        ldr r0, =0x40023C04
        ldr r1, =0x45670123
        str r1, [r0]
        ldr r1, =0xCDEF89AB
        str r1, [r0]
        ldr r1, =0x01010202
        movs r7, #0
        str r1, [r0, #12]
    1:  wfi
        cmp r7, #1
        bne 1b
        bkpt
    """
    passed = run(board, source, ms=500)
    assert 250 * MS <= passed < 251 * MS, "half of 500 ms, the maximum of a 32 KiB sector at x32"


def mpu_region(board: SimulatedBoard, number: int, base: int, size_log2: int, access: int) -> None:
    put(board, 0xE000ED98, number)
    put(board, 0xE000ED9C, base)
    put(board, 0xE000EDA0, access << 24 | (size_log2 - 1) << 1 | 1)


@pytest.mark.parametrize("address", [0x90000000, 0x9FFFFFFC])
def test_mpu_no_access_region_over_the_qspi_window(board: SimulatedBoard, address: int) -> None:
    vectors(board, TABLE, {3: HANDLER})
    load(board, "bkpt", HANDLER)
    mpu_region(board, 0, 0x90000000, 28, 0)
    put(board, 0xE000ED94, 5)
    run(board, "ldr r0, [r2]\n bkpt", r2=address)
    assert word(board, CFSR) == 0x82, "DACCVIOL and MMARVALID"
    assert word(board, MMFAR) == address


def test_mpu_without_background_map_refuses_what_no_region_covers(board: SimulatedBoard) -> None:
    vectors(board, TABLE, {3: HANDLER})
    load(board, "bkpt", HANDLER)
    mpu_region(board, 0, 0x20000000, 19, 3)
    put(board, 0xE000ED94, 1)
    run(board, "ldr r0, [r2]\n bkpt", r2=0x40023C00)
    assert word(board, CFSR) == 0x82
