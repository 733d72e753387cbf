"""What a flash run leaves on the device, through the real pylink, loader and machine code."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.program.run import FlashOptions, flash
from rig import VECTORS, Rig

INTERNAL, QSPI = 0x0800_0000, 0x9000_0000
KIB = 1024


def noise(size: int, seed: int = 1) -> bytes:
    """Incompressible bytes, the same on every machine."""
    return random.Random(seed).randbytes(size)


def firmware(size: int = 5000) -> bytes:
    return VECTORS + noise(size - len(VECTORS), 7)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "bench" / "state"))
    yield Rig(tmp_path / "bench")


def test_a_blank_device_holds_the_image_afterwards_and_the_second_run_writes_nothing(rig: Rig) -> None:
    images = {INTERNAL: firmware(), QSPI: noise(200 * KIB)}
    first = rig.flash(images)
    assert first.exit_code == ExitCode.OK
    assert rig.memory("internal")[:5000] == images[INTERNAL]
    assert rig.memory("qspi")[: 200 * KIB] == images[QSPI]
    assert set(rig.memory("qspi")[200 * KIB :]) == {0xFF}
    assert first.bytes_written >= 5000 + 200 * KIB
    second = rig.flash(images)
    assert second.bytes_written == 0
    assert second.bytes_unchanged == 5000 + 200 * KIB
    assert all(region.erases == {} for region in second.regions)
    assert second.lines()[-1].startswith("0 bytes written, 209,800 bytes unchanged, ")


def test_a_blank_device_is_not_erased(rig: Rig) -> None:
    report = rig.flash({INTERNAL: firmware(), QSPI: noise(64 * KIB)})
    assert [region.erases for region in report.regions] == [{}, {}]


def test_one_risen_bit_costs_one_small_erase_and_sixteen_pages_and_says_why(rig: Rig) -> None:
    content = bytearray(noise(300 * KIB))
    content[123_456] = 0x00
    rig.flash({INTERNAL: firmware(), QSPI: bytes(content)})
    content[123_456] = 0x01
    report = rig.flash({INTERNAL: firmware(), QSPI: bytes(content)})
    internal, qspi = report.regions
    assert internal.erases == {}
    assert internal.bytes_programmed == 0
    assert qspi.erases == {4 * KIB: 1}
    assert 1 <= qspi.pages_programmed <= 16
    assert rig.memory("qspi")[: 300 * KIB] == content
    unit = 123_456 // 4096 * 4096
    assert any(
        f"{QSPI + unit:#010x} 4 KiB erased" in line and "digest differs" in line for line in report.lines()
    )


def test_bytes_that_share_an_erase_unit_with_the_image_are_kept(rig: Rig) -> None:
    rig.flash({INTERNAL: firmware(), QSPI: noise(10 * KIB)})
    rig.set_memory("qspi", 10 * KIB + 100, b"calibration of this very device")
    rig.set_memory("internal", 20_000, b"settings page")
    report = rig.flash({INTERNAL: firmware()[:-1] + b"\x55", QSPI: noise(10 * KIB, seed=2)})
    assert rig.memory("qspi")[: 10 * KIB] == noise(10 * KIB, seed=2)
    assert rig.memory("qspi")[10 * KIB + 100 :][:31] == b"calibration of this very device"
    assert rig.memory("internal")[20_000:][:13] == b"settings page"
    assert all(region.bytes_preserved > 0 for region in report.regions)


def test_every_alternate_chip_is_found_by_its_id(rig: Rig) -> None:
    rig.twin, rig.serial = "stm32f746g-disco-c03", "746000003"
    report = rig.flash({INTERNAL: firmware(), QSPI: noise(80 * KIB)})
    assert report.device.chip == "w25q128jv"
    assert report.device.jedec_id.startswith("EF 40 18")
    assert rig.memory("qspi")[: 80 * KIB] == noise(80 * KIB)


def test_a_chip_shipped_with_quad_enable_clear_is_flashed(rig: Rig) -> None:
    rig.twin, rig.serial = "stm32f746g-disco-c03-im", "746000004"
    report = rig.flash({QSPI: noise(80 * KIB)})
    assert report.device.jedec_id.startswith("EF 70 18")
    assert rig.memory("qspi")[: 80 * KIB] == noise(80 * KIB)


def test_a_full_chip_is_rewritten_by_large_erases(rig: Rig) -> None:
    rig.flash({QSPI: noise(256 * KIB)})
    report = rig.flash({QSPI: noise(256 * KIB, seed=9)})
    assert report.regions[0].erases == {64 * KIB: 4}
    assert rig.memory("qspi")[: 256 * KIB] == noise(256 * KIB, seed=9)


def test_verify_says_where_the_device_differs_and_changes_nothing(rig: Rig) -> None:
    images = {INTERNAL: firmware(), QSPI: noise(40 * KIB)}
    rig.flash(images)
    assert rig.verify(images).exit_code == ExitCode.OK
    rig.set_memory("qspi", 5000, b"\x00\x00\x00\x00")
    before = rig.memory("qspi")
    report = rig.verify(images)
    assert report.exit_code == ExitCode.DIFFERS
    assert f"qspi: 1 of 10 granules differ: {QSPI + 4096:#010x}" in report.lines()
    assert report.lines()[-1].startswith("the device does not match the plan, ")
    assert rig.memory("qspi") == before


def test_only_the_region_asked_for_is_touched(rig: Rig) -> None:
    report = rig.flash({INTERNAL: firmware(), QSPI: noise(40 * KIB)}, FlashOptions(regions=("qspi",)))
    assert [region.name for region in report.regions] == ["qspi"]
    assert set(rig.memory("internal")) == {0xFF}


def test_force_writes_what_is_already_there(rig: Rig) -> None:
    images = {QSPI: noise(64 * KIB)}
    rig.flash(images)
    report = rig.flash(images, FlashOptions(force=True))
    assert report.regions[0].bytes_programmed == 64 * KIB
    assert rig.memory("qspi")[: 64 * KIB] == images[QSPI]


def test_an_application_behind_a_bootloader_leaves_the_bootloader_alone(rig: Rig) -> None:
    boot = firmware(9000)
    rig.flash({INTERNAL: boot})
    report = rig.flash({INTERNAL + 0x1_0200: firmware(3000)})
    assert rig.memory("internal")[:9000] == boot
    assert rig.memory("internal")[0x1_0200:][:3000] == firmware(3000)
    assert report.regions[0].erases == {}


def test_an_unknown_region_is_refused_before_connecting(rig: Rig) -> None:
    plan = rig.plan({QSPI: noise(100)})
    from boardflash.program.run import flash

    with pytest.raises(BoardflashError) as caught:
        flash(plan, None, FlashOptions(regions=("sdram",)))  # type: ignore[arg-type]
    assert str(caught.value) == "REGION: the plan has no region 'sdram'; it has qspi"


def test_a_signal_that_a_caller_has_taken_already_ends_the_run_before_it_changes_anything(rig: Rig) -> None:
    plan = rig.plan({INTERNAL: firmware()})
    told = r"^interrupted; nothing on the device has been changed$"
    with rig.link() as link, pytest.raises(BoardflashError, match=told):
        flash(plan, link, interrupted=lambda: True)
    assert set(rig.memory("internal")) == {0xFF}
