"""The erase planner against brute force on small chips, and by itself on a large one."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardflash.errors import BoardflashError
from boardflash.plan import balance, fronts, near
from boardflash.plan.erase import EraseOption, ErasePlan, Leaf, Need, plan_erases

BASE = 0x9000_0000
UNIT = 0x1000
# W25Q128JV, typical times.
W25Q = (EraseOption(0x8000, 120_000), EraseOption(0x1_0000, 150_000))
# N25Q128A, typical times, 32 KiB erase left out.
N25Q = (EraseOption(0x1_0000, 700_000),)


def unit(index: int, need: Need, program_us: int = 6400, link_us: int = 11_800, **more: object) -> Leaf:
    return Leaf(BASE + index * UNIT, UNIT, 45_000, need, program_us, link_us, **more)  # type: ignore[arg-type]


def spans(plan: ErasePlan) -> list[tuple[int, int]]:
    return [(erase.address - BASE, erase.size) for erase in plan.erases]


def test_nothing_to_do_is_an_empty_plan() -> None:
    plan = plan_erases([unit(i, Need.KEEP) for i in range(16)], W25Q, 40_000_000)
    assert (plan.erases, plan.programs, plan.time_us, plan.exact) == ((), (), 0, True)


def test_no_units_at_all_is_an_empty_plan() -> None:
    assert plan_erases([]).time_us == 0


def test_one_dirty_unit_costs_one_small_erase() -> None:
    leaves = [unit(i, Need.REWRITE if i == 5 else Need.KEEP) for i in range(32)]
    plan = plan_erases(leaves, W25Q, 40_000_000)
    assert spans(plan) == [(0x5000, UNIT)]
    assert plan.programs == (BASE + 0x5000,)
    assert (plan.chip_us, plan.link_us) == (45_000 + 6400, 11_800)
    assert str(plan.erases[0].reason) == "1 erase unit to erase, 45 ms"


def test_a_wholly_dirty_block_takes_the_largest_erase() -> None:
    plan = plan_erases([unit(i, Need.REWRITE) for i in range(32)], W25Q, 40_000_000)
    assert spans(plan) == [(0, 0x1_0000), (0x1_0000, 0x1_0000)]
    assert str(plan.erases[0].reason) == "16 erase units to erase: at once 150 ms, apart 720 ms"


def test_a_kept_unit_inside_a_larger_erase_is_programmed_again() -> None:
    leaves = [unit(i, Need.KEEP if i == 3 else Need.REWRITE) for i in range(8)]
    plan = plan_erases(leaves, W25Q)
    assert spans(plan) == [(0, 0x8000)]
    assert len(plan.programs) == 8
    assert plan.erases[0].reason.taken_along == 1
    assert plan.link_us == 8 * 11_800


def test_a_slow_link_forbids_what_a_fast_link_allows() -> None:
    """Two 32 KiB erases save chip time, but where the link is the limit each kept unit costs more."""
    needs = [Need.KEEP if i % 2 else Need.REWRITE for i in range(16)]
    fast = plan_erases([unit(i, need, link_us=10) for i, need in enumerate(needs)], W25Q)
    slow = plan_erases([unit(i, need, link_us=100_000) for i, need in enumerate(needs)], W25Q)
    assert spans(fast) == [(0, 0x1_0000)]
    assert spans(slow) == [(i * UNIT, UNIT) for i in range(0, 16, 2)]
    assert slow.time_us == 800_000


def test_blank_units_are_written_without_an_erase() -> None:
    plan = plan_erases([unit(i, Need.WRITE) for i in range(16)], W25Q, 40_000_000)
    assert plan.erases == ()
    assert len(plan.programs) == 16


def test_erase_only_leaves_the_unit_blank() -> None:
    plan = plan_erases([unit(0, Need.ERASE_ONLY)], W25Q)
    assert (plan.programs, plan.chip_us, plan.link_us) == ((), 45_000, 0)


def test_clearing_bits_gives_way_to_an_erase_that_is_cheaper() -> None:
    dear = unit(0, Need.WRITE, program_us=90_000, erased_program_us=1000)
    plan = plan_erases([dear], W25Q)
    assert spans(plan) == [(0, UNIT)]
    assert plan.chip_us == 46_000


def test_chip_erase_wins_where_it_is_faster() -> None:
    plan = plan_erases([unit(i, Need.REWRITE) for i in range(64)], W25Q, 500_000)
    assert [(e.whole_chip, e.size) for e in plan.erases] == [(True, 64 * UNIT)]
    assert len(plan.programs) == 64


def test_protected_units_rule_out_every_erase_over_them() -> None:
    leaves = [unit(i, Need.KEEP if i == 3 else Need.REWRITE, forbidden=i == 3) for i in range(16)]
    plan = plan_erases(leaves, W25Q, 100)
    assert spans(plan) == [*((i * UNIT, UNIT) for i in (0, 1, 2, 4, 5, 6, 7)), (0x8000, 0x8000)]
    assert BASE + 3 * UNIT not in plan.programs


def test_a_protected_unit_that_needs_an_erase_is_refused() -> None:
    with pytest.raises(BoardflashError) as caught:
        plan_erases([unit(0, Need.REWRITE, forbidden=True)], W25Q)
    assert str(caught.value) == (
        "0x90000000: must be erased to hold the image, but the board file protects it; "
        "leave it out of the image, or out of `protect`"
    )


def test_sectors_of_different_sizes_are_planned_one_by_one() -> None:
    """STM32F746 internal flash: 4 x 32 KiB, 128 KiB, 3 x 256 KiB (RM0385 table 3)."""
    address, leaves = 0x0800_0000, []
    for i, size in enumerate((0x8000,) * 4 + (0x2_0000,) + (0x4_0000,) * 3):
        leaves.append(Leaf(address, size, size * 8, Need.REWRITE if i in (1, 4) else Need.KEEP, 100, 100))
        address += size
    plan = plan_erases(leaves)
    assert [(e.address, e.size) for e in plan.erases] == [(0x0800_8000, 0x8000), (0x0802_0000, 0x2_0000)]


def test_a_block_that_the_region_ends_in_is_not_erased_at_once() -> None:
    plan = plan_erases([unit(i, Need.REWRITE) for i in range(12)], W25Q)
    assert spans(plan) == [(0, 0x8000), *((i * UNIT, UNIT) for i in range(8, 12))]


def test_leaves_with_a_hole_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="one after the other"):
        plan_erases([unit(0, Need.KEEP), unit(2, Need.KEEP)])


def outcomes(leaves: list[Leaf], sizes: list[tuple[int, int]], first: int, last: int) -> set[tuple[int, int]]:
    """Every (chip, link) that any choice of erases over leaves[first:last] can give. No pruning."""
    if not sizes:
        (leaf,) = leaves[first:last]
        costs = (
            leaf.program_us if leaf.erased_program_us is None else leaf.erased_program_us,
            leaf.link_us if leaf.erased_link_us is None else leaf.erased_link_us,
        )
        found = set()
        if leaf.need == Need.KEEP:
            found.add((0, 0))
        if leaf.need == Need.WRITE:
            found.add((leaf.program_us, leaf.link_us))
        if not leaf.forbidden:
            back = (0, 0) if leaf.need == Need.ERASE_ONLY else costs
            found.add((leaf.erase_us + back[0], back[1]))
        return found
    (width, erase_us), rest = sizes[-1], sizes[:-1]
    below = rest[-1][0] if rest else 1
    parts = [outcomes(leaves, rest, i, min(i + below, last)) for i in range(first, last, below)]
    sums = {(sum(c for c, _ in way), sum(k for _, k in way)) for way in product(*parts)}
    inside = leaves[first:last]
    if last - first == width and not any(leaf.forbidden for leaf in inside):
        chip, link = again(inside)
        sums.add((erase_us + chip, link))
    return sums


def again(leaves: list[Leaf]) -> tuple[int, int]:
    """What is programmed once all of these leaves are erased."""
    back = [f for f in leaves if f.need != Need.ERASE_ONLY]
    chip = sum(f.program_us if f.erased_program_us is None else f.erased_program_us for f in back)
    return chip, sum(f.link_us if f.erased_link_us is None else f.erased_link_us for f in back)


def unbeaten(ways: set[tuple[int, int]]) -> set[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for chip, link in sorted(ways):
        if not kept or link < kept[-1][1]:
            kept.append((chip, link))
    return set(kept)


def least_time(leaves: list[Leaf], sizes: list[tuple[int, int]], chip_erase_us: int | None) -> int:
    """max(chip, link) of the best of all choices."""
    top = sizes[-1][0] if sizes else 1
    ways = {(0, 0)}
    for i in range(0, len(leaves), top):
        root = unbeaten(outcomes(leaves, sizes, i, min(i + top, len(leaves))))
        ways = unbeaten({(a + c, b + k) for a, b in ways for c, k in root})
    if chip_erase_us is not None and not any(leaf.forbidden for leaf in leaves):
        chip, link = again(leaves)
        ways.add((chip_erase_us + chip, link))
    return min(max(way) for way in ways)


def cost_of(plan: ErasePlan, leaves: list[Leaf]) -> tuple[int, int]:
    """What a plan costs, counted from its erases and the device's rules alone."""
    chip, link = sum(erase.reason.erase_us for erase in plan.erases), 0
    programs = set(plan.programs)
    for leaf in leaves:
        over = [e for e in plan.erases if e.address <= leaf.address < e.end]
        assert len(over) <= 1
        assert not (over and leaf.forbidden)
        assert all(leaf.address + leaf.size <= e.end for e in over)
        if leaf.need in (Need.REWRITE, Need.ERASE_ONLY):
            assert over
        wanted = leaf.need in (Need.WRITE, Need.REWRITE) or (over and leaf.need == Need.KEEP)
        program_us, link_us = leaf.program_us, leaf.link_us
        if over and leaf.erased_program_us is not None:
            program_us = leaf.erased_program_us
        if over and leaf.erased_link_us is not None:
            link_us = leaf.erased_link_us
        if wanted and (program_us or link_us):
            assert leaf.address in programs
            chip, link = chip + program_us, link + link_us
        elif leaf.need in (Need.KEEP, Need.ERASE_ONLY):
            assert leaf.address not in programs
    return chip, link


SmallChip = tuple[list[Leaf], list[tuple[int, int]], int | None]


@st.composite
def small_chips(draw: st.DrawFn, most: int = 11) -> SmallChip:
    """Any mix of needs, protected leaves, bits that only clear; the last block may be cut short."""
    times = st.integers(0, 40)
    # Whole pages at one price make many plans nearly equal; prices that differ make all plans differ.
    times = draw(st.sampled_from([times, st.integers(0, 3).map(lambda pages: pages * 10)]))
    leaves = []
    for i in range(draw(st.integers(1, most))):
        need = draw(st.sampled_from(Need))
        forbidden = need in (Need.KEEP, Need.WRITE) and draw(st.integers(0, 7)) == 0
        erased = st.none() | times if need == Need.WRITE else st.none()
        costs = draw(times), need, draw(times), draw(times), forbidden, draw(erased), draw(erased)
        leaves.append(Leaf(BASE + i * UNIT, UNIT, *costs))
    sizes = [(2, draw(st.integers(0, 60))), (4, draw(st.integers(0, 90)))][: draw(st.integers(0, 2))]
    return leaves, sizes, draw(st.none() | st.integers(0, 200))


def planned(chip: SmallChip) -> ErasePlan:
    leaves, sizes, chip_erase_us = chip
    plan = plan_erases(leaves, [EraseOption(w * UNIT, us) for w, us in sizes], chip_erase_us)
    assert cost_of(plan, leaves) == (plan.chip_us, plan.link_us)
    return plan


@settings(max_examples=400, deadline=None)
@given(small_chips())
def test_the_plan_is_as_good_as_the_best_of_all_choices(chip: SmallChip) -> None:
    plan = planned(chip)
    assert plan.time_us == plan.bound_us == least_time(*chip)
    assert plan.exact


@settings(max_examples=60, deadline=None)
@given(small_chips(most=64))
def test_so_is_the_plan_of_a_chip_with_more_places_than_the_first_search_asks(chip: SmallChip) -> None:
    plan = planned(chip)
    assert plan.bound_us <= least_time(*chip) <= plan.time_us
    assert plan.exact


@pytest.mark.parametrize("sample", [2, 3])
def test_a_sample_of_the_chip_only_guides(sample: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of large chips the balance is guessed from a sample; a wrong guess costs time and nothing else."""
    monkeypatch.setattr(balance, "_SAMPLE", sample)
    monkeypatch.setattr(balance, "_MARGIN", 50)
    chance = random.Random(sample)
    for _ in range(20):
        leaves = [
            Leaf(
                BASE + i * UNIT,
                UNIT,
                20,
                Need.REWRITE if chance.random() < 0.5 else Need.KEEP,
                chance.randrange(10),
                chance.randrange(30),
            )
            for i in range(200)
        ]
        chip: SmallChip = (leaves, [(2, 25), (4, 30)], None)
        assert planned(chip).time_us == least_time(*chip)


@settings(max_examples=150, deadline=None)
@given(small_chips(most=40), st.sampled_from([0, 30, 300]), st.sampled_from([1, 2, 200]))
def test_a_search_that_was_cut_short_is_never_called_proof(chip: SmallChip, states: int, ways: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fronts, "_MAX_STATES", states)
        patch.setattr(near, "_MAX_WAYS", ways)
        plan = planned(chip)
    assert plan.bound_us <= least_time(*chip) <= plan.time_us


@settings(max_examples=100, deadline=None)
@given(small_chips())
def test_the_same_question_has_the_same_answer(chip: SmallChip) -> None:
    leaves, sizes, chip_erase_us = chip
    options = [EraseOption(w * UNIT, us) for w, us in sizes]
    assert plan_erases(leaves, options, chip_erase_us) == plan_erases(
        leaves, list(reversed(options)), chip_erase_us
    )


def large_chip(share: float, link_us: int) -> list[Leaf]:
    """128 MiB with a share of dirty units at random places, costs that differ from unit to unit."""
    chance = random.Random(share)
    return [
        unit(
            i,
            Need.REWRITE if chance.random() < share else Need.KEEP,
            chance.randrange(17) * 400,
            chance.randrange(link_us),
        )
        for i in range(32_768)
    ]


def cost_of_large(plan: ErasePlan, leaves: list[Leaf]) -> tuple[int, int]:
    erase_us = sum(erase.reason.erase_us for erase in plan.erases)
    programs = set(plan.programs)
    programmed = [leaf for leaf in leaves if leaf.address in programs]
    return erase_us + sum(leaf.program_us for leaf in programmed), sum(leaf.link_us for leaf in programmed)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("link_us", [10_000, 40_000, 160_000])
def test_a_large_plan_is_valid_and_within_a_unit_of_the_bound(share: float, link_us: int) -> None:
    leaves = large_chip(share, link_us)
    plan = plan_erases(leaves, W25Q, 400_000_000)
    assert plan.bound_us <= plan.time_us
    # At worst one block is on the wrong side of the balance.
    assert plan.time_us - plan.bound_us <= 150_000 + 16 * link_us
    assert cost_of_large(plan, leaves) == (plan.chip_us, plan.link_us)


def test_where_chip_and_link_weigh_the_same_both_are_used_up() -> None:
    """Then every block is a question: 2,000 fronts instead of columns."""
    plan = plan_erases(large_chip(0.5, 40_000), W25Q, 400_000_000)
    assert abs(plan.chip_us - plan.link_us) < 100_000


@pytest.mark.parametrize("link_us", [18_000, 22_000, 26_000])
def test_where_all_units_cost_the_same_the_bound_is_still_close(link_us: int) -> None:
    """Then very many plans are equal, or nearly: too many to look at all of them."""
    for needs in ([Need.REWRITE, Need.KEEP], [Need.REWRITE, Need.KEEP, Need.KEEP, Need.REWRITE, Need.KEEP]):
        leaves = [unit(i, needs[i % len(needs)], link_us=link_us) for i in range(32_768)]
        plan = plan_erases(leaves, W25Q)
        assert cost_of_large(plan, leaves) == (plan.chip_us, plan.link_us)
        assert plan.time_us - plan.bound_us <= plan.time_us / 5000


def test_units_that_may_each_be_cleared_or_erased_are_planned_one_by_one() -> None:
    """64 units in one block, at costs that all differ."""
    chance = random.Random(1)
    leaves = [
        Leaf(
            BASE + i * UNIT,
            UNIT,
            chance.randrange(1000),
            Need.WRITE,
            chance.randrange(5000),
            chance.randrange(5000, 9000),
            erased_program_us=chance.randrange(5000, 9000),
            erased_link_us=chance.randrange(5000),
        )
        for i in range(64)
    ]
    plan = plan_erases(leaves, [EraseOption(64 * UNIT, 10_000_000)])
    assert cost_of(plan, leaves) == (plan.chip_us, plan.link_us)
    assert plan.exact
    assert abs(plan.chip_us - plan.link_us) < 1000
