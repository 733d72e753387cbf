"""A chip on the second bank of the QUADSPI: CR.FSEL = 1, and pins of its own but for the clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from bank_two import board_file, twin_file
from boardflash.errors import BoardflashError, ExitCode
from cuts import firmware, noise
from rig import Rig

INTERNAL, QSPI = 0x0800_0000, 0x9000_0000
KIB = 1024


def rig_of(folder: Path, board: int, twin: int) -> Rig:
    folder.mkdir(parents=True, exist_ok=True)
    return Rig(folder, board_file(folder, board), twin_file(folder, twin))


def test_both_memories_of_a_board_of_bank_2_are_flashed_changed_and_verified(tmp_path: Path) -> None:
    rig = rig_of(tmp_path / "bench", board=2, twin=2)
    content = bytearray(noise(150 * KIB, 3))
    images = {INTERNAL: firmware(5000, 2), QSPI: bytes(content)}
    assert rig.flash(images).exit_code == ExitCode.OK
    assert rig.memory("qspi")[: 150 * KIB] == content
    content[100_000:100_300] = noise(300, 4)
    changed = {**images, QSPI: bytes(content)}
    report = rig.flash(changed)
    assert report.exit_code == ExitCode.OK
    assert [region.erases for region in report.regions] == [{}, {4096: 1}]
    assert rig.memory("qspi")[: 150 * KIB] == content
    assert set(rig.memory("qspi")[150 * KIB :]) == {0xFF}
    assert rig.verify(changed).exit_code == ExitCode.OK


@pytest.mark.parametrize(("board", "twin"), [(1, 2), (2, 1)])
def test_a_board_file_of_the_other_bank_finds_no_chip(tmp_path: Path, board: int, twin: int) -> None:
    rig = rig_of(tmp_path / "bench", board, twin)
    with pytest.raises(BoardflashError) as caught:
        rig.flash({QSPI: noise(4096, 1)})
    assert caught.value.code == ExitCode.WRONG_DEVICE
    assert set(rig.memory("qspi")) == {0xFF}
