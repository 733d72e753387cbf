"""A fault of the loader is told, whenever it comes: in the first instruction, without a stack, under a
watchdog."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from target_link import TargetLink

from boardflash.errors import BoardflashError
from boardflash.loader.session import SP, LoaderSession
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import with_faults
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from cuts import shared_loader

WATCHDOG_BY_HARDWARE = hex(0xC0FFAAFD & ~(1 << 5))  # IWDG_SW clear: it runs from reset, 512 ms
SECOND = 10**12
UNDEFINED = b"\x01\xde"  # udf #1
RAM = 0x2000_0000
RCC_CSR, IWDGRSTF = 0x4002_3874, 1 << 29


def damaged(at: int) -> LoaderSession:
    """The loader with an undefined instruction so many bytes behind its entry, on a board with a watchdog."""
    artefact = shared_loader()
    image = bytearray(artefact.image)
    start = (artefact.entry & ~1) - artefact.load_address + at
    image[start : start + 2] = UNDEFINED
    return LoaderSession(TargetLink(watched_board()), replace(artefact, image=bytes(image)))


def was_reset(link: TargetLink) -> bool:
    """By the watchdog: the application would run now, and use the RAM that holds the record."""
    return bool(int.from_bytes(link.target.read_memory(RCC_CSR, 4, 4), "little") & IWDGRSTF)


def watched_board() -> SimulatedBoard:
    faulty = with_faults(load_twin("stm32f746g-disco"), {"option_bytes.optcr": WATCHDOG_BY_HARDWARE})
    return SimulatedBoard(faulty.twin, BoardState.in_memory("7"))


def test_a_fault_of_the_first_instruction_is_told() -> None:
    session = damaged(0)
    with pytest.raises(BoardflashError) as caught:
        session.start(3300)
    entry = session.artefact.entry & ~1
    assert f"stopped with HardFault (undefined instruction) at pc {entry:#010x}" in str(caught.value)


@pytest.mark.parametrize("at", [0, 2])
def test_the_record_outlives_the_watchdogs_time(at: int) -> None:
    """SysTick does not run yet: no tick tells when to refresh the watchdog."""
    session = damaged(at)
    with pytest.raises(BoardflashError, match="undefined instruction"):
        session.start(3300)
    assert isinstance(session.link, TargetLink)
    session.link.target.advance(3 * SECOND)
    assert not was_reset(session.link)
    with pytest.raises(BoardflashError, match="undefined instruction"):
        session.poll()


class ShortStack(TargetLink):
    """Starts the loader with almost no stack left."""

    left = 8

    def write_register(self, number: int, value: int) -> None:
        super().write_register(number, RAM + self.left if number == SP else value)


@pytest.mark.parametrize("left", [0, 8, 16, 128])
def test_a_stack_that_has_run_out_is_told(left: int) -> None:
    """It lies at the bottom of RAM: the next push is a bus error, and so is the frame of that fault."""
    link = ShortStack(watched_board())
    link.left = left
    session = LoaderSession(link, shared_loader())
    with pytest.raises(BoardflashError) as caught:
        session.start(3300)
        session.identify_chip()
        session.select_chip(0)
        session.digest(1, 0x9000_0000, 1 << 16, 4096)
    message = str(caught.value)
    assert "stopped with HardFault" in message
    assert "the stack has run out" in message
    assert " at pc " not in message, "there is no frame that would tell"
    link.target.advance(3 * SECOND)
    assert not was_reset(link)
    with pytest.raises(BoardflashError, match="the stack has run out"):
        session.poll()
    link.target.halt()
    assert link.target.read_register(SP) == session.artefact.stack_top, "the handler has a stack again"


def told_with(left: int) -> str:
    link = ShortStack(watched_board())
    link.left = left
    session = LoaderSession(link, shared_loader())
    with pytest.raises(BoardflashError) as caught:
        session.start(3300)
        session.identify_chip()
        session.select_chip(0)
    return str(caught.value)


def test_a_push_below_the_stack_whose_frame_still_fits_tells_its_address() -> None:
    """How little that is depends on what the compiler makes of each function."""
    wanted = re.compile(r"bus error\) at pc 0x2000\w{4}, address 0x1fffff")
    assert any(wanted.search(told_with(left)) for left in range(32, 112, 4))


def test_a_fault_with_a_sound_stack_tells_its_place() -> None:
    board = watched_board()
    session = LoaderSession(TargetLink(board), shared_loader())
    session.start(3300)
    pc = board.read_register(15)
    board.halt()
    board.write_register(15, 0x7000_0000)
    board.resume()
    with pytest.raises(BoardflashError) as caught:
        session.link.pause(0.01)
        session.poll()
    assert "at pc 0x70000000" in str(caught.value)
    assert pc != 0x7000_0000
