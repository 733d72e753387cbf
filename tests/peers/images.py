"""What the peers write: bytes that no accident produces, and code that does no harm when it is run."""

from __future__ import annotations

import random
import struct

FLASH_BASE = 0x08000000
STACK_TOP = 0x20010000
CODE_OFFSET = 0x200
COUNT_FOR_EVER = (0x2000, 0x3001, 0xE7FD)  # movs r0, #0; adds r0, #1; b to the adds


def firmware(size: int, seed: int) -> bytes:
    """An image for internal flash: every vector leads to a counting loop, the rest is noise."""
    entry = (FLASH_BASE + CODE_OFFSET) | 1
    vectors = struct.pack("<I", STACK_TOP) + struct.pack("<I", entry) * (CODE_OFFSET // 4 - 1)
    code = struct.pack("<3H", *COUNT_FOR_EVER)
    return vectors + code + random.Random(seed).randbytes(size - len(vectors) - len(code))


def assets(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)
