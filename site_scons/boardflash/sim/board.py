"""One simulated board: a core, its memories and peripherals, and the NOR chip that is wired to it.

    board = SimulatedBoard(load_twin("stm32f746g-disco"), BoardState.in_memory("1"), SimOptions())
    board.reset(halt=True)

It is a `Target` (target.py); adapters for probes and debug clients stand on that alone. For tests it
also shows its parts: `clock`, `core`, `rcc`, `gpio`, `flash`, `quadspi`, `chip`, `violations`.
"""

from __future__ import annotations

from boardflash.sim.options import SimOptions
from boardflash.sim.state import BoardState
from boardflash.sim.target import VirtualClock
from boardflash.sim.twin import Twin


class SimulatedBoard:
    """The board as built by `twin`, holding what `state` holds, powered up."""

    def __init__(self, twin: Twin, state: BoardState, options: SimOptions | None = None) -> None:
        self.twin = twin
        self.state = state
        self.options = options or SimOptions()
        self.clock = VirtualClock()
