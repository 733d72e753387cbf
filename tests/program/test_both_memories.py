"""Both memories in one run: at the same time, in the order that never boots half-written, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from devices import INTERNAL, KIB, QSPI, Device, cleared, device, firmware, noise

PS = 1e12
VECTORS_AT = [INTERNAL, INTERNAL + 4]


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    with device(tmp_path) as found:
        yield found


# At the same time


def internal_image(seed: int) -> bytes:
    """96 KiB, three erase units; a quarter of it is not blank."""
    parts = [firmware(8 * KIB, seed), noise(8 * KIB, seed + 1), noise(8 * KIB, seed + 2)]
    return b"".join(part + b"\xff" * (24 * KIB) for part in parts)


OLD = {INTERNAL: internal_image(1), QSPI: noise(256 * KIB, 4)}
NEW = {INTERNAL: internal_image(5), QSPI: noise(256 * KIB, 8)}


@dataclass(frozen=True)
class Took:
    seconds: float  # of the whole run
    guard_s: float  # that the vector table's unit was erased and programmed for, first and last


def run_over_old(folder: Path, boot_guard: str, *addresses: int) -> Took:
    with device(folder) as found:
        for address, data in OLD.items():
            found.put(address, data)
        described = replace(found.rig.board, boot_guard=boot_guard)
        report = found.flash({address: NEW[address] for address in addresses}, described)
        for address in addresses:
            assert found.holds(address, len(NEW[address])) == NEW[address]
        assert not found.sim.violations
        guard = [c for c in found.changes if INTERNAL <= c.address < INTERNAL + 32 * KIB]
        return Took(report.seconds, sum(change.end_ps - change.begin_ps for change in guard) / PS)


@pytest.fixture(scope="module")
def qspi_alone_s(tmp_path_factory: pytest.TempPathFactory) -> float:
    return run_over_old(tmp_path_factory.mktemp("alone"), "internal", QSPI).seconds


@pytest.mark.parametrize("boot_guard", ["never", "internal"])
def test_both_take_as_long_as_the_slower_one_alone(
    tmp_path: Path, qspi_alone_s: float, boot_guard: str
) -> None:
    """With a guard, its unit takes its time before and after all else."""
    both = run_over_old(tmp_path, boot_guard, INTERNAL, QSPI)
    assert both.guard_s > 0.25
    alone_s = qspi_alone_s + (both.guard_s if boot_guard == "internal" else 0)
    assert both.seconds < 1.05 * alone_s


def test_the_chip_s_first_erase_does_not_wait_for_internal_flash_s_data(tmp_path: Path) -> None:
    """Internal flash is decided first. One command of its data may be on the link then, no burst."""
    old = noise(128 * KIB, 4)
    new = old[:4096] + bytes([old[4096] ^ 0xFF]) + old[4097:]
    begun_s = []
    for addresses in ((QSPI,), (INTERNAL, QSPI)):
        with device(tmp_path / str(len(addresses))) as found:
            found.put(INTERNAL, OLD[INTERNAL])
            found.put(QSPI, old)
            images = {INTERNAL: NEW[INTERNAL], QSPI: new}
            described = replace(found.rig.board, boot_guard="never")
            found.flash({address: images[address] for address in addresses}, described)
            begun_s.append(next(c.begin_ps for c in found.changes if c.region == "qspi") / PS)
    assert begun_s[1] - begun_s[0] < 0.06


# In this order


class Reads:
    """When the chip's array was read, and how much."""

    def __init__(self, board: Device, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[int, int]] = []
        cells = board.sim.chip.cells
        read = cells.read

        def noted(address: int, count: int) -> bytes:
            self.seen.append((board.sim.clock.now_ps, count))
            data: bytes = read(address, count)
            return data

        monkeypatch.setattr(cells, "read", noted)

    def count(self, after_ps: int, before_ps: int) -> int:
        return sum(count for at_ps, count in self.seen if after_ps <= at_ps < before_ps)


@pytest.mark.parametrize("old", ["other", "other, blank chip"])
def test_the_boot_unit_is_erased_before_and_written_after_all_that_the_chip_gets(
    board: Device, monkeypatch: pytest.MonkeyPatch, old: str
) -> None:
    board.put(INTERNAL, firmware(3000, 1))
    board.put(INTERNAL + 32 * KIB, noise(KIB, 1))
    board.put(QSPI, b"\xff" if "blank" in old else noise(40 * KIB, 1))
    reads = Reads(board, monkeypatch)
    images = {INTERNAL: firmware(3000, 2), INTERNAL + 32 * KIB: noise(KIB, 2), QSPI: noise(40 * KIB, 2)}
    board.flash(images)
    assert all(board.holds(address, len(data)) == data for address, data in images.items())

    guard_erase = board.changes[0]
    assert (guard_erase.kind, guard_erase.address) == ("erase", INTERNAL)
    qspi = [change for change in board.changes if change.region == "qspi"]
    others = [change for change in board.changes if change.address >= INTERNAL + 32 * KIB]
    assert min(change.begin_ps for change in qspi) >= guard_erase.end_ps

    guard = [change for change in board.changes if change.address < INTERNAL + 32 * KIB][1:]
    last_ps = max(change.end_ps for change in others)
    assert guard[0].begin_ps > last_ps
    # In between all that was written to the chip has been digested; then the vectors, last of the last.
    assert reads.count(max(change.end_ps for change in qspi), guard[0].begin_ps) >= 40 * KIB
    assert reads.count(guard[0].begin_ps, guard[-1].end_ps) == 0
    assert [change.address for change in guard[-2:]] == VECTORS_AT


def test_a_change_of_the_chip_alone_leaves_the_boot_unit_be(board: Device) -> None:
    board.put(INTERNAL, firmware(3000))
    board.put(QSPI, noise(8 * KIB, 1))
    board.flash({INTERNAL: firmware(3000), QSPI: noise(8 * KIB, 2)})
    assert board.holds(QSPI, 8 * KIB) == noise(8 * KIB, 2)
    assert {change.region for change in board.changes} == {"qspi"}


def test_a_blank_boot_unit_guards_by_itself(board: Device) -> None:
    """Nothing is erased for it; its vectors still come last."""
    images = {INTERNAL: firmware(3000), QSPI: noise(8 * KIB)}
    board.flash(images)
    assert all(board.holds(address, len(data)) == data for address, data in images.items())
    assert {change.kind for change in board.changes} == {"program"}
    assert [change.address for change in board.changes[-2:]] == VECTORS_AT
    first_internal = next(c for c in board.changes if c.region == "internal")
    assert max(c.end_ps for c in board.changes if c.region == "qspi") < first_internal.begin_ps


# Or not at all


def protecting(board: Device, region: str, address: int, size: int) -> Board:
    described = board.rig.board
    regions = tuple(
        replace(r, protect=((address, size),)) if r.name == region else r for r in described.regions
    )
    return replace(described, regions=regions)


def refused(board: Device, images: dict[int, bytes], described: Board) -> str:
    before = bytes(board.sim.flash.array), bytes(board.sim.chip.array)
    with pytest.raises(BoardflashError) as caught:
        board.flash(images, described)
    assert board.changes == []
    assert (bytes(board.sim.flash.array), bytes(board.sim.chip.array)) == before
    return str(caught.value)


LONG = 700 * KIB  # the chip's digests take longer than all that internal flash is asked


@pytest.mark.parametrize("change", ["other", "cleared bits"])
@pytest.mark.parametrize("at", [0, LONG - 4 * KIB], ids=["first", "last"])
def test_a_protected_range_of_the_chip_stops_internal_flash_too(board: Device, at: int, change: str) -> None:
    old = noise(LONG, 1)
    new = (
        cleared(old, at + 900, 50)
        if change == "cleared bits"
        else old[: at + 900] + b"\xff" + old[at + 901 :]
    )
    board.put(QSPI, old)
    board.put(INTERNAL, firmware(3000, 1))
    described = protecting(board, "qspi", QSPI + at + KIB, 16)
    told = refused(board, {INTERNAL: firmware(3000, 2), QSPI: new}, described)
    assert told == (
        f"stm32f746g-disco: qspi {QSPI + at:#010x}: the image has other bytes here than the device, but the"
        " board file protects this range; leave it out of the image, or out of [[protect]]"
    )


def test_a_protected_range_of_internal_flash_stops_the_chip_too(board: Device) -> None:
    board.put(INTERNAL, firmware(40 * KIB, 1))
    board.put(QSPI, noise(8 * KIB, 1))
    images = {INTERNAL: firmware(40 * KIB, 2), QSPI: noise(8 * KIB, 2)}
    told = refused(board, images, protecting(board, "internal", INTERNAL + 39 * KIB, 1))
    assert told.startswith(
        f"stm32f746g-disco: internal {INTERNAL + 32 * KIB:#010x}: the image has other bytes"
    )


def test_a_protected_range_that_holds_the_image_s_bytes_stops_nothing(board: Device) -> None:
    old, new = noise(12 * KIB, 1), noise(12 * KIB, 2)
    new = new[: 4 * KIB] + old[4 * KIB : 8 * KIB] + new[8 * KIB :]
    board.put(QSPI, old)
    board.put(INTERNAL, firmware(3000, 1))
    images = {INTERNAL: firmware(3000, 2), QSPI: new}
    board.flash(images, protecting(board, "qspi", QSPI + 4 * KIB, 4 * KIB))
    assert all(board.holds(address, len(data)) == data for address, data in images.items())
    assert board.changed("qspi", "erase") == [QSPI, QSPI + 8 * KIB]
