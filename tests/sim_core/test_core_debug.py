"""What a debugger sees: DHCSR and its friends, breakpoints, steps, resets, ROM table (ARMv7-M ARM, C1)."""

from __future__ import annotations

import pytest

from boardflash.sim.board import SimulatedBoard
from boardflash.sim.target import BusFault
from sim_core.guest import MS, RAM, US, assemble, load, new_board, put, word

DHCSR, DCRSR, DCRDR, DEMCR, DFSR, AIRCR = (
    0xE000EDF0,
    0xE000EDF4,
    0xE000EDF8,
    0xE000EDFC,
    0xE000ED30,
    0xE000ED0C,
)
KEY = 0xA05F0000
S_HALT, S_RESET_ST, S_REGRDY = 1 << 17, 1 << 25, 1 << 16


def core_register(board: SimulatedBoard, number: int) -> int:
    put(board, DCRSR, number)
    assert word(board, DHCSR) & S_REGRDY
    return word(board, DCRDR)


def test_cpuid_is_a_cortex_m7(board: SimulatedBoard) -> None:
    assert word(board, 0xE000ED00) == 0x411FC271


def test_halt_and_go_by_dhcsr_alone(board: SimulatedBoard) -> None:
    load(board, "1: adds r0, #1\n b 1b")
    put(board, DHCSR, KEY | 1)
    board.advance(MS)
    assert not word(board, DHCSR) & S_HALT
    put(board, DHCSR, KEY | 3)
    assert word(board, DHCSR) & S_HALT
    assert word(board, DFSR) & 1
    assert core_register(board, 0) == 8000
    put(board, 0xE000EDF0, 1)
    assert word(board, DHCSR) & S_HALT, "without the key nothing happens"


def test_registers_through_dcrsr(board: SimulatedBoard) -> None:
    for number in (*range(13), 14):
        put(board, DCRDR, 0x1000 + number)
        put(board, DCRSR, 1 << 16 | number)
    for number in (*range(13), 14):
        assert core_register(board, number) == board.read_register(number) == 0x1000 + number
    put(board, DCRDR, 0x20001234)
    put(board, DCRSR, 1 << 16 | 13)
    assert core_register(board, 17) == 0x20001234, "SP is the main stack pointer here"
    put(board, DCRDR, 0x01000000)
    put(board, DCRSR, 1 << 16 | 16)
    assert core_register(board, 16) == 0x01000000
    put(board, DCRDR, 1)
    put(board, DCRSR, 1 << 16 | 20)
    assert core_register(board, 20) & 0xFF == 1, "PRIMASK"


def test_a_step_is_one_instruction(board: SimulatedBoard) -> None:
    load(board, "movs r0, #1\n movw r1, #0x1234\n b 1f\n nop\n 1: bkpt")
    places = []
    for _ in range(3):
        put(board, DHCSR, KEY | 5)
        assert word(board, DHCSR) & S_HALT
        places.append(board.read_register(15) - RAM)
    assert places == [2, 6, 10]
    assert (board.read_register(0), board.read_register(1)) == (1, 0x1234)


def test_a_step_after_a_run_of_the_same_code_is_still_one_instruction(board: SimulatedBoard) -> None:
    load(board, "1: adds r0, #1\n adds r0, #1\n adds r0, #1\n b 1b")
    board.resume()
    board.advance(100 * US)
    board.halt()
    board.write_register(15, RAM)
    board.write_register(0, 0)
    for expected in (2, 4, 6, 0):
        board.step()
        assert board.read_register(15) == RAM + expected
    assert board.read_register(0) == 3
    board.resume()
    board.advance(100 * US)
    assert board.read_register(0) == pytest.approx(3 + 1200, abs=4)


@pytest.mark.parametrize("offset", [0, 4, 8])
def test_a_breakpoint_stops_before_its_instruction(board: SimulatedBoard, offset: int) -> None:
    load(board, "adds r0, #1\n adds r0, #1\n adds r0, #1\n adds r0, #1\n 1: adds r0, #1\n bkpt")
    put(board, 0xE0002000, 3)
    assert word(board, 0xE0002000) & 1, "FP_CTRL reads ENABLE back"
    put(board, 0xE0002008, RAM + offset | 1)
    board.resume()
    board.advance(MS)
    assert board.read_register(15) == RAM + offset
    assert board.read_register(0) == offset // 2
    assert word(board, DFSR) & 2
    assert word(board, DHCSR) & 3 == 3, "C_HALT is set by every way into the Debug state"
    put(board, 0xE0002008, 0)
    board.resume()
    board.advance(MS)
    assert board.read_register(0) == 5


def test_a_breakpoint_set_into_code_that_has_run_works(board: SimulatedBoard) -> None:
    load(board, "1: adds r0, #1\n adds r0, #1\n adds r1, #1\n b 1b")
    board.resume()
    board.advance(100 * US)
    put(board, 0xE0002000, 3)
    put(board, 0xE0002008, RAM + 4 | 1)
    board.advance(100 * US)
    assert board.halted()
    assert board.read_register(15) == RAM + 4


def test_what_the_debugger_writes_over_executed_code_takes_effect(board: SimulatedBoard) -> None:
    load(board, "1: adds r0, #1\n b 1b")
    board.resume()
    board.advance(MS)
    board.write_memory(RAM, assemble("1: subs r0, #1\n b 1b").code, 2)
    before = board.read_register(0)
    board.advance(100 * US)
    assert board.read_register(0) == pytest.approx(before - 800, abs=2)


def test_reset_and_halt_stops_at_the_vector(board: SimulatedBoard) -> None:
    board.flash.array[:8] = (0x20010000).to_bytes(4, "little") + (0x08000101).to_bytes(4, "little")
    put(board, RAM, 0x12345678)
    board.reset(halt=True)
    assert board.halted()
    assert board.read_register(15) == 0x08000100
    assert board.read_register(13) == 0x20010000
    assert board.read_register(16) == 0x01000000
    assert word(board, RAM) == 0x12345678, "RAM outlives a reset"


@pytest.mark.parametrize("kind", [4, 1])
def test_vector_catch_stops_a_requested_reset(board: SimulatedBoard, kind: int) -> None:
    board.flash.array[:8] = (0x20010000).to_bytes(4, "little") + (0x08000101).to_bytes(4, "little")
    word(board, DHCSR)
    put(board, DHCSR, KEY | 1)
    put(board, DEMCR, 1)
    put(board, AIRCR, 0x05FA0000 | kind)
    status = word(board, DHCSR)
    assert status & S_HALT
    assert status & S_RESET_ST
    assert not word(board, DHCSR) & S_RESET_ST, "cleared by reading"
    assert board.read_register(15) == 0x08000100
    assert word(board, DEMCR) & 1, "debug registers outlive a system reset"


def test_code_can_reset_the_mcu(board: SimulatedBoard) -> None:
    code = assemble("ldr r0, =0xE000ED0C\n ldr r1, =0x05FA0004\n str r1, [r0]\n 1: b 1b").code
    board.flash.array[:8] = (0x20010000).to_bytes(4, "little") + (0x20000101).to_bytes(4, "little")
    board.write_memory(RAM + 0x100, assemble("bkpt").code + b"\0\0", 2)
    load(board, "nop")
    board.write_memory(RAM, code, 2)
    board.resume()
    board.advance(MS)
    assert board.halted()
    assert board.read_register(15) == RAM + 0x100


def test_rom_table_leads_to_the_components(board: SimulatedBoard) -> None:
    base = 0xE00FF000
    assert [word(board, base + 4 * n) for n in range(4)] == [0xFFF0F003, 0xFFF02003, 0xFFF03003, 0]

    def identity(component: int) -> tuple[int, int]:
        part = sum((word(board, component + 0xFE0 + 4 * n) & 0xFF) << 8 * n for n in range(4))
        cid = sum((word(board, component + 0xFF0 + 4 * n) & 0xFF) << 8 * n for n in range(4))
        return part, cid

    assert identity(base)[1] == 0xB105100D
    assert identity(0xE000E000) == (0x000BB00C, 0xB105E00D)
    assert identity(0xE0001000) == (0x000BB002, 0xB105E00D)
    assert identity(0xE0002000) == (0x000BB00E, 0xB105E00D)


@pytest.mark.parametrize("address", [0x00004000, 0x20050000, 0x08100000, 0x60000000, 0xC0000000])
def test_where_nothing_is_the_bus_answers_with_an_error(board: SimulatedBoard, address: int) -> None:
    with pytest.raises(BusFault):
        word(board, address)
    with pytest.raises(BusFault):
        put(board, address, 0)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_memory_by_every_width(board: SimulatedBoard, width: int) -> None:
    board.write_memory(0x2004FFF0, bytes(range(16)), width)
    assert board.read_memory(0x2004FFF0, 16, width) == bytes(range(16))


@pytest.mark.parametrize("width", [2, 4])
def test_an_unaligned_debug_access_is_refused(board: SimulatedBoard, width: int) -> None:
    with pytest.raises(BusFault):
        board.read_memory(RAM + 1, width, width)


def test_the_board_says_who_it_is() -> None:
    boards = [new_board(), new_board()]
    assert word(boards[0], 0xE0042000) & 0xFFF == 0x449
    assert boards[0].read_memory(0x1FF0F442, 2, 2) == (1024).to_bytes(2, "little")
    ids = [board.read_memory(0x1FF0F420, 12, 4) for board in boards]
    assert ids[0] == ids[1] != bytes(12)


def test_time_passes_while_halted(board: SimulatedBoard) -> None:
    before = board.clock.now_ps
    board.advance(5 * MS)
    assert board.clock.now_ps == before + 5 * MS


DBGMCU_CR, DBG_SLEEP = 0xE0042004, 1


@pytest.mark.parametrize("instruction", ["wfi", "wfe"])
@pytest.mark.parametrize("address", [RAM, 0x08000000, 0x40023800], ids=hex)
def test_a_sleeping_core_hides_the_bus_from_the_debugger(
    board: SimulatedBoard, instruction: str, address: int
) -> None:
    """RM0385 40.16.1: in Sleep mode HCLK is off unless DBG_SLEEP is set; the core's own registers still
    answer."""
    load(board, f"cpsid i\n 1: {instruction}\n b 1b")
    board.resume()
    board.advance(MS)
    with pytest.raises(BusFault, match="DBG_SLEEP"):
        word(board, address)
    with pytest.raises(BusFault, match="DBG_SLEEP"):
        put(board, address, 0)
    put(board, DBGMCU_CR, DBG_SLEEP)
    word(board, address)
    put(board, DBGMCU_CR, 0)
    put(board, DHCSR, KEY | 3)
    word(board, address)


def test_the_debug_bits_outlive_a_reset_but_not_the_power(board: SimulatedBoard) -> None:
    """RM0385 40.16.3: "asynchronously reset by the POR (and not the system reset)"."""
    for register in (DBGMCU_CR, DBGMCU_CR + 4, DBGMCU_CR + 8):
        put(board, register, 7)
    put(board, 0xE000ED0C, 0x05FA0004)
    board.reset(halt=True)
    assert [word(board, DBGMCU_CR + 4 * n) for n in range(3)] == [7, 7, 7]
    board.power_cycle()
    assert [word(board, DBGMCU_CR + 4 * n) for n in range(3)] == [0, 0, 0]


def test_a_reset_ends_what_the_core_was_told(board: SimulatedBoard) -> None:
    """ARMv7-M B1.5.5: SysTick, MPU, VTOR and the enabled interrupts start anew."""
    settings = {
        0xE000E014: 999,
        0xE000E010: 7,
        0xE000ED98: 3,
        0xE000ED94: 5,
        0xE000E100: 0xFF,
        0xE000ED10: 0x10,
    }
    fresh = {address: word(board, address) for address in settings}
    boots_at = word(board, 0xE000ED08)
    for address, value in settings.items():
        put(board, address, value)
    put(board, 0xE000ED08, RAM)
    assert [word(board, address) & 0x1F for address in settings] == [
        value & 0x1F for value in settings.values()
    ]
    board.reset(halt=True)
    assert {address: word(board, address) for address in settings} == fresh
    assert word(board, 0xE000ED08) == boots_at
    board.advance(MS)
    assert not word(board, 0xE000ED04) & 1 << 26, "no tick is pending"
