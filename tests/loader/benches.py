"""A loader that runs on a simulated board, with both memories identified and in reach."""

from __future__ import annotations

import random
from typing import Any

from target_link import TargetLink

from boardflash.loader.protocol import REGION_INTERNAL, REGION_QSPI, Command, Status
from boardflash.loader.session import CommandFailed, LoaderSession
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from cuts import shared_loader

BASE = {REGION_INTERNAL: 0x0800_0000, REGION_QSPI: 0x9000_0000}
SIZE = {REGION_INTERNAL: 1 << 20, REGION_QSPI: 1 << 24}
REGIONS = (REGION_INTERNAL, REGION_QSPI)
ROW = {"stm32f746g-disco": 0, "stm32f746g-disco-c03": 1}  # of the board's chips


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


class Bench:
    """Both memories are blank."""

    def __init__(self, twin: str = "stm32f746g-disco") -> None:
        self.board = SimulatedBoard(load_twin(twin), BoardState.in_memory("7"))
        self.session = LoaderSession(TargetLink(self.board), shared_loader())
        self.session.start(3300)
        self.session.identify_chip()
        self.session.select_chip(ROW[twin])
        self.base, self.end = self.session.buffers_base, self.session.buffers_end

    def array(self, region: int) -> Any:
        return self.board.flash.array if region == REGION_INTERNAL else self.board.chip.array

    def put(self, region: int, offset: int, data: bytes) -> None:
        self.array(region)[offset : offset + len(data)] = data

    def holds(self, region: int, offset: int, size: int) -> bytes:
        return bytes(self.array(region)[offset : offset + size])

    def write_ram(self, address: int, data: bytes) -> None:
        self.session.link.write_memory(address, data)

    def read_ram(self, address: int, size: int) -> bytes:
        return self.session.link.read_memory(address, size)

    def run(self, region: int, command: Command) -> None:
        self.session.run(region, command, 10)

    def refusal(self, region: int, command: Command) -> Status:
        """The status that the loader answers; the ring serves again."""
        try:
            self.run(region, command)
        except CommandFailed as failed:
            self.session.acknowledge(region)
            return failed.result.status
        return Status.OK
