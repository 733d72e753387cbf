"""The array of a NOR flash and the work inside it: program, erase, their time, and what spoils them.

Cells: programming clears bits, new = old AND data; an erase unit goes to FFh as a whole
(nor-behaviour.md section 4). A page write wraps inside its page; of more than a page the last bytes count.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from boardflash.sim.nor.chip import ChipStats
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.nor.part import Part

PS_PER_US = 1_000_000


@dataclass
class Operation:
    """One self-timed piece of work."""

    kind: str  # "program", "erase", "register"
    start: int  # of the addresses that it changes
    size: int
    end_ps: int
    finish: Callable[[], None]
    took_ps: int  # from its begin, without suspensions
    left_ps: int | None = None  # suspended, with so much still to do


class Cells:
    def __init__(self, part: Part, options: ChipOptions) -> None:
        self.part = part
        self.options = options
        self.size = options.wraps_at or part.size  # of the die; a counterfeit's is smaller than it says
        self.array = bytearray(b"\xff") * part.size  # what lies beyond the die is never read or written
        self.dirty = False
        self.stats = ChipStats()

    def read(self, address: int, count: int) -> bytes:
        """Sequential read; it rolls over at the end of the array."""
        address %= self.size
        data = bytes(self.array[address : min(address + count, self.size)])
        while len(data) < count:
            data += bytes(self.array[: min(count - len(data), self.size)])
        self.stats.bytes_read += count
        return data

    def program(self, address: int, data: bytes) -> None:
        page = self.part.page_size
        base = address % self.size // page * page
        column = address % page
        if len(data) > page:
            column += len(data) - page
            data = data[-page:]
        column %= page
        buffer = bytearray(b"\xff") * page
        first = data[: page - column]
        buffer[column : column + len(first)] = first
        buffer[: len(data) - len(first)] = data[len(first) :]
        old = int.from_bytes(self.array[base : base + page], "little")
        self.array[base : base + page] = (old & int.from_bytes(buffer, "little")).to_bytes(page, "little")
        self._spoil(base, page)
        self.dirty = True
        self.stats.pages_programmed += 1
        self.stats.bytes_programmed += len(data)

    def erase(self, start: int, size: int) -> None:
        size = min(size, self.size)
        start %= self.size
        self.array[start : start + size] = b"\xff" * size
        self._spoil(start, size)
        self.dirty = True
        self.stats.erases[size] = self.stats.erases.get(size, 0) + 1

    def scramble(self, operation: Operation) -> None:
        """Work that was cut off leaves its cells somewhere between old and new; the same each time."""
        if operation.kind not in ("program", "erase"):
            return
        start, size = operation.start % self.size, min(operation.size, self.size)
        noise = random.Random(operation.start).randbytes(size)
        old = int.from_bytes(self.array[start : start + size], "little")
        mixed = int.from_bytes(noise, "little")
        mixed = old | mixed if operation.kind == "erase" else old & mixed
        self.array[start : start + size] = mixed.to_bytes(size, "little")
        self._spoil(start, size)
        self.dirty = True

    def erase_fails(self, start: int, size: int) -> bool:
        return any(start <= address < start + size for address in self.options.erase_fails)

    def program_ps(self, count: int) -> int:
        part = self.part
        if part.program_first_byte_us is None:
            return part.program_us * PS_PER_US
        short = part.program_first_byte_us + (min(count, part.page_size) - 1) * part.program_next_byte_us
        return min(short, part.program_us) * PS_PER_US

    def erase_ps(self, typ_us: int) -> int:
        return round(typ_us * PS_PER_US * self.options.erase_time_factor)

    def spoil(self) -> None:
        """Cells that are stuck are so from the beginning."""
        self._spoil(0, self.part.size)

    def _spoil(self, start: int, size: int) -> None:
        for stuck in self.options.stuck:
            if start <= stuck.address < start + size:
                mask = 1 << stuck.bit
                old = self.array[stuck.address]
                self.array[stuck.address] = old | mask if stuck.value else old & ~mask
