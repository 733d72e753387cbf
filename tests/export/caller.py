"""Calls the functions of a loader file as its host does, through a board's debug port and nothing else.

The bytes of the file go into RAM at any address; each call sets SP, R9, LR to a breakpoint, R0 to R3 and PC,
lets the core run until it halts there, and reads R0 and R1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boardflash.sim.target import Target
from export.plain_elf import PlainElf

R9, SP, LR, PC, XPSR = 9, 13, 14, 15, 16
THUMB_STATE = 0x0100_0000
BREAKPOINT = b"\x00\xbe\xfe\xe7"  # bkpt 0; b .
STEP_PS = 2 * 10**9
LIMIT_S = 400  # above the longest chip erase
STACK_SIZE = 512  # the least that pyOCD gives to an algorithm with two page buffers (reference 1.3)
CANARY = 0xA5
JUNK = 0xDEAD_BEEF


class CallTimeout(Exception):  # noqa: N818
    """The core did not come back to the breakpoint."""


@dataclass
class Caller:
    target: Target
    elf: PlainElf
    offset: int  # from linked to loaded addresses
    breakpoint: int
    stack: int  # its top
    buffer: int  # free RAM for data
    static_base: int

    def call(self, name: str, *arguments: int) -> int:
        """R0 after the function has returned."""
        return self.call_wide(name, *arguments)[0]

    def call_wide(self, name: str, *arguments: int) -> tuple[int, int]:
        target = self.target
        for number, value in enumerate([*arguments, JUNK, JUNK, JUNK, JUNK][:4]):
            target.write_register(number, value)
        target.write_register(R9, self.static_base)
        target.write_register(SP, self.stack)
        target.write_register(LR, self.breakpoint | 1)
        target.write_register(XPSR, THUMB_STATE)
        target.write_register(PC, (self.elf.symbols[name] & ~1) + self.offset)
        target.resume()
        end = target.clock.now_ps + LIMIT_S * 10**12
        while not target.halted():
            if target.clock.now_ps > end:
                target.halt()
                raise CallTimeout(f"{name} at {target.read_register(PC):#010x}")
            target.advance(STEP_PS)
        if target.read_register(PC) != self.breakpoint:
            raise CallTimeout(f"{name} halted at {target.read_register(PC):#010x}")
        return target.read_register(0), target.read_register(1)

    def put(self, data: bytes) -> int:
        """The address of the data in RAM."""
        self.target.write_memory(self.buffer, data, 1)
        return self.buffer

    def take(self, size: int) -> bytes:
        return self.target.read_memory(self.buffer, size, 1)

    def stack_left(self) -> int:
        """Bytes of the stack that no call has touched."""
        stack = self.target.read_memory(self.stack - STACK_SIZE, STACK_SIZE, 1)
        return len(stack) - len(stack.lstrip(bytes([CANARY])))


def load(target: Target, path: Path, address: int | None = None) -> Caller:
    """Reset and halt, and the file's segments in RAM: as linked, or with the first at `address`.

    RAM holds other bytes than 0 before: hosts clear nothing.
    """
    elf = PlainElf(path)
    target.reset(halt=True)
    parts = [segment for segment in elf.segments if not describes(elf, segment.address)]
    start = parts[0].address
    offset = 0 if address is None else address - start
    end = max(part.address + part.memory_size for part in parts) + offset
    stack = (end + 7 & ~7) + STACK_SIZE
    filler = bytes([CANARY]) * (stack + 0x4000 - (start + offset) + 4)
    target.write_memory(start + offset - 4, filler, 1)
    for part in parts:
        target.write_memory(part.address + offset, part.data, 1)
    target.write_memory(start + offset - 4, BREAKPOINT, 1)
    data = [section.address for section in elf.loaded if section.name == "PrgData"]
    base = data[0] + offset if data else JUNK
    return Caller(target, elf, offset, start + offset - 4, stack, stack + 4, base)


def describes(elf: PlainElf, address: int) -> bool:
    """A segment that only tells of the device; hosts do not load it."""
    return any(elf.symbols.get(name) == address for name in ("FlashDevice", "StorageInfo"))
