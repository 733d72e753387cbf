"""A region that a vendor's loader writes: the flow around it is the same, down to machine code."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.program.report import FlashReport, RegionReport
from boardflash.program.run import FlashOptions
from foreign.foreign_rig import INTERNAL, KIB, QSPI, ForeignRig, bench, board_text, our_flm
from foreign.loaders import build_tiny
from rig import VECTORS

SIZE = 20 * KIB + 100
CALIBRATION = b"calibration of this very device"


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def firmware(seed: int = 7) -> bytes:
    return VECTORS + noise(5000, seed)


def region(report: FlashReport, name: str = "qspi") -> RegionReport:
    return next(region for region in report.regions if region.name == name)


def calls(report: FlashReport, name: str = "qspi") -> str:
    """What the report tells of the loader's calls."""
    return "; ".join(note for note in region(report, name).notes if "calls" in note)


def flipped(data: bytes, at: int) -> bytes:
    """One bit rises, so that nothing but an erase helps."""
    content = bytearray(data)
    content[at] ^= 0xFF
    return bytes(content)


@pytest.fixture(params=["tiny.FLM", "tiny.stldr"])
def own(request: pytest.FixtureRequest, tmp_path: Path, tiny_flm: Path, tiny_stldr: Path) -> ForeignRig:
    """A board with chips, and a loader for its QSPI region."""
    return bench(tmp_path / "bench", board_text(f"vendor/{request.param}"), [tiny_flm, tiny_stldr])


def holds(rig: ForeignRig, images: Mapping[int, bytes]) -> bool:
    return all(
        rig.memory(name)[: len(images[base])] == images[base]
        for name, base in (("internal", INTERNAL), ("qspi", QSPI))
        if base in images
    )


def test_a_blank_device_holds_the_image_and_the_second_run_makes_no_call(own: ForeignRig) -> None:
    images = {INTERNAL: firmware(), QSPI: noise(SIZE)}
    first = own.flash(images)
    assert first.exit_code == ExitCode.OK
    assert holds(own, images)
    assert set(own.memory("qspi")[SIZE:]) == {0xFF}
    assert region(first).erases == {}
    assert region(first).pages_programmed == 81
    assert "with the core halted between its calls" in calls(first)
    second = own.flash(images)
    assert second.bytes_written == 0
    assert calls(second) == ""
    assert region(second).bytes_unchanged == SIZE
    assert own.verify(images).exit_code == ExitCode.OK


def test_one_byte_erases_one_sector_of_the_loader(own: ForeignRig) -> None:
    images = {QSPI: noise(SIZE)}
    own.flash(images)
    images = {QSPI: flipped(images[QSPI], 9000)}
    report = own.flash(images)
    assert region(report).erases == {4 * KIB: 1}
    assert region(report).pages_programmed == 16
    assert f"qspi: {QSPI + 0x2000:#010x} 4 KiB erased" in "\n".join(report.lines())
    assert holds(own, images)


def test_neighbours_of_the_image_stay(own: ForeignRig) -> None:
    own.flash({QSPI: noise(SIZE)})
    own.set_memory("qspi", SIZE + 50, CALIBRATION)
    report = own.flash({QSPI: flipped(noise(SIZE), SIZE - 1)})
    assert own.memory("qspi")[SIZE + 50 :][: len(CALIBRATION)] == CALIBRATION
    assert region(report).bytes_preserved > 0


def test_force_writes_all_of_it(own: ForeignRig) -> None:
    images = {QSPI: noise(8 * KIB)}
    own.flash(images)
    report = own.flash(images, FlashOptions(force=True, verify_full=True))
    assert region(report).bytes_programmed == 8 * KIB
    assert holds(own, images)


def test_our_own_exported_flash_algorithm_is_one(tmp_path: Path, shelf: Path) -> None:
    """64 KiB sectors: one changed byte costs one of them, and its neighbours are kept."""
    flm = our_flm(shelf / "ours-for-flash")
    rig = bench(tmp_path / "bench", board_text(f"vendor/{flm.name}"), [flm])
    images = {INTERNAL: firmware(), QSPI: noise(150 * KIB)}
    rig.flash(images)
    assert holds(rig, images)
    rig.set_memory("qspi", 150 * KIB + 100, CALIBRATION)
    images = {INTERNAL: firmware(8), QSPI: flipped(images[QSPI], 140_000)}
    report = rig.flash(images)
    assert holds(rig, images)
    assert region(report).erases == {64 * KIB: 1}
    assert rig.memory("qspi")[150 * KIB + 100 :][: len(CALIBRATION)] == CALIBRATION


# Without chip facts


@pytest.mark.parametrize("read", ["", "WITH_READ"])
@pytest.mark.parametrize("kind", ["FLM", "stldr"])
def test_without_chips_the_loader_reads_too(tmp_path: Path, kind: str, read: str) -> None:
    """Our digests of the window that it maps; where it maps none, its own function."""
    defines = {"WITH_READ": "1", "NO_MAP": "1"} if read else {}
    loader = build_tiny(tmp_path / f"read.{kind}", **defines)
    rig = bench(tmp_path / "bench", board_text(f"vendor/read.{kind}", chips=False), [loader])
    images = {INTERNAL: firmware(), QSPI: noise(SIZE)}
    assert region(rig.flash(images)).pages_programmed >= 81
    rig.set_memory("qspi", SIZE + 50, CALIBRATION)
    second = rig.flash(images)
    assert second.bytes_written == 0
    how = "read back through it" if read else "of the window that it maps were digested on the device"
    assert region(second).notes[-1].startswith(f"{SIZE:,} bytes {how} in ")
    images = {INTERNAL: firmware(8), QSPI: flipped(images[QSPI], SIZE - 1)}
    third = rig.flash(images)
    assert holds(rig, images)
    assert region(third).erases == {4 * KIB: 1}
    assert rig.memory("qspi")[SIZE + 50 :][: len(CALIBRATION)] == CALIBRATION
    rig.set_memory("qspi", 5000, b"\0\0\0\0")
    assert rig.verify(images).exit_code == ExitCode.DIFFERS


def test_a_window_that_only_verify_maps_is_digested(tmp_path: Path) -> None:
    loader = build_tiny(tmp_path / "verify.FLM", NO_MAP="1", MAPS_IN_VERIFY="1")
    rig = bench(tmp_path / "bench", board_text("vendor/verify.FLM", chips=False), [loader])
    images = {QSPI: noise(SIZE)}
    rig.flash(images)
    rig.set_memory("qspi", SIZE + 50, CALIBRATION)
    images = {QSPI: flipped(images[QSPI], SIZE - 1)}
    report = rig.flash(images)
    assert holds(rig, images)
    assert region(report).erases == {4 * KIB: 1}
    assert rig.memory("qspi")[SIZE + 50 :][: len(CALIBRATION)] == CALIBRATION
    assert any("of the window that it maps were digested" in note for note in region(report).notes)


def test_a_loader_that_can_only_compare_skips_what_is_there(tmp_path: Path) -> None:
    """Most flash algorithms that are made by hand: Verify, and no way to read."""
    loader = build_tiny(tmp_path / "verify.FLM", NO_MAP="1", COMPARES="1")
    rig = bench(tmp_path / "bench", board_text("vendor/verify.FLM", chips=False), [loader])
    images = {QSPI: noise(SIZE)}
    rig.flash(images)
    assert holds(rig, images)
    second = rig.flash(images)
    assert second.bytes_written == 0
    assert region(second).notes[-1].startswith(f"{SIZE:,} bytes sent to its Verify in ")
    images = {QSPI: flipped(images[QSPI], 5000)}
    third = rig.flash(images)
    assert holds(rig, images)
    assert region(third).erases == {4 * KIB: 1}
    rig.set_memory("qspi", 9000, b"\0\0\0\0")
    assert rig.verify(images).exit_code == ExitCode.DIFFERS
    rig.flash(images)
    rig.set_memory("qspi", SIZE + 50, CALIBRATION)
    before = rig.memory("qspi")
    told = complaint(rig, {QSPI: flipped(images[QSPI], SIZE - 1)})
    assert "nothing can be read back through it" in told
    assert rig.memory("qspi") == before, "bytes beside the image that can't be kept stop it before any erase"


@pytest.mark.parametrize("kind", ["FLM", "stldr"])
def test_a_controller_that_stays_busy_after_a_read_is_freed_before_the_next(
    tmp_path: Path, kind: str
) -> None:
    """Real loaders made for dies without that erratum wait for ever in their second Read."""
    build_tiny(tmp_path / f"read.{kind}", WITH_READ="1", NO_MAP="1", NO_ABORT="1")
    rig = bench(
        tmp_path / "bench", board_text(f"vendor/read.{kind}", chips=False), [tmp_path / f"read.{kind}"]
    )
    images = {QSPI: noise(300 * KIB)}
    rig.flash(images)
    assert holds(rig, images)
    assert rig.flash(images).bytes_written == 0


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("FLM", "there is no SEGGER_OPEN_Read in it and its Init for verification maps no window"),
        ("stldr", "there is no Read in it and its Init maps no window"),
    ],
)
def test_without_chips_a_loader_that_can_not_read_is_refused_by_name(
    tmp_path: Path, kind: str, missing: str
) -> None:
    loader = build_tiny(tmp_path / f"blind.{kind}", NO_MAP="1")
    rig = bench(tmp_path / "bench", board_text(f"vendor/blind.{kind}", chips=False), [loader])
    told = complaint(rig, {QSPI: noise(SIZE)})
    assert told.startswith(
        f"bench: qspi 0x90000000: vendor/blind.{kind}: {missing}, so nothing can be read back"
    )
    assert told.endswith("name the chip in [qspi] chips, and boardflash's own loader reads it")


# Refusals and failures


def complaint(rig: ForeignRig, images: Mapping[int, bytes]) -> str:
    with pytest.raises(BoardflashError) as caught:
        rig.flash(images)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_protected_range_is_refused_before_any_call(tmp_path: Path, tiny_flm: Path) -> None:
    protect = '\n[[protect]]\nregion = "qspi"\naddress = 0x90004000\nsize = 4096\n'
    rig = bench(tmp_path / "bench", board_text("vendor/tiny.FLM", more=protect), [tiny_flm])
    images = {INTERNAL: firmware(), QSPI: noise(SIZE)}
    told = complaint(rig, images)
    assert told.startswith(
        "bench: qspi 0x90004000: the image has other bytes here than the device, but the board"
    )
    assert set(rig.memory("qspi")) == {0xFF}
    assert set(rig.memory("internal")) == {0xFF}


def test_a_protected_range_ends_where_a_sector_of_the_loader_does(tmp_path: Path, shelf: Path) -> None:
    flm = our_flm(shelf / "ours-for-protect")
    protect = '\n[[protect]]\nregion = "qspi"\naddress = 0x90004000\nsize = 4096\n'
    with pytest.raises(BoardflashError, match="begins inside the erase unit 0x90000000 to 0x9000ffff"):
        bench(tmp_path / "bench", board_text(f"vendor/{flm.name}", more=protect), [flm])


FAULTS = [
    (
        "FLM",
        {"FAIL_AT": "0x90002000u"},
        "bench: qspi 0x90002000: vendor/bad.FLM: ProgramPage(0x90002000, 0x100, ",
        ") returned 0x5, 0 is success",
    ),
    (
        "stldr",
        {"FAIL_AT": "0x90002000u"},
        "bench: qspi 0x90002000: vendor/bad.stldr: SectorErase(0x90002000, 0x90002fff",
        ") returned 0x0, 1 is success",
    ),
    (
        "FLM",
        {"HANG_AT": "0x90002000u"},
        "bench: qspi 0x90002000: vendor/bad.FLM: ProgramPage has not returned after ",
        ")",
    ),
    (
        "stldr",
        {"HANG_AT": "0x90002000u"},
        "bench: qspi 0x90002000: vendor/bad.stldr: SectorErase has not returned after 10.",
        ")",
    ),
    (
        "FLM",
        {"FAULT_AT": "0x90002000u"},
        "bench: qspi 0x90002000: vendor/bad.FLM: ProgramPage ended in a HardFault (CFSR ",
        "BFAR 0x70000000)",
    ),
    (
        "FLM",
        {"DEEP_AT": "0x90002000u"},
        "bench: qspi 0x90002000: vendor/bad.FLM: ProgramPage overran its stack",
        "",
    ),
]


@pytest.mark.parametrize(("kind", "defines", "start", "end"), FAULTS)
def test_a_loader_that_fails_is_named_and_the_next_one_goes_on(
    tmp_path: Path, tiny_flm: Path, kind: str, defines: dict[str, str], start: str, end: str
) -> None:
    """The sectors before it are done, those behind it as they were; a sound loader ends the work."""
    good = {QSPI: noise(SIZE)}
    bench(tmp_path / "bench", board_text("vendor/tiny.FLM"), [tiny_flm]).flash(good)
    bad = build_tiny(tmp_path / f"bad.{kind}", **defines)
    rig = bench(tmp_path / "bench", board_text(f"vendor/bad.{kind}"), [bad])
    rig.set_memory("qspi", SIZE + 50, CALIBRATION)
    wanted = {QSPI: noise(SIZE, 2)}
    told = complaint(rig, wanted)
    assert told.startswith(start) and told.endswith(end), told
    assert rig.memory("qspi")[:0x2000] == wanted[QSPI][:0x2000]
    assert rig.memory("qspi")[0x3000:SIZE] == good[QSPI][0x3000:]
    rig = bench(tmp_path / "bench", board_text("vendor/tiny.FLM"), [tiny_flm])
    assert region(rig.flash(wanted)).erases[4 * KIB] in (3, 4)
    assert holds(rig, wanted)
    assert rig.memory("qspi")[SIZE + 50 :][: len(CALIBRATION)] == CALIBRATION


def test_a_loader_that_says_ok_and_does_not_write_is_found_out(tmp_path: Path) -> None:
    loader = build_tiny(tmp_path / "idle.FLM", FORGETS_AT="0x90002000u")
    rig = bench(tmp_path / "bench", board_text("vendor/idle.FLM"), [loader])
    told = complaint(rig, {QSPI: noise(SIZE)})
    assert told.startswith("bench: qspi 0x90002000: verify failed: ")


# Internal flash


def test_internal_flash_by_a_vendors_loader_keeps_its_neighbours(tmp_path: Path, internal_flm: Path) -> None:
    rig = bench(tmp_path / "bench", board_text(internal="vendor/internal.FLM"), [internal_flm])
    images = {INTERNAL: firmware(), QSPI: noise(SIZE)}
    rig.flash(images)
    assert holds(rig, images)
    rig.set_memory("internal", 6000, CALIBRATION)
    images = {INTERNAL: firmware(8), QSPI: flipped(images[QSPI], 0)}
    report = rig.flash(images)
    assert holds(rig, images)
    assert rig.memory("internal")[6000:][: len(CALIBRATION)] == CALIBRATION
    assert region(report, "internal").erases == {32 * KIB: 1}
    assert "1 EraseSector" in calls(report, "internal")
    assert rig.flash(images).bytes_written == 0


def test_both_regions_by_loaders_of_others(tmp_path: Path, internal_flm: Path, tiny_stldr: Path) -> None:
    text = board_text("vendor/tiny.stldr", internal="vendor/internal.FLM")
    rig = bench(tmp_path / "bench", text, [internal_flm, tiny_stldr])
    for seed in (1, 2):
        images = {INTERNAL: firmware(seed), QSPI: noise(SIZE, seed)}
        rig.flash(images)
        assert holds(rig, images)
