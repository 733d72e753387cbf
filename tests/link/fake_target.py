"""A target for tests of the link: some RAM, some flash, a core that only knows whether it stands."""

from __future__ import annotations

from typing import Protocol

from boardflash.link.jlink import Link, LinkSettings
from boardflash.sim.jlink_wire import LinkCosts, LinkFaults
from boardflash.sim.target import BusFault, VirtualClock

RAM = 0x2000_0000
FLASH = 0x0800_0000
FPB = 0xE000_2000
DBGMCU = 0xE004_2000
SIZE = 256 * 1024
COMPARATORS = 8


class FakeTarget:
    def __init__(self, supply_mv: int = 3300) -> None:
        self.clock = VirtualClock()
        self.supply_mv = supply_mv
        self.memories = {RAM: bytearray(SIZE), FLASH: bytearray(b"\xff" * SIZE), FPB: bytearray(64)}
        self.memories[DBGMCU] = bytearray(16)
        self.memories[FPB][0] = COMPARATORS << 4
        self.registers = dict.fromkeys(range(21), 0)
        self.running = True
        self.halts_on_request = True
        self.resets = 0
        self.steps = 0
        self.widths: list[int] = []
        self.advances: list[int] = []

    def advance(self, ps: int) -> None:
        self.advances.append(ps)
        self.clock.advance_to(self.clock.now_ps + ps)

    def _place(self, address: int, size: int) -> tuple[bytearray, int]:
        for base, memory in self.memories.items():
            if base <= address and address + size <= base + len(memory):
                return memory, address - base
        raise BusFault(address, "nothing there")

    def read_memory(self, address: int, size: int, width: int) -> bytes:
        self.widths.append(width)
        memory, at = self._place(address, size)
        return bytes(memory[at : at + size])

    def write_memory(self, address: int, data: bytes, width: int) -> None:
        self.widths.append(width)
        memory, at = self._place(address, len(data))
        memory[at : at + len(data)] = data
        if address == FPB:  # NUM_CODE is read-only
            memory[0] = data[0] & 0x0F | COMPARATORS << 4

    def halt(self) -> None:
        self.running = not self.halts_on_request

    def resume(self) -> None:
        self.running = True

    def step(self) -> None:
        self.steps += 1

    def halted(self) -> bool:
        return not self.running

    def read_register(self, number: int) -> int:
        return self.registers[number]

    def write_register(self, number: int, value: int) -> None:
        self.registers[number] = value

    def reset(self, halt: bool) -> None:
        self.resets += 1
        self.running = not halt

    def power_cycle(self) -> None:
        self.reset(halt=False)


class Connect(Protocol):
    """Opens a link to the fake target; see conftest.py."""

    def __call__(
        self,
        *,
        faults: LinkFaults | None = None,
        costs: LinkCosts | None = None,
        settings: LinkSettings | None = None,
    ) -> Link: ...
