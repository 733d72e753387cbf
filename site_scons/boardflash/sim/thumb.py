"""As much of the Thumb encoding as time-keeping needs (ARMv7-M ARM, A5).

How many instructions a block has, whether it may store, and whether it may change what masks interrupts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockFacts:
    instructions: int
    stores: bool
    changes_masks: bool
    sends_event: bool


def is_wide(halfword: int) -> bool:
    """First halfword of a 32-bit instruction (A5.1)."""
    return halfword >> 11 >= 0x1D


def count(code: bytes | bytearray) -> int:
    position = instructions = 0
    end = len(code)
    while position + 1 < end:
        position += 4 if code[position + 1] >> 3 >= 0x1D else 2
        instructions += 1
    return instructions


def examine(code: bytes | bytearray) -> BlockFacts:
    """Walk one block. Where the encoding is not plainly a non-store, it counts as a store."""
    position = instructions = 0
    stores = masks = event = False
    end = len(code)
    while position + 1 < end:
        first = code[position] | code[position + 1] << 8
        if is_wide(first):
            second = code[position + 2] | code[position + 3] << 8 if position + 3 < end else 0
            stores = stores or _wide_stores(first)
            # MSR: 11110 0 1110 0x (A5.3.4)
            masks = masks or (first & 0xFFE0 == 0xF380 and second & 0xD000 == 0x8000)
            position += 4
        else:
            stores = stores or _narrow_stores(first)
            masks = masks or first & 0xFFE8 == 0xB660  # CPS
            event = event or first == 0xBF40  # SEV
            position += 2
        instructions += 1
    return BlockFacts(instructions, stores, masks, event)


def barrier_follows(code: bytes | bytearray) -> bool:
    """Whether the instruction behind the first one is a DSB (A7.7.33)."""
    first = code[0] | code[1] << 8
    at = 4 if is_wide(first) else 2
    return code[at] | code[at + 1] << 8 == 0xF3BF and code[at + 2] & 0xF0 == 0x40


def _narrow_stores(op: int) -> bool:
    if 0x5000 <= op <= 0x55FF:  # STR, STRH, STRB (register)
        return True
    if op & 0xF800 in (0x6000, 0x7000, 0x8000, 0x9000, 0xC000):  # STR/STRB/STRH immediate, STR [SP], STM
        return True
    return op & 0xFE00 == 0xB400  # PUSH


def _wide_stores(first: int) -> bool:
    if first & 0xFE00 == 0xE800:  # load/store multiple, dual, exclusive, table branch
        return not first & 0x0010  # L bit
    if first & 0xFF10 == 0xF800:  # store single data item
        return True
    if first & 0xEC00 == 0xEC00:  # coprocessor and FPU: loads have the L bit, data processing has 0x0E00
        return first & 0x0200 == 0 and not first & 0x0010
    return False
