"""The flash plan: what a device must hold, and all that the programmer needs to see to it.

A plan file, with the loader and the image files beside it, is enough to flash without SCons, without
board files and without sources. It has no dates, users or absolute paths, so the same inputs give the
same bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any, TypeVar

from boardflash.description.model import Assumption, Board, Region, RegionLoader
from boardflash.errors import BoardflashError
from boardflash.files import MIB, read_file
from boardflash.image.model import LeftOut, Piece, RegionImage, Segment
from boardflash.plan.encode import canonical, encode

T = TypeVar("T")

#: The largest window of these MCUs is 256 MiB.
IMAGE_MOST = 256 * MIB
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
    left_out: tuple[LeftOut, ...] = ()  # of the inputs

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON: the name of this plan in stamps and reports."""
        return hashlib.sha256(canonical(encode(document_of(self)))).hexdigest()

    @property
    def loader_path(self) -> Path:
        return self.folder / self.loader.file

    def foreign_path(self, loader: RegionLoader) -> Path:
        """Where the loader of a vendor lies that a region of the board is flashed with."""
        return self.folder / loader.file

    def region(self, name: str) -> RegionPlan:
        return next(region for region in self.regions if region.name == name)

    def region_image(self, name: str) -> RegionImage:
        """The bytes of one region, read from its image file and checked again."""
        planned = self.region(name)
        path = self.folder / planned.file
        return region_image(planned, self.board.region(name), read_checked(path, planned.sha256))


@dataclass(frozen=True)
class RegionDocument:
    """A region as the JSON file has it; tuples become lists."""

    name: str
    file: str
    address: int
    length: int
    sha256: str
    runs: tuple[tuple[int, int], ...]
    granule: int
    digests: tuple[tuple[int, int, bytes], ...]  # address, size, BLAKE2s-128


@dataclass(frozen=True)
class PlanDocument:
    """The JSON file, field by field. What the board says already stands on top for the reader."""

    schema: int
    board_name: str
    mcu_part: str
    device_id: int
    board_digest: str
    loader: PlannedLoader
    inputs: tuple[PlannedInput, ...]
    regions: tuple[RegionDocument, ...]
    overrides: tuple[str, ...]
    assumptions: tuple[Assumption, ...]
    board: Board
    left_out: tuple[LeftOut, ...] = field(default=(), metadata={"optional": True})


def document_of(plan: FlashPlan) -> PlanDocument:
    return PlanDocument(
        schema=PLAN_SCHEMA,
        board_name=plan.board.name,
        mcu_part=plan.board.part.number,
        device_id=plan.board.mcu.device_id,
        board_digest=plan.board_digest,
        loader=plan.loader,
        inputs=plan.inputs,
        regions=tuple(
            RegionDocument(
                r.name,
                r.file,
                r.address,
                r.length,
                r.sha256,
                r.runs,
                r.granule,
                tuple((piece.address, piece.size, piece.digest) for piece in r.digests),
            )
            for r in plan.regions
        ),
        overrides=plan.board.overrides,
        assumptions=all_assumptions(plan.board),
        board=plan.board,
        left_out=plan.left_out,
    )


def all_assumptions(board: Board) -> tuple[Assumption, ...]:
    """What is assumed about the board, its MCU and every chip that it may carry; each once."""
    chips = board.qspi.chips if board.qspi else ()
    every = (*board.assumptions, *board.mcu.assumptions, *(a for chip in chips for a in chip.assumptions))
    return tuple(dict.fromkeys(every))


def portable(value: T) -> T:
    """`value` with every `file` field reduced to the file's name: a plan holds no paths of a machine."""
    if is_dataclass(value) and not isinstance(value, type):
        changes: dict[str, Any] = {}
        for item in fields(value):
            old = getattr(value, item.name)
            # PureWindowsPath knows both separators.
            new = PureWindowsPath(old).name if item.name == "file" else portable(old)
            changes[item.name] = new
        return replace(value, **changes)
    if isinstance(value, tuple):
        return type(value)(portable(item) for item in value)
    return value


def region_image(planned: RegionPlan, region: Region, data: bytes) -> RegionImage:
    """The image that `data`, the contents of the region's file, stands for."""
    runs = tuple(
        Segment(address, data[address - planned.address : address - planned.address + size], planned.file)
        for address, size in planned.runs
    )
    return RegionImage(region.name, region.base, region.size, runs)


def read_checked(path: Path, sha256: str) -> bytes:
    """A file that the plan names, refused if it is missing or is not the one that was planned."""
    try:
        data = read_file(path, IMAGE_MOST)
    except FileNotFoundError:
        raise BoardflashError("missing; build again, or copy it beside the plan", where=str(path)) from None
    except OSError as error:
        raise BoardflashError(f"cannot be read: {error.strerror}", where=str(path)) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise BoardflashError(
            f"is not the file that the plan was made with: SHA-256 {found[:12]}..., "
            f"planned {sha256[:12]}...; build again",
            where=str(path),
        )
    return data
