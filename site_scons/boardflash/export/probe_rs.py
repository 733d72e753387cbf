"""<board>.yaml: the board as a target description of probe-rs, with our flash algorithms in it.

Field names and types: github:probe-rs/probe-rs@67993c4b (0.32) probe-rs-target/src/chip_family.rs, chip.rs,
memory.rs, flash_algorithm.rs, flash_properties.rs; entries as target-gen takes them from an FLM (parser.rs).
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from boardflash.foreign.flm import ERASED, read_flm
from boardflash.foreign.model import Loader
from boardflash.templates import render_template

from .flm import flm_workshop
from .formats import ExportRequest
from .storage import Storage, internal_storage, qspi_storage
from .wording import one_line, save

TEMPLATE = "probe_rs.yaml"
CORES = {"cortex-m4": "armv7em", "cortex-m7": "armv7em"}  # chip_family.rs CoreType
THUMB = 1
STACK_SIZE = 1024  # twice what probe-rs gives by itself
#: Key of the description -> the FLM's function. probe-rs calls what is named, so only what the FLM has is.
ENTRIES = {
    "pc_init": "Init",
    "pc_uninit": "UnInit",
    "pc_program_page": "ProgramPage",
    "pc_erase_sector": "EraseSector",
    "pc_erase_all": "EraseChip",
    "pc_blank_check": "BlankCheck",
    "pc_verify": "Verify",
}


def names(board: Board) -> tuple[str, ...]:
    return (f"{board.name}.yaml",)


def write(request: ExportRequest) -> None:
    board = request.board
    storages = {"internal": internal_storage(board)}
    if board.qspi:
        storages["qspi"] = qspi_storage(board)
    algorithms = {f"{board.name}-{name}": _built(board, storage) for name, storage in storages.items()}
    save(request.folder / names(board)[0], description(board, algorithms))


def _built(board: Board, storage: Storage) -> Loader:
    with tempfile.TemporaryDirectory(prefix="boardflash-flm-") as folder, flm_workshop(board, storage) as flm:
        return read_flm(flm.make(Path(folder) / "algorithm.FLM"))


def description(board: Board, algorithms: Mapping[str, Loader]) -> str:
    core = CORES.get(board.mcu.core)
    if core is None:
        raise BoardflashError(
            f"probe-rs has no core type that we know for {board.mcu.core}", where=board.mcu.file
        )
    values = {
        "title": f"{one_line(board.title)} ({board.part.number})",
        "board": board.name,
        "core": core,
        "memories": _memories(board),
        "algorithms": [_algorithm(name, found) for name, found in algorithms.items()],
    }
    return render_template(TEMPLATE, values)


def _memories(board: Board) -> list[Mapping[str, str]]:
    """Flash, then RAM: the RAM that our loader uses first."""
    flash = [
        _memory("Nvm", region.name, region.base, region.size, str(region.name == "internal").lower())
        for region in board.regions
    ]
    ram = [(board.mcu.ram_base, board.mcu.ram_size), *board.mcu.other_ram]
    return [*flash, *(_memory("Ram", f"ram{i}", base, size, "") for i, (base, size) in enumerate(ram))]


def _memory(kind: str, name: str, base: int, size: int, boot: str) -> Mapping[str, str]:
    return {"kind": kind, "name": name, "start": f"{base:#x}", "end": f"{base + size:#x}", "boot": boot}


def _algorithm(name: str, flm: Loader) -> Mapping[str, Any]:
    """Of an FLM that begins at 0, so that its addresses are offsets."""
    code = bytearray(flm.end)
    for part in flm.parts:
        code[part.address : part.address + len(part.data)] = part.data
    device, functions = flm.device, flm.functions
    offsets = accumulate((run.size * run.count for run in device.sectors), initial=0)
    return {
        "name": name,
        "description": device.name,
        "instructions": base64.b64encode(code).decode("ascii"),
        "entries": [
            (key, f"{functions[function] | THUMB:#x}")
            for key, function in ENTRIES.items()
            if function in functions
        ],
        "data_section_offset": f"{flm.static_base:#x}",
        "start": f"{device.base:#x}",
        "end": f"{device.base + device.size:#x}",
        "page_size": f"{device.page_size:#x}",
        "erased": f"{ERASED:#x}",
        "program_ms": flm.limits.program_ms,
        "erase_ms": flm.limits.erase_ms,
        "sectors": [
            {"size": f"{run.size:#x}", "address": f"{offset:#x}"}
            for run, offset in zip(device.sectors, offsets, strict=False)
        ],
        "stack_size": STACK_SIZE,
    }
