from __future__ import annotations

import pytest

from boardflash.sim.board import SimulatedBoard
from sim_core.guest import new_board


@pytest.fixture
def board() -> SimulatedBoard:
    return new_board()
