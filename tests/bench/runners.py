"""One case on one simulated board: boardflash through pylink, pyOCD through its probe plug-in, OpenOCD
through remote_bitbang. Each run starts on a new board in a folder of its own and is compared byte for byte.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cases import FIRST_CHIP, MODELS, TWINS, Case, device_after, device_before, image_of

from boardflash.errors import BoardflashError
from boardflash.program.run import flash
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.serve.adiv5 import TRANSFER_CLOCKS
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from peers.charged import peer_board
from peers.openocd_client import run_openocd
from peers.pyocd_client import PyocdBench
from rig import Rig

BOARD = TWINS[FIRST_CHIP]
QSPI = 0x9000_0000
BASES = {"internal": 0x0800_0000, "qspi": QSPI}
SERIAL = "746000099"
SWD_HZ = 4_000_000


@dataclass(frozen=True)
class Tools:
    """What the peers need, made before the runs."""

    pyocd_python: Path
    flm: Path


@dataclass(frozen=True)
class Done:
    """What a tool left: seconds on the board's clock, and each memory as it is now."""

    seconds: float
    memories: dict[str, bytes]
    transfers: int = 0
    erased: dict[str, dict[str, int]] | None = None
    proof_seconds: float = 0.0


@dataclass(frozen=True)
class Result:
    board_seconds: float
    wall_seconds: float
    erased: dict[str, dict[str, int]]  # region -> size -> how many; empty where the tool does not tell
    lost_bytes: int  # outside the image, not as they were
    transfers: int  # DAP transfers; 0 where a probe's own protocol hides them
    proof_seconds: float = 0.0  # of board_seconds: reads on one line, to prove how the chip is read

    def record(self) -> dict[str, object]:
        return asdict(self)


class RunFailedError(Exception):
    """The tool gave up, or the device does not hold the image."""


def run(case: Case, tools: Tools) -> Result:
    runner = {"boardflash": _boardflash, "pyOCD": _pyocd, "OpenOCD": _openocd}[case.tool]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        try:
            done = runner(case, folder, tools)
        except BoardflashError as error:
            raise RunFailedError(str(error)) from error
        wall = time.perf_counter() - started
    lost = sum(_lost(case, region, done.memories[region]) for region in case.regions)
    return Result(
        round(done.seconds, 6),
        round(wall, 1),
        done.erased or {},
        lost,
        done.transfers,
        round(done.proof_seconds, 6),
    )


def _lost(case: Case, region: str, content: bytes) -> int:
    wanted = device_after(case, region)
    size = len(image_of(case, region))
    if content[:size] != wanted[:size]:
        raise RunFailedError(f"{region} does not hold the image")
    if content == wanted:
        return 0
    return sum(a != b for a, b in zip(content[size:], wanted[size:], strict=True))


def _fill(board: SimulatedBoard, case: Case) -> None:
    for region in case.regions:
        array = board.chip.array if region == "qspi" else board.flash.array
        array[:] = device_before(case, region)


def _saved_board(case: Case, folder: Path) -> None:
    board = SimulatedBoard(load_twin(TWINS[case.chip]), BoardState.load(folder, SERIAL))
    _fill(board, case)
    board.save()


def _boardflash(case: Case, folder: Path, _tools: Tools) -> Done:
    faults = MODELS[case.model].faults
    rig = Rig(folder, board_name=BOARD, twin=TWINS[case.chip], serial=SERIAL, faults=faults)
    _saved_board(case, folder / "state")
    plan = rig.plan({BASES[region]: image_of(case, region) for region in case.regions})
    with rig.link() as link:
        report = flash(plan, link)
    erased = {
        region.name: {str(size): count for size, count in sorted(region.erases.items())}
        for region in report.regions
    }
    memories = {region: bytes(rig.memory(region)) for region in case.regions}
    proof = sum(region.proved_s for region in report.regions)
    return Done(
        link.now(), memories, 0, erased, proof
    )  # since power-up; the probe's opening and closing, too


def _pyocd(case: Case, folder: Path, tools: Tools) -> Done:
    model = MODELS[case.model]
    bench = PyocdBench(
        tools.pyocd_python,
        folder,
        TWINS[case.chip],
        SERIAL,
        tools.flm,
        faults=model.faults,
        charged=model.peers_charged,
    )
    _saved_board(case, folder)
    (folder / "image.bin").write_bytes(image_of(case, "qspi"))
    done = bench.load(f"image.bin@{QSPI:#x}")
    if done.returncode != 0:
        raise RunFailedError(done.output)
    transfers = sum(int(done.counts[name]) for name in ("dp_reads", "dp_writes", "ap_reads", "ap_writes"))
    content = (folder / "sim" / SERIAL / "qspi.bin").read_bytes()
    return Done(done.counts["board_seconds"], {"qspi": content}, transfers)


def _openocd(case: Case, folder: Path, _tools: Tools) -> Done:
    """`preverify` skips the write if nothing differs; else it costs more than it saves, and is left out."""
    model = MODELS[case.model]
    board = peer_board(TWINS[case.chip], BoardState.in_memory(), model.faults, charged=model.peers_charged)
    _fill(board, case)
    path = folder / "image.bin"
    path.write_bytes(image_of(case, "qspi"))
    asked = " preverify" if case.situation == "unchanged" else ""
    done = run_openocd(
        board, f"program {path} {QSPI:#x}{asked}", clock_hz=SWD_HZ, transfer_clocks=TRANSFER_CLOCKS
    )
    if done.returncode != 0:
        raise RunFailedError(done.output)
    return Done(board.clock.seconds, {"qspi": bytes(board.chip.array)}, done.counts.transfers)


def peer_cache() -> Path:
    """The tests' own place, so that pyOCD is installed once."""
    chosen = os.environ.get("BOARDFLASH_PEER_CACHE")
    return Path(chosen) if chosen else Path(__file__).resolve().parents[2] / ".pytest_cache" / "d" / "peers"
