"""What stops a run: one clear line, the documented exit code, and nothing changed on the device."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.program.run import flash
from rig import VECTORS, Rig

INTERNAL, QSPI = 0x0800_0000, 0x9000_0000
KIB = 1024


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "bench" / "state"))
    yield Rig(tmp_path / "bench")


def images(seed: int = 1) -> dict[int, bytes]:
    return {INTERNAL: VECTORS + bytes(100), QSPI: random.Random(seed).randbytes(20 * KIB)}


def refused(rig: Rig, content: dict[int, bytes]) -> BoardflashError:
    """Flash and expect a refusal that leaves both memories as they are."""
    before = (rig.memory("internal"), rig.memory("qspi"))
    with pytest.raises(BoardflashError) as caught:
        rig.flash(content)
    assert (rig.memory("internal"), rig.memory("qspi")) == before
    return caught.value


def test_an_unknown_jedec_id_stops_before_any_erase(rig: Rig) -> None:
    rig.flash(images())
    rig.faults = {"jedec_id": "C2 20 18"}
    error = refused(rig, images(2))
    assert error.code == ExitCode.WRONG_DEVICE
    assert str(error) == (
        "stm32f746g-disco: qspi: unknown chip: JEDEC ID C2 20 18 FF FF FF; n25q128a13 has 20 BA 18;"
        " w25q128jv has EF 40 18 or EF 70 18; if the board may carry it, add it to [qspi] chips"
    )


@pytest.mark.parametrize("pin", ["PB2", "PB6", "PD12"])
def test_a_chip_that_is_not_reached_is_named_as_a_question_of_pins(rig: Rig, pin: str) -> None:
    """A broken clock, select or data-out line: nothing answers."""
    rig.flash(images())
    rig.faults = {f"wiring.{pin}": ""}
    error = refused(rig, images(2))
    assert error.code in (ExitCode.WRONG_DEVICE, ExitCode.DEVICE_FAILED)
    assert "no QSPI chip answers" in str(error) or "no chip answers" in str(error)
    assert "[qspi.pins]" in str(error)


def test_another_die_on_the_probe_is_refused(rig: Rig) -> None:
    rig.flash(images())
    board = replace(rig.board, mcu=replace(rig.board.mcu, device_id=0x451))
    plan = rig.plan(images(2), board)
    before = (rig.memory("internal"), rig.memory("qspi"))
    with rig.link() as link, pytest.raises(BoardflashError) as caught:
        flash(plan, link)
    assert caught.value.code == ExitCode.WRONG_DEVICE
    assert str(caught.value) == (
        "stm32f746g-disco: wrong device: the MCU's device ID is 0x449, STM32F746NG has 0x451;"
        " check the cable and BOARD="
    )
    assert (rig.memory("internal"), rig.memory("qspi")) == before


def test_a_smaller_part_than_the_board_file_says_is_refused(rig: Rig) -> None:
    rig.serial = "746000512"
    rig.faults = {"flash_kib": "512"}
    with pytest.raises(BoardflashError) as caught:
        rig.flash(images())
    assert str(caught.value) == (
        "stm32f746g-disco: wrong device: its flash size register says 512 KiB, STM32F746NG has 1024 KiB"
    )
    assert set(rig.memory("qspi")) == {0xFF}


def test_a_die_without_a_proven_loader_is_refused_before_connecting(rig: Rig) -> None:
    board = replace(rig.board, mcu=replace(rig.board.mcu, simulated=False))
    plan = rig.plan(images(), board)
    with pytest.raises(BoardflashError) as caught:
        flash(plan, None)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "stm32f746g-disco: stm32f746 loaders compile, but have not been proved on a simulated board:"
        " flashing is refused until they are"
    )


def test_a_loader_that_does_not_answer_is_told_with_its_program_counter(rig: Rig) -> None:
    rig.flash(images())
    plan = rig.plan(images(2))
    from boardflash.loader.artefact import load_artefact

    artefact = load_artefact(plan.loader_path)
    raw = bytearray(plan.loader_path.read_bytes())
    entry = artefact.image[(artefact.entry & ~1) - artefact.load_address :][:16]
    at = raw.index(entry)
    raw[at : at + 2] = b"\xfe\xe7"  # b .
    plan.loader_path.write_bytes(raw)
    before = (rig.memory("internal"), rig.memory("qspi"))
    with rig.link() as link, pytest.raises(BoardflashError) as caught:
        flash(plan, link)
    assert caught.value.code == ExitCode.DEVICE_FAILED
    assert "target loader: does not answer" in str(caught.value)
    assert f"pc {artefact.entry & ~1:#010x}" in str(caught.value)
    assert (rig.memory("internal"), rig.memory("qspi")) == before


def test_a_bit_that_does_not_clear_is_found_and_named(rig: Rig) -> None:
    rig.flash({QSPI: bytes(4096)})
    rig.faults = {"stuck": "[{ address = 8200, bit = 3, value = 1 }]"}
    with pytest.raises(BoardflashError) as caught:
        rig.flash({QSPI: bytes(16 * KIB)})
    assert caught.value.code in (ExitCode.VERIFY_FAILED, ExitCode.DEVICE_FAILED)
    assert caught.value.where == "stm32f746g-disco: qspi 0x90002008"
    assert "one line it reads 08 00 00 00 00 00 00 00 ... instead of 00 00 00 00 00 00 00 00 ...:" in str(
        caught.value
    )


def test_an_erase_that_fails_is_told_with_address_limit_and_registers(rig: Rig) -> None:
    rig.flash(images())
    rig.faults = {"erase_fails": "[4096]"}
    with pytest.raises(BoardflashError) as caught:
        rig.flash(images(2))
    assert caught.value.code == ExitCode.DEVICE_FAILED
    assert caught.value.where == "stm32f746g-disco: qspi 0x90000000"
    assert "limit 3000 ms on n25q128a13" in caught.value.message
    assert "SR1 0x" in caught.value.message


@pytest.mark.parametrize(
    "state",
    [{"qpi": "true"}, {"continuous_read": "true"}, {"busy_ms": "300"}, {"registers": "{ sr = 0x1C }"}],
    ids=lambda state: next(iter(state)),
)
def test_a_chip_left_in_any_state_is_brought_back(rig: Rig, state: dict[str, str]) -> None:
    rig.flash(images())
    if "registers" in state:
        rig.serial = "746000077"
    rig.faults = state
    rig.flash(images(2))
    assert rig.memory("qspi")[: 20 * KIB] == images(2)[QSPI]


def test_a_protected_range_is_never_erased(rig: Rig) -> None:
    rig.flash(images())
    regions = tuple(replace(r, protect=((QSPI, 4096),)) if r.name == "qspi" else r for r in rig.board.regions)
    plan = rig.plan(images(2), replace(rig.board, regions=regions))
    before = (rig.memory("internal"), rig.memory("qspi"))
    with rig.link() as link, pytest.raises(BoardflashError) as caught:
        flash(plan, link)
    assert str(caught.value) == (
        "stm32f746g-disco: qspi 0x90000000: the image has other bytes here than the device, but the board"
        " file protects this range; leave it out of the image, or out of [[protect]]"
    )
    assert (rig.memory("internal"), rig.memory("qspi")) == before
