"""Small programs for the simulated core: assembled, put into RAM, run to their BKPT."""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from elftools.elf.elffile import ELFFile

from boardflash.sim.board import SimulatedBoard
from boardflash.sim.options import SimOptions
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin

RAM = 0x20000000
STACK = 0x20008000
MS = 1_000_000_000  # in ps
US = 1_000_000


@dataclass(frozen=True)
class Program:
    code: bytes
    symbols: dict[str, int]


@functools.cache
def assemble(source: str) -> Program:
    """Thumb code without relocations: its bytes, and the offsets of its labels."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "guest.S"
        text.write_text(".syntax unified\n.thumb\n" + source + "\n", encoding="utf-8")
        output = text.with_suffix(".o")
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "thumb-freestanding-eabi"]
        subprocess.run([*command, "-mcpu=cortex_m7", "-c", str(text), "-o", str(output)], check=True)
        with output.open("rb") as stream:
            elf = ELFFile(stream)
            section = elf.get_section_by_name(".text")
            assert elf.get_section_by_name(".rel.text") is None, "position-dependent test program"
            symbols = {s.name: s["st_value"] for s in elf.get_section_by_name(".symtab").iter_symbols()}
            return Program(section.data(), symbols)


def new_board(twin: str = "stm32f746g-disco", **options: object) -> SimulatedBoard:
    """A blank board, halted at its reset vector."""
    board = SimulatedBoard(load_twin(twin), BoardState.in_memory(), SimOptions(**options))  # type: ignore[arg-type]
    board.reset(halt=True)
    return board


def board_with(**changes: object) -> SimulatedBoard:
    """A discovery board that is built otherwise, halted at its reset vector."""
    board = SimulatedBoard(replace(load_twin("stm32f746g-disco"), **changes), BoardState.in_memory())  # type: ignore[arg-type]
    board.reset(halt=True)
    return board


def load(board: SimulatedBoard, source: str, at: int = RAM) -> Program:
    program = assemble(source)
    code = program.code + b"\0" * (-len(program.code) % 4)
    board.write_memory(at, code, 4)
    board.write_register(13, STACK)
    board.write_register(15, at)
    return program


def run(board: SimulatedBoard, source: str, ms: float = 10, at: int = RAM, **registers: int) -> int:
    """Run to the program's BKPT: the picoseconds that it took. Fails if it does not come there."""
    load(board, source, at)
    for name, value in registers.items():
        board.write_register(int(name[1:]), value)
    return go(board, ms)


def go(board: SimulatedBoard, ms: float = 10) -> int:
    stopped: list[int] = []
    told, board.core.on_halt = board.core.on_halt, lambda halted: stopped.append(board.clock.now_ps)
    start = board.clock.now_ps
    board.resume()
    board.advance(round(ms * MS))
    board.core.on_halt = told
    assert board.halted(), f"no BKPT within {ms} ms; {board.core.lockup or hex(board.core.pc)}"
    return stopped[-1] - start


def word(board: SimulatedBoard, address: int) -> int:
    return int.from_bytes(board.read_memory(address, 4, 4), "little")


def put(board: SimulatedBoard, address: int, value: int, width: int = 4) -> None:
    board.write_memory(address, value.to_bytes(width, "little"), width)


def vectors(board: SimulatedBoard, at: int, handlers: dict[int, int]) -> None:
    """A vector table in RAM that the core uses from now on."""
    for number, handler in handlers.items():
        put(board, at + 4 * number, handler | 1)
    put(board, 0xE000ED08, at)
