"""Virtual time: an instruction is a cycle, a wait may be skipped but never changes what happens or when."""

from __future__ import annotations

import time

import pytest

from boardflash.errors import BoardflashError
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.bus import REGISTER_CYCLES
from boardflash.sim.twin import load_twin, twin_names
from sim_core.guest import MS, US, board_with, load, new_board, put, run, word

FLASH = 0x08000000
KEYR, SR, CR = 0x40023C04, 0x40023C0C, 0x40023C10

UNLOCK = """
    ldr r0, =0x40023C00
    ldr r1, =0x45670123
    str r1, [r0, #4]
    ldr r1, =0xCDEF89AB
    str r1, [r0, #4]
"""
PROGRAM_WORDS = (
    UNLOCK
    + """
    ldr r1, =0x201
    str r1, [r0, #16]
    ldr r2, =0x08000000
    movw r3, #{words}
1:  str r3, [r2], #4
    dsb
2:  ldr r1, [r0, #12]
    tst r1, #1 << 16
    bne 2b
    subs r3, #1
    bne 1b
    bkpt
    """
)
ERASE_WITH_CALLS = (
    (
        UNLOCK
        + """
    ldr r1, =0x00010202
    str r1, [r0, #16]
    ldr r7, =0x40003000
    ldr r6, =0xAAAA
    b 3f
2:  push {{r4, lr}}
    ldr r1, [r0, #12]
    str r6, [r7]
    pop {{r4, pc}}
3:  bl 2b
    tst r1, #1 << 16
    bne 3b
    bkpt
    """
    )
    .replace("{{", "{")
    .replace("}}", "}")
)
WITH_TIMEOUT_COUNT = (
    UNLOCK
    + """
    ldr r1, =0x00010202
    str r1, [r0, #16]
    movs r5, #0
2:  adds r5, #1
    ldr r1, [r0, #12]
    tst r1, #1 << 16
    bne 2b
    bkpt
    """
)


def test_one_instruction_is_one_cycle(board: SimulatedBoard) -> None:
    assert run(board, "nop\n" * 800 + "bkpt") == 50 * US
    assert run(board, "movw r0, #1000\n 1: subs r0, #1\n bne 1b\n bkpt") == pytest.approx(
        2001 * 62_500, abs=62_500
    )


CYCLE_PS = 62_500  # of 16 MHz
RCC_CR, RAM_WORD, SHCSR = 0x40023800, 0x20004000, 0xE000ED24


@pytest.mark.parametrize(
    ("code", "address", "accesses"),
    [
        ("ldr r0, [r1]\n", RCC_CR, 1),
        ("str r2, [r1]\n", 0x40020000, 1),
        ("ldrb r0, [r1]\n", RCC_CR, 1),
        ("ldrd r0, r3, [r1]\n", RCC_CR, 2),
        ("ldr r0, [r1]\n", 0xA0001000, 1),
        ("ldr r0, [r1]\n", RAM_WORD, 0),
        ("str r2, [r1]\n", RAM_WORD, 0),
        ("ldr r0, [r1]\n", SHCSR, 0),
    ],
    ids=["read", "write", "byte", "two words", "QUADSPI", "RAM read", "RAM write", "core's own"],
)
@pytest.mark.parametrize("cycles", [1, 7, None], ids=["as RAM", "7", "default"])
def test_a_register_access_waits_for_the_bus(
    code: str, address: int, accesses: int, cycles: int | None
) -> None:
    board = board_with() if cycles is None else board_with(register_cycles=cycles)
    more = (REGISTER_CYCLES if cycles is None else cycles) - 1
    assert run(board, code * 40 + "bkpt", r1=address, r2=0) == 40 * (1 + accesses * more) * CYCLE_PS


def test_the_stated_cost_is_that_of_the_twins() -> None:
    assert REGISTER_CYCLES == 10
    assert all(load_twin(name).register_cycles == REGISTER_CYCLES for name in twin_names())


def test_an_access_sees_the_time_of_those_before_it_in_its_block() -> None:
    """The word count falls between two reads of SR that no branch separates."""
    board = board_with(register_cycles=100)
    read = "ldr r2, [r0, #12]\n"
    source = UNLOCK + "ldr r1, =0x201\n str r1, [r0, #16]\n ldr r3, =0x08000000\n str r1, [r3]\n dsb\n"
    run(board, source + read + "mov r4, r2\n" + read * 3 + "bkpt")
    assert board.read_register(4) & 1 << 16
    assert not board.read_register(2) & 1 << 16, "16 us are 256 cycles"


@pytest.mark.parametrize("value", [0, -1, 2.5])
def test_no_access_takes_less_than_a_cycle(value: object) -> None:
    with pytest.raises(BoardflashError) as caught:
        board_with(register_cycles=value)
    assert str(caught.value) == "stm32f746g-disco: register_cycles: expected a whole number from 1 on"


@pytest.mark.parametrize("ps", [1, 62_500, 777_777, 10_000_000])
def test_advance_passes_the_moment_by_at_most_a_block(board: SimulatedBoard, ps: int) -> None:
    load(board, "1: adds r0, #1\n adds r0, #1\n b 1b")
    board.resume()
    for _ in range(50):
        before = board.clock.now_ps
        board.advance(ps)
        assert before + ps <= board.clock.now_ps <= before + ps + 3 * 62_500


def test_slices_of_any_length_come_to_the_same(board: SimulatedBoard) -> None:
    results = []
    for step in (13_000_000, 100 * MS):
        other = new_board()
        load(other, PROGRAM_WORDS.format(words=50))
        other.resume()
        while not other.halted():
            other.advance(step)
        results.append((other.flash.array[:256].tobytes(), other.core.engine.cycles))
    assert results[0][0] == results[1][0]
    assert results[0][1] == pytest.approx(results[1][1], abs=2)


def test_cycle_counter_counts_hclk(board: SimulatedBoard) -> None:
    source = """
        ldr r0, =0xE000EDFC
        ldr r1, =0x01000000
        str r1, [r0]
        ldr r0, =0xE0001000
        movs r1, #1
        str r1, [r0]
        ldr r2, [r0, #4]
        isb
        {unlock}
        str r1, [r0]
        b 2f
    2:  ldr r3, [r0, #4]
        movw r1, #500
    1:  subs r1, #1
        bne 1b
        ldr r4, [r0, #4]
        bkpt
    """
    run(board, source.format(unlock=""))
    assert board.read_register(4) == 0, "on a Cortex-M7 the lock register comes first"
    run(board, source.format(unlock="ldr r5, =0xC5ACCE55\n str r5, [r0, #0xFB0]\n movs r1, #1"))
    assert 1000 <= board.read_register(4) - board.read_register(3) <= 1005


@pytest.mark.parametrize(
    ("source", "ms"),
    [
        (PROGRAM_WORDS.format(words=40), 10),
        (ERASE_WITH_CALLS, 400),
        (WITH_TIMEOUT_COUNT, 400),
        (UNLOCK + "movw r3, #300\n 1: ldr r1, [r0, #12]\n subs r3, #1\n bne 1b\n bkpt", 10),
    ],
    ids=["words", "calls-and-watchdog", "counted", "counted-down"],
)
def test_skipping_changes_neither_time_nor_result(source: str, ms: int) -> None:
    outcomes = []
    for skip in (True, False):
        board = new_board(skip_waiting=skip, flash_typ_ratio=0.02)
        passed = run(board, source, ms=ms)
        registers = [board.read_register(n) for n in range(17)]
        outcomes.append((passed, registers, board.flash.array[:1024].tobytes(), board.core.engine.cycles))
    assert outcomes[0][:3] == outcomes[1][:3]


def test_a_second_of_waiting_is_skipped(board: SimulatedBoard) -> None:
    started = time.process_time()
    run(board, ERASE_WITH_CALLS, ms=600)
    assert board.core.engine.executed < 100_000
    assert time.process_time() - started < 2


def test_a_wait_for_ram_ends_with_the_debuggers_write(board: SimulatedBoard) -> None:
    load(board, "1: ldr r0, [r1]\n cmp r0, #0\n beq 1b\n bkpt")
    board.write_register(1, 0x20004000)
    board.resume()
    board.advance(500 * MS)
    assert not board.halted()
    assert board.core.engine.executed < 1000
    put(board, 0x20004000, 7)
    board.advance(US)
    assert board.halted()
    assert board.read_register(0) == 7


def test_a_loop_that_stores_progress_is_not_a_wait(board: SimulatedBoard) -> None:
    source = (
        "movw r3, #20000\n 1: ldr r0, [r1]\n adds r0, #1\n str r0, [r1]\n movs r0, #0\n 2: ldr r2, [r1]\n"
    )
    run(board, source + "cmp r2, r3\n mov r2, #0\n blo 1b\n bkpt", ms=100, r1=0x20004000)
    assert word(board, 0x20004000) == 20000


def test_a_wait_for_systick_is_ended_by_systick(board: SimulatedBoard) -> None:
    source = """
        ldr r0, =0xE000E010
        ldr r1, =15999
        str r1, [r0, #4]
        str r1, [r0, #8]
        movs r1, #5
        str r1, [r0]
        movs r3, #10
    1:  ldr r1, [r0]
        tst r1, #1 << 16
        beq 1b
        subs r3, #1
        bne 1b
        bkpt
    """
    assert run(board, source, ms=20) == pytest.approx(10 * MS, abs=US)
    assert board.core.engine.executed < 20_000


def test_the_cycle_counter_stands_still_in_sleep(board: SimulatedBoard) -> None:
    """It counts the core's clock, which sleep switches off (ARMv7-M C1.8.3, RM0385 4.3.3)."""
    source = """
        ldr r0, =0xE000EDFC
        ldr r1, =0x01000000
        str r1, [r0]
        ldr r0, =0xE0001000
        ldr r1, =0xC5ACCE55
        str r1, [r0, #0xFB0]
        movs r1, #1
        str r1, [r0]
        cpsid i
        ldr r2, =0xE000E010
        ldr r1, =15999
        str r1, [r2, #4]
        str r1, [r2, #8]
        movs r1, #7
        str r1, [r2]
        wfi
        b 2f
    2:  ldr r3, [r0, #4]
        bkpt
    """
    assert run(board, source) == pytest.approx(MS, rel=0.01)
    assert board.read_register(3) < 100, "of 16,000"
