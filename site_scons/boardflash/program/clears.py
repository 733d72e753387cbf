"""Where a granule differs: do bits only have to clear, and which of its pages are right already?

NOR cells are cleared by programming and set by an erase alone. Where the memory takes a second program
without an erase (`clear_only_program` in its file: not where it keeps an ECC of its own), a granule whose
bits only clear needs none.

Asked in four steps, each of what the one before has left: a word of each granule (content that is quite
another shows in it, at four bytes of link), the digests of its pages, a word of each page that is neither
right nor blank, and those pages themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from boardflash.image.model import DIGEST_BYTES, RegionImage, digest_of
from boardflash.loader.protocol import Operation
from boardflash.loader.session import LoaderSession
from boardflash.plan.difference import GranuleDifference, Reason, blank_digest
from boardflash.program.steps import Item, Step, Wait
from boardflash.program.survey import BYTES_PER_SECOND_TYPICAL

WORD = 4
SAMPLES_PER_COMMAND = 256
DIGESTS_PER_COMMAND = 256
READ_BYTES_PER_COMMAND = 4096
LIMIT_S = 5.0
#: So many granules are looked at in detail before the first has turned out to need no erase; then the rest is
#: taken to need one. Bounds what a change in every granule can cost: about half a second.
PATIENCE = 256


@dataclass(frozen=True)
class _Stretch:
    address: int
    size: int

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass
class Inspection:
    """Finds out for one region; `differences` is better informed when the steps are done."""

    session: LoaderSession
    image: RegionImage
    granule: int
    page_size: int
    differences: Sequence[GranuleDifference]
    _words: dict[int, bytes] = field(default_factory=dict)  # address -> what the device holds there
    _asked: dict[int, int] = field(default_factory=dict)  # granule's number -> where its word is
    _digests: dict[int, bytes] = field(default_factory=dict)  # page's address -> its digest
    _pages: dict[int, bytes] = field(default_factory=dict)  # page's address -> its content

    def steps(self) -> Iterator[Item]:
        suspects = [d for d in self.differences if d.reason == Reason.DIGEST_DIFFERS]
        if not suspects:
            return
        for stretch in _joined(suspects, SAMPLES_PER_COMMAND * self.granule):
            yield from self._sample(stretch, self.granule)
        yield Wait()
        suspects = [d for d in suspects if self._may_clear(d)]
        settled: dict[int, GranuleDifference] = {}
        for start in range(0, len(suspects), PATIENCE):
            batch = suspects[start : start + PATIENCE]
            yield from self._look(batch)
            found = [clears for d in batch if (clears := self._cleared(d)) is not None]
            settled.update((d.address, d) for d in found)
            if not settled:
                break
        self.differences = tuple(settled.get(d.address, d) for d in self.differences)

    def _look(self, batch: Sequence[GranuleDifference]) -> Iterator[Item]:
        for stretch in _joined(batch, DIGESTS_PER_COMMAND * self.page_size):
            yield self._digest(stretch)
        yield Wait()
        others = {d.address: [page for page in self._cut(d) if self._is_other(page)] for d in batch}
        every = [page for pages in others.values() for page in pages]
        for stretch in _joined(every, SAMPLES_PER_COMMAND * self.page_size):
            yield from self._sample(stretch, self.page_size)
        yield Wait()
        left = [pages for pages in others.values() if all(map(self._page_may_clear, pages))]
        for stretch in _joined([page for pages in left for page in pages], READ_BYTES_PER_COMMAND):
            yield self._read(stretch)
        yield Wait()

    # What the answers mean

    def _may_clear(self, difference: GranuleDifference) -> bool:
        address = self._asked.get(self._number(difference.address), 0)
        if address < difference.address or address + WORD > difference.end:
            return True
        return _only_clears(self._words[address], self.image.read(address, WORD))

    def _page_may_clear(self, page: _Stretch) -> bool:
        old = self._words.get(page.address, b"")[: page.size]
        return _only_clears(old, self.image.read(page.address, len(old)))

    def _number(self, address: int) -> int:
        return (address - self.image.base) // self.granule

    def _is_other(self, page: _Stretch) -> bool:
        """Neither right nor blank."""
        seen = self._digests[page.address]
        return seen not in (digest_of(self.image.read(page.address, page.size)), blank_digest(page.size))

    def _cleared(self, difference: GranuleDifference) -> GranuleDifference | None:
        """The same difference, knowing what it lacks; None where a bit has to rise."""
        lacking: list[tuple[int, int]] = []
        for page in self._cut(difference):
            new = self.image.read(page.address, page.size)
            if self._digests[page.address] == digest_of(new):
                continue
            if self._is_other(page):
                old = self._pages.get(page.address)
                if old is None or not _only_clears(old, new):
                    return None
            if lacking and sum(lacking[-1]) == page.address:
                lacking[-1] = (lacking[-1][0], lacking[-1][1] + page.size)
            else:
                lacking.append((page.address, page.size))
        return GranuleDifference(difference.address, difference.size, Reason.CLEARS, tuple(lacking))

    def _cut(self, stretch: GranuleDifference | _Stretch) -> list[_Stretch]:
        """Its pages, or what it has of them."""
        pages, at = [], stretch.address
        while at < stretch.end:
            step = min(self.page_size - (at - self.image.base) % self.page_size, stretch.end - at)
            pages.append(_Stretch(at, step))
            at += step
        return pages

    # Questions

    def _sample(self, stretch: _Stretch, distance: int) -> Iterator[Step]:
        """A word every `distance` bytes, as far as whole words go: the memory may end behind the stretch."""
        if stretch.size < WORD:
            return
        count = (stretch.size - WORD) // distance + 1
        asked = _Stretch(stretch.address, (count - 1) * distance + WORD)

        def take(data: bytes) -> None:
            for n in range(count):
                address = stretch.address + n * distance
                self._asked.setdefault(self._number(address), address)
                self._words[address] = data[n * WORD : (n + 1) * WORD]

        yield self._ask(Operation.SAMPLE, asked, distance, count * WORD, take)

    def _digest(self, stretch: _Stretch) -> Step:
        pages = self._cut(stretch)

        def take(data: bytes) -> None:
            for n, page in enumerate(pages):
                self._digests[page.address] = data[n * DIGEST_BYTES : (n + 1) * DIGEST_BYTES]

        return self._ask(Operation.DIGEST, stretch, self.page_size, len(pages) * DIGEST_BYTES, take)

    def _read(self, stretch: _Stretch) -> Step:
        def take(data: bytes) -> None:
            for page in self._cut(stretch):
                at = page.address - stretch.address
                self._pages[page.address] = data[at : at + page.size]

        return self._ask(Operation.READ, stretch, 0, stretch.size, take)

    def _ask(
        self,
        operation: Operation,
        stretch: _Stretch,
        argument: int,
        space: int,
        take: Callable[[bytes], None],
    ) -> Step:
        def filled(buffer: int) -> None:
            take(self.session.link.read_memory(buffer, -(-space // 4) * 4)[:space])

        return Step(
            operation,
            stretch.address,
            stretch.size,
            argument=argument,
            space=space,
            expected_s=stretch.size / BYTES_PER_SECOND_TYPICAL if operation == Operation.DIGEST else 0.0,
            limit_s=LIMIT_S,
            filled=filled,
        )


def _joined(parts: Sequence[GranuleDifference] | Sequence[_Stretch], limit: int) -> Iterator[_Stretch]:
    """Adjoining parts as one, at most `limit` bytes each."""
    start = end = -1
    for part in parts:
        if part.address != end or part.end - start > limit:
            if end > start:
                yield _Stretch(start, end - start)
            start = part.address
        end = part.end
    if end > start:
        yield _Stretch(start, end - start)


def _only_clears(old: bytes, new: bytes) -> bool:
    before, after = int.from_bytes(old, "little"), int.from_bytes(new, "little")
    return before & after == after
