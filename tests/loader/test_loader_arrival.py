"""What arrives in RAM is what was sent, or is not used: the loader digests its own code before it serves."""

from __future__ import annotations

import random

import pytest
from target_link import TargetLink

from boardflash.errors import BoardflashError, ExitCode
from boardflash.loader.session import LoaderSession
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from cuts import shared_loader

BITS = random.Random(7).sample(range(len(shared_loader().image) * 8), 24)


class FlippingLink(TargetLink):
    """A wire that turns one bit of the loader's image over, on its way there."""

    def __init__(self, board: SimulatedBoard, bit: int) -> None:
        super().__init__(board)
        self.bit = bit
        self.arrived = True

    def write_memory(self, address: int, data: bytes) -> None:
        if data == shared_loader().image and self.arrived:
            spoilt = bytearray(data)
            spoilt[self.bit // 8] ^= 1 << self.bit % 8
            data = bytes(spoilt)
        super().write_memory(address, data)


def board_of(bit: int) -> tuple[SimulatedBoard, FlippingLink]:
    board = SimulatedBoard(load_twin("stm32f746g-disco"), BoardState.in_memory("7"))
    board.flash.array[:4096] = random.Random(1).randbytes(4096)
    board.chip.array[:4096] = random.Random(2).randbytes(4096)
    return board, FlippingLink(board, bit)


@pytest.mark.parametrize("bit", BITS)
def test_one_wrong_bit_of_the_loader_is_named_and_costs_nothing(bit: int) -> None:
    board, link = board_of(bit)
    before = bytes(board.flash.array), bytes(board.chip.array)
    at = shared_loader().load_address + bit // 8
    with pytest.raises(BoardflashError) as caught:
        LoaderSession(link, shared_loader()).start(3300)
    assert str(caught.value) == (
        f"RAM {at:#010x}: the target loader does not read back from RAM as it was written; check the wiring"
        " or lower the speed"
    )
    assert caught.value.code == ExitCode.DEVICE_FAILED
    assert (bytes(board.flash.array), bytes(board.chip.array)) == before


def test_it_is_not_read_back_where_its_digest_is_right() -> None:
    _, link = board_of(0)
    link.arrived = False
    asked: list[int] = []
    read = link.read_memory
    link.read_memory = lambda address, size: asked.append(size) or read(address, size)  # type: ignore[func-returns-value, method-assign]
    LoaderSession(link, shared_loader()).start(3300)
    assert sum(asked) < 1024
