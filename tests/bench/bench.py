"""Figures beside the side-by-side table: `make bench`, or `python tests/bench/bench.py [--quick]`.

Times "board" are on the simulated board's clock and the same on every machine; "wall" are of this one.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "site_scons"), str(ROOT / "tests"), str(Path(__file__).parent)]

import planner  # noqa: E402
from limits import Change, change_limit, link_seconds, page_seconds  # noqa: E402

from boardflash.program.report import FlashReport  # noqa: E402
from boardflash.program.run import flash  # noqa: E402
from rig import Rig  # noqa: E402

QSPI = 0x9000_0000
MIB = 1024 * 1024


def timed(rig: Rig, content: bytes) -> tuple[FlashReport, float]:
    plan = rig.plan({QSPI: content})
    started = time.perf_counter()
    with rig.link() as link:
        report = flash(plan, link)
    return report, time.perf_counter() - started


def row(name: str, board_s: float, wall_s: float, against: str) -> None:
    print(f"{name:42s} {board_s:9.3f} s board {wall_s:8.1f} s wall   {against}", flush=True)


def device_rows(folder: Path, chip_name: str, twin: str | None, size: int) -> None:
    print(f"\n{chip_name}, {size // MIB} MiB image in QSPI, SWD 4 MHz, 1 ms a DLL call")
    rig = Rig(folder / chip_name, twin=twin, serial="746000009")
    chip = next(c for c in rig.board.qspi.chips if c.name == chip_name)  # type: ignore[union-attr]
    content = bytearray(random.Random(1).randbytes(size))

    rig.flash({QSPI: b"\x5a"})
    start_up = rig.flash({QSPI: b"\x5a"}).seconds  # it is there by now
    blank_report, blank_wall = timed(rig, bytes(content))
    same, same_wall = timed(rig, bytes(content))
    digest = same.seconds - start_up
    link = link_seconds(rig.board, size)
    row(
        "blank chip",
        blank_report.seconds,
        blank_wall,
        f"{blank_report.seconds / link:.3f} x link's {link:.2f} s",
    )
    row("unchanged", same.seconds, same_wall, f"start-up {start_up:.3f} s, digest {digest:.3f} s")

    at = size // 2 + 77
    content[at] = content[at] ^ 0xFF
    one, one_wall = timed(rig, bytes(content))
    erase_s = chip.erases[0].typ_ms / 1000
    floor = same.seconds + erase_s + 16 * page_seconds(rig.board, chip)
    row("one byte changed", one.seconds, one_wall, f"{one.seconds / floor:.3f} x (digest + 4 KiB + 16 pages)")

    other = random.Random(2).randbytes(size)
    full, full_wall = timed(rig, other)
    beside = b"\xff" * (chip.size - size)
    change = Change(rig.board.region("qspi"), chip, bytes(content) + beside, other + beside, size)
    limit = change_limit(rig.board, [change], start_up=start_up, digest_rate=digest / size)
    erases = ", ".join(f"{n} x {s // 1024} KiB" for s, n in full.regions[0].erases.items())
    row(
        "all of it over old content",
        full.seconds,
        full_wall,
        f"{full.seconds / limit.total:.3f} x limit {limit.total:.2f} s ({erases})",
    )
    assert rig.memory("qspi")[:size] == other


def command_rows() -> None:
    print("\nCommands, wall time in a fresh copy of the repository (environment already made)")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "repository"
        ignore = shutil.ignore_patterns("build", ".git", ".venv", ".sconsign*", "*_cache", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignore)
        environment = {**os.environ, "BOARDFLASH_STATE_DIR": str(Path(name) / "state")}
        scons = [sys.executable, "-m", "SCons", "-Q"]
        flash_it = [*scons, "flash", "PROBE=sim", "BOARD=stm32f746g-disco"]
        for title, command in (
            ("build and first flash", flash_it),
            ("second flash, unchanged", flash_it),
            ("build the rest", scons),
            ("null build", scons),
        ):
            started = time.perf_counter()
            subprocess.run(command, cwd=copy, env=environment, check=True, stdout=subprocess.DEVNULL)
            print(f"{title:42s} {time.perf_counter() - started:8.2f} s wall", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 MiB instead of 16 MiB")
    parser.add_argument("--keep", type=Path, help="folder for the simulated boards")
    parser.add_argument(
        "--peers", action="store_true", help="instead: boardflash, pyOCD and OpenOCD side by side"
    )
    arguments = parser.parse_args()
    if arguments.peers:
        import side_by_side  # it needs the peers' own environment; the other figures do not

        side_by_side.main(["--all"])
        return
    size = (2 if arguments.quick else 16) * MIB
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        device_rows(folder, "n25q128a13", None, size)
        device_rows(folder, "w25q128jv", "stm32f746g-disco-c03", size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\npeak memory of this process {peak / 1024:.0f} MiB")
    command_rows()
    planner.rows()


if __name__ == "__main__":
    main()
