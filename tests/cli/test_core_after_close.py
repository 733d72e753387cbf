"""What a verb says about the core is so after the probe has been closed, too.

The J-Link library starts a halted core on Close unless it was told not to.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from boardflash.errors import ExitCode
from boardflash.sim.board import SimulatedBoard
from cli.conftest import Said

QSPI = 0x9000_0000
# SP, reset vector, `b .`: an application that runs until somebody halts it.
APPLICATION = bytes.fromhex("00000520 09000008 fee7fee7 fee7fee7")
SIM = ("--board", "stm32f746g-disco", "--probe", "sim")


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> list[SimulatedBoard]:
    """The simulated boards that the verbs work on, the last one last; what they are is seen after the run."""
    made: list[SimulatedBoard] = []

    def make(*arguments: object) -> SimulatedBoard:
        made.append(SimulatedBoard(*arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr("boardflash.sim.probe.SimulatedBoard", make)
    return made


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "app.bin"
    path.write_bytes(APPLICATION + random.Random(1).randbytes(2000))
    return f"{path}@0x08000000"


def halted(board: SimulatedBoard) -> bool:
    """Now, and a second later."""
    was = board.halted()
    board.advance(10**12)
    assert board.halted() == was
    return was


def test_flash_leaves_the_core_running(
    cli: Callable[..., Said], boards: list[SimulatedBoard], image: str
) -> None:
    assert cli("flash", image, *SIM).code == 0
    assert not halted(boards[-1])


def test_flash_no_run_leaves_it_halted(
    cli: Callable[..., Said], boards: list[SimulatedBoard], image: str
) -> None:
    assert cli("flash", image, *SIM, "--no-run").code == 0
    assert halted(boards[-1])
    assert cli("flash", image, *SIM, "--no-run").code == 0  # nothing to do, and the same
    assert halted(boards[-1])


def test_verify_leaves_the_core_running(
    cli: Callable[..., Said], boards: list[SimulatedBoard], image: str
) -> None:
    cli("flash", image, *SIM)
    assert cli("verify", image, *SIM).code == 0
    assert not halted(boards[-1])


def test_erase_leaves_it_halted(cli: Callable[..., Said], boards: list[SimulatedBoard], image: str) -> None:
    cli("flash", image, *SIM)
    said = cli("erase", "--region", "qspi", "--size", "64K", *SIM)
    assert "the core is halted" in said.out
    assert halted(boards[-1])


@pytest.mark.parametrize(("words", "stands"), [(("--halt",), True), ((), False)])
def test_reset(
    cli: Callable[..., Said], boards: list[SimulatedBoard], image: str, words: tuple[str, ...], stands: bool
) -> None:
    cli("flash", image, *SIM)
    said = cli("reset", *words, *SIM)
    assert ("halted at the reset vector" in said.out) == stands
    assert halted(boards[-1]) == stands


def test_a_failure_leaves_it_halted(
    cli: Callable[..., Said], boards: list[SimulatedBoard], image: str, tmp_path: Path
) -> None:
    """An application that is there already must not be started beside half of its pictures."""
    pictures = tmp_path / "pictures.bin"
    words = ("flash", image, f"{pictures}@{QSPI:#x}", *SIM)
    pictures.write_bytes(random.Random(2).randbytes(300_000))
    assert cli(*words).code == 0
    pictures.write_bytes(random.Random(3).randbytes(300_000))
    assert cli(*words, "--fault", "erase_fails=[0x10000]").code == ExitCode.DEVICE_FAILED
    assert halted(boards[-1])
    assert cli(*words).code == 0
    assert not halted(boards[-1])


def test_a_wrong_device_is_left_halted(
    cli: Callable[..., Said], boards: list[SimulatedBoard], image: str
) -> None:
    words = ("flash", image, f"{image.partition('@')[0]}@{QSPI:#x}", *SIM)
    assert cli(*words, "--fault", "wiring.PD11=").code == ExitCode.WRONG_DEVICE
    assert halted(boards[-1])


def test_an_error_about_protection_is_no_error_about_the_cable(cli: Callable[..., Said], image: str) -> None:
    said = cli("flash", image, *SIM, "--fault", "option_bytes.optcr=0xC0FF55FD")
    assert said.code == ExitCode.WRONG_DEVICE
    assert "read-out protection of the STM32F746NG is on" in said.err
    assert "cable" not in said.err
