"""Writes and reads `plan.json`, with every hash in it checked before anyone connects to a device."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from boardflash.description.facts import board_digest
from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from boardflash.files import MIB, read_file, write_file
from boardflash.image.inputs import InputSpec, read_input
from boardflash.image.model import LeftOut, Piece, RegionImage
from boardflash.image.split import Split, write_region_files
from boardflash.plan.encode import decode, encode, pretty
from boardflash.plan.model import (
    PLAN_FILE,
    PLAN_SCHEMA,
    FlashPlan,
    LoaderRef,
    PlanDocument,
    PlannedInput,
    PlannedLoader,
    RegionDocument,
    RegionPlan,
    all_assumptions,
    document_of,
    portable,
    read_checked,
    region_image,
)

#: Its digests are 60 bytes for each 4 KiB: this is a plan of more than 1 GiB.
PLAN_MOST = 64 * MIB


def make_plan(
    board: Board, split: Split, loader: LoaderRef, inputs: Sequence[InputSpec], folder: Path
) -> FlashPlan:
    """Write the region files and `plan.json` into `folder`; the loader is named relative to it."""
    read_checked(loader.file, loader.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    relative = Path(os.path.relpath(loader.file, folder)).as_posix()
    plan = FlashPlan(
        board=_with_loaders_beside(board, folder),
        board_digest=board_digest(board),
        loader=PlannedLoader(relative, loader.sha256, loader.toolchain, loader.protocol),
        inputs=tuple(
            PlannedInput(spec.path.name, hashlib.sha256(read_input(spec.path)).hexdigest()) for spec in inputs
        ),
        regions=tuple(_plan_region(board, image, folder) for image in split.images),
        folder=folder,
        left_out=tuple(_without_folders(item, inputs) for item in split.left_out),
    )
    text = pretty(encode(document_of(plan)))
    write_file(folder / PLAN_FILE, text.encode("ascii"))
    return plan


def load_plan(path: Path) -> FlashPlan:
    """The plan in `path`, with loader and image files present and unharmed."""
    where = str(path)
    data = _read_json(path)
    if not isinstance(data, dict):
        raise BoardflashError("not a flash plan: a JSON table is expected", where=where)
    schema = data.get("schema")
    if schema != PLAN_SCHEMA:
        found = "it has none" if schema is None else f"found {json.dumps(schema)[:20]}"
        raise BoardflashError(
            f"plan schema {PLAN_SCHEMA} is expected, {found}; make the plan again with this version",
            where=where,
        )
    document = decode(PlanDocument, data, where=where)
    plan = FlashPlan(
        board=document.board,
        board_digest=document.board_digest,
        loader=document.loader,
        inputs=document.inputs,
        regions=tuple(_region_of(region) for region in document.regions),
        folder=path.parent,
        left_out=document.left_out,
    )
    _check_board(document, where)
    _check_relative(plan.loader.file, f"{where}: loader.file", beside=True)
    read_checked(plan.loader_path, plan.loader.sha256)
    for index, each in enumerate(plan.board.regions):
        if each.loader is not None:
            _check_relative(each.loader.file, f"{where}: board.regions[{index}].loader.file")
            read_checked(plan.foreign_path(each.loader), each.loader.sha256)
    names = [region.name for region in plan.regions]
    for index, region in enumerate(plan.regions):
        if region.name in names[:index]:
            raise BoardflashError(f'region "{region.name}" stands twice', where=f"{where}: regions[{index}]")
        _check_region(plan, region, f"{where}: regions[{index}]")
    return plan


def _with_loaders_beside(board: Board, folder: Path) -> Board:
    """The board without paths; the loaders of others that its regions are flashed with lie in the folder."""
    regions = []
    for region in board.regions:
        loader = region.loader
        if loader is not None:
            name = loader.name_beside_plan(region.name)
            data = read_checked(Path(loader.file), loader.sha256)
            write_file(folder / name, data)
            loader = replace(loader, file=name)
        regions.append(replace(portable(region), loader=loader))
    return replace(portable(board), regions=tuple(regions))


def _without_folders(item: LeftOut, inputs: Sequence[InputSpec]) -> LeftOut:
    """A plan holds no paths of a machine."""
    path = next((spec.path for spec in inputs if item.source.startswith(str(spec.path))), None)
    return item if path is None else replace(item, source=path.name + item.source[len(str(path)) :])


def _plan_region(board: Board, image: RegionImage, folder: Path) -> RegionPlan:
    bin_path, _ = write_region_files(image, folder)
    granule = board.region(image.name).granule
    return RegionPlan(
        name=image.name,
        file=bin_path.name,
        address=image.address,
        length=image.length,
        sha256=hashlib.sha256(bin_path.read_bytes()).hexdigest(),
        runs=tuple((run.address, run.size) for run in image.runs),
        granule=granule,
        digests=image.pieces(granule),
    )


def _read_json(path: Path) -> object:
    try:
        text = read_file(path, PLAN_MOST).decode("utf-8")
    except FileNotFoundError:
        raise BoardflashError("no such plan; make it with `scons plan`", where=str(path)) from None
    except UnicodeDecodeError:
        raise BoardflashError("not a flash plan: not UTF-8 text", where=str(path)) from None
    except OSError as error:
        raise BoardflashError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BoardflashError(
            f"not JSON: {error.msg}", where=f"{path}: line {error.lineno}, column {error.colno}"
        ) from None
    except (RecursionError, ValueError):  # nested without end; an integer of thousands of digits
        raise BoardflashError("not a flash plan", where=str(path)) from None


def _region_of(document: RegionDocument) -> RegionPlan:
    return RegionPlan(
        document.name,
        document.file,
        document.address,
        document.length,
        document.sha256,
        document.runs,
        document.granule,
        tuple(Piece(address, size, digest) for address, size, digest in document.digests),
    )


def _check_board(document: PlanDocument, where: str) -> None:
    """What stands in the plan twice must agree, or a reader would believe what the programmer does not do."""
    board = document.board
    found = board_digest(board)
    if document.board_digest != found:
        raise BoardflashError(
            f"the board's facts were changed by hand: their digest is {found[:12]}..., "
            f"the plan says {document.board_digest[:12]}...; change the board file and make the plan again",
            where=f"{where}: board_digest",
        )
    pairs: tuple[tuple[str, object, object], ...] = (
        ("board_name", document.board_name, board.name),
        ("mcu_part", document.mcu_part, board.part.number),
        ("device_id", document.device_id, board.mcu.device_id),
        ("overrides", document.overrides, board.overrides),
        ("assumptions", document.assumptions, all_assumptions(board)),
    )
    for key, top, inside in pairs:
        if top != inside:
            raise BoardflashError(
                "is not what the plan's board says; make the plan again", where=f"{where}: {key}"
            )


def _check_relative(file: str, where: str, *, beside: bool = False) -> None:
    """A plan's files lie in its folder; our loader may lie `beside` it, below the folder that holds both."""
    path = PurePosixPath(file)
    if not file or path.is_absolute() or PureWindowsPath(file).drive or "\\" in file or "\0" in file:
        raise BoardflashError(f'"{file}" must be a path relative to the plan, with "/"', where=where)
    inside = path.parts[1:] if beside and path.parts[:1] == ("..",) else path.parts
    if ".." in inside or not inside:
        raise BoardflashError(f'"{file}" leaves the plan\'s folder', where=where)


def _check_region(plan: FlashPlan, planned: RegionPlan, where: str) -> None:
    _check_relative(planned.file, f"{where}.file")
    region = next((r for r in plan.board.regions if r.name == planned.name), None)
    if region is None:
        known = ", ".join(r.name for r in plan.board.regions)
        raise BoardflashError(
            f'the board has no region "{planned.name}", only {known}', where=f"{where}.name"
        )
    if planned.granule != region.granule:
        raise BoardflashError(
            f"{planned.granule} bytes, the board says {region.granule}", where=f"{where}.granule"
        )
    _check_runs(planned, region.base, region.end, f"{where}.runs")
    data = read_checked(plan.folder / planned.file, planned.sha256)
    if len(data) != planned.length:
        raise BoardflashError(
            f"{planned.length} bytes, but {planned.file} has {len(data)}", where=f"{where}.length"
        )
    pieces = region_image(planned, region, data).pieces(planned.granule)
    if pieces != planned.digests:
        wrong = next(
            (a.address for a, b in zip(pieces, planned.digests, strict=False) if a != b),
            planned.address,
        )
        raise BoardflashError(
            f"the digests are not those of {planned.file}, first at {wrong:#010x}; make the plan again",
            where=f"{where}.digests",
        )


def _check_runs(planned: RegionPlan, base: int, end: int, where: str) -> None:
    if not planned.runs:
        raise BoardflashError("must hold at least one run", where=where)
    previous = base - 1  # a run may start at the base; after another run there must be a gap
    for index, (address, size) in enumerate(planned.runs):
        if size <= 0 or address <= previous or address + size > end:
            raise BoardflashError(
                f"{size} bytes at {address:#010x}: runs must be in order, apart, and inside "
                f"{base:#010x} to {end - 1:#010x}",
                where=f"{where}[{index}]",
            )
        previous = address + size
    if planned.runs[0][0] != planned.address or previous != planned.address + planned.length:
        raise BoardflashError("do not start at `address` or do not end after `length` bytes", where=where)
