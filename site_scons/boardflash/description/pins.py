"""The `[qspi] pins` of a board: each must carry its signal of that bank on that part, and stand there once."""

from __future__ import annotations

import re

from boardflash.description.model import PinUse
from boardflash.description.parts import PinFunction
from boardflash.description.toml_tables import Table

CONTROL_SIGNALS = ("clk", "ncs")
DATA_SIGNALS = ("io0", "io1", "io2", "io3")


def parse_pins(
    table: Table, bank: int, functions: tuple[PinFunction, ...], family_pins: frozenset[str], part: str
) -> tuple[PinUse, ...]:
    """The six pins in the order clk, ncs, io0 to io3. `family_pins` are those of the die in any package."""
    uses: list[PinUse] = []
    for signal in (*CONTROL_SIGNALS, *DATA_SIGNALS):
        use = _pin(table, signal, bank, functions, family_pins, part)
        twice = next((other for other in uses if other.pin == use.pin), None)
        if twice:
            table.fail(signal, f"{use.pin} is {twice.signal} already; a pin carries one signal")
        uses.append(use)
    return tuple(uses)


def _pin(
    table: Table,
    signal: str,
    bank: int,
    functions: tuple[PinFunction, ...],
    family_pins: frozenset[str],
    part: str,
) -> PinUse:
    text = table.text(signal)
    match = re.fullmatch(r"(P[A-K])(\d{1,2})(?:/AF(\d{1,2}))?", text)
    if match is None or int(match[2]) > 15:
        table.fail(signal, 'expected a pin like "PB2" or "PB2/AF9"')
    pin = f"{match[1]}{int(match[2])}"
    on_pin = [entry for entry in functions if entry.pin == pin]
    right = [entry for entry in functions if entry.signal == signal and entry.bank in (0, bank)]
    fits = [entry for entry in on_pin if entry in right]
    choices = (
        f"{signal} of bank {bank} is on {', '.join(map(str, right))}" if right else _no_bank(signal, bank)
    )
    if not fits:
        if on_pin:
            does = " and ".join(f"{entry.signal}{_of_bank(entry.bank)}" for entry in on_pin)
            table.fail(signal, f"{pin} carries {does} on {part}; {choices}")
        if pin in family_pins:
            table.fail(signal, f"{part} has no {pin} with a QUADSPI function in its package; {choices}")
        table.fail(signal, f"{pin} has no QUADSPI function on {part}; {choices}")
    if match[3] is None:
        return PinUse(signal, pin, fits[0].function)
    wanted = int(match[3])
    if all(entry.function != wanted for entry in fits):
        right_functions = " or ".join(f"AF{entry.function}" for entry in fits)
        table.fail(
            signal, f"{pin} has no QUADSPI function on AF{wanted}; on this MCU it is {right_functions}."
        )
    return PinUse(signal, pin, wanted)


def _of_bank(bank: int) -> str:
    return f" of bank {bank}" if bank else ""


def _no_bank(signal: str, bank: int) -> str:
    return f"no pin of this part carries {signal} of bank {bank}"
