"""The GPIO ports (RM0385 chapter 6), and which chip line a controller's signal really reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources

import tomli

from boardflash.sim.registers import RegisterBlock
from boardflash.sim.target import VirtualClock

MODER, OTYPER, OSPEEDR, PUPDR, IDR, ODR, BSRR, LCKR, AFRL, AFRH = range(0, 40, 4)
_RESETS = {
    "A": {MODER: 0xA8000000, OSPEEDR: 0x0C000000, PUPDR: 0x64000000},
    "B": {MODER: 0x00000280, OSPEEDR: 0x000000C0, PUPDR: 0x00000100},
}
_ALTERNATE = 2


class GpioPort(RegisterBlock):
    def __init__(self, clock: VirtualClock, letter: str) -> None:
        super().__init__(clock)
        self.letter = letter
        self.reset()

    def reset(self) -> None:
        self._regs = dict.fromkeys(range(0, 40, 4), 0)
        self._regs.update(_RESETS.get(self.letter, {}))

    def get(self, offset: int) -> int:
        if offset == IDR:
            return self._levels()
        if offset == BSRR:
            return 0
        return self._regs.get(offset, 0)

    def put(self, offset: int, value: int) -> None:
        if offset == BSRR:
            self._regs[ODR] = self._regs[ODR] & ~(value >> 16) | value & 0xFFFF
        elif offset in (OTYPER, ODR):
            self._regs[offset] = value & 0xFFFF
        elif offset in self._regs and offset != IDR:
            self._regs[offset] = value

    def mode(self, pin: int) -> int:
        return self._regs[MODER] >> 2 * pin & 3

    def functions(self) -> tuple[int, int, int]:
        """All that decides which function drives which pin of this port."""
        return self._regs[MODER], self._regs[AFRL], self._regs[AFRH]

    def alternate(self, pin: int) -> int | None:
        """The alternate function that drives the pin; None if it is not in that mode."""
        if self.mode(pin) != _ALTERNATE:
            return None
        return self._regs[AFRL if pin < 8 else AFRH] >> 4 * (pin & 7) & 0xF

    def _levels(self) -> int:
        """Outputs read what they drive, open inputs their pull."""
        levels = 0
        for pin in range(16):
            if self.mode(pin) == 1:
                levels |= self._regs[ODR] & 1 << pin
            elif self.mode(pin) == 0 and self._regs[PUPDR] >> 2 * pin & 3 == 1:
                levels |= 1 << pin
        return levels


def load_functions(die: str) -> dict[str, dict[int, tuple[tuple[int, str], ...]]]:
    """Pin -> alternate function -> what QUADSPI puts there, as (bank, line), from `mcus/<die>.toml`."""
    entry = resources.files("boardflash.sim") / "mcus" / f"{die}.toml"
    table = tomli.loads(entry.read_text(encoding="utf-8"))
    functions: dict[str, dict[int, tuple[tuple[int, str], ...]]] = {}
    for signal, places in table["quadspi"].items():
        if signal == "clk":
            reached: tuple[tuple[int, str], ...] = ((1, "clk"), (2, "clk"))  # one clock for both banks
        else:
            bank, line = signal.split("_")
            reached = ((int(bank[2:]), line),)
        for place in places:
            pin, function = place.split("/AF")
            functions.setdefault(pin, {})[int(function)] = reached
    return functions


@dataclass(frozen=True)
class BankPads:
    """What the signals of one bank reach: the view that the controller has while it uses that bank."""

    pads: Pads
    bank: int

    def line_map(self) -> dict[str, str]:
        return self.pads.line_map(self.bank)

    def reaches(self, signal: str) -> bool:
        return self.pads.reaches(signal, self.bank)


class Pads:
    """The wires between the MCU's pins and the NOR chip's lines; they decide on which bank the chip sits."""

    def __init__(
        self,
        ports: Mapping[str, GpioPort],
        clocked: Callable[[str], bool],
        wiring: Mapping[str, str],
        functions: Mapping[str, Mapping[int, tuple[tuple[int, str], ...]]],
    ) -> None:
        self._ports = ports
        self._clocked = clocked
        self._wiring = wiring
        self._functions = functions
        self._wired_ports = [ports[letter] for letter in sorted({pin[1] for pin in wiring})]
        self._maps: dict[int, tuple[object, dict[str, str]]] = {}  # bank -> the settings it holds for, map

    def line_map(self, bank: int = 1) -> dict[str, str]:
        """Controller signal -> the chip's line at which it arrives; absent: it reaches no wire."""
        settings = [port.functions() if self._clocked(port.letter) else None for port in self._wired_ports]
        known = self._maps.get(bank)
        if known is None or known[0] != settings:
            known = self._maps[bank] = (settings, self._trace(bank))
        return known[1]

    def _trace(self, bank: int) -> dict[str, str]:
        arrived: dict[str, str] = {}
        for pin, line in self._wiring.items():
            port = self._ports[pin[1]]
            function = port.alternate(int(pin[2:])) if self._clocked(port.letter) else None
            if function is None:
                continue
            for its_bank, signal in self._functions.get(pin, {}).get(function, ()):
                if its_bank == bank:
                    arrived[signal] = line
        return arrived

    def reaches(self, signal: str, bank: int = 1) -> bool:
        """Does the controller's `signal` arrive at the chip line of that name?"""
        return self.line_map(bank).get(signal) == signal
