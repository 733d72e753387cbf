"""The chip never waits for the host where it is the limit; where the link is, the link never waits.

Seen from the chip itself: its simulation notes when each erase and page program begins and how long it takes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from boardflash.program.run import flash
from boardflash.program.work import qspi_clock_hz
from boardflash.sim.jlink_wire import Wire
from boardflash.sim.nor.core import SerialNor
from rig import Rig

QSPI = 0x9000_0000
KIB = 1024
PS = 1e12
#: Between two pages the core looks at registers, each at the pace of their bus (10 cycles an access).
LOOKING = 0.025
WORD_S = 46 / 4_000_000  # a word on SWD at 4 MHz


@dataclass
class Work:
    """Erases and page programs, as the chip began them."""

    started_ps: list[int] = field(default_factory=list)
    took_ps: list[int] = field(default_factory=list)
    programs: int = 0

    @property
    def span_s(self) -> float:
        return (self.started_ps[-1] + self.took_ps[-1] - self.started_ps[0]) / PS

    @property
    def busy_s(self) -> float:
        return sum(self.took_ps) / PS


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    seen = Work()
    begin = SerialNor.begin

    def noted(chip: SerialNor, kind: str, start: int, size: int, took_ps: int, finish: object) -> None:
        if kind in ("erase", "program"):
            seen.started_ps.append(chip.at_ps)
            seen.took_ps.append(took_ps)
            seen.programs += kind == "program"
        begin(chip, kind, start, size, took_ps, finish)  # type: ignore[arg-type]

    monkeypatch.setattr(SerialNor, "begin", noted)
    yield seen


def bus_s(rig: Rig, chip_name: str, pages: int) -> float:
    """What the pages' bytes take on the bus: the chip receives them then, which is work, too."""
    assert rig.board.qspi is not None
    chip = next(chip for chip in rig.board.qspi.chips if chip.name == chip_name)
    clocks = 8 + 24 + 2 * chip.page_size  # opcode and address on one line, data on four
    return pages * clocks / qspi_clock_hz(rig.board, chip)


CHIPS = {"n25q128a13": None, "w25q128jv": "stm32f746g-disco-c03"}


@pytest.mark.parametrize("chip", CHIPS)
def test_over_old_content_the_chip_hardly_stands_still(tmp_path: Path, work: Work, chip: str) -> None:
    rig = Rig(tmp_path, twin=CHIPS[chip])
    rig.flash({QSPI: b"\x5a"})
    rig.set_memory("qspi", 0, random.Random(1).randbytes(512 * KIB))
    work.started_ps.clear()
    work.took_ps.clear()
    work.programs = 0
    report = rig.flash({QSPI: random.Random(2).randbytes(400 * KIB)}).regions[0]
    idle = 1 - (work.busy_s + bus_s(rig, chip, work.programs)) / work.span_s
    assert 0 <= idle < LOOKING
    # What the loader measures and the report says is the same.
    assert report.limit == "chip"
    assert report.worked_s + report.waited_s + report.proved_s == pytest.approx(work.span_s, rel=0.005)
    assert report.waited_s / work.span_s < 0.02


def test_packed_data_make_the_chip_the_limit_on_a_blank_chip_too(tmp_path: Path, work: Work) -> None:
    rig = Rig(tmp_path)
    tiles = b"".join(bytes([n % 250]) * 300 for n in range(1000))
    report = rig.flash({QSPI: tiles}).regions[0]
    # A blank chip gets one page alone, which is read back before anything follows: that is not idling.
    assert report.trial_bytes
    del work.started_ps[0], work.took_ps[0]
    work.programs -= 1
    idle = 1 - (work.busy_s + bus_s(rig, "n25q128a13", work.programs)) / work.span_s
    assert 0 <= idle < LOOKING
    assert report.limit == "chip"
    assert report.bytes_sent < len(tiles) / 10


def test_onto_a_blank_chip_it_is_the_link_that_never_stands_still(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first page that is programmed to the last byte that is sent."""
    moments: list[tuple[float, float]] = []  # when, how long
    transfers = Wire.transfers

    def noted(wire: Wire, count: int) -> None:
        before = wire.target.clock.seconds
        transfers(wire, count)
        moments.append((before, count * WORD_S))

    monkeypatch.setattr(Wire, "transfers", noted)
    rig = Rig(tmp_path)
    plan = rig.plan({QSPI: random.Random(2).randbytes(400 * KIB)})
    with rig.link() as link:
        report = flash(plan, link).regions[0]
    assert report.limit == "link"
    assert report.trial_bytes  # one page alone, which is read back before anything follows
    first = work.started_ps[1] / PS
    last = max(when + took for when, took in moments if took > 100 * WORD_S and when > first)
    used = sum(took for when, took in moments if first <= when < last)
    assert used / (last - first) > 0.96  # the rest is the latency of the calls
