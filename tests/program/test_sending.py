"""Fewer bytes cross the link: packed where that pays, copied where the device has them, blank ones never."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from boardflash.loader.artefact import load_artefact
from boardflash.loader.protocol import Command
from boardflash.loader.session import LoaderSession
from boardflash.program.report import FlashReport
from devices import INTERNAL, KIB, QSPI, Device, cleared, device, firmware, noise
from rig import VECTORS

GRANULE = 4 * KIB
RAM = 0x2000_0000


#: A word for each of 64 spots, on a blank chip the first page by itself, and their markers.
PROOF = 64 * 4 + 256 + 2 * 4


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    with device(tmp_path) as found:
        yield found


def tiles(size: int, seed: int = 3) -> bytes:
    """Like pictures and tables: short runs, each of one value."""
    chance = random.Random(seed)
    data = b"".join(bytes([chance.randrange(256)]) * chance.randrange(60, 300) for _ in range(size // 60))
    return data[:size]


class Crossed:
    """Bytes that were written to the target's data RAM, whatever for."""

    def __init__(self, board: Device, monkeypatch: pytest.MonkeyPatch) -> None:
        self.total = 0
        base = load_artefact(board.plan({QSPI: b"\x00"}).loader_path).buffers_base
        write = board.link.write_memory

        def counted(address: int, data: bytes) -> None:
            self.total += len(data) if address >= base else 0
            write(address, data)

        monkeypatch.setattr(board.link, "write_memory", counted)


def holds_all(board: Device, images: dict[int, bytes]) -> bool:
    return all(board.holds(address, len(data)) == data for address, data in images.items())


def figures(report: FlashReport) -> dict[str, tuple[int, int, int]]:
    return {r.name: (r.bytes_programmed, r.bytes_sent, r.bytes_copied) for r in report.regions}


# Packed


def test_what_packs_is_sent_packed_to_both_memories(board: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    images = {INTERNAL: VECTORS + tiles(20 * KIB - len(VECTORS)), QSPI: tiles(100 * KIB)}
    crossed = Crossed(board, monkeypatch)
    report = board.flash(images)
    assert holds_all(board, images)
    for region, size in zip(report.regions, (20 * KIB, 100 * KIB), strict=True):
        assert region.bytes_programmed == size
        assert 0 < region.bytes_sent < size / 10
    sent = sum(region.bytes_sent for region in report.regions)
    assert sent <= crossed.total < 1.1 * sent + PROOF


@pytest.mark.parametrize("old", ["blank", "other"])
def test_noise_is_sent_as_it_is_and_once(board: Device, monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    images = {INTERNAL: firmware(10 * KIB), QSPI: noise(50 * KIB, 2)}
    if old == "other":
        board.put(INTERNAL, firmware(10 * KIB, 8))
        board.put(QSPI, noise(64 * KIB, 3)[: 50 * KIB])
    crossed = Crossed(board, monkeypatch)
    assert figures(board.flash(images)) == {
        "internal": (10 * KIB, 10 * KIB, 0),
        "qspi": (50 * KIB, 50 * KIB, 0),
    }
    assert holds_all(board, images)
    # Beside the data: four bytes for each marker, and what proves the chip's reads.
    assert 60 * KIB <= crossed.total < 60 * KIB + 200 + PROOF


def test_an_image_that_is_there_sends_nothing_for_it(board: Device) -> None:
    images = {INTERNAL: firmware(5 * KIB), QSPI: noise(30 * KIB)}
    for address, data in images.items():
        board.put(address, data)
    assert figures(board.flash(images)) == {"internal": (0, 0, 0), "qspi": (0, 0, 0)}


@pytest.mark.parametrize("old", ["blank", "other"])
def test_blank_pages_are_not_sent(board: Device, monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    image = noise(KIB, 1) + b"\xff" * (62 * KIB) + noise(KIB, 2)
    if old == "other":
        board.put(QSPI, noise(64 * KIB, 3))
    crossed = Crossed(board, monkeypatch)
    report = board.flash_one(QSPI, image)
    assert board.holds(QSPI, 64 * KIB) == image
    assert (report.bytes_programmed, report.bytes_sent, report.pages_programmed) == (2 * KIB, 2 * KIB, 8)
    assert len(set(board.changed("qspi", "program"))) == 8  # on a blank chip the first of them twice
    assert crossed.total < 2 * KIB + 100 + PROOF


# Copied on the device


def test_a_granule_that_comes_again_crosses_once(board: Device) -> None:
    """LZ4 looks back 64 KiB; these are farther apart."""
    tile = noise(GRANULE)
    images = {QSPI + at * KIB: tile for at in (0, 80, 200)}
    report = board.flash(images)
    assert holds_all(board, images)
    assert figures(report)["qspi"] == (3 * GRANULE, GRANULE, 2 * GRANULE)


def test_a_granule_that_comes_again_amid_others_crosses_once(board: Device) -> None:
    tile, others = noise(GRANULE), noise(84 * KIB, 2)
    image = others[: 8 * KIB] + tile + others[8 * KIB :] + tile + noise(500, 4)
    report = board.flash_one(QSPI, image)
    assert board.holds(QSPI, len(image)) == image
    assert (report.bytes_sent, report.bytes_copied) == (len(image) - GRANULE, GRANULE)


def test_what_internal_flash_has_is_copied_there_too(board: Device) -> None:
    unit = noise(3 * KIB) + b"\xff" * (29 * KIB)
    images = {INTERNAL: firmware(KIB), INTERNAL + 32 * KIB: unit, INTERNAL + 96 * KIB: unit}
    report = board.flash(images)
    assert holds_all(board, images)
    assert figures(report)["internal"] == (36 * KIB, 4 * KIB, 32 * KIB)


@pytest.mark.parametrize("at", [0, 100], ids=["source behind", "source before"])
def test_a_granule_that_is_right_already_is_a_source(board: Device, at: int) -> None:
    tile = noise(GRANULE)
    source = QSPI + 60 * KIB
    images = {source: tile, QSPI + at * KIB: tile}
    board.put(source, tile)
    board.put(QSPI + at * KIB, noise(GRANULE, 2))
    report = board.flash(images)
    assert holds_all(board, images)
    assert figures(report)["qspi"] == (GRANULE, 0, GRANULE)
    assert board.changed("qspi", "erase") == [QSPI + at * KIB]


@pytest.mark.parametrize(("way", "copied"), [("up", 0), ("down", 64 * KIB)])
def test_moved_content_is_copied_only_while_it_is_there(board: Device, way: str, copied: int) -> None:
    """By 64 KiB, over old content. Upwards its source has been erased when its turn comes."""
    moved, new = noise(64 * KIB, 1), noise(64 * KIB, 2)
    old = noise(64 * KIB, 3)
    board.put(QSPI, moved + old if way == "up" else old + moved)
    image = new + moved if way == "up" else moved + new
    report = board.flash_one(QSPI, image)
    assert board.holds(QSPI, 128 * KIB) == image
    assert report.erases == {64 * KIB: 2}
    assert (report.bytes_sent, report.bytes_copied) == (128 * KIB - copied, copied)


def test_the_boot_unit_s_old_content_is_no_source(board: Device) -> None:
    """It is erased first and written last: all else is programmed in between."""
    blank = b"\xff" * (30 * KIB)
    old = firmware(2 * KIB, 1) + blank
    images = {INTERNAL: firmware(2 * KIB, 2) + blank, INTERNAL + 64 * KIB: old}
    board.put(INTERNAL, old)
    report = board.flash(images)
    assert holds_all(board, images)
    assert figures(report)["internal"] == (4 * KIB, 4 * KIB, 0)


def test_content_moved_inside_one_erase_is_sent(board: Device) -> None:
    content = noise(68 * KIB)
    board.put(QSPI, content[: 64 * KIB])
    report = board.flash_one(QSPI, content[4 * KIB :])
    assert board.holds(QSPI, 64 * KIB) == content[4 * KIB :]
    assert (report.erases, report.bytes_copied) == ({64 * KIB: 1}, 0)


@pytest.mark.parametrize(("at", "copied"), [(0, GRANULE), (128, 0)], ids=["before", "behind"])
def test_a_source_whose_bits_clear_is_one_only_before_they_do(board: Device, at: int, copied: int) -> None:
    """It is changed without an erase: what it held is gone all the same."""
    tile = noise(GRANULE)
    source = QSPI + 64 * KIB
    images = {source: cleared(tile, 1100, 30), QSPI + at * KIB: tile}
    board.put(source, tile)
    report = board.flash(images)
    assert holds_all(board, images)
    # The source's own digest is of what it holds, so it is known without being part of the image's bytes.
    assert figures(report)["qspi"] == (GRANULE + 256, GRANULE + 256 - copied, copied)


def test_what_shares_no_granule_is_sent(board: Device) -> None:
    """The same bytes, but not where a granule begins."""
    tile = noise(GRANULE)
    images = {QSPI: tile, QSPI + 80 * KIB + 256: tile}
    report = board.flash(images)
    assert holds_all(board, images)
    assert figures(report)["qspi"] == (2 * GRANULE, 2 * GRANULE, 0)


# All of it at once


@pytest.mark.parametrize("seed", [1, 3, 4])
def test_packed_copied_raw_and_blank_in_one_image(board: Device, seed: int) -> None:
    chance = random.Random(seed)
    known = [noise(GRANULE, 100 + n) for n in range(3)]
    parts = [
        chance.choice([chance.choice(known), tiles(GRANULE, n), noise(GRANULE, n), b"\xff" * GRANULE])
        for n in range(36)
    ]
    image = (noise(GRANULE, 99) + b"".join(parts))[chance.randrange(GRANULE) :] + noise(77, seed)
    start = QSPI + 37 * GRANULE - (len(image) - 77)
    before = noise(200 * KIB, 50) if seed > 1 else known[0] * 50
    board.put(QSPI, before)
    report = board.flash_one(start, image)
    expected = before[: start - QSPI] + image + before[start - QSPI + len(image) :]
    assert board.holds(QSPI, 200 * KIB) == expected
    assert report.bytes_copied > 0
    assert report.bytes_sent < len(image) - report.bytes_copied


def test_the_same_image_again_finds_no_command_begun_before_its_data_came(board: Device) -> None:
    """The device keeps its power, and so its RAM, but another tool has blanked the chip."""
    image = noise(100 * KIB, 100)
    for _ in range(3):
        board.put(QSPI, b"\xff" * len(image))
        board.flash_one(QSPI, image)
        assert board.holds(QSPI, len(image)) == image


def test_firmware_that_clears_its_variables_between_two_runs_makes_no_marker_come_again(
    board: Device,
) -> None:
    """A start-up zeroes its .bss, where the mailbox was; the buffers behind it keep what they hold."""
    image = noise(100 * KIB, 100)
    low = load_artefact(board.plan({QSPI: image}).loader_path).buffers_base - RAM
    for _ in range(3):
        board.link.reset_and_halt()
        board.link.write_memory(RAM, bytes(low))
        board.put(QSPI, b"\xff" * len(image))
        board.flash_one(QSPI, image)
        assert board.holds(QSPI, len(image)) == image


@pytest.mark.parametrize("markers", ["kept", "lost"])
def test_a_marker_left_in_ram_is_not_taken_for_new(
    board: Device, monkeypatch: pytest.MonkeyPatch, markers: str
) -> None:
    """All that the first run has left in the data RAM is spoilt, but for its markers."""
    places: set[int] = set()
    submit_all = LoaderSession.submit_all

    def noted(session: LoaderSession, region: int, commands: Sequence[Command]) -> int:
        places.update(command.marker_at for command in commands if command.marker_at)
        return submit_all(session, region, commands)

    monkeypatch.setattr(LoaderSession, "submit_all", noted)
    image = noise(100 * KIB, 100)
    artefact = load_artefact(board.plan({QSPI: image}).loader_path)
    board.flash_one(QSPI + 200 * KIB, b"\x5a")  # a first run ever takes a slightly other course
    board.flash_one(QSPI, image)
    assert places
    ram = bytearray(
        board.link.read_memory(artefact.buffers_base, artefact.buffers_end - artefact.buffers_base)
    )
    spoilt = bytearray(byte ^ 0x5A for byte in ram)
    for place in places if markers == "kept" else ():
        at = place - artefact.buffers_base
        spoilt[at : at + 4] = ram[at : at + 4]
    board.link.write_memory(artefact.buffers_base, bytes(spoilt))
    board.put(QSPI, b"\xff" * len(image))
    board.flash_one(QSPI, image)
    assert board.holds(QSPI, len(image)) == image
