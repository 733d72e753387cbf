"""One case on one simulated board: boardflash through pylink, pyOCD through its probe plug-in, OpenOCD
through remote_bitbang. Each run starts on a new board in a folder of its own and is compared byte for byte.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cases import Case, device_after, device_before, image

from boardflash.program.run import flash
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from peers.adiv5 import TRANSFER_CLOCKS
from peers.openocd_client import run_openocd
from peers.pyocd_client import PyocdBench
from rig import Rig

BOARD = TWIN = "stm32f746g-disco"
QSPI = 0x9000_0000
SERIAL = "746000099"
SWD_HZ = 4_000_000


@dataclass(frozen=True)
class Tools:
    """What the peers need, made before the runs."""

    pyocd_python: Path
    flm: Path


@dataclass(frozen=True)
class Result:
    board_seconds: float
    wall_seconds: float
    erased: dict[str, int]
    lost_bytes: int  # outside the image, not as they were
    transfers: int  # DAP transfers; 0 where a probe's own protocol hides them

    def record(self) -> dict[str, object]:
        return asdict(self)


class RunFailedError(Exception):
    """The tool gave up, or the device does not hold the image."""


def run(case: Case, tools: Tools) -> Result:
    runner = {"boardflash": _boardflash, "pyOCD": _pyocd, "OpenOCD": _openocd}[case.tool]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        seconds, transfers, content, erased = runner(case, folder, tools)
        wall = time.perf_counter() - started
    wanted = device_after(case)
    if content[: case.size] != wanted[: case.size]:
        raise RunFailedError(f"{case.key}: the device does not hold the image")
    lost = sum(a != b for a, b in zip(content[case.size :], wanted[case.size :], strict=True))
    return Result(round(seconds, 6), round(wall, 1), erased, lost, transfers)


def _new_board(case: Case, state: BoardState) -> SimulatedBoard:
    board = SimulatedBoard(load_twin(TWIN), state)
    board.chip.array[:] = device_before(case)
    return board


def _saved_board(case: Case, folder: Path) -> None:
    board = _new_board(case, BoardState.load(folder, SERIAL))
    board.save()


def _boardflash(case: Case, folder: Path, _tools: Tools) -> tuple[float, int, bytes, dict[str, int]]:
    rig = Rig(folder, board_name=BOARD, twin=TWIN, serial=SERIAL)
    _saved_board(case, folder / "state")
    plan = rig.plan({QSPI: image(case.content, case.size)})
    with rig.link() as link:
        report = flash(plan, link)
    seconds = link.now()  # since power-up, the opening and closing of the probe included
    erased = {str(size): count for size, count in sorted(report.regions[0].erases.items())}
    return seconds, 0, bytes(rig.memory("qspi")), erased


def _pyocd(case: Case, folder: Path, tools: Tools) -> tuple[float, int, bytes, dict[str, int]]:
    bench = PyocdBench(tools.pyocd_python, folder, TWIN, SERIAL, tools.flm)
    _saved_board(case, folder)
    (folder / "image.bin").write_bytes(image(case.content, case.size))
    done = bench.load(f"image.bin@{QSPI:#x}")
    if done.returncode != 0:
        raise RunFailedError(f"{case.key}: {done.output}")
    transfers = sum(int(done.counts[name]) for name in ("dp_reads", "dp_writes", "ap_reads", "ap_writes"))
    content = (folder / "sim" / SERIAL / "qspi.bin").read_bytes()
    return done.counts["board_seconds"], transfers, content, {}


def _openocd(case: Case, folder: Path, _tools: Tools) -> tuple[float, int, bytes, dict[str, int]]:
    """`preverify` skips the write if nothing differs; else it costs more than it saves, and is left out."""
    board = _new_board(case, BoardState.in_memory())
    path = folder / "image.bin"
    path.write_bytes(image(case.content, case.size))
    asked = " preverify" if case.situation == "unchanged" else ""
    done = run_openocd(
        board, f"program {path} {QSPI:#x}{asked}", clock_hz=SWD_HZ, transfer_clocks=TRANSFER_CLOCKS
    )
    if done.returncode != 0:
        raise RunFailedError(f"{case.key}: {done.output}")
    return board.clock.seconds, done.counts.transfers, bytes(board.chip.array), {}


def peer_cache() -> Path:
    """The tests' own place, so that pyOCD is installed once."""
    chosen = os.environ.get("BOARDFLASH_PEER_CACHE")
    return Path(chosen) if chosen else Path(__file__).resolve().parents[2] / ".pytest_cache" / "d" / "peers"
