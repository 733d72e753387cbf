"""The flash plan: what a device must hold, and all that the programmer needs to see to it.

A plan file, with the loader and the image files beside it, is enough to flash without SCons, without
board files and without sources. It has no dates, users or absolute paths, so the same inputs give the
same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from boardflash.description.model import Board
from boardflash.image.model import Piece, RegionImage

PLAN_SCHEMA = 1
PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class LoaderRef:
    """A built target loader, as the build knows it."""

    file: Path
    sha256: str
    toolchain: str  # "zig 0.17.1"
    protocol: int  # MAILBOX_VERSION that it speaks


@dataclass(frozen=True)
class PlannedLoader:
    """The loader as the plan names it."""

    file: str  # relative to the plan's folder
    sha256: str
    toolchain: str
    protocol: int


@dataclass(frozen=True)
class PlannedInput:
    """What the image was made of; told to the reader, never opened again."""

    name: str
    sha256: str


@dataclass(frozen=True)
class RegionPlan:
    """What one region must hold. The image file starts at `address`; gaps between runs stay on the device."""

    name: str
    file: str  # relative to the plan's folder
    address: int
    length: int
    sha256: str  # of the image file
    runs: tuple[tuple[int, int], ...]  # (address, size)
    granule: int
    digests: tuple[Piece, ...]

    @property
    def byte_count(self) -> int:
        return sum(size for _, size in self.runs)


@dataclass(frozen=True)
class FlashPlan:
    board: Board  # `file` fields hold names only
    board_digest: str
    loader: PlannedLoader
    inputs: tuple[PlannedInput, ...]
    regions: tuple[RegionPlan, ...]
    folder: Path = field(compare=False)  # where the plan lies; not part of it

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON: the name of this plan in stamps and reports."""
        raise NotImplementedError

    @property
    def loader_path(self) -> Path:
        return self.folder / self.loader.file

    def region(self, name: str) -> RegionPlan:
        return next(region for region in self.regions if region.name == name)

    def region_image(self, name: str) -> RegionImage:
        """The bytes of one region, read from its image file and checked again."""
        raise NotImplementedError
