"""What lies beside the image enters the journal as it was proved, and nothing of the image does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from boardflash.errors import BoardflashError
from boardflash.loader.protocol import Command, Way
from boardflash.loader.session import LoaderSession
from boardflash.program.journal import BY_ONE_LINE, Journal, Preserved
from boardflash.program.neighbours import Neighbours
from boardflash.program.report import RegionReport
from boardflash.program.work import Unit
from rig import Rig

QSPI = 0x9000_0000
KIB = 1024


def test_what_enters_the_journal_was_read_both_ways_and_is_not_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    kept: list[Preserved] = []
    proved: set[int] = set()
    keep, submit_all = Journal.keep, LoaderSession.submit_all

    def noted(journal: Journal, unit_address: int, items: tuple[Preserved, ...]) -> None:
        assert all(set(range(item.address, item.end)) <= proved for item in items)
        kept.extend(items)
        keep(journal, unit_address, items)

    def submitted(session: LoaderSession, region: int, commands: Sequence[Command]) -> int:
        for command in commands:
            if command.way == Way.BOTH:
                proved.update(range(command.address, command.address + command.length))
        return submit_all(session, region, commands)

    rig = Rig(tmp_path)
    with rig.link():
        pass
    own = random.Random(1).randbytes(3000) + b"\xff" * (4 * KIB - 3000)
    rig.set_memory("qspi", 0, own)
    image = random.Random(2).randbytes(1000)
    monkeypatch.setattr(Journal, "keep", noted)
    monkeypatch.setattr(LoaderSession, "submit_all", submitted)
    rig.flash({QSPI + 1000: image})
    assert rig.memory("qspi")[: 4 * KIB] == own[:1000] + image + own[2000:]
    held = {address for item in kept for address in range(item.address, item.end)}
    assert held == {*range(QSPI, QSPI + 1000), *range(QSPI + 2000, QSPI + 4 * KIB)}
    assert {item.read_by for item in kept} == {BY_ONE_LINE}


def test_a_span_that_is_not_blank_a_second_time_stops_the_run(tmp_path: Path) -> None:
    flags = [b"\x01" * 16, b"\x00" * 4]
    session = SimpleNamespace(link=SimpleNamespace(read_memory=lambda address, size: flags.pop(0)))
    journal = Journal(tmp_path, "00112233", "qspi", "20ba18")
    unit = Unit(QSPI, 4 * KIB, True, False, (), (), ((QSPI, 4 * KIB),), "")
    neighbours = Neighbours(session, journal, RegionReport("qspi"), Way.BOTH)  # type: ignore[arg-type]
    (check,) = neighbours.blank_checks([unit])
    assert check.filled is not None
    check.filled(0)
    (proof,) = neighbours.reads([unit])
    assert proof.filled is not None
    with pytest.raises(BoardflashError, match="read blank and then not"):
        proof.filled(0)
    assert not neighbours.all_read()
