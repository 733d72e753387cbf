"""Routes segments to the regions of a board; never builds a file that spans two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boardflash.image.model import MemoryRange, RegionImage, Segment


@dataclass(frozen=True)
class Skipped:
    """A segment that is not written anywhere, and why."""

    segment: Segment
    reason: str


@dataclass(frozen=True)
class Split:
    images: tuple[RegionImage, ...]  # only regions that have bytes, in the order of the regions
    skipped: tuple[Skipped, ...]

    def image(self, name: str) -> RegionImage:
        return next(image for image in self.images if image.name == name)


def split(
    segments: Sequence[Segment], regions: Sequence[MemoryRange], ram: Sequence[MemoryRange] = ()
) -> Split:
    """One image a region. A segment in RAM is skipped and listed; one in neither is refused by name."""
    raise NotImplementedError


def write_region_files(image: RegionImage, folder: Path) -> tuple[Path, Path]:
    """`<region>.bin` and `<region>.hex` in `folder`; the same image gives the same bytes."""
    raise NotImplementedError
