"""N25Q and MT25Q share three ID bytes; the extended ID tells them apart, on boards that may carry either."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from rig import Rig

DATA = {0x9000_0000: bytes(range(256))}
BOARD = """
schema = 1
name   = "own"
title  = "Own board"
mcu    = "STM32F746NG"

[qspi]
bank  = 1
chips = [{chips}]
clock_hz_max = 54_000_000
pins = {{ clk = "PB2", ncs = "PB6", io0 = "PD11", io1 = "PD12", io2 = "PE2", io3 = "PD13" }}
"""

RigFor = Callable[..., Rig]


@pytest.fixture(scope="module")
def rigs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for number, chips in enumerate(('"mt25ql128aba"', '"n25q128a13", "mt25ql128aba"')):
        folders[chips] = tmp_path_factory.mktemp(f"board{number}")
        (folders[chips] / "own.toml").write_text(BOARD.format(chips=chips), "utf-8")
    return folders


@pytest.fixture
def rig_for(rigs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> RigFor:
    """A rig whose board may carry `chips`, with `chip` fitted."""

    def make(chips: str, chip: str, serial: int) -> Rig:
        folder = rigs[chips]
        monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(folder / "state"))
        return Rig(folder, str(folder / "own.toml"), "stm32f746g-disco", str(serial), {"chip": chip})

    return make


ONLY_MT25Q, BOTH = '"mt25ql128aba"', '"n25q128a13", "mt25ql128aba"'


@pytest.mark.parametrize(
    ("serial", "chips", "chip", "jedec", "taken_for"),
    [
        (1, ONLY_MT25Q, "MT25QL128ABA", "20 BA 18 10 44 00", "mt25ql128aba"),
        (2, ONLY_MT25Q, "MT25QL128ABA1EW9-0SIT", "20 BA 18 10 40 00", "mt25ql128aba"),
        (3, BOTH, "MT25QL128ABA8E12-0AAT", "20 BA 18 10 44 00", "mt25ql128aba"),
        (4, BOTH, "MT25QL128ABA1", "20 BA 18 10 40 00", "mt25ql128aba"),
        (5, BOTH, "N25Q128A13", "20 BA 18 10 00 00", "n25q128a13"),
    ],
)
def test_mt25q_is_known_by_both_of_its_extended_ids(
    rig_for: RigFor, serial: int, chips: str, chip: str, jedec: str, taken_for: str
) -> None:
    """10 40 00 was measured on ST's 32F469I-DISCO; 10 44 00 stands in flashrom."""
    report = rig_for(chips, chip, serial).flash(DATA)
    assert (report.device.jedec_id, report.device.chip) == (jedec, taken_for)
    assert report.exit_code == ExitCode.OK


def test_an_n25q_is_not_taken_for_an_mt25q(rig_for: RigFor) -> None:
    with pytest.raises(BoardflashError) as caught:
        rig_for(ONLY_MT25Q, "N25Q128A13", 6).flash(DATA)
    assert str(caught.value) == (
        "own: qspi: unknown chip: JEDEC ID 20 BA 18 10 00 00; mt25ql128aba has 20 BA 18 10 44 00 or"
        " 20 BA 18 10 40 00; if the board may carry it, add it to [qspi] chips"
    )
    assert caught.value.code == ExitCode.WRONG_DEVICE
