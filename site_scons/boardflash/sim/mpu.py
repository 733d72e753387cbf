"""The memory protection unit (ARMv7-M ARM, B3.5): eight regions that say what the core may touch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

TYPE, CTRL, RNR, RBAR, RASR = 0x90, 0x94, 0x98, 0x9C, 0xA0
REGIONS = 8
_ENABLE, _HFNMIENA, _PRIVDEFENA = 1, 2, 4
_PPB = range(0xE0000000, 0xE0100000)
_NORMAL = (range(0x40000000), range(0x60000000, 0xA0000000))  # of the default map (B3-1)


@dataclass(frozen=True)
class Region:
    base: int
    size: int
    disabled_eighths: int
    access: int
    normal: bool
    """Normal memory: the core may read ahead in it. Device and Strongly-ordered memory it reads when told
    to."""

    def covers(self, address: int) -> bool:
        if not self.base <= address < self.base + self.size:
            return False
        if self.size < 256:
            return True
        return not self.disabled_eighths >> ((address - self.base) * 8 // self.size) & 1

    def allows(self, write: bool) -> bool:
        """For privileged code: AP 000 forbids all, 101 and 110 forbid writing (B3-4)."""
        if self.access == 0:
            return False
        return not (write and self.access in (5, 6, 7))


def _is_normal(tex: int, cacheable: bool, bufferable: bool) -> bool:
    """TEX, C and B of RASR (ARMv7-M ARM, table B3-13)."""
    if tex == 0:
        return cacheable
    return tex >= 4 or (tex == 1 and cacheable == bufferable)


class Mpu:
    def __init__(self) -> None:
        self.negative_priority: Callable[[], bool] = lambda: False
        """The core runs at a priority below 0."""
        self.reset()

    def reset(self) -> None:
        self.control = 0
        self._number = 0
        self._bases = [0] * REGIONS
        self._attributes = [0] * REGIONS
        self.regions: list[Region] = []

    @property
    def bypassed(self) -> bool:
        """HardFault, NMI and FAULTMASK run without the MPU unless HFNMIENA is set (B3.5.1)."""
        return not self.control & _HFNMIENA and self.negative_priority()

    @property
    def enabled(self) -> bool:
        return bool(self.control & _ENABLE)

    def read(self, offset: int) -> int:
        if offset == TYPE:
            return REGIONS << 8
        if offset == CTRL:
            return self.control
        if offset == RNR:
            return self._number
        if (offset - RBAR) % 8 == 0:
            return self._bases[self._number] | self._number
        return self._attributes[self._number]

    def write(self, offset: int, value: int) -> None:
        if offset == CTRL:
            self.control = value & 7
        elif offset == RNR:
            self._number = value & (REGIONS - 1)
        elif offset >= RBAR and (offset - RBAR) % 8 == 0:  # RBAR and its aliases
            if value & 0x10:
                self._number = value & (REGIONS - 1)
            self._bases[self._number] = value & ~0x1F
        elif offset >= RASR:
            self._attributes[self._number] = value
        self._rebuild()

    def _rebuild(self) -> None:
        self.regions = []
        for base, attributes in zip(reversed(self._bases), reversed(self._attributes), strict=True):
            if not attributes & 1:
                continue
            size = 2 << (attributes >> 1 & 31)
            self.regions.append(
                Region(
                    base=base & ~(size - 1),
                    size=size,
                    disabled_eighths=attributes >> 8 & 0xFF,
                    access=attributes >> 24 & 7,
                    normal=_is_normal(
                        attributes >> 19 & 7, bool(attributes >> 17 & 1), bool(attributes >> 16 & 1)
                    ),
                )
            )

    def allows(self, address: int, write: bool) -> bool:
        """May privileged code touch this address? The region with the highest number decides."""
        if not self.control & _ENABLE or address in _PPB or self.bypassed:
            return True
        for region in self.regions:
            if region.covers(address):
                return region.allows(write)
        return bool(self.control & _PRIVDEFENA)

    def may_read_ahead(self, address: int) -> bool:
        """Whether the core may read this on its own (PM0253 2.2.1: speculative reads of Normal memory)."""
        if self.enabled:
            for region in self.regions:
                if region.covers(address):
                    return region.normal and region.allows(write=False)
            if not self.control & _PRIVDEFENA:
                return False
        return any(address in area for area in _NORMAL)

    @property
    def coarse(self) -> bool:
        """Whatever holds for an address holds for its whole KiB: no region's eighth is smaller."""
        return not self.enabled or all(region.size >= 8 * 1024 for region in self.regions)
