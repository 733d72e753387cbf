"""A simulated board for tools whose probe nobody has measured: control calls cost what a J-Link's cost.

To open the probe, to connect to the target and to reset it takes a J-Link 122.5, 185.5 and 71 ms
(`jlink_wire.LinkCosts`, with its sources). pyOCD and OpenOCD do the same on a probe of their own; they are
charged the same times, once for opening and connecting, and at each reset that they ask for.
"""

from __future__ import annotations

from collections.abc import Mapping

from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import with_faults
from boardflash.sim.jlink_wire import PS_PER_US, LinkCosts
from boardflash.sim.state import BoardState
from boardflash.sim.twin import Twin, load_twin

AIRCR = 0xE000ED0C  # Armv7-M B3.2.6
RESETS = 1 << 2 | 1 << 0  # SYSRESETREQ, VECTRESET


class ChargedBoard(SimulatedBoard):
    """Time passes at once, so that a firmware that runs meanwhile does so here, too."""

    def __init__(self, twin: Twin, state: BoardState, costs: LinkCosts) -> None:
        super().__init__(twin, state)
        self.costs = costs
        self.resets = 0

    def attach(self) -> None:
        """A tool opens its probe and connects to the target."""
        self.advance((self.costs.open_us + self.costs.connect_us) * PS_PER_US)

    def reset(self, halt: bool) -> None:
        """The pin. It is pulled with `halt` and let go without, which is one reset."""
        super().reset(halt)
        if halt:
            self._charge_reset()

    def write_memory(self, address: int, data: bytes, width: int) -> None:
        super().write_memory(address, data, width)
        if address == AIRCR and int.from_bytes(data, "little") & RESETS:
            self._charge_reset()

    def _charge_reset(self) -> None:
        self.resets += 1
        self.advance(self.costs.reset_us * PS_PER_US)


def peer_board(twin: str, state: BoardState, faults: Mapping[str, str], *, charged: bool) -> SimulatedBoard:
    """The board with these faults, for a peer. Unless `charged`, control calls cost what crosses the wire."""
    faulty = with_faults(load_twin(twin), faults)
    if not charged:
        return SimulatedBoard(faulty.twin, state)
    board = ChargedBoard(faulty.twin, state, faulty.costs)
    board.attach()
    return board
