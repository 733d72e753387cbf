"""OpenOCD talks to the debug-port model alone: chain, RAM and registers, no board behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from peers.bench_target import RAM, BenchTarget
from peers.images import assets
from peers.openocd_client import openocd_version, run_openocd

pytestmark = pytest.mark.skipif(openocd_version() is None, reason="openocd is not installed")


def test_openocd_finds_both_taps_and_the_core() -> None:
    run = run_openocd(BenchTarget())
    assert run.returncode == 0, run.output
    assert "stm32f7x.cpu tap/device found: 0x5ba00477" in run.output
    assert "stm32f7x.bs tap/device found: 0x06449041" in run.output
    assert "Cortex-M7" in run.output
    assert "target has 8 breakpoints" in run.output


def test_memory_written_by_openocd_reads_back(tmp_path: Path) -> None:
    """An odd length at an odd address: bytes, halfwords and words, across 1 KiB boundaries of TAR."""
    image = assets(5003, seed=6)
    (tmp_path / "in.bin").write_bytes(image)
    target = BenchTarget()
    run = run_openocd(
        target,
        "halt",
        f"load_image {tmp_path / 'in.bin'} {RAM + 1:#x} bin",
        f"dump_image {tmp_path / 'out.bin'} {RAM + 1:#x} {len(image)}",
    )
    assert run.returncode == 0, run.output
    assert target.ram[1 : 1 + len(image)] == image
    assert target.ram[0] == 0
    assert set(target.ram[1 + len(image) :]) == {0}
    assert (tmp_path / "out.bin").read_bytes() == image
    assert run.counts.faults == 0


def test_a_bus_fault_reaches_the_user_and_the_session_goes_on() -> None:
    target = BenchTarget()
    run = run_openocd(target, "halt", "catch {mww 0x60000000 1}", f"mww {RAM:#x} 0x12345678")
    assert run.returncode == 0, run.output
    assert run.counts.faults == 1
    assert target.ram[:4] == bytes.fromhex("78563412")
