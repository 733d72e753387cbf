"""What a caller may choose about a simulated board."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SimOptions:
    """Every field has a value that behaves as hardware does; the others are for tests and benches."""

    skip_waiting: bool = True
    """Jump over time in which nothing can change. Off: every instruction of a wait is executed."""
    read_ahead: bool = False
    """The core reads ahead wherever it may: in internal flash while that is busy, which stalls it until the
    end, and in external memory that nothing drives. Hardware may do so at any time (PM0253 2.2.1), and mostly
    does not."""
    flash_typ_ratio: float = 0.5
    """Internal flash: typical erase and program time as a share of the maximum. The vendor publishes no
    typical table that we found (reference facts/stm32f7.md, "Timing"), so this is an assumption."""
    flash_program_us: float = 16.0
    """Internal flash: typical time to program a unit of any width **(unverified)**; the maximum is 100 us."""
