"""`PROBE=sim` as it is: the simulated board behind the simulated J-Link, through the real pylink."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link import probes
from boardflash.link.jlink import Link
from boardflash.sim.faults import with_faults
from boardflash.sim.jlink_wire import LinkFaults
from boardflash.sim.twin import load_twin

RAM = 0x2001_0000
CPUID, DBGMCU_IDCODE = 0xE000_ED00, 0xE004_2000
FLASH_KEYR, FLASH_CR = 0x4002_3C04, 0x4002_3C10
COUNT_UP = bytes.fromhex("0130 fde7")  # adds r0, #1; b back to it
XPSR_T = 0x0100_0000

SETTINGS: dict[str, Any] = {
    "jlink_device": "STM32F746NG",
    "interface": "swd",
    "speed_khz": 4000,
    "under_reset": False,
}


def open_sim(selector: str = "sim", **more: Any) -> Link:
    return probes.open_link(selector, board_name="stm32f746g-disco", **SETTINGS, **more)


def program_word(link: Link, address: int, value: int) -> None:
    """By the debugger alone, as RM0385 section 3.3.7 has it: unlock, PG with x32, one store, lock."""
    link.write_u32(FLASH_KEYR, 0x4567_0123)
    link.write_u32(FLASH_KEYR, 0xCDEF_89AB)
    link.write_u32(FLASH_CR, 0x0000_0201)
    link.write_u32(address, value)
    link.pause(0.001)
    link.write_u32(FLASH_CR, 0x8000_0000)


def test_the_core_runs_what_the_link_loads() -> None:
    with open_sim() as link:
        assert link.simulated
        link.reset_and_halt()
        assert link.read_u32(DBGMCU_IDCODE) & 0xFFF == 0x449
        assert link.read_u32(CPUID) >> 4 & 0xFFF == 0xC27
        link.write_memory(RAM, COUNT_UP)
        for register, value in ((0, 0), (15, RAM), (16, XPSR_T)):
            link.write_register(register, value)
        link.go()
        assert not link.is_halted()
        link.pause(0.001)
        link.halt()
        first = link.read_register(0)
        assert first > 1000  # a millisecond at 16 MHz
        assert link.read_register(15) in (RAM, RAM + 2)


def test_the_core_runs_while_memory_is_written() -> None:
    with open_sim() as link:
        link.reset_and_halt()
        link.write_memory(RAM, bytes.fromhex("0130 0860 fce7"))  # adds r0, #1; str r0, [r1]; b back
        for register, value in ((0, 0), (1, RAM + 0x100), (15, RAM), (16, XPSR_T)):
            link.write_register(register, value)
        link.go()
        before = link.read_u32(RAM + 0x100)
        link.write_memory(RAM + 0x1000, bytes(16 * 1024))
        assert link.read_u32(RAM + 0x100) - before > 16_000  # 48 ms at 16 MHz


def test_flash_is_kept_by_serial_number() -> None:
    with open_sim("sim:42") as link:
        link.reset_and_halt()
        assert link.read_u32(0x0800_0000) == 0xFFFF_FFFF
        program_word(link, 0x0800_0000, 0x2001_0000)
        assert link.read_u32(0x0800_0000) == 0x2001_0000
    with open_sim("sim:43") as link:
        assert link.read_u32(0x0800_0000) == 0xFFFF_FFFF
    with open_sim("sim:42") as link:
        assert link.read_u32(0x0800_0000) == 0x2001_0000


def test_two_users_of_one_simulated_board_do_not_meet() -> None:
    with open_sim("sim:42"):
        with pytest.raises(
            BoardflashError, match=r"^simulated J-Link 42: is in use by process \d+ \("
        ) as caught:
            open_sim("sim:42")
        assert caught.value.code == ExitCode.PROBE_BUSY
        open_sim("sim:43").close()


def test_a_simulated_session_replays_without_the_simulation(tmp_path: Path) -> None:
    def session(link: Link) -> list[Any]:
        with link:
            link.reset_and_halt()
            link.write_memory(RAM, COUNT_UP)
            return [link.simulated, link.serial, link.read_memory(RAM, 64), link.supply_mv(), link.now()]

    path = tmp_path / "trace.jsonl"
    recorded = session(open_sim("sim:42", trace=path))
    assert session(probes.open_replay(path, **SETTINGS)) == recorded


def test_a_board_without_a_twin_lists_the_twins() -> None:
    with pytest.raises(BoardflashError) as caught:
        probes.open_link("sim", board_name="my-board", **SETTINGS)
    assert caught.value.code == ExitCode.NO_PROBE
    assert str(caught.value).startswith(
        'PROBE=sim: no simulated board is named "my-board"; choose one with --twin: '
    )
    assert "stm32f746g-disco" in str(caught.value)


def test_faults_have_names() -> None:
    sound = load_twin("stm32f746g-disco")
    faults = {"unplug_at_call": "7", "qpi": "", "busy_ms": "250", "supply_mv": "1800", "chip": "W25Q128JV-IQ"}
    faulty = with_faults(sound, {**faults, "wiring.PE2": "", "wiring.PE3": "io2"})
    assert faulty.wire == LinkFaults(unplug_at_call=7)
    assert faulty.twin.chip_options == {**sound.chip_options, "qpi": True, "busy_ms": 250}
    assert (faulty.twin.supply_mv, faulty.twin.chip) == (1800, "W25Q128JV-IQ")
    assert "PE2" not in faulty.twin.wiring and faulty.twin.wiring["PE3"] == "io2"
    assert with_faults(sound, {}).twin == sound


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("gremlins", "", "--fault gremlins: no such fault; there are unplug_at_call, power_cut_at_call, "),
        ("short_read", "x", "--fault short_read=x: expected the number of a call"),
        ("licence_window_ms", "x", "--fault licence_window_ms=x: expected a time in milliseconds"),
        ("calls", "2ms", "--fault calls=2ms: there are real, flat"),
    ],
)
def test_an_unknown_fault_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(BoardflashError) as caught:
        open_sim(simulation=probes.SimulationChoice(faults={name: value}))
    assert str(caught.value).startswith(message)


def test_what_calls_cost_has_names() -> None:
    took = {}
    for name in ("real", "flat"):
        with open_sim(simulation=probes.SimulationChoice(faults={"calls": name})) as link:
            link.reset_and_halt()
            took[name] = link.now()
    assert 0.35 < took["real"] < 0.5
    assert took["flat"] < 0.01
    with open_sim() as link:
        link.reset_and_halt()
        assert link.now() == took["real"]


def test_the_supply_is_the_twins(tmp_path: Path) -> None:
    with open_sim(simulation=probes.SimulationChoice(faults={"supply_mv": "1800"})) as link:
        assert link.supply_mv() == 1800


def test_a_cable_pulled_in_a_session_keeps_what_was_flashed() -> None:
    with open_sim("sim:42") as link:
        program_word(link, 0x0800_0004, 0x1234_5678)
    choice = probes.SimulationChoice(faults={"unplug_at_call": "200"})
    with pytest.raises(BoardflashError) as caught, open_sim("sim:42", simulation=choice) as link:
        for _ in range(200):
            link.write_u32(RAM, 1)
    assert caught.value.code == ExitCode.DEVICE_FAILED
    with open_sim("sim:42") as link:
        assert link.read_u32(0x0800_0004) == 0x1234_5678
