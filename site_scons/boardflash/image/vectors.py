"""Where raw bytes may belong that begin as a Cortex-M firmware does (ARMv7-M Architecture B1.5.3)."""

from __future__ import annotations

import struct

#: Initial stack pointers are in RAM, its end included: SRAM and DTCM, CCM, the AXI SRAM of an H7.
_RAM = ((0x2000_0000, 0x2008_0000), (0x1000_0000, 0x1008_0000), (0x2400_0000, 0x2408_0000))
#: Internal flash of an STM32, and its view over the ITCM bus of an F7 (RM0385 2.2.2).
_FLASH = 0x0800_0000
_VIEWS = (_FLASH, 0x0020_0000)
_VIEW_BYTES = 64 << 20
_VECTORS = struct.Struct("<II")


def reset_offset(data: bytes) -> int | None:
    """How far into internal flash the reset vector points, where `data` begins with a vector table."""
    if len(data) < _VECTORS.size:
        return None
    stack, reset = _VECTORS.unpack_from(data)
    if stack % 4 or not any(base < stack <= end for base, end in _RAM):
        return None
    if not reset & 1:  # Thumb code alone
        return None
    return next((reset - 1 - view for view in _VIEWS if view < reset < view + _VIEW_BYTES), None)


def where_raw_bytes_go(name: str, data: bytes) -> str:
    """What to say for raw bytes without an address: FILE@ADDRESS, and why where it is a guess."""
    offset = reset_offset(data)
    if offset is None:
        return f"for raw bytes say where they go: {name}@0x90000000"
    if offset < len(data):
        return f"it begins like firmware for internal flash; say where it goes: {name}@{_FLASH:#010x}"
    return (
        f"it begins like firmware that starts at {_FLASH + offset:#010x}, further on than it is long;"
        f" say the address that it is linked for: {name}@ADDRESS"
    )
