"""CPU time of the erase planner for a 128 MiB chip, best of seven: `python tests/bench/planner.py`."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "site_scons"))

from boardflash.plan.erase import EraseOption, ErasePlan, Leaf, Need, plan_erases

UNIT = 4096
UNITS = 32_768
ERASE_US = 45_000  # W25Q128JV's times
PAGE_US = 400
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
            chance.randrange(17) * PAGE_US,
            chance.randrange(link_us),
        )
        for i in range(UNITS)
    ]


def one_price(share: float, link_us: int) -> list[Leaf]:
    """The same, but every page of the image costs the same: very many plans are nearly equal."""
    chance = random.Random(share)
    leaves = []
    for i in range(UNITS):
        need = Need.REWRITE if chance.random() < share else Need.KEEP
        pages = chance.randrange(17)
        leaves.append(Leaf(i * UNIT, UNIT, ERASE_US, need, pages * PAGE_US, pages * (link_us // 16)))
    return leaves


def clearing(share: float, link_us: int) -> list[Leaf]:
    """Bits only clear in half of the units, some pages of each; of the others a share is dirty."""
    chance = random.Random(share)
    leaves = []
    for leaf in chip(share, link_us):
        if chance.random() < 0.5:
            pages = leaf.program_us // PAGE_US
            some = chance.randrange(pages + 1)
            leaf = leaf._replace(
                need=Need.WRITE,
                program_us=some * PAGE_US,
                link_us=leaf.link_us * some // max(pages, 1),
                erased_program_us=leaf.program_us,
                erased_link_us=leaf.link_us,
            )
        leaves.append(leaf)
    return leaves


def contested(share: float, link_us: int) -> list[Leaf]:
    """Not a case of practice: clearing and erasing at unrelated costs, so that most are a question."""
    chance = random.Random(share)
    return [
        leaf._replace(
            need=Need.WRITE,
            program_us=chance.randrange(2 * ERASE_US),
            erased_program_us=leaf.program_us,
            erased_link_us=chance.randrange(link_us),
        )
        if chance.random() < 0.5
        else leaf
        for leaf in chip(share, link_us)
    ]


def measured(leaves: list[Leaf]) -> tuple[float, ErasePlan]:
    best = 60.0
    for _ in range(7):
        start = time.process_time()
        plan = plan_erases(leaves, OPTIONS, CHIP_ERASE_US)
        best = min(best, time.process_time() - start)
    return best, plan


Chips = Callable[[float, int], list[Leaf]]
REGIMES: dict[str, tuple[Chips, int]] = {
    "chip-limited": (chip, 10_000),
    "chip and link alike": (chip, 40_000),
    "link-limited": (chip, 160_000),
    "alike, pages at one price": (one_price, 37_000),
    "half only clears bits, chip-limited": (clearing, 10_000),
    "half only clears bits, alike": (clearing, 36_000),
    "half only clears bits, link-limited": (clearing, 160_000),
    "half cleared or erased, alike": (contested, 40_000),
}


def rows() -> None:
    print("\nerase planner, 128 MiB in 32,768 units, CPU time")
    for name, (chips, link_us) in REGIMES.items():
        times = []
        for share in (0.1, 0.5, 1):
            seconds, plan = measured(chips(share, link_us))
            off = plan.time_us - plan.bound_us
            proof = (
                "" if plan.exact else f" (at most {off / 1000:.1f} ms = {off / plan.time_us:.4%} too long)"
            )
            times.append(f"{share:.0%} dirty {seconds * 1000:.0f} ms{proof}")
        print(f"{name:42s} {', '.join(times)}")


if __name__ == "__main__":
    rows()
