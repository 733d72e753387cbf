"""Where a loader, its stack, its buffer and what it returns to lie in the target's RAM."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from boardflash.errors import BoardflashError
from boardflash.foreign.model import Loader

#: 16 of the core, up to 240 interrupts; VTOR takes such a table at a multiple of its size (ARMv7-M B3.2.5).
VECTORS = 256
TABLE_BYTES = VECTORS * 4
STUBS_BYTES = 32
STACK_BYTES = 4096  # pyOCD gives 512 at least; vendor drivers keep page buffers there
CANARY = bytes.fromhex("0df0adde") * 4
BUFFER_MAX = 64 * 1024
ALIGNMENT = 16
FAULTS = range(2, 8)  # NMI, HardFault, MemManage, BusFault, UsageFault

_BKPT_RETURN, _BKPT_FAULT, _BX_LR = 0xBE00, 0xBE01, 0x4770
#: copy(from r0, words r1, to r2): ldm r0!,{r3}; stm r2!,{r3}; subs r1,#1; bne; bx lr
_COPY = (0xC808, 0xC208, 0x3901, 0xD1FB, _BX_LR)


@dataclass(frozen=True)
class Layout:
    """Absolute addresses."""

    offset: int  # is added to the loader's own addresses
    vectors: int
    returns: int  # BKPT, where LR points
    faults: int  # BKPT, where every fault's vector points
    ignores: int  # where every interrupt's vector points: it returns
    copy: int
    canary: int  # below the stack; below it lies the buffer, so that what overruns the stack harms no code
    stack_top: int
    buffer: int
    buffer_size: int  # a multiple of the page

    def support(self) -> bytes:
        """What lies at `vectors`: the table, and behind it the stubs."""
        table = [self.stack_top, self.faults | 1]
        table += [(self.faults if n in FAULTS else self.ignores) | 1 for n in range(2, VECTORS)]
        stubs = struct.pack("<8H", _BKPT_RETURN, 0xE7FD, _BKPT_FAULT, 0xE7FD, _BX_LR, 0, 0, 0)
        return struct.pack(f"<{VECTORS}I", *table) + stubs + struct.pack("<5H", *_COPY) + bytes(6)


def lay_out(loader: Loader, ram_base: int, ram_size: int, shown: str) -> Layout:
    """A place for everything in this RAM; BoardflashError where there is none."""
    ram_end = ram_base + ram_size
    if loader.fixed and not (ram_base <= loader.start and loader.end <= ram_end):
        raise BoardflashError(
            f"is linked to {loader.start:#010x}..{loader.end - 1:#010x}; the RAM that boardflash uses is"
            f" {ram_base:#010x}..{ram_end - 1:#010x}",
            where=shown,
        )
    if loader.fixed:
        low, high = (ram_base, loader.start), (loader.end, ram_end)
        start, end = max((low, high), key=lambda stretch: stretch[1] - stretch[0])
    else:
        start, end = ram_base, ram_end
    vectors = _up(start, TABLE_BYTES)
    stubs = vectors + TABLE_BYTES
    code = _up(stubs + STUBS_BYTES)
    buffer = code if loader.fixed else _up(code + loader.end)
    page = max(1, loader.device.page_size)  # 0 is told where the sectors are looked at
    room = max(0, end - buffer - len(CANARY) - STACK_BYTES - ALIGNMENT)
    buffer_size = max(min(BUFFER_MAX, room) // page * page, page if page <= room else 0)
    if buffer_size == 0:
        needed = buffer - vectors + page + len(CANARY) + STACK_BYTES + (loader.size if loader.fixed else 0)
        raise BoardflashError(
            f"too large for the RAM: {loader.size} bytes of code and data, a stack of {STACK_BYTES} and a"
            f" page of {page} take {needed} bytes, there are {ram_size}",
            where=shown,
        )
    canary = _up(buffer + buffer_size)
    return Layout(
        offset=0 if loader.fixed else code,
        vectors=vectors,
        returns=stubs,
        faults=stubs + 4,
        ignores=stubs + 8,
        copy=stubs + 16,
        canary=canary,
        stack_top=canary + len(CANARY) + STACK_BYTES,
        buffer=buffer,
        buffer_size=buffer_size,
    )


def _up(address: int, multiple: int = ALIGNMENT) -> int:
    return -(-address // multiple) * multiple
