"""Hands for the tests of this folder: pins of a chip moved clock by clock, and the controller's registers.

Nothing of the simulation's own bit handling is used here: levels are made and read bit by bit.
"""

from __future__ import annotations

from boardflash.sim.nor import ChipOptions, NorChip, create_chip
from boardflash.sim.quadspi import QuadSpi
from boardflash.sim.quadspi_wire import Wire
from boardflash.sim.target import VirtualClock

N25Q, JV_IQ, JV_IM = "N25Q128A13", "W25Q128JV-IQ", "W25Q128JV-IM"
MS = 10**9
US = 10**6
IO2_IO3_HIGH = 0b1100

CR, DCR, SR, FCR, DLR, CCR, AR, ABR, DR, PSMKR, PSMAR, PIR, LPTR = range(0, 0x34, 4)
EN, ABORT, TCEN, APMS, PMM = 1, 2, 8, 1 << 22, 1 << 23
TEF, TCF, FTF, SMF, TOF, BUSY = 1, 2, 4, 8, 16, 32
WRITE, READ, POLL, MAPPED = 0, 1 << 26, 2 << 26, 3 << 26


def bits(data: bytes) -> list[int]:
    return [byte >> n & 1 for byte in data for n in range(7, -1, -1)]


def on_one_line(data: bytes, others: int = IO2_IO3_HIGH) -> bytes:
    """The host's levels: IO0 carries the bits, IO1 floats high, IO2 and IO3 as told."""
    return bytes(others | 2 | bit for bit in bits(data))


def on_four_lines(data: bytes) -> bytes:
    return bytes(nibble for byte in data for nibble in (byte >> 4, byte & 15))


class Pins:
    """A chip whose pins the test moves itself."""

    def __init__(self, name: str, **options: object) -> None:
        self.clock = VirtualClock()
        self.chip: NorChip = create_chip(name, self.clock, ChipOptions(**options))  # type: ignore[arg-type]

    def send(self, levels: bytes) -> None:
        """One command that is only listened to by the chip."""
        self.chip.select(self.clock.now_ps)
        self.chip.clock_in(levels)
        self.chip.deselect(self.clock.now_ps)

    def exchange(self, levels: bytes, clocks: int, idle: int = 0xF) -> bytes:
        """A command, and the levels of the bus in the `clocks` after it."""
        self.chip.select(self.clock.now_ps)
        self.chip.clock_in(levels)
        seen = self.chip.clock_out(idle, clocks, self.clock.now_ps)
        self.chip.deselect(self.clock.now_ps)
        return seen

    def spi(self, out: bytes, read: int = 0, others: int = IO2_IO3_HIGH) -> bytes:
        """A command on one line with the answer from IO1."""
        if not read:
            self.send(on_one_line(out, others))
            return b""
        levels = self.exchange(on_one_line(out, others), read * 8, others | 3)
        return bytes(sum((levels[8 * n + k] >> 1 & 1) << (7 - k) for k in range(8)) for n in range(read))

    def qpi(self, out: bytes, read: int = 0, dummies: int = 0) -> bytes:
        levels = self.exchange(on_four_lines(out) + b"\x0f" * dummies, read * 2)
        return bytes(levels[2 * n] << 4 | levels[2 * n + 1] for n in range(read))

    def wait(self, ps: int) -> None:
        self.clock.advance_to(self.clock.now_ps + ps)

    def finish(self) -> int:
        """Let the chip's own work end; how long that took."""
        before = self.clock.now_ps
        change = self.chip.next_change_ps()
        assert change is not None, "the chip is idle"
        self.clock.advance_to(change)
        self.chip.settle(self.clock.now_ps)
        return change - before

    def write(self, out: bytes) -> None:
        """Write enable, the command, and its time."""
        self.spi(b"\x06")
        self.spi(out)
        self.finish()

    @property
    def status(self) -> int:
        return self.spi(b"\x05", 1)[0]

    @property
    def idle(self) -> bool:
        return self.chip.next_change_ps() is None


class Pads:
    """Wires between controller and chip."""

    def __init__(self, missing: tuple[str, ...] = (), swapped: dict[str, str] | None = None) -> None:
        self.missing = set(missing)
        self.swapped = swapped or {}

    def reaches(self, signal: str) -> bool:
        return signal not in self.missing

    def line_map(self) -> dict[str, str]:
        return self.swapped


def ccr(
    opcode: int,
    mode: int = WRITE,
    *,
    lines: tuple[int, int, int] = (1, 0, 0),
    address_bytes: int = 3,
    dummies: int = 0,
    alternate: tuple[int, int] = (0, 0),
    instruction_once: bool = False,
) -> int:
    """CCR from lines of instruction, address and data; `alternate` = (lines, bytes)."""
    code = {0: 0, 1: 1, 2: 2, 4: 3}
    value = opcode | mode | code[lines[0]] << 8 | code[lines[1]] << 10 | code[lines[2]] << 24
    value |= (address_bytes - 1) << 12 if lines[1] else 0
    value |= code[alternate[0]] << 14 | (max(alternate[1], 1) - 1) << 16
    return value | dummies << 18 | instruction_once << 28


class Controller:
    """The registers as a driver sees them, at 54 MHz unless told otherwise."""

    def __init__(
        self,
        name: str | None = JV_IQ,
        pads: Pads | None = None,
        fsize: int = 23,
        prescaler: int = 3,
        busy_stays: str = "reads",
        late_abort: bool = False,
        bank: int = 1,
        **options: object,
    ) -> None:
        self.clock = VirtualClock()
        self.pads = pads or Pads()
        made = None if name is None else create_chip(name, self.clock, ChipOptions(**options))  # type: ignore[arg-type]
        self.maybe_chip = made
        self.violations: list[str] = []
        self.q = QuadSpi(
            self.clock,
            lambda: 216_000_000,
            [Wire(self.pads, made if bank == 1 else None), Wire(self.pads, made if bank == 2 else None)],
            busy_stays=busy_stays,
            late_abort=late_abort,
            violation=lambda rule, detail: self.violations.append(rule),
        )
        self.w(DCR, fsize << 16 | 1 << 8)
        self.w(CR, prescaler << 24 | EN)

    @property
    def chip(self) -> NorChip:
        assert self.maybe_chip is not None
        return self.maybe_chip

    def w(self, register: int, value: int, width: int = 4) -> None:
        self.q.write(register, value, width)

    def r(self, register: int, width: int = 4) -> int:
        return self.q.read(register, width)

    @property
    def sr(self) -> int:
        return self.r(SR)

    @property
    def flevel(self) -> int:
        return self.sr >> 8 & 0x3F

    def wait(self, ps: int) -> None:
        self.clock.advance_to(self.clock.now_ps + ps)

    def until(self, flag: int, level: bool = True) -> None:
        """Wait as an idle-skipping core does: from change to change."""
        while bool(self.sr & flag) is not level:
            change = self.q.next_change_ps()
            assert change is not None, "nothing will change any more"
            assert change > self.clock.now_ps
            self.clock.advance_to(change)

    def abort(self) -> None:
        self.w(CR, self.r(CR) | ABORT)
        self.w(FCR, 0x1F)

    def command(self, opcode: int) -> None:
        self.w(CCR, ccr(opcode))
        self.until(BUSY, False)
        self.w(FCR, TCF)

    def read(self, command: int, count: int, address: int | None = None) -> bytes:
        self.w(DLR, count - 1)
        self.w(CCR, command | READ)
        if address is not None:
            self.w(AR, address)
        data = bytes(self.r(DR, 1) for _ in range(count))
        self.abort()
        return data

    def write(self, command: int, data: bytes, address: int | None = None) -> None:
        self.w(DLR, len(data) - 1)
        self.w(CCR, command)
        if address is not None:
            self.w(AR, address)
        for byte in data:
            self.w(DR, byte, 1)
        self.until(TCF)
        self.abort()

    def erase(self, opcode: int, address: int, address_bytes: int = 3) -> None:
        self.command(0x06)
        self.w(CCR, ccr(opcode, lines=(1, 1, 0), address_bytes=address_bytes))
        self.w(AR, address)
        self.until(TCF)
        self.w(FCR, TCF)

    def status(self) -> int:
        return self.read(ccr(0x05, lines=(1, 0, 1)), 1)[0]

    def ready(self) -> None:
        """Auto-poll the chip's WIP bit, then stop."""
        cr = self.r(CR)
        self.w(CR, cr | APMS)
        self.w(PSMKR, 1)
        self.w(PSMAR, 0)
        self.w(PIR, 16)
        self.w(DLR, 0)
        self.w(CCR, ccr(0x05, POLL, lines=(1, 0, 1)))
        self.until(SMF)
        self.w(FCR, SMF)
        self.w(CR, cr)

    def program(self, command: int, data: bytes, address: int) -> None:
        self.command(0x06)
        self.write(command, data, address)
        self.ready()
