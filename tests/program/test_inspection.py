"""What the inspection finds out of a device's answers, against what the device really holds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardflash.image.model import DIGEST_BYTES, RegionImage, Segment, digest_of
from boardflash.loader.protocol import Operation
from boardflash.plan.difference import GranuleDifference, Reason, compare
from boardflash.program.clears import PATIENCE, Inspection
from boardflash.program.steps import Step, Wait

BASE, GRANULE, PAGE = 0x9000_0000, 1024, 256
GRANULES = 6


@dataclass
class Memory:
    """Answers as the loader does, but only when the lane waits."""

    content: bytes
    answer: bytes = b""
    asked: list[Step] = field(default_factory=list)

    @property
    def link(self) -> Memory:
        return self

    def read_memory(self, address: int, size: int) -> bytes:
        assert size <= len(self.answer) + 3
        return self.answer.ljust(size, b"\x00")

    def at(self, address: int, size: int) -> bytes:
        assert address >= BASE and address + size <= BASE + len(self.content)
        return self.content[address - BASE : address - BASE + size]

    def digests(self, address: int, size: int, granule: int) -> bytes:
        found, end = b"", address + size
        while address < end:
            step = min(granule - address % granule, end - address)
            found += digest_of(self.at(address, step))
            address += step
        return found

    def serve(self, step: Step) -> None:
        if step.operation == Operation.SAMPLE:
            places = range(step.address, step.address + step.length, step.argument)
            self.answer = b"".join(self.at(place, 4) for place in places)
        elif step.operation == Operation.DIGEST:
            self.answer = self.digests(step.address, step.length, step.argument)
        else:
            assert step.operation == Operation.READ
            self.answer = self.at(step.address, step.length)
        assert step.filled is not None and step.space == len(self.answer)
        step.filled(0)

    def bytes_asked(self, operation: Operation) -> int:
        return sum(step.space for step in self.asked if step.operation == operation)


def image_of(runs: list[tuple[int, bytes]]) -> RegionImage:
    return RegionImage("qspi", BASE, 1 << 24, tuple(Segment(BASE + at, data, "test") for at, data in runs))


def inspect(
    image: RegionImage, device: bytes, granule: int = GRANULE
) -> tuple[list[GranuleDifference], list[GranuleDifference], Memory]:
    """The differences without the inspection, with it, and the device that was asked."""
    memory = Memory(device)
    held = {(p.address, p.size): digest_of(memory.at(p.address, p.size)) for p in image.pieces(granule)}
    differences = compare(image, granule, held)
    session: Any = memory
    inspection = Inspection(session, image, granule, PAGE, differences)
    pending: list[Step] = []
    for item in inspection.steps():
        if isinstance(item, Wait):
            for step in pending:
                memory.serve(step)
            pending.clear()
        else:
            assert isinstance(item, Step)
            pending.append(item)
            memory.asked.append(item)
    assert not pending
    return list(differences), list(inspection.differences), memory


def only_clears(old: bytes, new: bytes) -> bool:
    return all(a & b == b for a, b in zip(old, new, strict=True))


@st.composite
def runs_of_an_image(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Runs that begin and end anywhere, do not touch, and leave gaps."""
    edges = draw(st.lists(st.integers(0, GRANULES * GRANULE), min_size=2, max_size=8, unique=True))
    edges = sorted(edges)[: len(edges) // 2 * 2]
    content = random.Random(draw(st.integers(0, 999))).randbytes(GRANULES * GRANULE)
    return [(a, content[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True)]


TREATMENTS = ("right", "blank", "more bits", "one bit less", "one bit more", "noise")


def treated(page: bytes, treatment: str, chance: random.Random) -> bytes:
    """A page of the device, where the image has these bytes."""
    at = chance.randrange(len(page))
    noise = chance.randbytes(len(page))
    return {
        "right": page,
        "blank": b"\xff" * len(page),
        "more bits": bytes(a | b for a, b in zip(page, noise, strict=True)),
        "one bit less": page[:at] + bytes([page[at] & (page[at] - 1)]) + page[at + 1 :],
        "one bit more": page[:at] + bytes([page[at] | (page[at] + 1) & 0xFF]) + page[at + 1 :],
        "noise": noise,
    }[treatment]


@settings(max_examples=150, deadline=None)
@given(
    runs_of_an_image(),
    st.lists(st.sampled_from(TREATMENTS), min_size=1, max_size=GRANULES * GRANULE // PAGE),
    st.integers(0, 999),
)
def test_a_granule_is_said_to_clear_if_and_only_if_no_bit_has_to_rise(
    runs: list[tuple[int, bytes]], treatments: list[str], seed: int
) -> None:
    chance = random.Random(seed)
    device = bytearray(chance.randbytes((GRANULES + 1) * GRANULE))
    for start, data in runs:
        device[start : start + len(data)] = data
    for n in range(GRANULES * GRANULE // PAGE):
        page = slice(n * PAGE, (n + 1) * PAGE)
        device[page] = treated(bytes(device[page]), treatments[n % len(treatments)], chance)
    image = image_of(runs)
    before, after, memory = inspect(image, bytes(device))

    assert [(d.address, d.size) for d in after] == [(d.address, d.size) for d in before]
    for was, now in zip(before, after, strict=True):
        old, new = memory.at(now.address, now.size), image.read(now.address, now.size)
        if was.reason != Reason.DIGEST_DIFFERS:
            assert now == was
            continue
        clears = only_clears(old, new)
        assert now.reason == (Reason.CLEARS if clears else Reason.DIGEST_DIFFERS)
        if not clears:
            assert now.lacking == ()
            continue
        programmed = bytearray(old)
        for address, size in now.lacking:
            assert now.address <= address and address + size <= now.end
            at = address - now.address
            part = slice(at, at + size)
            programmed[part] = bytes(a & b for a, b in zip(old[part], new[part], strict=True))
        assert bytes(programmed) == new
        assert sum(size for _, size in now.lacking) == lacking_bytes(now, old, new)


def lacking_bytes(piece: GranuleDifference, old: bytes, new: bytes) -> int:
    """Of the pages that differ, as much as the piece has: no right page is programmed again."""
    total, at = 0, 0
    while at < piece.size:
        step = min(PAGE - (piece.address + at) % PAGE, piece.size - at)
        total += step if old[at : at + step] != new[at : at + step] else 0
        at += step
    return total


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def test_quite_another_content_costs_one_word_a_granule() -> None:
    size = 64 * GRANULE
    _, after, memory = inspect(image_of([(0, noise(size, 1))]), noise(size, 2))
    assert {difference.reason for difference in after} == {Reason.DIGEST_DIFFERS}
    assert {step.operation for step in memory.asked} == {Operation.SAMPLE}
    assert memory.bytes_asked(Operation.SAMPLE) == 64 * 4


def test_of_a_granule_that_clears_only_the_changed_pages_cross_the_link() -> None:
    size = 64 * GRANULE
    new = bytearray(noise(size, 1))
    device = bytes(new)
    for number in range(64):
        new[number * GRANULE + 700] = 0
    _, after, memory = inspect(image_of([(0, bytes(new))]), device)
    assert {difference.reason for difference in after} == {Reason.CLEARS}
    assert memory.bytes_asked(Operation.READ) == len(after) * PAGE
    assert memory.bytes_asked(Operation.DIGEST) == len(after) * GRANULE // PAGE * DIGEST_BYTES


def test_right_and_blank_pages_need_not_cross_the_link() -> None:
    new = noise(GRANULE, 1)
    device = new[:PAGE] + b"\xff" * PAGE + new[2 * PAGE :] + b"\xff" * GRANULE
    _, after, memory = inspect(image_of([(0, new)]), device)
    assert [(difference.reason, difference.lacking) for difference in after] == [
        (Reason.CLEARS, ((BASE + PAGE, PAGE),))
    ]
    assert {step.operation for step in memory.asked} == {Operation.SAMPLE, Operation.DIGEST}


def test_a_page_whose_first_word_must_rise_keeps_its_granule_from_crossing_the_link() -> None:
    new = noise(GRANULE, 1)
    device = new[:100] + b"\xff" + new[101 : 2 * PAGE] + bytes(PAGE) + new[3 * PAGE :] + bytes(GRANULE)
    _, after, memory = inspect(image_of([(0, new)]), device)
    assert [difference.reason for difference in after] == [Reason.DIGEST_DIFFERS]
    assert memory.bytes_asked(Operation.READ) == 0


def test_blank_granules_are_not_asked_about() -> None:
    before, after, memory = inspect(image_of([(0, noise(4 * GRANULE, 1))]), b"\xff" * 5 * GRANULE)
    assert memory.asked == []
    assert after == before


# Patience: granules of one page each


def late(count: int, *clearing: int) -> tuple[list[GranuleDifference], Memory]:
    """So many granules with a bit to rise at their ends, which no word shows; `clearing` only clear."""
    new, old = bytearray(noise(count * PAGE, 1)), bytearray(noise(count * PAGE, 1))
    for n in range(count):
        at = n * PAGE + 200
        new[at], old[at] = (0x01, 0x03) if n in clearing else (0x03, 0x01)
    _, after, memory = inspect(image_of([(0, bytes(new))]), bytes(old), PAGE)
    return after, memory


def test_after_many_granules_in_which_bits_must_rise_the_rest_is_taken_to_need_an_erase_too() -> None:
    after, memory = late(PATIENCE + 50, PATIENCE)
    assert {difference.reason for difference in after} == {Reason.DIGEST_DIFFERS}
    assert memory.bytes_asked(Operation.READ) == PATIENCE * PAGE


@pytest.mark.parametrize("first", [0, PATIENCE - 1])
def test_one_that_clears_keeps_the_rest_being_looked_at(first: int) -> None:
    """Also after as many again in which bits must rise."""
    after, _ = late(2 * PATIENCE + 50, first, 2 * PATIENCE + 49)
    clearing = [n for n, difference in enumerate(after) if difference.reason == Reason.CLEARS]
    assert clearing == [first, 2 * PATIENCE + 49]
