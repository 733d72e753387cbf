"""The `[qspi] pins` of a board: each carries its signal of that bank on that part, and stands there once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from boardflash.description.model import Chip, PinUse
from boardflash.description.parts import PinFunction
from boardflash.description.toml_tables import Table

CONTROL_SIGNALS = ("clk", "ncs")
DATA_SIGNALS = ("io0", "io1", "io2", "io3")
_QUAD_SIGNALS = ("io2", "io3")


@dataclass(frozen=True)
class PinTable:
    """What the pin table knows of one part."""

    part: str
    functions: tuple[PinFunction, ...]
    family_pins: frozenset[str]  # pins with a function of the controller on this die in any package


def parse_pins(table: Table, bank: int, known: PinTable, chips: Sequence[Chip]) -> tuple[PinUse, ...]:
    """The pins in the order clk, ncs, io0 to io3. io2 and io3 may lack if no chip is used on four lines."""
    quad = next((chip for chip in chips if 4 in (chip.read.lines.data, chip.program.lines.data)), None)
    uses: list[PinUse] = []
    for signal in (*CONTROL_SIGNALS, *DATA_SIGNALS):
        if signal in _QUAD_SIGNALS and signal not in table:
            if quad:
                lines = next(lines for lines in (quad.read.lines, quad.program.lines) if lines.data == 4)
                table.fail(
                    signal, f"the string is missing; {quad.name} is used with {lines}, which needs this pin"
                )
            continue
        use = _pin(table, signal, bank, known)
        twice = next((other for other in uses if other.pin == use.pin), None)
        if twice:
            table.fail(signal, f"{use.pin} is {twice.signal} already; a pin carries one signal")
        uses.append(use)
    return tuple(uses)


def _pin(table: Table, signal: str, bank: int, known: PinTable) -> PinUse:
    text = table.text(signal)
    match = re.fullmatch(r"(P[A-K])(\d{1,2})(?:/AF(\d{1,2}))?", text)
    if match is None or int(match[2]) > 15:
        table.fail(signal, 'expected a pin like "PB2" or "PB2/AF9"')
    pin = f"{match[1]}{int(match[2])}"
    fits = [
        entry
        for entry in known.functions
        if entry.pin == pin and entry.signal == signal and entry.bank in (0, bank)
    ]
    if not fits:
        table.fail(signal, f"{_unfit(pin, known)}; {_choices(signal, bank, known)}")
    if match[3] is None:
        return PinUse(signal, pin, fits[0].function)
    wanted = int(match[3])
    if all(entry.function != wanted for entry in fits):
        right = " or ".join(f"AF{entry.function}" for entry in fits)
        table.fail(signal, f"{pin} has no QUADSPI function on AF{wanted}; on this MCU it is {right}.")
    return PinUse(signal, pin, wanted)


def _unfit(pin: str, known: PinTable) -> str:
    """Why a pin can't be what the board file says."""
    on_pin = [entry for entry in known.functions if entry.pin == pin]
    if on_pin:
        carried = " and ".join(f"{entry.signal}{_of(entry.bank)}" for entry in on_pin)
        return f"{pin} carries {carried} on {known.part}"
    if pin in known.family_pins:
        return f"{known.part} has no QUADSPI function on {pin}; other packages of this die have"
    return f"{pin} has no QUADSPI function on {known.part}"


def _choices(signal: str, bank: int, known: PinTable) -> str:
    right = [entry for entry in known.functions if entry.signal == signal and entry.bank in (0, bank)]
    if not right:
        return f"no pin of this part carries {signal} of bank {bank}"
    return f"{signal} of bank {bank} is on {', '.join(map(str, right))}"


def _of(bank: int) -> str:
    return f" of bank {bank}" if bank else ""
