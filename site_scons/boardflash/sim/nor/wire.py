"""Bits on lines: a clock is one byte whose bit n is the level of IOn.

Both ends of the bus use these, each with the number of lines that it believes in; what a mismatch
does to the data falls out by itself. The most significant bit goes first, on the highest line.
"""

from __future__ import annotations

from functools import lru_cache

HOST_TO_CHIP = 0  # on one line the host talks on IO0 (DI)
CHIP_TO_HOST = 1  # and the chip on IO1 (DO)

_HEX_TO_NIBBLE = bytes(int(chr(c), 16) if chr(c) in "0123456789abcdef" else 0 for c in range(256))
_NIBBLE_TO_HEX = bytes(ord("0123456789abcdef"[c & 15]) for c in range(256))
_PAIR_TO_DIGIT = bytes(ord("0123"[c & 3]) for c in range(256))
_LINE_TO_DIGIT = tuple(bytes(ord("01"[c >> line & 1]) for c in range(256)) for line in range(4))


@lru_cache(maxsize=64)
def _spread(lines: int, idle: int, line: int) -> tuple[bytes, ...]:
    """For each byte value its clocks on one or two lines, the other lines at `idle`."""
    table = []
    for value in range(256):
        if lines == 1:
            keep = idle & ~(1 << line)
            table.append(bytes(keep | (value >> bit & 1) << line for bit in range(7, -1, -1)))
        else:
            table.append(bytes((idle & 0xC) | (value >> bit & 3) for bit in range(6, -1, -2)))
    return tuple(table)


def to_levels(data: bytes, lines: int, idle: int, line: int) -> bytes:
    """The clocks that carry `data`. `line` counts on one line only."""
    if lines == 4:
        return data.hex().encode().translate(_HEX_TO_NIBBLE)
    return b"".join(map(_spread(lines, idle, line).__getitem__, data))


def from_levels(levels: bytes, lines: int, line: int) -> bytes:
    """What a listener on `lines` lines makes of the clocks; an unfinished byte is left out."""
    clocks = 8 // lines
    whole = len(levels) - len(levels) % clocks
    if whole == 0:
        return b""
    levels = levels[:whole]
    if lines == 4:
        return bytes.fromhex(levels.translate(_NIBBLE_TO_HEX).decode())
    table, base = (_PAIR_TO_DIGIT, 4) if lines == 2 else (_LINE_TO_DIGIT[line], 2)
    return int(levels.translate(table), base).to_bytes(whole // clocks, "big")
