"""pyOCD, unmodified, writes the simulated board's internal flash with its own STM32F767 algorithm.

It attaches to the plain `Target` through a probe plug-in, in a virtual environment of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from peers.images import FLASH_BASE, firmware
from peers.pyocd_client import PyocdBench, PyocdRun

SIZE = 40_000  # ends inside the second 32 KiB sector
TWIN = "stm32f746g-disco"


@pytest.fixture(scope="module")
def bench(python: Path, tmp_path_factory: pytest.TempPathFactory) -> PyocdBench:
    return PyocdBench(python, tmp_path_factory.mktemp("pyocd"), TWIN, serial="peer")


@pytest.fixture(scope="module")
def image(bench: PyocdBench) -> bytes:
    content = firmware(SIZE, seed=5)
    (bench.folder / "image.bin").write_bytes(content)
    return content


@pytest.fixture(scope="module")
def first(bench: PyocdBench, image: bytes) -> PyocdRun:
    return bench.load(f"image.bin@{FLASH_BASE:#x}")


@pytest.fixture(scope="module")
def second(bench: PyocdBench, first: PyocdRun) -> PyocdRun:
    return bench.load(f"image.bin@{FLASH_BASE:#x}")


def flash(bench: PyocdBench) -> bytes:
    return (bench.folder / "sim" / bench.serial / "internal.bin").read_bytes()


def test_pyocd_programs_internal_flash(bench: PyocdBench, first: PyocdRun, image: bytes) -> None:
    assert first.returncode == 0, first.output
    assert flash(bench)[:SIZE] == image
    assert set(flash(bench)[SIZE:]) == {0xFF}


def test_pyocd_erases_the_sectors_of_the_image_and_no_more(first: PyocdRun) -> None:
    assert re.search(r"Erased 65536 bytes \(2 sectors\), programmed \d+ bytes", first.output), first.output


def test_a_second_pyocd_run_reads_the_same_and_programs_nothing(
    bench: PyocdBench, second: PyocdRun, image: bytes
) -> None:
    """pyOCD compares by reading back, so this is the flash as a second debugger reads it."""
    assert second.returncode == 0, second.output
    assert re.search(r"programmed 0 bytes \(0 pages\)", second.output), second.output
    assert flash(bench)[:SIZE] == image


def test_transfers_of_both_runs_are_counted(first: PyocdRun, second: PyocdRun) -> None:
    words = SIZE // 4
    assert first.counts["ap_writes"] > words
    assert second.counts["ap_reads"] > words
    assert first.counts["faults"] == second.counts["faults"]
    assert first.counts["board_seconds"] > 0
