"""A watchdog that option bytes start runs while the core is halted: frozen at each reset, then given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fake_target import DBGMCU, Connect, FakeTarget

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link import probes
from boardflash.link.jlink import Link, LinkSettings
from boardflash.link.watchdog import FREEZE
from boardflash.loader.compile import Toolchain, build_loader
from boardflash.loader.session import LoaderSession
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from rig import board_named

APB1_FZ = DBGMCU + 8
IWDG, WWDG = 1 << 12, 1 << 11
HARDWARE_WATCHDOG = {"option_bytes.optcr": "0xC0FFAADD"}  # IWDG_SW = 0
MS = 10**9


def apb1_fz(target: FakeTarget) -> int:
    return int.from_bytes(target.memories[DBGMCU][8:12], "little")


# The board's rules


@pytest.mark.parametrize(("lsi_hz", "ms"), [(17_000, 963), (32_000, 512), (47_000, 348)])
def test_a_watchdog_by_option_bytes_resets_a_halted_core_into_its_application(lsi_hz: int, ms: int) -> None:
    state = BoardState.in_memory()
    state.option_bytes = {"optcr": 0xC0FF_AADD}
    from dataclasses import replace

    board = SimulatedBoard(replace(load_twin("stm32f746g-disco"), lsi_hz=lsi_hz), state)
    board.reset(halt=True)
    board.advance((ms - 1) * MS)
    assert board.halted()
    board.advance(2 * MS)
    assert not board.halted()


def test_go_on_a_running_core_does_nothing(link: Link, target: FakeTarget) -> None:
    link.reset_and_halt()
    link.write_register(15, 0x2000_0101)
    target.running = True
    assert link._dll.JLINKARM_GoEx(0, 0) == 0
    assert target.registers[15] == 0


# Ours


def test_watchdogs_are_frozen_after_each_reset(link: Link, target: FakeTarget) -> None:
    assert apb1_fz(target) == 0  # a connection alone changes nothing
    link.reset_and_halt()
    assert apb1_fz(target) == IWDG | WWDG
    target.memories[DBGMCU][8:12] = bytes(4)  # as after the supply has gone
    link.reset_and_halt()
    assert apb1_fz(target) == IWDG | WWDG


def test_what_was_set_is_given_back_before_the_application_runs(link: Link, target: FakeTarget) -> None:
    others = 1 << 2 | WWDG  # TIM4 and the window watchdog: somebody else's
    target.memories[DBGMCU][8:12] = others.to_bytes(4, "little")
    link.reset_and_halt()
    assert apb1_fz(target) == others | IWDG
    link.reset_and_halt()
    link.reset_and_run()
    assert apb1_fz(target) == others


def test_a_core_that_is_left_halted_keeps_its_watchdogs_frozen(link: Link, target: FakeTarget) -> None:
    link.reset_and_halt()
    link.close()
    assert apb1_fz(target) == IWDG | WWDG


def test_a_device_without_an_entry_is_left_alone(connect: Connect, target: FakeTarget) -> None:
    for device in ("STM32U575ZI", "STM32H7S3L8"):
        link = connect(settings=LinkSettings(device))
        link.reset_and_halt()
        assert apb1_fz(target) == 0
        link.close()


def test_the_registers_are_those_of_the_family() -> None:
    def found(device: str) -> set[int]:
        return {r.address for r in next((v for k, v in FREEZE.items() if device.startswith(k)), ())}

    assert found("STM32F746NG") == found("STM32L476VG") == {0xE004_2008}
    assert found("STM32WB55RG") == {0xE004_203C}
    assert found("STM32H743ZI") == {0x5C00_1034, 0x5C00_103C, 0x5C00_1054}
    assert found("STM32WBA52CG") == found("STM32H7R3L8") == set()


def test_starting_a_core_that_runs_is_an_error(link: Link, target: FakeTarget) -> None:
    link.reset_and_halt()
    target.running = True  # a reset by something else
    with pytest.raises(BoardflashError) as caught:
        link.go()
    assert str(caught.value) == (
        "J-Link 746: the core runs already, though it was halted: a watchdog or another debugger has reset it"
    )
    assert caught.value.code == ExitCode.DEVICE_FAILED


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return build_loader(board_named("stm32f746g-disco"), tmp_path_factory.mktemp("loader"), Toolchain.zig())


@contextmanager
def simulated(monkeypatch: pytest.MonkeyPatch, speed_khz: int, **faults: str) -> Iterator[tuple[Link, Any]]:
    boards: list[SimulatedBoard] = []
    monkeypatch.setattr(
        "boardflash.sim.probe.SimulatedBoard",
        lambda *args: boards.append(SimulatedBoard(*args)) or boards[-1],
    )
    with probes.open_link(
        "sim:42",
        board_name="stm32f746g-disco",
        jlink_device="STM32F746NG",
        interface="swd",
        speed_khz=speed_khz,
        under_reset=False,
        simulation=probes.SimulationChoice(faults=faults),
    ) as link:
        yield link, boards[0]


@pytest.mark.parametrize("lsi_hz", ["17000", "32000", "47000"])
@pytest.mark.parametrize("speed_khz", [100, 400, 1000, 4000])
def test_the_loader_starts_under_a_hardware_watchdog(
    monkeypatch: pytest.MonkeyPatch, artefact: Any, speed_khz: int, lsi_hz: str
) -> None:
    faults = {**HARDWARE_WATCHDOG, "lsi_hz": lsi_hz}
    with simulated(monkeypatch, speed_khz, **faults) as (link, _):
        resets: list[float] = []
        reset = link.reset_and_halt
        monkeypatch.setattr(link, "reset_and_halt", lambda: resets.append(link.now()) or reset())
        session = LoaderSession(link, artefact)
        session.start()
        link.pause(2.0)  # the loader refreshes it from here on
        assert session.identify_mcu().device_id == 0x449
        assert len(resets) == 1  # not by the second attempt


def test_the_application_has_its_watchdog_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated(monkeypatch, 4000, **HARDWARE_WATCHDOG) as (link, board):
        link.reset_and_halt()
        assert board.dbgmcu.stops_watchdog
        link.reset_and_run()
        assert not board.dbgmcu.stops_watchdog


class Upset:
    """A link on which something resets the board, `times` times, just before the core is started."""

    def __init__(self, link: Link, board: SimulatedBoard, times: int, moment: str) -> None:
        self._link, self._board, self.left, self._moment = link, board, times, moment

    def __getattr__(self, name: str) -> Any:
        if name == self._moment and self.left:
            self.left -= 1
            self._board.reset(halt=False)
        return getattr(self._link, name)


@pytest.mark.parametrize("moment", ["write_register", "go"])
def test_a_start_that_a_reset_spoils_is_tried_once_more(
    monkeypatch: pytest.MonkeyPatch, artefact: Any, moment: str
) -> None:
    with simulated(monkeypatch, 4000) as (link, board):
        upset: Any = Upset(link, board, 1, moment)
        session = LoaderSession(upset, artefact)
        session.start()
        assert upset.left == 0
        assert session.identify_mcu().device_id == 0x449


def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch, artefact: Any) -> None:
    with simulated(monkeypatch, 4000) as (link, board):
        upset: Any = Upset(link, board, 5, "go")
        with pytest.raises(BoardflashError, match="the core runs already"):
            LoaderSession(upset, artefact).start()
        assert upset.left == 3
