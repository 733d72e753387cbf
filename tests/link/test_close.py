"""Close starts a halted core, unless the session has said otherwise: a core left halted stays halted."""

from __future__ import annotations

import pylink
import pytest
from fake_target import RAM, Connect, FakeTarget

from boardflash.errors import BoardflashError
from boardflash.link.jlink import Link
from boardflash.sim.jlink import SimulatedJLink
from boardflash.sim.jlink_wire import LinkFaults


def halted_by_pylink(target: FakeTarget, *commands: str) -> None:
    """A session that ends with a halted core, as a program that knows nothing of this makes it."""
    jlink = pylink.JLink(lib=SimulatedJLink({1: target}), log=str, detailed_log=str, error=str, warn=str)
    jlink.open()
    for command in commands:
        jlink.exec_command(command)
    jlink.set_tif(pylink.enums.JLinkInterfaces.SWD)
    jlink.connect("STM32F746NG", speed=4000)
    jlink.reset(halt=True)
    jlink.register_write(15, RAM + 0x100)
    assert target.halted()
    jlink.close()


def test_the_library_starts_a_halted_core_when_it_is_closed(target: FakeTarget) -> None:
    halted_by_pylink(target)
    assert not target.halted()
    assert target.registers[15] == RAM + 0x100  # with the registers that were written


def test_unless_the_session_said_otherwise(target: FakeTarget) -> None:
    halted_by_pylink(target, "SetRestartOnClose = 0")
    assert target.halted()


def test_what_a_session_said_is_forgotten_with_it(target: FakeTarget) -> None:
    library = SimulatedJLink({1: target})
    for command, halted in (("SetRestartOnClose = 0", True), ("EnableRemarks = 0", False)):
        jlink = pylink.JLink(lib=library, log=str, detailed_log=str, error=str, warn=str)
        jlink.open()
        jlink.exec_command(command)
        jlink.set_tif(pylink.enums.JLinkInterfaces.SWD)
        jlink.connect("STM32F746NG", speed=4000)
        jlink.reset(halt=True)
        jlink.close()
        assert target.halted() == halted


def test_a_core_that_we_halt_stays_halted(link: Link, target: FakeTarget) -> None:
    link.reset_and_halt()
    link.close()
    assert target.halted()


def test_a_core_that_we_start_runs(link: Link, target: FakeTarget) -> None:
    link.reset_and_halt()
    link.reset_and_run()
    link.close()
    assert not target.halted()


def test_a_core_is_left_halted_by_a_failure(connect: Connect, target: FakeTarget) -> None:
    with pytest.raises(BoardflashError), connect(faults=LinkFaults(short_write=3)) as link:
        link.reset_and_halt()
        for _ in range(3):
            link.write_u32(RAM, 1)
    assert target.halted()


def test_a_cable_that_is_out_reaches_no_core(connect: Connect, target: FakeTarget) -> None:
    link = connect(faults=LinkFaults(unplug_at_call=60))
    link.reset_and_halt()
    with pytest.raises(BoardflashError):
        while True:
            link.read_u32(RAM)
    link.close()
    assert target.halted()
