"""Clocks, their limits, and which pin carries what (RM0385 chapters 4 to 6)."""

from __future__ import annotations

import pytest

from boardflash.sim.board import SimulatedBoard
from sim_core.guest import US, board_with, new_board, put, run, word

RCC = 0x40023800
RCC_CR, PLLCFGR, CFGR, AHB1ENR, AHB3ENR, APB1ENR, CSR = (RCC + n for n in (0, 4, 8, 0x30, 0x38, 0x40, 0x74))
FLASH_ACR, PWR_CR1 = 0x40023C00, 0x40007000
PINS = {"clk": ("B", 2, 9), "ncs": ("B", 6, 10), "io0": ("D", 11, 9), "io1": ("D", 12, 9)}
PINS |= {"io2": ("E", 2, 9), "io3": ("D", 13, 9)}


def select(board: SimulatedBoard, letter: str, pin: int, function: int) -> None:
    base = 0x40020000 + 0x400 * (ord(letter) - ord("A"))
    put(board, base, word(board, base) & ~(3 << 2 * pin) | 2 << 2 * pin)
    register = base + (0x20 if pin < 8 else 0x24)
    shift = 4 * (pin & 7)
    put(board, register, word(board, register) & ~(15 << shift) | function << shift)


def pll(board: SimulatedBoard, value: int) -> None:
    put(board, PLLCFGR, value)
    put(board, RCC_CR, 0x01000083)
    board.advance(300 * US)


def test_a_port_without_its_clock_reads_zero_and_ignores_writes(board: SimulatedBoard) -> None:
    put(board, 0x40020400, 0xAAAAAAAA)
    assert word(board, 0x40020400) == 0
    put(board, AHB1ENR, 0x00100002)
    assert word(board, 0x40020400) == 0x280, "the reset value of port B"


def test_quadspi_without_its_clock_reads_zero_and_ignores_writes(board: SimulatedBoard) -> None:
    put(board, 0xA0001004, 0x00170100)
    assert word(board, 0xA0001004) == 0
    put(board, AHB3ENR, 2)
    assert word(board, 0xA0001004) == 0
    put(board, 0xA0001004, 0x00170100)
    assert word(board, 0xA0001004) == 0x00170100


def test_signals_reach_the_chip_with_the_right_pins(board: SimulatedBoard) -> None:
    put(board, AHB1ENR, 0x0010001F)
    assert not any(board.pads.reaches(signal) for signal in PINS)
    for letter, pin, function in PINS.values():
        select(board, letter, pin, function)
    assert all(board.pads.reaches(signal) for signal in PINS)


@pytest.mark.parametrize("function", [0, 8, 10, 15])
def test_a_wrong_alternate_function_does_not_reach_the_chip(board: SimulatedBoard, function: int) -> None:
    put(board, AHB1ENR, 0x0010001F)
    select(board, "D", 11, function)
    assert not board.pads.reaches("io0")


def test_the_right_function_on_a_pin_without_a_wire_does_not_reach_the_chip(board: SimulatedBoard) -> None:
    put(board, AHB1ENR, 0x0010003F)
    select(board, "F", 8, 10)
    select(board, "C", 9, 9)
    assert not board.pads.reaches("io0")


def test_a_port_clock_that_is_off_again_does_not_reach_the_chip(board: SimulatedBoard) -> None:
    put(board, AHB1ENR, 0x0010001F)
    select(board, "E", 2, 9)
    assert board.pads.reaches("io2")
    put(board, AHB1ENR, 0x0010000F)
    assert not board.pads.reaches("io2")


def test_the_panel_is_wired_to_port_f() -> None:
    board = new_board("acme-panel")
    put(board, AHB1ENR, 0x0010003F)
    select(board, "F", 8, 9)
    assert not board.pads.reaches("io0"), "on PF8 it is AF10"
    select(board, "F", 8, 10)
    assert board.pads.reaches("io0")


def test_hclk_follows_the_pll(board: SimulatedBoard) -> None:
    put(board, FLASH_ACR, 0x105)
    put(board, PLLCFGR, 0x20000000 | 180 << 6 | 8)  # 16 MHz / 8 * 180 / 2
    put(board, RCC_CR, 0x01000083)
    assert not word(board, RCC_CR) & 1 << 25
    board.advance(300 * US)
    assert word(board, RCC_CR) & 1 << 25
    put(board, CFGR, 2)
    assert word(board, CFGR) & 0xC == 8
    assert board.rcc.hclk_hz == 180_000_000
    put(board, CFGR, 2 | 8 << 4)
    assert board.rcc.hclk_hz == 90_000_000
    assert board.violations == []


def test_code_runs_faster_on_the_pll(board: SimulatedBoard) -> None:
    put(board, FLASH_ACR, 0x105)
    pll(board, 0x20000000 | 160 << 6 | 16)  # 80 MHz
    loop = "movw r0, #16000\n 1: subs r0, #1\n bne 1b\n bkpt"
    slow = run(board, loop)
    put(board, CFGR, 2)
    assert run(board, loop) == pytest.approx(slow / 5, rel=0.001)


def test_the_clock_switch_waits_for_the_pll(board: SimulatedBoard) -> None:
    source = """
        ldr r0, =0x40023800
        ldr r1, =0x20002D08
        str r1, [r0, #4]
        ldr r1, =0x01000083
        str r1, [r0]
        movs r1, #2
        str r1, [r0, #8]
    1:  ldr r2, [r0, #8]
        and r2, #12
        cmp r2, #8
        bne 1b
        bkpt
    """
    put(board, FLASH_ACR, 0x105)
    assert 200 * US <= run(board, source) < 202 * US
    assert board.rcc.hclk_hz == 180_000_000


def test_a_pll_outside_its_limits_does_not_lock(board: SimulatedBoard) -> None:
    pll(board, 0x20000000 | 450 << 6 | 8)
    assert not word(board, RCC_CR) & 1 << 25
    pll(board, 0x20000000 | 180 << 6 | 3)
    put(board, RCC_CR, 0x83)
    pll(board, 0x20000000 | 180 << 6 | 3)
    assert not word(board, RCC_CR) & 1 << 25
    assert "pll_range" in {violation.rule for violation in board.violations}


def test_more_than_180_mhz_wants_over_drive(board: SimulatedBoard) -> None:
    put(board, FLASH_ACR, 0x107)
    pll(board, 0x20000000 | 216 << 6 | 8)
    put(board, CFGR, 2)
    assert {violation.rule for violation in board.violations} == {"over_drive"}


def test_over_drive_makes_216_mhz_right(board: SimulatedBoard) -> None:
    put(board, APB1ENR, 1 << 28)
    put(board, 0x40007000, 0x3C000)
    assert word(board, 0x40007004) & 3 << 16 == 3 << 16
    put(board, FLASH_ACR, 0x107)
    pll(board, 0x20000000 | 216 << 6 | 8)
    put(board, CFGR, 2)
    assert board.rcc.hclk_hz == 216_000_000
    assert board.violations == []


def test_flash_with_too_few_wait_states_cannot_be_read(board: SimulatedBoard) -> None:
    pll(board, 0x20000000 | 180 << 6 | 8)
    put(board, CFGR, 2)
    assert board.violations == [], "running from RAM is not yet wrong"
    run(board, "movs r0, #1\n bkpt")
    board.write_register(15, 0x08000000)
    board.resume()
    board.advance(US)
    assert "flash_latency" in {violation.rule for violation in board.violations}
    assert board.core.lockup


def test_software_reset_of_a_peripheral(board: SimulatedBoard) -> None:
    put(board, AHB1ENR, 0x00100008)
    put(board, 0x40020C00, 0x12345678)
    put(board, RCC + 0x10, 8)
    put(board, RCC + 0x10, 0)
    assert word(board, 0x40020C00) == 0


def test_reset_flags_tell_the_cause(board: SimulatedBoard) -> None:
    assert word(board, CSR) >> 24 == 0x0E, "power-on, brown-out and pin"
    put(board, CSR, 1 << 24)
    assert word(board, CSR) >> 24 == 0
    put(board, 0xE000ED0C, 0x05FA0004)
    assert word(board, CSR) >> 24 == 0x14, "software and pin"


@pytest.mark.parametrize(("hse_hz", "ready"), [(25_000_000, True), (None, False)])
def test_the_external_oscillator_gets_ready_only_with_a_crystal(hse_hz: int | None, ready: bool) -> None:
    board = board_with(hse_hz=hse_hz)
    put(board, RCC_CR, 0x10083)
    board.advance(2500 * US)
    assert bool(word(board, RCC_CR) & 1 << 17) is ready


def test_without_a_crystal_nothing_runs_from_it() -> None:
    board = board_with(hse_hz=None)
    put(board, RCC_CR, 0x10083)
    board.advance(2500 * US)
    put(board, CFGR, 1)
    assert word(board, CFGR) & 0xC == 0, "SWS stays on HSI"
    put(board, CFGR, 0)
    put(board, PLLCFGR, 0x20400000 | 432 << 6 | 25)
    put(board, RCC_CR, 0x01010083)
    board.advance(300 * US)
    assert not word(board, RCC_CR) & 1 << 25, "a PLL without its source does not lock"
    assert board.rcc.hclk_hz == 16_000_000


def test_a_pll_that_runs_keeps_its_configuration(board: SimulatedBoard) -> None:
    """RM0385 5.3.2: PLLN, PLLM, PLLP "can be written only if PLL is disabled"."""
    put(board, FLASH_ACR, 0x105)
    pll(board, 0x20000000 | 160 << 6 | 16)
    put(board, PLLCFGR, 0x20000000 | 180 << 6 | 8)
    assert word(board, PLLCFGR) == 0x20000000 | 160 << 6 | 16
    put(board, CFGR, 2)
    assert board.rcc.hclk_hz == 80_000_000
    put(board, CFGR, 0)
    put(board, RCC_CR, 0x83)
    put(board, PLLCFGR, 0x20000000 | 180 << 6 | 8)
    assert word(board, PLLCFGR) == 0x20000000 | 180 << 6 | 8


def test_the_source_of_the_core_cannot_be_switched_off(board: SimulatedBoard) -> None:
    """RM0385 5.3.1: HSION and PLLON "cannot be cleared if" the system clock comes from there."""
    put(board, RCC_CR, 0)
    assert word(board, RCC_CR) & 1
    put(board, FLASH_ACR, 0x105)
    pll(board, 0x20000000 | 160 << 6 | 16)
    put(board, CFGR, 2)
    put(board, RCC_CR, 0x83)
    assert word(board, RCC_CR) & 3 << 24 == 3 << 24
    assert board.rcc.hclk_hz == 80_000_000


@pytest.mark.parametrize("hsi_ppm", [-80_000, 45_000])
def test_the_internal_oscillator_is_off_by_what_the_board_says(hsi_ppm: int) -> None:
    board = board_with(hsi_ppm=hsi_ppm)
    factor = 1 + hsi_ppm / 1e6
    assert board.rcc.hclk_hz == 16 * (1_000_000 + hsi_ppm)
    assert run(board, "nop\n" * 800 + "bkpt") == pytest.approx(50 * US / factor, abs=1)
    put(board, FLASH_ACR, 0x105)
    pll(board, 0x20000000 | 168 << 6 | 8)
    put(board, CFGR, 2)
    assert board.rcc.hclk_hz == pytest.approx(168_000_000 * factor, abs=2)
    assert board.violations == []


def test_180_mhz_of_a_fast_oscillator_are_too_many() -> None:
    board = board_with(hsi_ppm=10_000)
    put(board, FLASH_ACR, 0x107)
    pll(board, 0x20000000 | 180 << 6 | 8)
    put(board, CFGR, 2)
    assert [(v.rule, v.detail) for v in board.violations] == [
        ("over_drive", "HCLK 181800000 Hz without over-drive, at most 180 MHz")
    ]


def test_the_crystal_is_not_off_with_it() -> None:
    board = board_with(hsi_ppm=45_000)
    put(board, RCC_CR, 0x10083)
    board.advance(2500 * US)
    put(board, CFGR, 1)
    assert word(board, CFGR) & 0xC == 4
    assert board.rcc.hclk_hz == 25_000_000


@pytest.mark.parametrize(
    ("vos", "n", "noticed"),
    [(1, 140, False), (1, 148, True), (2, 168, False), (2, 172, True), (3, 180, False)],
)
def test_a_lower_core_voltage_allows_less(board: SimulatedBoard, vos: int, n: int, noticed: bool) -> None:
    put(board, APB1ENR, 1 << 28)
    put(board, PWR_CR1, vos << 14)
    put(board, FLASH_ACR, 0x107)
    pll(board, 0x20000000 | n << 6 | 8)
    put(board, CFGR, 2)
    assert [violation.rule for violation in board.violations] == ["voltage_scale"] * noticed


def test_the_core_voltage_is_chosen_while_the_pll_is_off(board: SimulatedBoard) -> None:
    """RM0385 4.4.1, VOS: "can be modified only when the PLL is OFF"; the other bits always."""
    put(board, APB1ENR, 1 << 28)
    put(board, PWR_CR1, 1 << 14)
    pll(board, 0x20000000 | 160 << 6 | 16)
    put(board, PWR_CR1, 3 << 14 | 1 << 16)
    assert word(board, PWR_CR1) == 1 << 14 | 1 << 16
    put(board, RCC_CR, 0x83)
    put(board, PWR_CR1, 3 << 14)
    assert word(board, PWR_CR1) == 3 << 14
    board.reset(halt=True)
    put(board, APB1ENR, 1 << 28)
    assert word(board, PWR_CR1) == 0xC000, "scale 1 after each reset"


@pytest.mark.parametrize(
    ("m", "n", "locks"), [(8, 100, True), (17, 200, False), (4, 50, False), (2, 50, False)]
)
def test_both_ends_of_the_vco_have_limits(board: SimulatedBoard, m: int, n: int, locks: bool) -> None:
    """RM0385 5.3.2: 1 to 2 MHz at its input; a product within the output's limits does not help."""
    pll(board, 0x20000000 | n << 6 | m)
    assert bool(word(board, RCC_CR) & 1 << 25) is locks


def test_a_pll_whose_source_is_off_does_not_lock(board: SimulatedBoard) -> None:
    put(board, PLLCFGR, 0x20400000 | 432 << 6 | 25)
    put(board, RCC_CR, 0x01000083)
    board.advance(3000 * US)
    assert not word(board, RCC_CR) & 1 << 25, "there is a crystal, but HSEON is clear"


@pytest.mark.parametrize("bits", [1 << 16, 1 << 17])
def test_over_drive_takes_both_of_its_bits(board: SimulatedBoard, bits: int) -> None:
    put(board, APB1ENR, 1 << 28)
    put(board, PWR_CR1, 0xC000 | bits)
    put(board, FLASH_ACR, 0x107)
    pll(board, 0x20000000 | 216 << 6 | 8)
    put(board, CFGR, 2)
    assert [violation.rule for violation in board.violations] == ["over_drive"]


def test_the_backup_domain_outlives_a_reset(board: SimulatedBoard) -> None:
    """RM0385 5.3.20: RCC_BDCR is reset by the backup domain's own reset alone."""
    put(board, RCC + 0x70, 0x8001)
    put(board, AHB1ENR, 0x001000FF)
    board.reset(halt=True)
    assert word(board, RCC + 0x70) == 0x8001
    assert word(board, AHB1ENR) == 0x00100000
