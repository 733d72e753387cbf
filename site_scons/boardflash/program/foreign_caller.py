"""Calls single functions of a loader on the halted target: registers, go, wait for the breakpoint, R0.

AAPCS: arguments in R0 to R3, the result in R0; R9 is the static base of -frwpi code, LR points to a BKPT.
Faults end at a second BKPT, so that they are told at once and by name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from boardflash.errors import BoardflashError, ExitCode
from boardflash.foreign.layout import CANARY, Layout
from boardflash.foreign.model import Loader
from boardflash.loader.session import PC, SP, VTOR, XPSR, XPSR_THUMB, MemoryLink

R9, LR = 9, 14
IPSR_MASK = 0x1FF
CFSR, BFAR = 0xE000_ED28, 0xE000_ED38
MPU_CTRL = 0xE000_ED94
EXCEPTIONS = {2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault"}
GRACE_S = 0.5  # the link's own time, on top of the format's limit
POLL_MIN_S = 0.0002
POLL_MAX_S = 0.02


@dataclass
class Tally:
    """What it has cost so far, on the board's clock."""

    calls: Counter[str] = field(default_factory=Counter)
    in_calls_s: float = 0.0
    total_s: float = 0.0
    bytes_sent: int = 0
    bytes_read: int = 0
    reading_s: float = 0.0
    bytes_compared: int = 0
    comparing_s: float = 0.0
    bytes_digested: int = 0
    digesting_s: float = 0.0
    sessions: int = 0


@dataclass(frozen=True)
class ControllerState:
    """Where the memory's controller tells how it stands, each as (register, bits)."""

    mapped: tuple[int, int]  # all set: its window can be read; else a core that does may hang
    busy: tuple[int, int]
    abort: tuple[int, int]  # to be set, and clear themselves


class Caller:
    """One loader in the target's RAM. `where` names board and region, `shown` the loader's file."""

    def __init__(
        self,
        link: MemoryLink,
        loader: Loader,
        layout: Layout,
        where: str,
        shown: str,
        tally: Tally,
        controller: ControllerState | None = None,
    ) -> None:
        self.link = link
        self.loader = loader
        self.layout = layout
        self.tally = tally
        self._where = where
        self._shown = shown
        self._controller = controller

    def load(self) -> None:
        """Reset the core and put everything into RAM; read back, as a loader that is not there can't tell."""
        layout = self.layout
        self.link.reset_and_halt()
        parts = [(layout.vectors, layout.support()), (layout.canary, CANARY)]
        parts += [(part.address + layout.offset, part.data) for part in self.loader.parts]
        for address, data in parts:
            self.put(address, data)
        self.link.write_memory(VTOR, layout.vectors.to_bytes(4, "little"))

    def put(self, address: int, data: bytes) -> None:
        """Code or constants into RAM, read back."""
        padded = data + bytes(-len(data) % 4)
        self.link.write_memory(address, padded)
        if self.link.read_memory(address, len(padded)) != padded:
            raise self.fault(
                "it does not read back from RAM as it was written; check the wiring or lower the speed",
                address,
            )

    def call(self, name: str, *arguments: int, limit_ms: int, at: int) -> int:
        """R0 of the loader's own function. `at`: the address that messages name."""
        entry = self.loader.functions[name] + self.layout.offset
        return self.run(name, entry, arguments, limit_ms, at)

    def copy(self, address: int, size: int, limit_ms: int) -> bytes:
        """Bytes that the core reads: the debugger may have an older copy of a flash window."""
        self.open_window()
        words = -(-size // 4)
        buffer = self.layout.buffer
        self.run("copy out of the window", self.layout.copy, (address, words, buffer), limit_ms, address)
        return self.link.read_memory(buffer, words * 4)[:size]

    def open_window(self) -> None:
        """To the core: a loader may have closed it (ours does), as it is meant for a debugger's reads."""
        self.link.write_memory(MPU_CTRL, bytes(4))

    def maps_window(self) -> bool | None:
        """Whether its Init has mapped the memory; None where this controller can't be asked."""
        return None if self._controller is None else self._all_set(self._controller.mapped)

    def free_controller(self) -> None:
        """After a read: a controller that stays busy, which a loader made for another die does not expect."""
        state = self._controller
        if state is None or self._all_set(state.mapped) or not self._all_set(state.busy):
            return
        register, bits = state.abort
        self.link.write_memory(register, (self._word(register) | bits).to_bytes(4, "little"))

    def _all_set(self, flags: tuple[int, int]) -> bool:
        register, bits = flags
        return self._word(register) & bits == bits

    def _word(self, address: int) -> int:
        return int.from_bytes(self.link.read_memory(address, 4), "little")

    def fault(self, message: str, at: int) -> BoardflashError:
        return BoardflashError(
            f"{self._shown}: {message}", where=f"{self._where} {at:#010x}", code=ExitCode.DEVICE_FAILED
        )

    def run(self, name: str, entry: int, arguments: tuple[int, ...], limit_ms: int, at: int) -> int:
        """R0 of the function at `entry`."""
        link, layout = self.link, self.layout
        for number, value in enumerate(arguments):
            link.write_register(number, value)
        if self.loader.static_base is not None:
            link.write_register(R9, self.loader.static_base + layout.offset)
        link.write_register(SP, layout.stack_top)
        link.write_register(LR, layout.returns | 1)
        link.write_register(PC, entry)
        link.write_register(XPSR, XPSR_THUMB)
        started = link.now()
        link.go()
        self._wait(name, limit_ms, started, at)
        self.tally.in_calls_s += link.now() - started
        self.tally.calls[name] += 1
        pc = link.read_register(PC) & ~1
        if pc != layout.returns:
            raise self._strayed(name, pc, at)
        if link.read_memory(layout.canary, len(CANARY)) != CANARY:
            raise self.fault(f"{name} overran its stack", at)
        return link.read_register(0)

    def _wait(self, name: str, limit_ms: int, started: float, at: int) -> None:
        link = self.link
        pause = POLL_MIN_S
        while not link.is_halted():
            if link.now() - started > limit_ms / 1000 + GRACE_S:
                link.halt()
                pc = link.read_register(PC)
                raise self.fault(
                    f"{name} has not returned after {link.now() - started:.1f} s, its limit is"
                    f" {limit_ms / 1000:g} s (pc {pc:#010x})",
                    at,
                )
            link.pause(pause)
            pause = min(pause * 1.5, POLL_MAX_S)

    def _strayed(self, name: str, pc: int, at: int) -> BoardflashError:
        if pc != self.layout.faults:
            return self.fault(f"{name} stopped at {pc:#010x} instead of returning", at)
        number = self.link.read_register(XPSR) & IPSR_MASK
        status = int.from_bytes(self.link.read_memory(CFSR, 4), "little")
        bus = int.from_bytes(self.link.read_memory(BFAR, 4), "little")
        return self.fault(
            f"{name} ended in a {EXCEPTIONS.get(number, f'exception {number}')} (CFSR {status:#010x},"
            f" BFAR {bus:#010x})",
            at,
        )
