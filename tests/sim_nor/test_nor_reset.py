"""Reset: for how long each family hears nothing, by what was cut off; a driver must wait for it."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import JV_IM, JV_IQ, MS, N25Q, READ, US, Controller, Pins, ccr

ID = {
    JV_IQ: "EF 40 18",
    "W25Q256JV-IQ": "EF 40 19",
    N25Q: "20 BA 18",
    "MT25QL128ABA": "20 BA 18",
    "IS25LP128": "9D 60 18",
    "SST26VF064B": "BF 26 43",
    "GD25Q128E": "C8 40 18",
    "MX25L12833F": "C2 20 18",
}


def deaf_for(pins: Pins, expected_us: int) -> None:
    """Just before that time nothing is heard, and right after it the ID."""
    name = pins.chip.name
    assert pins.chip.next_change_ps() == pins.clock.now_ps + expected_us * US
    pins.wait(expected_us * US - 1)
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3
    pins.wait(1)
    assert pins.spi(b"\x9f", 3) == bytes.fromhex(ID[name])


@pytest.mark.parametrize(
    ("name", "us"),
    [
        (JV_IQ, 30),
        ("W25Q256JV-IQ", 30),
        (N25Q, 1),
        ("MT25QL128ABA", 1),
        ("IS25LP128", 100),
        ("SST26VF064B", 30),
        ("GD25Q128E", 30),
        ("MX25L12833F", 40),
    ],
)
def test_an_idle_chip_is_deaf_after_a_reset(name: str, us: int) -> None:
    pins = Pins(name)
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    deaf_for(pins, us)


@pytest.mark.parametrize(
    ("name", "command", "us"),
    [
        (N25Q, "02 000000 00", 30),
        (N25Q, "20 000000", 250_000),
        (N25Q, "D8 000000", 30),
        (N25Q, "C7", 30),
        (N25Q, "01 00", 1_300),
        (N25Q, "B1 FF FF", 200_000),
        ("MT25QL128ABA", "20 000000", 50_000),
        ("MT25QL128ABA", "52 000000", 100_000),
        ("MT25QL128ABA", "D8 000000", 30),
        (JV_IQ, "02 000000 00", 30),
        (JV_IQ, "20 000000", 30),
        (JV_IQ, "C7", 30),
        ("GD25Q128E", "02 000000 00", 30),
        ("GD25Q128E", "20 000000", 12_000),
    ],
)
def test_recovery_depends_on_what_the_reset_cut_off(name: str, command: str, us: int) -> None:
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex(command))
    assert not pins.idle
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    deaf_for(pins, us)


@pytest.mark.parametrize(("command", "us"), [("02 000000 00", 100), ("20 000000", 1000)])
def test_recovery_of_the_sst26(command: str, us: int) -> None:
    pins = Pins("SST26VF064B")
    pins.spi(b"\x06")
    pins.spi(b"\x98")
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex(command))
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    deaf_for(pins, us)


def test_a_suspended_erase_counts_as_cut_off() -> None:
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.wait(100 * MS)
    pins.spi(b"\x75")
    pins.finish()
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    deaf_for(pins, 250_000)


def test_power_ends_the_deafness() -> None:
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.chip.power_cycle()
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("20 BA 18")


def test_what_is_sent_to_a_deaf_chip_is_lost() -> None:
    """Reset, too: a second one within tRST does not prolong the first, and a write enable is not kept."""
    pins = Pins(JV_IQ)
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(20 * US)
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.spi(b"\x06")
    pins.wait(10 * US)
    assert pins.status == 0x00


def test_a_chip_that_is_deaf_from_inside_a_command_is_deaf_to_its_end() -> None:
    """nCS fell too early: the clocks that come after tRST belong to a command that was never begun."""
    pins = Pins(JV_IQ)
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.chip.select(pins.clock.now_ps)
    pins.wait(31 * US)
    pins.chip.clock_in(b"\x0e" * 5 + b"\x0f\x0f\x0e")
    pins.chip.deselect(pins.clock.now_ps)
    assert pins.status == 0x00


def reset(controller: Controller) -> None:
    for opcode in (0x66, 0x99):
        controller.command(opcode)


READ_ID = ccr(0x9F, READ, lines=(1, 0, 1))


@pytest.mark.parametrize("name", [JV_IQ, JV_IM])
def test_a_driver_that_does_not_wait_after_a_reset_finds_no_chip(name: str) -> None:
    """At 54 MHz the next command follows within a microsecond."""
    controller = Controller(name)
    reset(controller)
    assert controller.read(READ_ID, 3) == b"\xff" * 3
    controller.wait(30 * US)
    assert controller.read(READ_ID, 3)[0] == 0xEF


def test_a_driver_that_programs_too_early_programs_nothing() -> None:
    controller = Controller(JV_IQ)
    reset(controller)
    controller.command(0x06)
    controller.wait(30 * US)
    controller.write(ccr(0x02, lines=(1, 1, 1)), b"\x00", 0)
    assert controller.status() == 0x00
    assert controller.chip.array[0] == 0xFF


def test_a_driver_that_polls_too_early_waits_for_the_chip() -> None:
    """A deaf chip leaves the line high, which reads as busy."""
    controller = Controller(JV_IQ)
    reset(controller)
    before = controller.clock.now_ps
    controller.ready()
    assert 29 * US <= controller.clock.now_ps - before <= 32 * US
