"""Stamps: written last, of one chip, and what TRUST=stamp makes of them. The device is a stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import boardflash.program.run as program
from boardflash.cli import flash as flash_verb
from boardflash.errors import BoardflashError, ExitCode
from boardflash.program.report import DeviceIdentity, FlashReport, RegionReport

UID = "00112233445566778899aabb"
DEVICE = DeviceIdentity("STM32F746NG", 0x449, UID, 1024, "EF 40 18 00 00 00", "w25q128jv", (), ())


@dataclass
class Region:
    name: str
    byte_count: int = 8


class Plan:
    digest = "plan-1"
    regions = (Region("internal"), Region("qspi"))
    left_out = ()

    class board:  # noqa: N801
        name = "stm32f746g-disco"


@dataclass
class Bench:
    """What the stand-in device is, and what has been done to it."""

    stamps: tuple[Path, Path]
    device: DeviceIdentity = DEVICE
    fails: bool = False
    plan: Plan = field(default_factory=Plan)
    flashed: int = 0
    stamps_at_flash: list[bool] = field(default_factory=list)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    folder = tmp_path / "build/flash/1"
    made = Bench((folder / "internal.stamp", folder / "qspi.stamp"))

    class Link:
        simulated = False
        serial = "1"

        def now(self) -> float:
            return 0.0

    @contextmanager
    def connect(_arguments: object, _board: object) -> Iterator[Link]:
        yield Link()

    def flash(plan: Plan, _link: object, options: program.FlashOptions, _progress: object) -> FlashReport:
        made.flashed += 1
        made.stamps_at_flash.append(any(path.exists() for path in made.stamps))
        if made.fails:
            raise BoardflashError("broken", code=ExitCode.DEVICE_FAILED)
        names = options.regions or ("internal", "qspi")
        regions = [RegionReport(name, image_bytes=8, bytes_programmed=8) for name in names]
        return FlashReport("flash", "stm32f746g-disco", "1", False, plan.digest, made.device, regions, 1.0)

    monkeypatch.setattr(flash_verb, "plan_of", lambda _arguments: made.plan)
    monkeypatch.setattr(flash_verb, "connect", connect)
    monkeypatch.setattr(program, "flash", flash)
    monkeypatch.setattr(program, "identify_device", lambda *_: made.device)
    return made


def words(bench: Bench, *more: str) -> tuple[str, ...]:
    stamps = [word for path in bench.stamps for word in ("--stamp", str(path))]
    return ("flash", "plan.json", *stamps, *more)


def test_a_stamp_says_what_was_done_to_which_chip(cli, bench) -> None:
    assert cli(*words(bench)).code == 0
    stamp = json.loads(bench.stamps[1].read_text())
    assert (stamp["plan"], stamp["unique_id"], stamp["probe"]) == ("plan-1", UID, "1")
    assert [region["name"] for region in stamp["regions"]] == ["qspi"]
    assert stamp["regions"][0]["bytes_programmed"] == 8


def test_stamps_of_equal_runs_are_equal_bytes(cli, bench) -> None:
    cli(*words(bench))
    first = [path.read_bytes() for path in bench.stamps]
    cli(*words(bench))
    assert [path.read_bytes() for path in bench.stamps] == first


def test_old_stamps_go_before_anything_is_written(cli, bench) -> None:
    cli(*words(bench))
    cli(*words(bench))
    assert bench.stamps_at_flash == [False, False]


def test_a_failed_flash_leaves_no_stamp(cli, bench) -> None:
    cli(*words(bench))
    bench.fails = True
    assert cli(*words(bench)).code == ExitCode.DEVICE_FAILED
    assert not any(path.exists() for path in bench.stamps)


def test_an_interrupted_stamp_is_no_stamp(cli, bench, monkeypatch) -> None:
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert cli(*words(bench)).code == ExitCode.BAD_INPUT
    assert list(bench.stamps[0].parent.iterdir()) == []


def test_trusting_stamps_writes_nothing_and_says_so(cli, bench) -> None:
    cli(*words(bench))
    said = cli(*words(bench, "--trust", "stamp"))
    assert bench.flashed == 1 and said.code == 0
    assert "not looked at" in said.out and "0 bytes written, 16 bytes unchanged" in said.out


def test_the_default_asks_the_device(cli, bench) -> None:
    cli(*words(bench))
    cli(*words(bench))
    assert bench.flashed == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unique_id": "ff112233445566778899aabb"}, "of the device"),
        ({"jedec_id": "20 BA 18 00 00 00"}, "of a QSPI chip"),
    ],
)
def test_another_chip_on_the_same_probe_is_not_trusted(
    cli, bench, change: dict[str, str], reason: str
) -> None:
    cli(*words(bench))
    bench.device = replace(bench.device, **change)
    said = cli(*words(bench, "--trust", "stamp"))
    assert bench.flashed == 2 and reason in said.out


def test_a_stamp_of_another_plan_is_not_trusted(cli, bench) -> None:
    cli(*words(bench))
    bench.plan.digest = "plan-2"
    said = cli(*words(bench, "--trust", "stamp"))
    assert bench.flashed == 2 and "another plan" in said.out


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema": 1, "plan": "plan-1"}', "\x00"])
def test_a_damaged_stamp_is_not_trusted(cli, bench, content: str) -> None:
    cli(*words(bench))
    bench.stamps[1].write_text(content)
    assert cli(*words(bench, "--trust", "stamp")).code == 0
    assert bench.flashed == 2


def test_a_missing_stamp_is_not_trusted(cli, bench) -> None:
    cli(*words(bench))
    bench.stamps[0].unlink()
    cli(*words(bench, "--trust", "stamp"))
    assert bench.flashed == 2


def test_trust_without_any_stamp_asks_the_device(cli, bench) -> None:
    cli("flash", "plan.json", "--trust", "stamp")
    assert bench.flashed == 1


def test_force_overrules_trust(cli, bench) -> None:
    cli(*words(bench))
    cli(*words(bench, "--trust", "stamp", "--force"))
    assert bench.flashed == 2


def test_a_stamp_of_one_region_does_not_speak_of_the_other(cli, bench) -> None:
    cli("flash", "plan.json", "--region", "qspi", "--stamp", str(bench.stamps[1]))
    said = cli("flash", "plan.json", "--stamp", str(bench.stamps[1]), "--trust", "stamp")
    assert bench.flashed == 2 and "does not speak of internal" in said.out


def test_report_to_standard_output_leaves_it_to_the_report(cli, bench, valid_report) -> None:
    said = cli(*words(bench, "--json"))
    valid_report(json.loads(said.out))
    assert "16 bytes written" in said.err
