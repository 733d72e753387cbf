"""From what the user dropped on us to a flash plan: a plan file as it is, or one made now."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from boardflash import __version__
from boardflash.cli.cache import cached_folder, digest_of_parts, forget, forget_old_plans
from boardflash.errors import BoardflashError, ExitCode
from boardflash.resources import data_dir

if TYPE_CHECKING:
    from boardflash.description.model import Board
    from boardflash.image.hints import View
    from boardflash.image.inputs import InputSpec
    from boardflash.image.model import MemoryRange
    from boardflash.image.split import Split
    from boardflash.loader.artefact import LoaderArtefact
    from boardflash.loader.compile import Toolchain
    from boardflash.plan.model import FlashPlan

ITCM_VIEW = 0x0020_0000


def plan_of(arguments: argparse.Namespace) -> FlashPlan:
    """The plan that the command line's inputs mean."""
    plan_file = named_plan(arguments.inputs)
    if plan_file is not None:
        from boardflash.plan.file import load_plan

        if arguments.board is not None:
            raise BoardflashError(
                "a plan names its board itself; leave --board out", where="--board", code=ExitCode.USAGE
            )
        return load_plan(plan_file)
    return cached_plan(arguments)


def named_plan(inputs: Sequence[str]) -> Path | None:
    """The plan file among the inputs, if that is what they are."""
    plans = [name for name in inputs if name.lower().endswith(".json")]
    if not plans:
        return None
    if len(inputs) > 1:
        raise BoardflashError(
            "a plan stands alone; leave the other inputs out", where=plans[0], code=ExitCode.USAGE
        )
    return Path(plans[0])


def board_of(arguments: argparse.Namespace) -> Board:
    """The board that `--board` names."""
    from boardflash.description.load import board_path_from_environment, load_board

    if arguments.board is None:
        raise BoardflashError(
            "which board? say --board NAME; `boardflash list-boards` lists them", code=ExitCode.USAGE
        )
    return load_board(arguments.board, tuple(arguments.board_path) or board_path_from_environment())


def toolchain_of(arguments: argparse.Namespace) -> Toolchain:
    from boardflash.loader.compile import Toolchain

    return Toolchain.gcc() if arguments.toolchain == "gcc" else Toolchain.zig()


def split_inputs(board: Board, specs: Sequence[InputSpec]) -> Split:
    """The inputs' bytes, one image for each region of the board."""
    from boardflash.image.inputs import load_inputs
    from boardflash.image.model import MemoryRange
    from boardflash.image.split import split_inputs as split

    regions = [MemoryRange(region.name, region.base, region.size) for region in board.regions]
    return split(load_inputs(specs, board.part.number), regions, ram_of(board), views_of(board, regions))


def views_of(board: Board, regions: Sequence[MemoryRange]) -> list[View]:
    """Where else the core reads a region: an F7 fetches its flash over ITCM, too (RM0385 2.2.2)."""
    from boardflash.image.hints import View

    if board.mcu.flash.driver != "stm32f7_flash":
        return []
    return [View("ITCM view", ITCM_VIEW, region) for region in regions if region.name == "internal"]


def ram_of(board: Board) -> list[MemoryRange]:
    """Where an application's segments may lie without being flashed."""
    from boardflash.image.model import MemoryRange

    memories = ((board.mcu.ram_base, board.mcu.ram_size), *board.mcu.other_ram)
    return [MemoryRange("RAM", base, size) for base, size in memories]


def cached_loader(board: Board, toolchain: Toolchain) -> LoaderArtefact:
    """The board's loader, built once for the same sources, board and toolchain."""
    from boardflash.description.load import board_digest
    from boardflash.loader.artefact import load_artefact
    from boardflash.loader.compile import build_loader

    parts = [__version__, board_digest(board), toolchain.describe(), sources_digest()]
    digest = digest_of_parts(part.encode() for part in parts)

    def make(folder: Path) -> None:
        build_loader(board, folder, toolchain)

    path = cached_folder("loaders", digest, "loader.elf", make) / "loader.elf"
    try:
        return load_artefact(path)
    except BoardflashError:  # a cache that has been harmed is no fault of the user's input
        forget("loaders", digest)
        return load_artefact(cached_folder("loaders", digest, "loader.elf", make) / "loader.elf")


def cached_plan(arguments: argparse.Namespace) -> FlashPlan:
    """Loader, split and plan in a folder of the cache, named by the digest of all that went in."""
    from boardflash.description.load import board_digest
    from boardflash.image.inputs import InputSpec
    from boardflash.plan.file import load_plan
    from boardflash.plan.model import PLAN_FILE

    board = board_of(arguments)
    specs = [InputSpec.parse(text) for text in arguments.inputs]
    contents = [_content_key(spec) for spec in specs]
    loader = cached_loader(board, toolchain_of(arguments))
    parts = [board_digest(board), loader.sha256, sources_digest(), *contents]
    digest = digest_of_parts(part.encode() for part in parts)

    def make(folder: Path) -> None:
        own = folder / "loader.elf"
        own.write_bytes(loader.elf.read_bytes())
        write_plan(board, specs, own, folder)

    folder = cached_folder("plans", digest, PLAN_FILE, make)
    forget_old_plans()
    try:
        return load_plan(folder / PLAN_FILE)
    except BoardflashError:  # a cache that has been harmed is no fault of the user's input
        forget("plans", digest)
        return load_plan(cached_folder("plans", digest, PLAN_FILE, make) / PLAN_FILE)


def write_plan(board: Board, specs: Sequence[InputSpec], loader: Path, folder: Path) -> FlashPlan:
    """`plan.json` and the region files in `folder`, for a loader that is built already."""
    from boardflash.loader.artefact import load_artefact
    from boardflash.plan.file import make_plan
    from boardflash.plan.model import LoaderRef

    artefact = load_artefact(loader)
    if artefact.board != board.name:
        raise BoardflashError(f"this loader is for {artefact.board}, not for {board.name}", where=str(loader))
    ref = LoaderRef(loader, artefact.sha256, artefact.toolchain, artefact.protocol)
    return make_plan(board, split_inputs(board, specs), ref, specs, folder)


def sources_digest() -> str:
    """What of our own can change a loader or a plan; in a checkout it changes while the version does not."""
    here = Path(__file__).resolve().parents[1]
    files = [
        path for name in ("description", "image", "loader", "plan") for path in (here / name).rglob("*.py")
    ]
    files += [path for path in data_dir("loader").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return digest_of_parts(path.read_bytes() for path in sorted(files))


def _content_key(spec: InputSpec) -> str:
    from boardflash.image.inputs import read_input

    return f"{spec.path.name}@{spec.address}:{hashlib.sha256(read_input(spec.path)).hexdigest()}"
