"""A board file that is wrong about its QSPI chip loses nothing beside the image, and is told what fits.

Each wrong wiring, quad enable, dummy count, program command and size, over contents of several kinds: the
failing run, the same cut off by power, and the sound run behind it. BOARDFLASH_EVERY_CALL=1 cuts at each
call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.loader.artefact import load_artefact
from boardflash.loader.protocol import REGION_QSPI
from boardflash.program.interrupt import Interrupt
from boardflash.program.progress import Silent
from boardflash.program.prove import Prover
from boardflash.program.report import RegionReport
from boardflash.program.rescue import prove
from boardflash.program.session import open_session
from cuts import at_each_call, journal_files, sample
from program.wrong_boards import (
    DUMMIES,
    KIB,
    PROGRAM,
    QSPI,
    QUAD_ENABLE,
    SIZE,
    SIZES,
    SOUND,
    SOUND_LARGE,
    SOUND_MICRON,
    WIDTH,
    WIRING,
    Bench,
    Wrong,
    bench,
    device,
    noise,
    refusal,
)

LENGTH = 10 * KIB + 100
OLD, NEW = noise(LENGTH, 1), noise(LENGTH, 2)
UPPER = SIZE + 0x20_0000  # where an image lies that a chip of 16 MiB does not have
ALL = [*WIRING, *QUAD_ENABLE, *DUMMIES, *PROGRAM]
#: The causes that the line names; one of each tuple must be the true one.
CAUSES = {
    "io2 elsewhere": "io2",
    "io3 elsewhere": "io3",
    "io2 and io3 elsewhere": "io2",
    "io2 and io3 exchanged": "io2 and io3 on each other's pin",
    "io2 elsewhere, 1-1-4": "io2 on another pin",
    "quad enable left clear": "quad enable",
    "one dummy cycle too few": "1 dummy cycle more",
    "two dummy cycles too many": "2 dummy cycles fewer",
    "38h for 32h": "38h on 1-4-4",
    "12h for 32h": "12h on 1-4-4",
    "02h on four lines": "02h on 1-1-4",
    "no 32h": "32h on 1-1-4",
}


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "unused"))
    yield


class Notes(Silent):
    """What is told while a run works."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def note(self, line: str) -> None:
        self._lines.append(line)


def contents(kind: str, size: int = SIZE, at: int = 0) -> bytearray:
    """What the device holds before; its own bytes lie beside the image at `at`."""
    found = bytearray(b"\xff" * size)
    if kind == "blank":
        return found
    if kind != "blank but the last 100 bytes of a unit":
        found[at : at + LENGTH] = OLD
    if kind in ("image", "equal A and B images"):
        found[at + LENGTH : at + 12 * KIB] = noise(12 * KIB - LENGTH, 3)
    if kind == "equal A and B images":
        other = at ^ size // 2
        found[other : other + 12 * KIB] = found[at : at + 12 * KIB]
    if kind.endswith("the last 100 bytes of a unit"):
        found[at + 12 * KIB - 100 : at + 12 * KIB] = noise(100, 5)
    return found


KINDS = [
    "image",
    "equal A and B images",
    "blank",
    "image, and the last 100 bytes of a unit",
    "blank but the last 100 bytes of a unit",
]


def failing(rig: Bench, at: int = 0) -> BoardflashError:
    with refusal() as caught:
        rig.flash({QSPI + at: NEW})
    return caught.value


def lost(rig: Bench, content: bytes, at: int = 0, length: int = LENGTH) -> list[str]:
    """Addresses beside the image that hold other bytes than before."""
    now = rig.memory("qspi")
    end = at + length
    if now[:at] == content[:at] and now[end:] == content[end:]:
        return []
    beside = [*range(at), *range(end, len(now))]
    return [f"{i:#x}" for i in beside if now[i] != content[i]][:4]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ALL, ids=str)
def test_a_wrong_board_loses_nothing_and_is_told_what_fits(tmp_path: Path, wrong: Wrong, kind: str) -> None:
    content = contents(kind)
    rig = device(tmp_path, wrong, content)
    error = failing(rig)
    assert lost(rig, content) == []
    assert journal_files(rig) == ()
    assert error.code in (ExitCode.DEVICE_FAILED, ExitCode.VERIFY_FAILED)
    assert CAUSES[wrong.name] in str(error)
    assert "run again" not in str(error) and "\n" not in str(error)
    if rig.memory("qspi") != content:  # else the sound run meets what it would have met without it
        mended = bench(tmp_path, wrong.mended)
        if "unknown_opcodes" not in wrong.faults:
            mended.flash({QSPI: NEW})
            assert lost(mended, content) == []
            assert mended.memory("qspi")[:LENGTH] == NEW


@pytest.mark.parametrize("wrong", [*WIRING, *QUAD_ENABLE, *DUMMIES], ids=str)
def test_wrong_reads_over_an_image_stop_before_anything_is_changed(tmp_path: Path, wrong: Wrong) -> None:
    content = contents("image")
    rig = device(tmp_path, wrong, content)
    assert str(failing(rig)).endswith("; nothing was erased or programmed")
    assert rig.memory("qspi") == content


def test_the_line_in_the_page_about_proved_reads_is_what_such_a_board_says(tmp_path: Path) -> None:
    wrong = next(wrong for wrong in WIRING if wrong.name == "io2 elsewhere, 1-1-4")
    page = Path(__file__).resolve().parents[2] / "docs" / "proved-reads.md"
    told = str(failing(device(tmp_path, wrong, contents("image"))))
    assert f"    {told}\n" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("wrong", [*WIRING, *QUAD_ENABLE, *DUMMIES], ids=str)
def test_verify_and_read_believe_nothing_either(tmp_path: Path, wrong: Wrong) -> None:
    """A difference that only the wrong reads show is no difference of the device."""
    content = contents("image")
    rig = device(tmp_path, wrong, content)
    with pytest.raises(BoardflashError, match="than on one line"):
        rig.verify({QSPI: OLD})
    assert rig.memory("qspi") == content


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[3], KINDS[4]])
@pytest.mark.parametrize("wrong", PROGRAM, ids=str)
def test_a_power_cut_in_a_failing_run_loses_nothing(tmp_path: Path, wrong: Wrong, kind: str) -> None:
    """The next, sound run finds what the journal owes, or what was written back."""
    content = contents(kind)
    calls = [0]
    with at_each_call(lambda _probe, n: calls.__setitem__(0, n)):
        failing(device(tmp_path / "whole", wrong, content))
    for call in sample(range(calls[0] // 2, calls[0] - 4), 2):
        folder = tmp_path / str(call)
        failing(device(folder, wrong, content, {"power_cut_at_call": str(call)}))
        mended = bench(folder, wrong.mended)
        if "unknown_opcodes" in wrong.faults:
            failing(mended)
        else:
            mended.flash({QSPI: NEW})
        assert lost(mended, content) == [], f"cut at call {call}"


# Size


@pytest.mark.parametrize("at", [0x2_0000, UPPER], ids=["lower half", "upper half"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", SIZES, ids=str)
def test_a_chip_that_is_smaller_than_its_file_loses_nothing(
    tmp_path: Path, wrong: Wrong, kind: str, at: int
) -> None:
    """The die wraps: the upper half of the addresses is the lower one."""
    rig = device(tmp_path, wrong, b"")
    size = len(rig.memory("qspi"))
    content = contents(kind, SIZE, at % SIZE)
    if kind == "equal A and B images":
        content = contents("image", SIZE, at % SIZE)  # a die that wraps shows them as two
    content += b"\xff" * (size - SIZE)
    rig.set_memory("qspi", 0, bytes(content))
    if at < SIZE and wrong.name == "counterfeit that wraps":
        rig.flash({QSPI + at: NEW})  # it has what the image needs
    else:
        told = str(failing(rig, at))
        assert "32 MiB" in told or "address bytes" in told
    assert lost(rig, content, at % SIZE) == []
    assert journal_files(rig) == ()


@pytest.mark.parametrize("size", [LENGTH, SIZE // 2], ids=["the image alone", "half of three bytes' reach"])
def test_four_address_bytes_that_the_chip_does_not_take_change_nothing(tmp_path: Path, size: int) -> None:
    """Every read comes from the first 128 KiB, and is alike both ways; where these are blank, it is blank."""
    rig = device(tmp_path, WIDTH, b"")
    content = bytearray(b"\xff" * 2 * SIZE)
    content[0x20_0000 : 0x20_0000 + size] = noise(size, 1)
    rig.set_memory("qspi", 0, bytes(content))
    told = str(failing(rig, 0x20_0000))
    assert "three and four address bytes read different bytes on one line" in told
    assert told.endswith("; nothing was erased or programmed")
    assert rig.memory("qspi") == content


def test_a_spot_that_three_address_bytes_do_not_reach_proves_no_width(tmp_path: Path) -> None:
    """The last spot of the chip shows the only bytes that it holds: no more than one page is spoilt."""
    rig = device(tmp_path, WIDTH, b"")
    content = bytearray(b"\xff" * 2 * SIZE)
    content[0x2_0000:0x2_1000] = noise(0x1000, 1)
    rig.set_memory("qspi", 0, bytes(content))
    told = str(failing(rig, 0x6_0000))
    assert told.startswith("bench: qspi 0x90060000: what was written here has changed 0x90000600: ")
    assert "takes fewer address bytes" in told
    assert len(lost(rig, content, 0x600, 256)) == 0


@pytest.mark.parametrize("call_share", [0.55, 0.7, 0.8, 0.9])
def test_a_power_cut_while_a_wrapping_chip_is_found_out_loses_nothing(
    tmp_path: Path, call_share: float
) -> None:
    wrong = SIZES[0]
    content = contents("image", 2 * SIZE, UPPER % SIZE)
    calls = [0]
    with at_each_call(lambda _probe, n: calls.__setitem__(0, n)):
        failing(device(tmp_path / "whole", wrong, content), UPPER)
    folder = tmp_path / "cut"
    call = int(calls[0] * call_share)
    failing(device(folder, wrong, content, {"power_cut_at_call": str(call)}), UPPER)
    failing(bench(folder, wrong), UPPER)  # it owes the lower half its bytes, and gives them back
    assert lost(bench(folder, wrong), content, 0, 0) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_chip_of_32_mib_is_flashed_in_both_halves(tmp_path: Path, kind: str) -> None:
    content = contents(kind, 2 * SIZE, UPPER)
    rig = device(tmp_path, SOUND_LARGE, content)
    rig.flash({QSPI + UPPER: NEW})
    assert rig.memory("qspi")[UPPER : UPPER + LENGTH] == NEW
    assert lost(rig, content, UPPER) == []
    assert journal_files(rig) == ()


# After a failure behind an erase


@pytest.mark.parametrize("wrong", PROGRAM, ids=str)
def test_what_was_erased_beside_the_image_is_written_back_at_once(tmp_path: Path, wrong: Wrong) -> None:
    """The image lies in one unit with bytes of the device: they are erased when the program command fails."""
    content = contents("image")
    rig = device(tmp_path, wrong, content)
    notes: list[str] = []
    image = noise(1000, 9)
    with pytest.raises(BoardflashError):
        rig.flash({QSPI + 9 * KIB + 500: image}, progress=Notes(notes))
    assert lost(rig, content, 9 * KIB + 500, 1000) == []
    assert journal_files(rig) == ()
    told = [note for note in notes if "written back on one line after the failure, and compared" in note]
    assert len(told) == 1
    assert told[0].startswith("qspi: 0x90002000 ")


def test_a_chip_that_does_not_answer_any_more_leaves_its_bytes_in_the_journal(tmp_path: Path) -> None:
    wrong = PROGRAM[0]
    content = contents("image")
    calls = [0]

    def owing(_probe: object, n: int) -> None:
        if not calls[0] and journal_files(whole) and "90002000.json" in journal_files(whole):
            calls[0] = n

    whole = device(tmp_path / "whole", wrong, content)
    with at_each_call(owing), pytest.raises(BoardflashError):
        whole.flash({QSPI + 9 * KIB + 500: noise(1000, 9)})
    rig = device(tmp_path / "cut", wrong, content, {"unplug_at_call": str(calls[0] + 4)})
    with pytest.raises(BoardflashError):
        rig.flash({QSPI + 9 * KIB + 500: noise(1000, 9)})
    assert journal_files(rig) == ("90002000.json",)
    mended = bench(tmp_path / "cut", wrong.mended)
    report = mended.flash({QSPI: NEW})  # whatever the next run flashes
    assert any("of an interrupted run" in line for line in report.lines())
    assert lost(mended, content, 0, 9 * KIB + 1500) == []  # both images' bytes aside
    assert journal_files(mended) == ()


# What is told, and what it takes


def test_the_proof_takes_less_than_20_ms_calls_included(tmp_path: Path) -> None:
    """On the board's clock, with all 64 spots over contents that tell something."""
    rig = bench(tmp_path, SOUND)
    with rig.link():
        pass
    rig.set_memory("qspi", 0, noise(SIZE, 1))
    plan = rig.plan({QSPI: NEW})
    region, chip = plan.board.region("qspi"), plan.board.qspi.chips[0]
    artefact = load_artefact(plan.loader_path)
    with (
        rig.link() as link,
        open_session(plan.board, artefact, link, Silent(), Interrupt(), qspi=True) as opened,
    ):
        report = RegionReport("qspi")
        started = link.now()
        prove(opened, Prover(opened, plan.board, region, chip, plan.region_image("qspi"), report))
        took = link.now() - started
        counted = opened.work_times()[REGION_QSPI].proved
    assert 60 <= report.spots_counted == report.spots <= 64
    assert 0.003 < counted < took
    assert 0.005 < took < 0.020


def test_quad_enable_is_set_before_anything_else_and_told(tmp_path: Path) -> None:
    rig = device(tmp_path, replace(SOUND, twin="stm32f746g-disco-c03-im"), contents("image"))
    notes: list[str] = []
    rig.flash({QSPI: NEW}, progress=Notes(notes))
    assert (
        "QSPI chip w25q128jv: JEDEC ID EF 70 18 EF 70 18; set up: quad enable set (S2B1v4, non-volatile)"
        in notes
    )


PROTECTED = replace(SOUND_MICRON, faults={"registers": "{ sr = 0x5C }"})


def protection(rig: Bench) -> int:
    state = json.loads((rig.folder / "state" / "sim" / rig.serial / "board.json").read_text(encoding="utf-8"))
    return state["chip_registers"]["sr"] & 0x5C


def test_unchanged_means_no_cell_and_no_protection_bit(tmp_path: Path) -> None:
    content = contents("image")
    rig = device(tmp_path, PROTECTED, content)
    sound = bench(tmp_path, SOUND_MICRON)
    sound.verify({QSPI: OLD})
    sound.verify({QSPI: NEW})
    report = sound.flash({QSPI: OLD})
    assert report.regions[0].notes == []
    assert protection(rig) == 0x5C
    assert rig.memory("qspi") == content


@pytest.mark.parametrize("sr", [0x5C, 0xDC], ids=["by its bits", "by its write protect pin, too"])
def test_protection_is_lifted_for_a_change_and_told(tmp_path: Path, sr: int) -> None:
    protected = replace(PROTECTED, faults={"registers": f"{{ sr = {sr} }}"})
    rig = device(tmp_path, protected, contents("image"))
    report = bench(tmp_path, SOUND_MICRON).flash({QSPI: NEW})
    assert report.regions[0].notes == ["block protection lifted for good, the chip has no volatile bits"]
    assert protection(rig) == 0


def test_reads_that_are_not_proved_leave_protection_alone(tmp_path: Path) -> None:
    wrong = replace(WIRING[-1], faults=PROTECTED.faults)
    content = contents("image")
    rig = device(tmp_path, wrong, content)
    failing(rig)
    assert protection(rig) == 0x5C
