"""The first change of a session on a chip whose contents could not prove how it is read, or how large it is.

A blank chip tells nothing, nor do equal A and B images of whether the upper half is there. So the first unit
is changed with care: what it would hit if the chip wraps is on disk before; after the erase, and after the
first page, the device is asked again, on one line and in its read mode, here and where it would wrap to.
Only then is anything else erased or programmed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from boardflash.image.model import ERASED, Piece, RegionImage
from boardflash.loader.protocol import SPOT_SIZE, Operation, Way
from boardflash.program.change import UnitTask, task_of
from boardflash.program.journal import Journal
from boardflash.program.neighbours import Neighbours
from boardflash.program.overlay import uncovered
from boardflash.program.prove import THREE_BYTE_SIZE, Prover, wrap_of
from boardflash.program.reads import causes_of_program, shown
from boardflash.program.steps import Item, Step, Wait
from boardflash.program.survey import Digests, digest_steps
from boardflash.program.work import Unit

CHECK_LIMIT_S = 5.0
COMPARED_MOST = 64 * 1024  # of a whole chip, its beginning
_BLANK = bytes([ERASED])


class FirstChange:
    """Watches over the first unit that is changed; `needed` says whether anybody has to."""

    def __init__(self, prover: Prover, image: RegionImage, journal: Journal, neighbours: Neighbours) -> None:
        self._prover = prover
        self._image = image
        self._journal = journal
        self._neighbours = neighbours
        self._wrap = 0
        self._at_once = False
        self._before: list[bytes] = []  # digests of where it would wrap to
        self._mirror: Unit | None = None  # what lies there, if it is in the journal

    @property
    def needed(self) -> bool:
        return self._prover.counted == 0 or self._prover.wrap > 0

    def choose(self, units: Sequence[Unit]) -> Unit:
        """The unit to begin with: the first that a wrapping chip would have elsewhere, if it may wrap."""
        if self._prover.wrap:
            self._prover.wrap = wrap_of(self._prover.region, units[-1].end)
        self._wrap = self._prover.wrap
        beyond = self._prover.region.base + self._wrap
        return next(unit for unit in units if unit.end > beyond)

    def before(self, unit: Unit, *, at_once: bool = False) -> Iterator[Item]:
        """What can be known without a change, and what could be lost by one. `at_once`: somebody else writes
        the whole unit before there is another look."""
        self._at_once = at_once
        if self._prover.counted == 0:
            yield from self._compare(unit)
        if self._prover.counted == 0 and self._prover.chip.address_bytes == 4:
            # Four address bytes, taken for three and a byte of data, would hit this place.
            yield from self._prover.more([self._shifted(unit.address)])
        place = self._place(unit)
        if place is not None:
            address, size = place
            own: Digests = {}
            yield from self._digests(address, size, own)
            there: Digests = {}
            yield from self._digests(address - self._wrap, size, there)
            yield Wait()
            self._before = list(there.values())
            if list(own.values()) != self._before:
                self._prover.wrap = self._wrap = 0
            else:
                yield from self._keep_mirror(address - self._wrap, size)

    def begin(self) -> None:
        """The unit is touched next."""
        if self._mirror is not None:
            self._journal.begin(self._mirror.address)

    def after_erase(self, unit: Unit) -> Iterator[Item]:
        """Whether the erase has cleared the place that it would wrap to."""
        if unit.erase:
            yield Wait()
            yield from self._look(unit)

    def first_page(self, task: UnitTask, program: Callable[[Unit, int, bytes], Step]) -> Iterator[Item]:
        """Program the first page alone, if nothing has proved the chip by now, and read it back."""
        page = self._first_page(task)
        if page is None or not (self._prover.counted == 0 or self._wrap):
            return
        address, data = page
        seen: dict[str, bytes] = {}
        yield self._read("before", address, len(data), Way.ONE_LINE, seen)
        yield from self._width_reads("before", address, len(data), seen)
        yield program(task.unit, address, data)
        yield self._read("one", address, len(data), Way.ONE_LINE, seen)
        yield self._read("mode", address, len(data), Way.MODE, seen)
        yield from self._width_reads("after", address, len(data), seen)
        yield Wait()
        self._judge(address, data, seen)
        yield from self._look(task.unit)
        self._prover.counted += 1

    def rest(self, task: UnitTask) -> UnitTask:
        """The task without the page that stands already; with it where a page may be programmed again: its
        data may have come in one piece with what follows, while the device digested."""
        page = self._first_page(task)
        if page is None or self._prover.chip.clear_only_program:
            return task
        address, size = page[0], len(page[1])
        writes: list[tuple[int, bytes]] = []
        for start, data in task.writes:
            cut = address - start
            if 0 <= cut < len(data):
                parts = ((start, data[:cut]), (start + cut + size, data[cut + size :]))
                writes += [part for part in parts if part[1]]
            else:
                writes.append((start, data))
        return replace(task, writes=tuple(writes))

    def settle(self) -> None:
        """The unit is written: nothing wraps, so what lies there is as it was."""
        if self._mirror is not None:
            self._journal.forget_within(self._mirror.address, self._mirror.size)
            self._mirror = None
        self._prover.wrap = 0
        self._wrap = 0

    @property
    def mirror(self) -> Unit | None:
        return self._mirror

    def after_unit(self, unit: Unit) -> Iterator[Item]:
        """All of that for a unit which somebody else has written."""
        yield from self._compare(unit)
        yield from self._look(unit)

    # Its parts

    def _first_page(self, task: UnitTask) -> tuple[int, bytes] | None:
        """The first page to be written that is not blank, beyond the wrap if the unit reaches it."""
        page_size = self._prover.chip.page_size
        beyond = self._prover.region.base + self._wrap
        for start, data in task.writes:
            at = 0
            while at < len(data):
                size = min(page_size - (start + at) % page_size, len(data) - at)
                part = data[at : at + size]
                if part.strip(_BLANK) and start + at >= beyond:
                    return start + at, part
                at += size
        return None

    def _place(self, unit: Unit) -> tuple[int, int] | None:
        """Address and size of what would show below the wrap, too. Without an erase no more than one page is
        at risk before the next look."""
        if not self._wrap or unit.whole_chip:
            return None
        if unit.erase or self._at_once:
            start = max(unit.address, self._prover.region.base + self._wrap)
            return start, unit.end - start
        page = self._first_page(task_of(unit, self._image, ()))
        if page is None:
            return None
        region = self._prover.region
        return page[0] - (page[0] - region.base) % region.granule, region.granule

    def _keep_mirror(self, start: int, size: int) -> Iterator[Item]:
        outside = uncovered(self._image, start, size)
        mirror = Unit(start, size, True, False, (), (), outside, "")
        yield from self._neighbours.blank_checks([mirror])
        yield Wait(self._neighbours.all_checked)
        yield from self._neighbours.reads([mirror])
        yield Wait(self._neighbours.all_read)
        self._neighbours.record([mirror])
        self._mirror = mirror

    def _look(self, unit: Unit) -> Iterator[Item]:
        place = self._place(unit)
        if place is None:
            return
        address, size = place
        there: Digests = {}
        yield from self._digests(address - self._wrap, size, there)
        yield Wait()
        if list(there.values()) != self._before:
            raise self._prover.wraps(address, address - self._wrap)

    def _compare(self, unit: Unit) -> Iterator[Item]:
        """The unit both ways, whole where it is going to be erased: a difference stops the session."""
        flags: list[bytes] = []
        size = min(unit.size, COMPARED_MOST if unit.erase else self._prover.region.granule)
        count = -(-size // SPOT_SIZE)

        def filled(buffer: int) -> None:
            flags.append(self._prover.session.loader.link.read_memory(buffer, -(-count // 4) * 4)[:count])

        yield Step(
            Operation.BLANK_CHECK,
            unit.address,
            size,
            argument=SPOT_SIZE,
            way=Way.BOTH,
            space=count,
            expected_s=size * 1e-6,
            limit_s=CHECK_LIMIT_S,
            filled=filled,
        )
        yield Wait()
        if not all(flags[0]):
            self._prover.counted += 1

    def _digests(self, address: int, size: int, found: Digests) -> Iterator[Item]:
        granule = self._prover.region.granule
        pieces = [Piece(at, granule, b"") for at in range(address, address + size, granule)]
        loader = self._prover.session.loader
        yield from digest_steps(loader, pieces, granule, found, lambda _size: None)

    def _read(self, name: str, address: int, size: int, way: Way, seen: dict[str, bytes]) -> Step:
        def filled(buffer: int) -> None:
            data = self._prover.session.loader.link.read_memory(buffer, -(-size // 4) * 4)
            seen[name] = data[:size]

        return Step(Operation.READ, address, size, way=way, space=size, limit_s=CHECK_LIMIT_S, filled=filled)

    def _shifted(self, address: int) -> int:
        base = self._prover.region.base
        at = base + ((address - base) >> 8)
        return at - at % SPOT_SIZE

    def _width_reads(self, when: str, address: int, size: int, seen: dict[str, bytes]) -> Iterator[Step]:
        """Three address bytes reach the first 16 MiB whatever becomes of four."""
        if self._prover.chip.address_bytes != 4 or self._prover.counted:
            return
        yield self._read(f"low {when}", self._low(address), size, Way.THREE, seen)
        yield self._read(f"shifted {when}", self._shifted(address), size, Way.THREE, seen)

    def _low(self, address: int) -> int:
        base = self._prover.region.base
        return base + (address - base) % THREE_BYTE_SIZE

    def _judge(self, address: int, data: bytes, seen: dict[str, bytes]) -> None:
        prover = self._prover
        low, shifted = self._low(address), self._shifted(address)
        for name, at in (("low", low), ("shifted", shifted)):
            apart = abs(at - address) >= len(data)
            if apart and seen.get(f"{name} after") != seen.get(f"{name} before"):
                raise prover.wraps(address, at)
        if seen["one"] != data:
            fits = causes_of_program(data, seen["one"], seen["before"], prover.chip)
            raise prover.failed(
                address,
                f"the first page does not read back on one line: {shown(seen['one'])} instead of"
                f" {shown(data)}; {fits}; check [qspi.pins] and {prover.chip.file}; nothing else was erased"
                " or programmed",
            )
        if seen["mode"] != seen["one"]:
            raise prover.unproved(address)
        if low == address and seen.get("low after", data) != data:
            raise prover.wrong_width(address)
