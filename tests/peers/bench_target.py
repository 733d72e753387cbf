"""The least that a debug client needs to find: RAM and the Cortex-M7's debug registers, no code runs.

For tests of the adapters alone (Armv7-M manual chapter C1 for DHCSR, DCRSR, DEMCR; FP_CTRL C1.11).
"""

from __future__ import annotations

from boardflash.sim.target import BusFault, VirtualClock

RAM = 0x20000000
RAM_SIZE = 0x40000
CPUID = 0xE000ED00
DHCSR = 0xE000EDF0
DCRSR = 0xE000EDF4
DCRDR = 0xE000EDF8
FP_CTRL = 0xE0002000
DEBUG_KEY = 0xA05F
C_HALT = 1 << 1
S_REGRDY = 1 << 16
S_HALT = 1 << 17


class BenchTarget:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.ram = bytearray(RAM_SIZE)
        self.words = {CPUID: 0x411FC271, 0xE0042000: 0x10010449, FP_CTRL: 0x10000080, 0xE0001000: 0x40000000}
        self.accesses: list[tuple[str, int, int]] = []
        self._registers: dict[int, int] = {}
        self._halted = False

    def advance(self, ps: int) -> None:
        self.clock.advance_to(self.clock.now_ps + ps)

    def read_memory(self, address: int, size: int, width: int) -> bytes:
        self.accesses.append(("read", address, width))
        if RAM <= address < RAM + RAM_SIZE:
            return bytes(self.ram[address - RAM : address - RAM + size])
        if address >> 28 != 0xE:
            raise BusFault(address, "nothing there")
        word = self.words.get(address & ~3, 0)
        if address == DHCSR:
            word = (word & 0xFFFF) | S_REGRDY | (S_HALT if self._halted else 0)
        return word.to_bytes(4, "little")[address & 3 : (address & 3) + size]

    def write_memory(self, address: int, data: bytes, width: int) -> None:
        self.accesses.append(("write", address, width))
        if RAM <= address < RAM + RAM_SIZE:
            self.ram[address - RAM : address - RAM + len(data)] = data
            return
        if address >> 28 != 0xE:
            raise BusFault(address, "nothing there")
        value = int.from_bytes(data, "little")
        if address == DHCSR:
            if value >> 16 != DEBUG_KEY:
                return
            self._halted = bool(value & C_HALT)
        elif address == DCRSR:
            self._transfer_register(value)
        self.words[address & ~3] = value & 0xFFFF if address == DHCSR else value

    def _transfer_register(self, selector: int) -> None:
        number = selector & 0x7F
        if selector >> 16 & 1:
            self.write_register(number, self.words.get(DCRDR, 0))
        else:
            self.words[DCRDR] = self.read_register(number)

    def halt(self) -> None:
        self._halted = True

    def resume(self) -> None:
        self._halted = False

    def step(self) -> None: ...

    def halted(self) -> bool:
        return self._halted

    def read_register(self, number: int) -> int:
        return self._registers.get(number, 0)

    def write_register(self, number: int, value: int) -> None:
        self._registers[number] = value

    def reset(self, halt: bool) -> None:
        self._halted = self._halted or halt

    def power_cycle(self) -> None:
        self.ram[:] = bytes(RAM_SIZE)
