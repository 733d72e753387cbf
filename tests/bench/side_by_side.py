"""boardflash, pyOCD and OpenOCD flash the same images on the same simulated board, all on its clock.

    python tests/bench/side_by_side.py --all               run everything, from nothing: what is published
    python tests/bench/side_by_side.py                     run what has no result of these sources yet
    python tests/bench/side_by_side.py --readme            the same, but only what README quotes
    python tests/bench/side_by_side.py --tools boardflash  run one tool anew; the others' results stay
    python tests/bench/side_by_side.py --only w25q128jv    run anew what has this in its name
    python tests/bench/side_by_side.py --render            tables and chart from the kept results
    python tests/bench/side_by_side.py --compare-with REV  is boardflash slower than that revision's results?

Results are kept in docs/bench.json; docs/bench.md, which says how each figure is charged, docs/bench.svg and
README's table are made of them at the end. Each result is kept as soon as it is there, with the name of the
sources that it is of: a run that was stopped is continued by one without options. OpenOCD comes first, for it
needs a quiet machine; the writes of 16 MiB come last. With --folder FOLDER all files are there, and README
stays as it is. Nobody may edit the checkout meanwhile: every case compiles the loader from what it finds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "site_scons"), str(ROOT / "tests"), str(Path(__file__).parent)]

import bench_tables  # noqa: E402
import compare  # noqa: E402
from cases import CHIP_SIZE, TOOLS, Case, all_cases  # noqa: E402
from kept import Kept, sources  # noqa: E402
from readme_table import quoted  # noqa: E402
from runners import BOARD, Result, Tools, peer_cache, run  # noqa: E402

from boardflash.description.load import load_board  # noqa: E402
from boardflash.export.flm import build_flm  # noqa: E402
from peers.pyocd_client import CannotInstallError, environment  # noqa: E402

WORKERS = 2


def weight(case: Case) -> float:
    """Seconds that a case takes on a quiet machine, roughly."""
    if case.situation == "unchanged":
        per_mib = 1.0 if case.tool == "boardflash" else 6.0
    else:
        per_mib = 14.0 if case.tool == "pyOCD" else 8.0
    return case.size / 2**20 * per_mib * (0.1 if case.situation == "one byte" else 1)


def turn(case: Case) -> tuple[bool, float]:
    """Writes of 16 MiB last, the longest first otherwise, so that both workers end together."""
    return case.size == CHIP_SIZE and case.situation != "unchanged", -weight(case)


def measure(cases: list[Case]) -> Iterator[tuple[Case, Result | Exception]]:
    """OpenOCD's cases first and one at a time: its pauses are real time, and grow on a busy machine."""
    with tempfile.TemporaryDirectory() as name:
        flm = Path(name)
        python = Path()
        if any(case.tool == "pyOCD" for case in cases):
            flm, python = build_flm(load_board(BOARD), flm), environment(peer_cache())
        tools = Tools(python, flm)
        alone = [case for case in cases if case.tool == "OpenOCD"]
        beside = sorted((case for case in cases if case.tool != "OpenOCD"), key=turn)
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
    if arguments.readme:
        quotes = quoted()
        cases = [case for case in cases if case in quotes]
    if arguments.tools:
        cases = [case for case in cases if case.tool in arguments.tools]
    if arguments.only:
        cases = [case for case in cases if any(part in case.key for part in arguments.only)]
        if not cases:
            raise SystemExit(
                "no case has that in its name; they are\n" + "\n".join(c.key for c in all_cases())
            )
    if not (arguments.all or arguments.tools or arguments.only):
        cases = [case for case in cases if not kept.has(case.key)]
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


def compare_with(revision: str, kept: Kept) -> None:
    found = compare.compare(kept.results, compare.published(ROOT, revision), load_board(BOARD))
    print(compare.report(found, revision))
    if not found or any(row.worse for row in found):
        raise SystemExit(1)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Flash the same images with three tools.")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, help="measure these anew; the others stay")
    parser.add_argument(
        "--only", nargs="+", metavar="SUBSTRING", help="measure anew what has this in its name"
    )
    parser.add_argument("--all", action="store_true", help="measure everything anew, in one run")
    parser.add_argument("--readme", action="store_true", help="only what README quotes")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    parser.add_argument(
        "--compare-with", metavar="REVISION", help="measure nothing; fail if boardflash is slower than there"
    )
    parser.add_argument("--folder", type=Path, default=bench_tables.DOCS, help="of results and tables")
    asked = parser.parse_args(arguments)
    if asked.all and (asked.tools or asked.only or asked.readme or asked.render or asked.compare_with):
        parser.error("--all takes no other selection")
    results = asked.folder / "bench.json"
    kept = Kept() if asked.all else Kept.load(results)
    if asked.compare_with:
        compare_with(asked.compare_with, kept)
        return
    cases = what_can_run(asked_for(asked, kept))
    failed = []
    if cases:
        started = time.perf_counter()
        for case, result in measure(cases):
            if isinstance(result, Exception):
                failed.append(case)
                kept.results.pop(case.key, None)
                print(f"{case.key:60s} failed: {result}", flush=True)
                continue
            kept.results[case.key] = {**result.record(), "sources": sources()}
            kept.save(results)
            figures = f"{result.board_seconds:10.3f} s board {result.wall_seconds:7.1f} s wall"
            print(f"{case.key:60s} {figures}", flush=True)
        kept.save(results)
        print(f"\n{len(cases)} cases in {(time.perf_counter() - started) / 60:.1f} minutes\n")
    bench_tables.write(kept.results, load_board(BOARD), asked.folder)
    if failed:
        raise SystemExit("failed, and so without a figure: " + ", ".join(case.key for case in failed))


if __name__ == "__main__":
    main()
