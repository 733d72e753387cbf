"""Framing of the GDB Remote Serial Protocol: packets, checksums, escapes, acknowledgements, Ctrl-C.

Implements the GDB manual, appendix E "Remote Protocol", sections "Overview" and "Interrupts".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PACKET_SIZE = 0x4000
"""The longest packet that we say we take, both ways."""
_LONGEST = 4 * PACKET_SIZE
"""What has no end by then is no packet."""
_START, _END, _ESCAPE, _INTERRUPT = b"$", b"#", 0x7D, 0x03
_ESCAPED = re.compile(rb"[#$}*]")
_CHECKSUM = re.compile(rb"[0-9a-fA-F]{2}")
_NUMBER = re.compile(r"[0-9a-fA-F]{1,8}")


@dataclass(frozen=True)
class Packet:
    payload: bytes


@dataclass(frozen=True)
class Damaged:
    """A packet whose checksum or escapes are wrong."""


@dataclass(frozen=True)
class Acknowledged:
    good: bool


@dataclass(frozen=True)
class Interrupt:
    """Ctrl-C."""


Event = Packet | Damaged | Acknowledged | Interrupt


def encode(payload: bytes) -> bytes:
    """The packet that carries `payload`."""
    escaped = _ESCAPED.sub(lambda found: bytes((_ESCAPE, found[0][0] ^ 0x20)), payload)
    return b"$%s#%02x" % (escaped, sum(escaped) & 0xFF)


def number(text: str) -> int:
    """A hexadecimal number of at most 32 bits; ValueError for anything else."""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no number")
    return int(text, 16)


class Decoder:
    """Takes bytes as they arrive, cut anywhere."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Event]:
        """What has come to its end with `data`. What is no part of the protocol is skipped."""
        self._held += data
        while self._held:
            first = self._held[0]
            if first == _START[0]:
                event = self._take_packet()
                if event is None:
                    return
                yield event
                continue
            del self._held[0]
            if first == _INTERRUPT:
                yield Interrupt()
            elif first in b"+-":
                yield Acknowledged(first == b"+"[0])

    def _take_packet(self) -> Event | None:
        held = self._held
        end = held.find(_END)
        if end < 0 or len(held) < end + 3:
            if len(held) <= _LONGEST:
                return None
            held.clear()
            return Damaged()
        start = held.rfind(_START, 0, end)  # a packet may have been broken off by the next one
        raw, checksum = bytes(held[start + 1 : end]), bytes(held[end + 1 : end + 3])
        del held[: end + 3]
        if _CHECKSUM.fullmatch(checksum) is None or int(checksum, 16) != sum(raw) & 0xFF:
            return Damaged()
        payload = _unescaped(raw)
        return Damaged() if payload is None else Packet(payload)


def _unescaped(raw: bytes) -> bytes | None:
    head, *parts = raw.split(bytes((_ESCAPE,)))
    out = bytearray(head)
    for part in parts:
        if not part:
            return None
        out.append(part[0] ^ 0x20)
        out += part[1:]
    return bytes(out)
