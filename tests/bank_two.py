"""A board whose chip sits on the QUADSPI's second bank: its board file, and the same board as built."""

from __future__ import annotations

from pathlib import Path

_BOARD = """\
schema = 1
name   = "bank{bank}"
title  = "A board with its flash on bank 2"
mcu    = "STM32F746NG"

[probe]
interface = "swd"
speed_khz = 4000

[qspi]
bank  = {bank}
chips = ["w25q128jv"]
clock_hz_max = 90_000_000
pins = {{ {pins} }}
"""
_TWIN = """\
name = "bank-two"
mcu = "STM32F746NG"
chip = "W25Q128JV-IQ"

[wiring]
{wiring}
"""
# RM0385's pins of each bank (boards' pin table, and sim/mcus/stm32f746.toml): one clock serves both.
PINS = {
    1: {"clk": "PB2", "ncs": "PB6", "io0": "PD11", "io1": "PD12", "io2": "PE2", "io3": "PD13"},
    2: {"clk": "PB2", "ncs": "PC11", "io0": "PE7", "io1": "PE8", "io2": "PE9", "io3": "PE10"},
}


def board_file(folder: Path, bank: int = 2) -> str:
    pins = ", ".join(f'{line} = "{pin}"' for line, pin in PINS[bank].items())
    path = folder / f"bank{bank}.toml"
    path.write_text(_BOARD.format(bank=bank, pins=pins), encoding="utf-8")
    return str(path)


def twin_file(folder: Path, bank: int = 2) -> str:
    wiring = "\n".join(f'{pin} = "{line}"' for line, pin in PINS[bank].items())
    path = folder / f"twin{bank}.toml"
    path.write_text(_TWIN.format(wiring=wiring), encoding="utf-8")
    return str(path)
