from __future__ import annotations

import pytest
from sim_core.guest import new_board

from boardflash.sim.board import SimulatedBoard


@pytest.fixture
def board() -> SimulatedBoard:
    return new_board()
