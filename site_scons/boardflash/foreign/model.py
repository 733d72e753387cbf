"""What a vendor's flash loader says of itself, the same for every format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sectors:
    """`count` erase units of `size` bytes each, one after the other."""

    size: int
    count: int


@dataclass(frozen=True)
class Device:
    """The memory that a loader is made for, as its own table has it."""

    name: str
    base: int
    size: int
    page_size: int
    sectors: tuple[Sectors, ...]


@dataclass(frozen=True)
class Limits:
    """How long a call may take, in milliseconds."""

    init_ms: int
    erase_ms: int  # one sector
    program_ms: int  # one page


@dataclass(frozen=True)
class LoadPart:
    """Bytes that go to the target's RAM."""

    address: int
    data: bytes


@dataclass(frozen=True)
class Loader:
    """One loader file. Addresses are absolute where it is linked to a fixed place (`fixed`), else offsets."""

    format: str  # "FLM" or "stldr"
    device: Device
    limits: Limits
    parts: tuple[LoadPart, ...]  # in address order
    functions: Mapping[str, int]
    static_base: int | None  # what R9 points to
    fixed: bool

    @property
    def start(self) -> int:
        return self.parts[0].address

    @property
    def end(self) -> int:
        return max(part.address + len(part.data) for part in self.parts)

    @property
    def size(self) -> int:
        return self.end - self.start
