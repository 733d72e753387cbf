"""boardflash, pyOCD and OpenOCD flash the same images on the same simulated board, all on its clock.

    python tests/bench/side_by_side.py                     run what has no result yet, then write the tables
    python tests/bench/side_by_side.py --tools boardflash  run one tool anew
    python tests/bench/side_by_side.py --render            tables and chart from the kept results

Results are kept in docs/bench.json; docs/bench.md and docs/bench.svg are made of them. How each figure is
charged stands in bench_tables.py, and in docs/bench.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "site_scons"), str(ROOT / "tests"), str(Path(__file__).parent)]

import bench_tables  # noqa: E402
from cases import CHIP_SIZE, TOOLS, Case, all_cases  # noqa: E402
from runners import BOARD, Result, RunFailedError, Tools, peer_cache, run  # noqa: E402

from boardflash.description.load import load_board  # noqa: E402
from boardflash.export.flm import build_flm  # noqa: E402
from peers.pyocd_client import environment  # noqa: E402

RESULTS = ROOT / "docs" / "bench.json"
WORKERS = 2


def weight(case: Case) -> float:
    """Longest first, so that both workers end together. Seconds, roughly."""
    if case.tool == "OpenOCD":
        return 40
    per_mib = 14 if case.tool == "pyOCD" else 3
    return case.size / 2**20 * (2 if case.size == CHIP_SIZE else per_mib)


def measure(cases: list[Case], results: dict[str, dict[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        flm = build_flm(load_board(BOARD), Path(name))
        tools = Tools(environment(peer_cache()), flm)
        with ProcessPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as pool:
            running = {
                pool.submit(run, case, tools): case for case in sorted(cases, key=weight, reverse=True)
            }
            for done in as_completed(running):
                result: Result = done.result()
                case = running[done]
                results[case.key] = result.record()
                figures = f"{result.board_seconds:10.3f} s board {result.wall_seconds:7.1f} s wall"
                print(f"{case.key:45s} {figures}", flush=True)
                save(results)


def save(results: dict[str, dict[str, object]]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    kept = {key: {k: v for k, v in r.items() if k != "wall_seconds"} for key, r in results.items()}
    RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Flash the same images with three tools.")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, help="measure these anew; the others stay")
    parser.add_argument("--all", action="store_true", help="measure everything anew")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    asked = parser.parse_args(arguments)
    results: dict[str, dict[str, object]] = {}
    if RESULTS.is_file() and not asked.all:
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    cases = [
        case
        for case in all_cases()
        if not asked.render and (case.tool in asked.tools if asked.tools else case.key not in results)
    ]
    if any(case.tool == "OpenOCD" for case in cases) and shutil.which("openocd") is None:
        print("openocd is not installed: its rows stay as they are")
        cases = [case for case in cases if case.tool != "OpenOCD"]
    if cases:
        try:
            measure(cases, results)
        except RunFailedError as error:
            raise SystemExit(str(error)) from error
    bench_tables.write(results, load_board(BOARD))


if __name__ == "__main__":
    main()
