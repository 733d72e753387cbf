"""boardflash, pyOCD and OpenOCD flash the same images on the same simulated board, all on its clock.

    python tests/bench/side_by_side.py --all               run everything, from nothing: what is published
    python tests/bench/side_by_side.py                     run what has no result yet
    python tests/bench/side_by_side.py --tools boardflash  run one tool anew; the others' results stay
    python tests/bench/side_by_side.py --only w25q128jv    run anew what has this in its name
    python tests/bench/side_by_side.py --render            tables and chart from the kept results

Results are kept in docs/bench.json; docs/bench.md, which says how each figure is charged, and docs/bench.svg
are made of them. The file is written at the end, all at once. Take --all in a checkout that nobody edits
meanwhile: every case compiles the loader from the sources that it finds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "site_scons"), str(ROOT / "tests"), str(Path(__file__).parent)]

import bench_tables  # noqa: E402
from cases import TOOLS, Case, all_cases  # noqa: E402
from runners import BOARD, Result, Tools, peer_cache, run  # noqa: E402

from boardflash.description.load import load_board  # noqa: E402
from boardflash.export.flm import build_flm  # noqa: E402
from peers.pyocd_client import CannotInstallError, environment  # noqa: E402

RESULTS = ROOT / "docs" / "bench.json"
WORKERS = 2


@dataclass
class Kept:
    """What docs/bench.json holds. `one_run`: no result in it is older than the others' run."""

    one_run: bool = True
    results: dict[str, dict[str, object]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Kept:
        if not path.is_file():
            return cls()
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        known = {case.key for case in all_cases()}
        results = {
            key: {name: value for name, value in result.items() if name != "wall_seconds"}
            for key, result in self.results.items()
            if key in known
        }
        path.parent.mkdir(exist_ok=True)
        beside = path.with_name(path.name + ".new")
        record = {"one_run": self.one_run, "results": results}
        beside.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        beside.replace(path)


def weight(case: Case) -> float:
    """Longest first, so that both workers end together. Seconds, roughly."""
    if case.situation == "unchanged":
        per_mib = 1.0 if case.tool == "boardflash" else 6.0
    else:
        per_mib = 14.0 if case.tool == "pyOCD" else 8.0
    return case.size / 2**20 * per_mib * (0.1 if case.situation == "one byte" else 1)


def measure(cases: list[Case]) -> Iterator[tuple[Case, Result | Exception]]:
    """OpenOCD's cases first and one at a time: its pauses are real time, and grow on a busy machine."""
    with tempfile.TemporaryDirectory() as name:
        flm = Path(name)
        python = Path()
        if any(case.tool == "pyOCD" for case in cases):
            flm, python = build_flm(load_board(BOARD), flm), environment(peer_cache())
        tools = Tools(python, flm)
        alone = [case for case in cases if case.tool == "OpenOCD"]
        beside = sorted((case for case in cases if case.tool != "OpenOCD"), key=weight, reverse=True)
        for workers, some in ((1, alone), (min(WORKERS, os.cpu_count() or 1), beside)):
            with ProcessPoolExecutor(workers) as pool:
                running = {pool.submit(run, case, tools): case for case in some}
                for done in as_completed(running):
                    failure = done.exception()
                    if failure is not None and not isinstance(failure, Exception):
                        raise failure
                    yield running[done], failure or done.result()


def asked_for(arguments: argparse.Namespace, kept: Kept) -> list[Case]:
    cases = all_cases()
    if arguments.render:
        return []
    if arguments.tools:
        cases = [case for case in cases if case.tool in arguments.tools]
    if arguments.only:
        cases = [case for case in cases if any(part in case.key for part in arguments.only)]
        if not cases:
            raise SystemExit(
                "no case has that in its name; they are\n" + "\n".join(c.key for c in all_cases())
            )
    if not (arguments.all or arguments.tools or arguments.only):
        cases = [case for case in cases if case.key not in kept.results]
    return cases


def what_can_run(cases: list[Case]) -> list[Case]:
    """Without a tool that is not installed; its results stay as they are."""
    missing = []
    if shutil.which("openocd") is None:
        missing.append("OpenOCD")
    if any(case.tool == "pyOCD" for case in cases):
        try:
            environment(peer_cache())
        except CannotInstallError as error:
            print(error)
            missing.append("pyOCD")
    for tool in missing:
        if any(case.tool == tool for case in cases):
            print(f"{tool} is not installed: it is left out")
    return [case for case in cases if case.tool not in missing]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Flash the same images with three tools.")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, help="measure these anew; the others stay")
    parser.add_argument(
        "--only", nargs="+", metavar="SUBSTRING", help="measure anew what has this in its name"
    )
    parser.add_argument("--all", action="store_true", help="measure everything anew, in one run")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    asked = parser.parse_args(arguments)
    if asked.all and (asked.tools or asked.only or asked.render):
        parser.error("--all takes neither --tools nor --only nor --render")
    kept = Kept() if asked.all else Kept.load(RESULTS)
    cases = what_can_run(asked_for(asked, kept))
    failed = []
    if cases:
        kept.one_run = not kept.results.keys() - {case.key for case in cases}
        started = time.perf_counter()
        for case, result in measure(cases):
            if isinstance(result, Exception):
                failed.append(case)
                kept.results.pop(case.key, None)
                print(f"{case.key:55s} failed: {result}", flush=True)
                continue
            kept.results[case.key] = result.record()
            figures = f"{result.board_seconds:10.3f} s board {result.wall_seconds:7.1f} s wall"
            print(f"{case.key:55s} {figures}", flush=True)
        kept.save(RESULTS)
        print(f"\n{len(cases)} cases in {(time.perf_counter() - started) / 60:.1f} minutes\n")
    bench_tables.write(kept.results, load_board(BOARD), one_run=kept.one_run)
    if failed:
        raise SystemExit("failed, and so without a figure: " + ", ".join(case.key for case in failed))


if __name__ == "__main__":
    main()
