"""What bytes look like that were read wrongly, and which causes fit.

Four lines carry a byte in two clocks, its high nibble first; in each nibble IO3 is bit 3 and IO0 bit 0.
So a line that does not reach the chip shows in two bits of every byte, a wrong dummy count as bytes
shifted by a nibble a clock, and a chip that does not drive its lines as bytes that are all alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from boardflash.description.model import Chip, Lines

SHOWN = 8
SHIFT_MOST = 16  # clocks: more dummy cycles no read has
SHIFT_LEAST = 8  # nibbles that must agree, and not be all the same, before a shift is believed
_HIGH, _LOW = 4, 0
#: Line -> its bits in each byte.
LINE_BITS = {line: (1 << (line + _LOW)) | (1 << (line + _HIGH)) for line in range(4)}


def shown(data: bytes) -> str:
    """The first bytes, as a person compares them."""
    return data[:SHOWN].hex(" ").upper() + (" ..." if len(data) > SHOWN else "")


def causes_of_read(one: bytes, mode: bytes, chip: Chip) -> str:
    """Why the chip's read mode may give `mode` where one line reads `one`: what it looks like, what fits."""
    looks = list(_looks(one, mode, chip.read.lines))
    if not looks:
        address = ", or the address width" if chip.address_bytes == 4 else ""
        return (
            "these are other bytes altogether: fits io2 or io3 on another pin (they carry the address, too),"
            f" the dummy cycles{address}"
        )
    return "; ".join(looks)


def _looks(one: bytes, mode: bytes, lines: Lines) -> Iterator[str]:
    if lines.data != 4:
        return
    first = mode[0]
    if all(byte == first for byte in mode):
        if first >> 4 == first & 0xF:
            yield (
                f"every byte reads {first:02X}h, as from lines that the chip does not drive: fits quad enable"
                " being clear, a read opcode that this chip does not have, io2 or io3 on another pin"
            )
        return
    shift = _shift(one, mode)
    if shift:
        more = "more" if shift < 0 else "fewer"
        clocks = abs(shift)
        plural = "" if clocks == 1 else "s"
        yield f"the same bytes, shifted by {clocks} clock{plural}: fits {clocks} dummy cycle{plural} {more}"
        return
    for line in (3, 2, 1):
        bits = LINE_BITS[line]
        constant = len({byte & bits for byte in mode}) == 1 and len({byte & bits for byte in one}) > 1
        alone = all((a ^ b) & ~bits == 0 for a, b in zip(one, mode, strict=True))
        if constant or alone:
            low, high = (line, line + 4)
            state = f"always read {mode[0] >> low & 1}" if constant else "are wrong"
            yield f"bits {low} and {high} of every byte {state}: fits io{line} on another pin, or open"
    if all(_exchanged(a) == b for a, b in zip(one, mode, strict=True)):
        yield "bits 2 and 3 of every nibble are exchanged: fits io2 and io3 on each other's pin"


def _exchanged(byte: int) -> int:
    return (byte & 0x33) | (byte & 0x44) << 1 | (byte & 0x88) >> 1


def _shift(one: bytes, mode: bytes) -> int:
    """Clocks by which `mode` comes late (below 0), or early; 0: it is no shift."""
    right, seen = one.hex(), mode.hex()
    for clocks in range(1, SHIFT_MOST + 1):
        for late in (True, False):
            a, b = (right, seen[clocks:]) if late else (right[clocks:], seen)
            count = min(len(a), len(b))
            if count >= SHIFT_LEAST and len(set(a[:count])) > 1 and a[:count] == b[:count]:
                return -clocks if late else clocks
    return 0


def causes_of_program(wanted: bytes, one: bytes, before: bytes, chip: Chip) -> str:
    """Why bytes that were programmed may read `one` on one line: what it looks like, what fits."""
    opcode = f"{chip.program.opcode:02X}h on {chip.program.lines}"
    if one == before:
        return (
            f"nothing was programmed: fits a program opcode or line count that this chip does not have"
            f" ({opcode}), or quad enable being clear"
        )
    if chip.program.lines.data == 4:
        if all(_exchanged(a) == b for a, b in zip(wanted, one, strict=True)):
            return "bits 2 and 3 of every nibble are exchanged: fits io2 and io3 on each other's pin"
        for lines in ((2,), (3,), (2, 3)):
            bits = sum(LINE_BITS[line] for line in lines)
            if all((a ^ b) & ~bits == 0 for a, b in zip(wanted, one, strict=True)):
                names = " and ".join(f"io{line}" for line in lines)
                return f"only bits that {names} carries are wrong: fits {names} on another pin, or open"
    return (
        f"other bytes were programmed: fits the line count of the program command ({opcode}), io2 or io3 on"
        " another pin, supply or signal quality"
    )
