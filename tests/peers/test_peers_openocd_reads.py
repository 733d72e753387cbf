"""What OpenOCD's own CRC sees through the memory-mapped window, at right and at wrong read settings.

The CCR values are ours to choose here; clocks after the address are the data sheets': Micron N25Q128A 6Bh 8,
EBh 10; Winbond W25Q128JV 6Bh 8, EBh 2 mode clocks and 4 (nor-behaviour.md section 6).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from peers.images import assets
from peers.openocd_client import OpenocdRun, openocd_version, run_openocd

pytestmark = pytest.mark.skipif(openocd_version() is None, reason="openocd is not installed")

WINDOW = 0x90000000
SIZE = 3_001
IMAGE = assets(SIZE, seed=9)
MICRON = "stm32f746g-disco"
WINBOND = "stm32f746g-disco-c03"
WINBOND_QE_CLEAR = "stm32f746g-disco-c03-im"

MEMORY_MAPPED, ONE_CLOCK = 3 << 26, 1 << 18
READ_03 = MEMORY_MAPPED | 0x01002503  # 1-1-1
QUAD_6B = MEMORY_MAPPED | 0x0320256B  # 1-1-4, 8 clocks
QUAD_EB_MICRON = MEMORY_MAPPED | 0x03282DEB  # 1-4-4, 10 clocks
QUAD_EB_WINBOND = MEMORY_MAPPED | 0x0310EDEB  # 1-4-4, one alternate byte on four lines, 4 clocks


def verify(twin: str, ccr: int, folder: Path) -> OpenocdRun:
    board = SimulatedBoard(load_twin(twin), BoardState.in_memory())
    board.chip.array[:SIZE] = IMAGE
    path = folder / "image.bin"
    path.write_bytes(IMAGE)
    return run_openocd(
        board,
        "reset init",
        "mww 0xA0001000 0x00500003",  # CR: EN and ABORT, out of the mode that reset-init chose
        "mww 0xA000100C 0x00000002",  # FCR: CTCF
        "mww 0xA000101C 0x000000FF",  # ABR: a mode byte that enters no continuous read
        f"mww 0xA0001014 {ccr:#x}",
        f"verify_image {path} {WINDOW:#x}",
        settings={"PLL": 0},
    )


def differences(run: OpenocdRun) -> dict[int, int]:
    """Offset and byte read, of the first differences that OpenOCD lists."""
    lines = re.findall(r"^diff \d+ address (0x[0-9a-f]+)\. Was (0x[0-9a-f]+)", run.output, re.MULTILINE)
    return {int(address, 16) - WINDOW: int(was, 16) for address, was in lines}


@pytest.mark.parametrize(
    ("twin", "ccr"),
    [
        (MICRON, READ_03),
        (MICRON, QUAD_6B),
        (MICRON, QUAD_EB_MICRON),
        (WINBOND, READ_03),
        (WINBOND, QUAD_6B),
        (WINBOND, QUAD_EB_WINBOND),
        (WINBOND_QE_CLEAR, READ_03),
    ],
)
def test_the_data_sheets_read_commands_verify(twin: str, ccr: int, tmp_path: Path) -> None:
    run = verify(twin, ccr, tmp_path)
    assert run.returncode == 0, run.output
    assert f"verified {SIZE} bytes" in run.output


@pytest.mark.parametrize(
    ("twin", "ccr"),
    [(MICRON, QUAD_6B), (MICRON, QUAD_EB_MICRON), (WINBOND, QUAD_6B), (WINBOND, QUAD_EB_WINBOND)],
)
def test_one_dummy_clock_less_shifts_the_data_by_a_nibble(twin: str, ccr: int, tmp_path: Path) -> None:
    run = verify(twin, ccr - ONE_CLOCK, tmp_path)
    assert run.returncode != 0, run.output
    late = bytes.fromhex("f" + IMAGE.hex()[:-1])  # the bus floats high in the first clock
    seen = differences(run)
    assert len(seen) > 32
    assert seen == {offset: late[offset] for offset in seen}


@pytest.mark.parametrize(
    ("twin", "ccr"), [(MICRON, QUAD_EB_MICRON), (WINBOND, QUAD_6B), (WINBOND, QUAD_EB_WINBOND)]
)
def test_one_dummy_clock_more_drops_the_first_nibble(twin: str, ccr: int, tmp_path: Path) -> None:
    run = verify(twin, ccr + ONE_CLOCK, tmp_path)
    assert run.returncode != 0, run.output
    early = bytes.fromhex(IMAGE.hex()[1:] + "f")
    seen = differences(run)
    assert len(seen) > 32
    assert seen == {offset: early[offset] for offset in seen}


@pytest.mark.parametrize("ccr", [QUAD_6B, QUAD_EB_WINBOND])
def test_quad_reads_with_quad_enable_clear_see_a_floating_bus(ccr: int, tmp_path: Path) -> None:
    run = verify(WINBOND_QE_CLEAR, ccr, tmp_path)
    assert run.returncode != 0, run.output
    assert set(differences(run).values()) == {0xFF}
