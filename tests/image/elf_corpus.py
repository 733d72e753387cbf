"""ELF files as linkers leave them, each with what must come of it. Nothing here is shared with the reader.

Layouts as GNU ld with 4 and 64 KiB pages, LLD, armlink 5 and 6 and IAR ilink make them (armlink: sections
before the program headers, RO and RW under one PT_LOAD). A file is put together from blocks at
offsets; what belongs into a memory is stated beside it, byte for byte, by the one who made the layout.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

FLASH, QSPI, RAM = 0x0800_0000, 0x9000_0000, 0x2000_0000
PROGBITS, NOBITS, NOTE, EXIDX = 1, 8, 7, 0x7000_0001
ALLOC, WRITE, EXEC, TLS = 2, 1, 4, 0x400
KIB = 1024


def noise(name: str, size: int) -> bytes:
    """No byte of it is 0 or FFh, so that no filling can be taken for it."""
    return bytes(random.Random(name).choices(range(1, 255), k=size))


@dataclass
class Layout:
    """A file in the making."""

    name: str
    blocks: dict[int, bytes] = field(default_factory=dict)  # by offset
    loads: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    sections: list[tuple[str, int, int, int, int, int]] = field(default_factory=list)
    image: dict[int, bytes] = field(default_factory=dict)  # by address: what must be written, no more
    left_out: list[tuple[int, int]] = field(default_factory=list)  # (address, size) that is told
    headers_at_end: bool = False
    has_sections: bool = True

    def load(self, offset: int, virtual: int, physical: int, size: int, memory: int | None = None) -> None:
        self.loads.append((offset, virtual, physical, size, size if memory is None else memory))

    def put(self, name: str, offset: int, address: int, data: bytes, kind: int = PROGBITS) -> None:
        """A section with contents."""
        self.blocks[offset] = data
        self.sections.append((name, kind, ALLOC, address, offset, len(data)))

    def bss(self, name: str, offset: int, address: int, size: int, flags: int = ALLOC | WRITE) -> None:
        self.sections.append((name, NOBITS, flags, address, offset, size))

    def expect(self, address: int, data: bytes) -> None:
        self.image[address] = data

    def file(self) -> bytes:
        body = bytearray(max([52 + 32 * len(self.loads), *(at + len(d) for at, d in self.blocks.items())]))
        for at, data in self.blocks.items():
            body[at : at + len(data)] = data
        names, rows = b"\0", []
        for name, kind, flags, address, offset, size in [*self.sections, (".shstrtab", 3, 0, 0, 0, 0)]:
            rows.append((len(names), kind, flags, address, offset, size))
            names += name.encode() + b"\0"
        strings = len(body)
        rows[-1] = (*rows[-1][:4], strings, len(names))
        section_table, count = 0, 0
        if self.has_sections:
            body += names + bytes(-(strings + len(names)) % 4)
            section_table, count = len(body), len(rows) + 1
            body += bytes(40)
            for row in rows:
                body += struct.pack("<IIIIII", *row) + struct.pack("<IIII", 0, 0, 4, 0)
        table = b"".join(
            struct.pack("<IIIIIIII", 1, offset, virtual, physical, size, memory, 7, 4)
            for offset, virtual, physical, size, memory in self.loads
        )
        at = len(body) if self.headers_at_end else 52
        body[at : at + len(table)] = table
        head = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
        head += struct.pack("<HHIIIII", 2, 40, 1, FLASH + 1, at, section_table, 0x0500_0200)
        head += struct.pack("<HHHHHH", 52, 32, len(self.loads), 40 if count else 0, count, max(count - 1, 0))
        body[:52] = head
        return bytes(body)


def gnu(name: str, page: int, application: int) -> Layout:
    """The first PT_LOAD begins a page: headers and filling come before the application."""
    made = Layout(name)
    below = application % page or page
    vectors, code, data = noise("vectors", 0x1C8), noise("code", 3001), noise("data", 100)
    made.put(".isr_vector", below, application, vectors)
    made.put(".text", below + 0x1D0, application + 0x1D0, code)
    size = 0x1D0 + len(code)
    made.load(0, application - below, application - below, below + size)
    # .data runs in RAM and is loaded behind the code; .bss follows it in RAM.
    at = (below + size + 0xFFF) & ~0xFFF
    made.put(".data", at, RAM, data)
    made.bss(".bss", at + len(data), RAM + len(data), 4000)
    made.load(at, RAM, application + size + 3, len(data), len(data) + 4000)
    made.expect(application, vectors + bytes(8) + code)
    made.expect(application + size + 3, data)
    made.left_out.append((application - below, below))
    return made


def noload_in_the_middle() -> Layout:
    """Settings between vectors and code: the linker gives them room in the file, the device has them."""
    made = Layout("NOLOAD in the middle")
    vectors, code = noise("vectors", 0x200), noise("code", 5000)
    made.put(".isr_vector", 0x1_0000, FLASH, vectors)
    made.bss(".nvm", 0x1_8000, FLASH + 0x8000, 0x8000)
    made.put(".text", 0x2_0000, FLASH + 0x1_0000, code)
    made.load(0x1_0000, FLASH, FLASH, 0x1_0000 + len(code))
    made.expect(FLASH, vectors + bytes(0x8000 - len(vectors)))
    made.expect(FLASH + 0x1_0000, code)
    made.left_out.append((FLASH + 0x8000, 0x8000))
    return made


def removed_section() -> Layout:
    """`objcopy -R .middle`: the PT_LOAD stays as it was, zeros lie where the section was; so they do in the
    output of `objcopy -O binary`."""
    made = Layout("objcopy -R")
    first, last = noise("first", 1000), noise("last", 1000)
    made.put(".first", 0x1000, FLASH, first)
    made.put(".last", 0x1800, FLASH + 0x800, last)
    made.blocks[0x1800 + 1000] = bytes(600)
    made.load(0x1000, FLASH, FLASH, 0x800 + 1000 + 600)
    made.expect(FLASH, first + bytes(0x800 - 1000) + last)
    made.left_out.append((FLASH + 0x800 + 1000, 600))  # a last section that was removed, too
    return made


def added_sections() -> Layout:
    """`objcopy --add-section`, without and with the flag "alloc": neither gets a program header."""
    made = Layout("objcopy --add-section")
    code = noise("code", 1000)
    made.put(".text", 0x1000, FLASH, code)
    made.sections.append((".gnu_debuglink", PROGBITS, 0, 0, 0x1800, 200))
    made.blocks[0x1800] = noise("link", 200)
    made.put(".signature", 0x1A00, FLASH + 0x1_0000, noise("signature", 64))
    made.load(0x1000, FLASH, FLASH, len(code))
    made.expect(FLASH, code)
    made.left_out.append((FLASH + 0x1_0000, 64))
    return made


def lld() -> Layout:
    """A program header for the headers alone, exception tables, thread-local .tbss on top of what follows."""
    made = Layout("LLD")
    code, table, data, art = noise("code", 2000), noise("table", 80), noise("data", 300), noise("art", 7000)
    made.load(0, FLASH - 0x1_0000, FLASH - 0x1_0000, 52 + 32 * 4)  # not in flash: nobody has to hear of it
    made.put(".text", 0x1_0000, FLASH, code)
    made.put(".ARM.exidx", 0x1_0000 + 2000, FLASH + 2000, table, EXIDX)
    made.load(0x1_0000, FLASH, FLASH, 2080)
    made.put(".data", 0x2_0000, RAM, data)
    made.bss(".tbss", 0x2_0000 + 300, RAM + 100, 64, ALLOC | WRITE | TLS)
    made.bss(".bss", 0x2_0000 + 300, RAM + 300, 1000)
    made.load(0x2_0000, RAM, FLASH + 2080, 300, 1300)
    made.put(".pictures", 0x3_0000, QSPI, art)
    made.load(0x3_0000, QSPI, QSPI, 7000)
    made.expect(FLASH, code + table + data)
    made.expect(QSPI, art)
    return made


def armlink(name: str, *, regions: int = 1, packed: bool = False) -> Layout:
    """RO and RW under one PT_LOAD, the program headers at the end, ZI with an address in RAM."""
    made = Layout(name, headers_at_end=True)
    code, data = noise("code", 4000), noise("data", 333)
    made.put("ER_IROM1", 52, FLASH, code)
    made.put("RW_IRAM1", 52 + 4000, RAM, data)
    made.bss("RW_IRAM1", 52 + 4333, RAM + 333, 2048)
    made.load(52, FLASH, FLASH, 4333, 4333 + 2048)
    made.expect(FLASH, code + data)
    if packed:
        # The section has the size that it has when it runs; the file ends where the packed bytes do.
        name, kind, flags, address, offset, _ = made.sections[1]
        made.sections[1] = (name, kind, flags, address, offset, 1500)
        made.left_out.append((FLASH + 4333, 1500 - 333))
    if regions == 2:
        art, more = noise("art", 5000), noise("more", 222)
        made.put("ER_QSPI", 52 + 4333, QSPI, art)
        made.put("RW_IRAM2", 52 + 9333, RAM + 0x4000, more)
        made.load(52 + 4333, QSPI, QSPI, 5222)
        made.expect(QSPI, art + more)
    return made


def iar() -> Layout:
    """ilink: blocks by their letters, initialisers in flash, one PT_LOAD for each block."""
    made = Layout("IAR")
    vectors, code, start = noise("vectors", 0x1E0), noise("code", 2500), noise("initialisers", 444)
    made.put("A0 rw", 0x100, FLASH, vectors)
    made.put("P1 ro", 0x2E0, FLASH + 0x1E0, code)
    made.put("P3 ui", 0x2E0 + 2500, FLASH + 0x1E0 + 2500, start)
    made.bss("P2 rw", 0x2E0 + 2944, RAM, 3000)
    made.load(0x100, FLASH, FLASH, 0x1E0)
    made.load(0x2E0, FLASH + 0x1E0, FLASH + 0x1E0, 2944)
    made.load(0x2E0 + 2944, RAM, RAM, 0, 3000)
    made.expect(FLASH, vectors + code + start)
    return made


def stripped(made: Layout, name: str) -> Layout:
    """The same without section headers: what a whole PT_LOAD holds, but for headers at its start."""
    made.name, made.has_sections = name, False
    return made


def stripped_gnu() -> Layout:
    return stripped(gnu("", 64 * KIB, FLASH + 0x8000), "GNU, 64 KiB pages, no section headers")


def stripped_armlink() -> Layout:
    return stripped(armlink("", regions=2), "armlink, no section headers")


def corpus() -> list[Layout]:
    return [
        gnu("GNU, 4 KiB pages", 4 * KIB, FLASH + 0x1000),
        gnu("GNU, 64 KiB pages", 64 * KIB, FLASH + 0x8000),
        gnu("GNU, at the start of flash", 64 * KIB, FLASH + 0x1_0000),
        noload_in_the_middle(),
        removed_section(),
        added_sections(),
        lld(),
        armlink("armlink, one load region"),
        armlink("armlink, two load regions", regions=2),
        armlink("armlink, packed RW", packed=True),
        iar(),
        stripped_gnu(),
        stripped_armlink(),
    ]
