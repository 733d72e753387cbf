"""CPU time of the erase planner for a 128 MiB chip, best of seven: `python tests/bench/planner.py`."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "site_scons"))

from boardflash.plan.erase import EraseOption, Leaf, Need, plan_erases

UNIT = 4096
UNITS = 32_768
ERASE_US = 45_000  # W25Q128JV's times
OPTIONS = (EraseOption(0x8000, 120_000), EraseOption(0x1_0000, 150_000))
CHIP_ERASE_US = 400_000_000


def chip(share: float, link_us: int) -> list[Leaf]:
    """A share of dirty units at random places, with costs that differ from unit to unit."""
    chance = random.Random(share)
    return [
        Leaf(
            i * UNIT,
            UNIT,
            ERASE_US,
            Need.REWRITE if chance.random() < share else Need.KEEP,
            chance.randrange(17) * 400,
            chance.randrange(link_us),
        )
        for i in range(UNITS)
    ]


def seconds(leaves: list[Leaf]) -> float:
    best = 60.0
    for _ in range(7):
        start = time.process_time()
        plan_erases(leaves, OPTIONS, CHIP_ERASE_US)
        best = min(best, time.process_time() - start)
    return best


REGIMES = {"chip-limited": 10_000, "chip and link alike": 40_000, "link-limited": 160_000}


def rows() -> None:
    print("\nerase planner, 128 MiB in 32,768 units, CPU time")
    for name, link_us in REGIMES.items():
        times = [
            f"{share:.0%} dirty {seconds(chip(share, link_us)) * 1000:.0f} ms" for share in (0.1, 0.5, 1)
        ]
        print(f"{name:42s} {', '.join(times)}")


if __name__ == "__main__":
    rows()
