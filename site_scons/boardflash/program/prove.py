"""Proves what is read of a QSPI chip, before it is believed.

The ID is read on one line; digests, blank checks and comparisons use the chip's fast read mode. Wrong pins
for IO2 or IO3, a clear quad enable bit, wrong dummy cycles or address bytes leave the one right and the
other wrong. So before the first change of a session the mode is compared with one line, on the target, at
up to 64 spots. A spot of only FFh or 00h proves nothing: lines that nobody drives read so, too.

A chip that is smaller than its file says wraps: the upper part of it is the lower one. Contents that differ
between the two disprove it; where none do (a blank chip, equal A and B images), the first change in the
upper part is looked for in the lower one (`first_change.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from boardflash.description.model import Board, Chip, Region
from boardflash.description.sfdp import SIGNATURE, basic_table
from boardflash.errors import BoardflashError, ExitCode
from boardflash.image.model import RegionImage
from boardflash.loader.protocol import (
    REGION_QSPI,
    SPOT_HASH_SHIFT,
    SPOT_SIZE,
    Operation,
    Spot,
    Way,
)
from boardflash.program.failures import Unproved
from boardflash.program.reads import causes_of_read, shown
from boardflash.program.report import RegionReport, size_text
from boardflash.program.session import Session
from boardflash.program.steps import Item, Step, Wait

SPOTS_MOST = 64
#: Chips below this size are not sold with quad lines: nothing wraps there.
WRAP_LEAST = 512 * 1024
PAIRS = 4
SFDP_BYTES = 256
_WORD = struct.Struct("<I")
PROVE_LIMIT_S = 1.0
THREE_BYTE_SIZE = 1 << 24  # what three address bytes reach


def wrap_of(region: Region, end: int) -> int:
    """The largest chip size (bytes, a power of two) at which the byte before `end` would wrap; 0 for none.

    A chip that wraps at a smaller size wraps at this one, too: so this one disproved disproves all.
    """
    last = end - 1 - region.base
    return 1 << (last.bit_length() - 1) if last >= WRAP_LEAST else 0


def pairs_of(region: Region, image: RegionImage, wrap: int) -> list[tuple[int, int]]:
    """Spots of the image beyond `wrap`, each with the one that a chip of that size would read there."""
    if not wrap:
        return []
    found = []
    for address, size in image.covered(region.base + wrap, region.size - wrap):
        found += [at - at % SPOT_SIZE for at in _evenly(address, size, PAIRS)]
    step = max(1, len(found) // PAIRS)
    return [(at, at - wrap) for at in found[::step][:PAIRS]]


def choose_spots(region: Region, image: RegionImage, wrap: int) -> list[int]:
    """Addresses of up to 64 spots: in the image, around it, and over the rest of the chip."""
    wanted: list[int] = [at for pair in pairs_of(region, image, wrap) for at in pair]
    least = region.sectors[0].size
    for run in (image.runs[0], image.runs[-1]):
        first = run.address - (run.address - region.base) % least
        end = run.end + (region.base - run.end) % least
        wanted += [first, end - SPOT_SIZE, max(region.base, first - SPOT_SIZE)]
    room = SPOTS_MOST // 2 - len(wanted) // 2
    for run in image.runs[:room]:
        wanted += _evenly(run.address, run.size, max(1, room // len(image.runs)))
    rest = SPOTS_MOST - len(set(wanted))
    wanted += _evenly(region.base, region.size, max(0, rest))
    spots = dict.fromkeys(min(max(at - at % SPOT_SIZE, region.base), region.end - SPOT_SIZE) for at in wanted)
    return list(spots)[:SPOTS_MOST]


def _evenly(address: int, size: int, count: int) -> list[int]:
    """So many addresses, the first byte among them, the last block too if there are several."""
    if count <= 1 or size <= SPOT_SIZE:
        return [address] if count > 0 else []
    return [address + (size - SPOT_SIZE) * n // (count - 1) for n in range(count)]


@dataclass
class Prover:
    """The proof of one session's reads of its chip."""

    session: Session
    board: Board
    region: Region
    chip: Chip
    image: RegionImage
    report: RegionReport
    counted: int = 0  # spots that proved the reads
    wrap: int = 0  # bytes at which the chip may wrap, as far as is known; 0: it does not
    done: bool = False
    _words: dict[int, int] = field(default_factory=dict)

    def steps(self) -> Iterator[Item]:
        """Compare the chip's size with what it says of it, and the read mode with one line. Raises where
        they differ."""
        if self.done:
            return
        self.done = True
        wrap = wrap_of(self.region, self.image.runs[-1].end)
        spots = choose_spots(self.region, self.image, wrap)
        yield self._sfdp_step()
        yield self._prove_step(spots)
        yield Wait()
        self._judge(spots)
        told = [at for at in spots if _verdict(self._words[at]) == Spot.PROVED]
        self.counted = sum(1 for at in told if self._width_seen(at))
        self.report.spots, self.report.spots_counted = len(spots), len(told)
        if wrap and not self._told_apart(wrap):
            self.wrap = wrap

    def more(self, spots: Sequence[int]) -> Iterator[Item]:
        """Other spots, where somebody has a reason to look."""
        yield self._prove_step(spots)
        yield Wait()
        self._judge(spots)
        told = [at for at in spots if _verdict(self._words[at]) == Spot.PROVED]
        self.counted += sum(1 for at in told if self._width_seen(at))

    def _width_seen(self, address: int) -> bool:
        """Whether a wrong number of address bytes would have shown here.

        Opcodes that always take four show it by themselves. A mode that the chip is not in spoils both ways
        alike; it is found by a read with three bytes, which does not reach beyond 16 MiB.
        """
        offset = address - self.region.base
        return self.chip.enter_4byte == "none" or offset + SPOT_SIZE <= THREE_BYTE_SIZE

    def _told_apart(self, wrap: int) -> bool:
        return any(
            self._words[upper] >> SPOT_HASH_SHIFT != self._words[lower] >> SPOT_HASH_SHIFT
            for upper, lower in pairs_of(self.region, self.image, wrap)
            if upper in self._words and lower in self._words
        )

    def _judge(self, spots: Sequence[int]) -> None:
        wrong = [at for at in spots if _verdict(self._words[at]) == Spot.DIFFERS]
        if wrong:
            raise self.unproved(wrong[0], f"at {len(wrong)} of {len(spots)} spots ")
        wrong = [at for at in spots if _verdict(self._words[at]) == Spot.WIDTH]
        if wrong:
            raise self.wrong_width(wrong[0])

    def wrong_width(self, address: int) -> BoardflashError:
        return self.failed(
            address,
            "three and four address bytes read different bytes on one line: the chip does not take four,"
            f" or is no chip of {size_text(self.chip.size)}; check [qspi] chips and the chip file's size,"
            " address_bytes and enter_4byte",
        )

    def unproved(self, address: int, how_often: str = "") -> Unproved:
        """The reads of the mode differ from one line at this address."""
        return Unproved(f"{self.board.name}: {self.region.name} {address:#010x}", address, how_often)

    def explained(self, address: int, how_often: str = "") -> BoardflashError:
        """Ask both ways again, and say what fits. No command of the chip may be in flight."""
        start = min(address - address % SPOT_SIZE, self.region.end - SPOT_SIZE)
        loader = self.session.loader
        one = loader.read(REGION_QSPI, start, SPOT_SIZE, way=Way.ONE_LINE)
        mode = loader.read(REGION_QSPI, start, SPOT_SIZE)
        lines = self.chip.read.lines
        return self.failed(
            start,
            f"the chip reads other bytes {how_often}on {lines} ({self.chip.read.opcode:02X}h) than on one"
            f" line: {shown(mode)} instead of {shown(one)}; {causes_of_read(one, mode, self.chip)}; check"
            f" [qspi.pins] and {self.chip.file}",
        )

    def failed(self, address: int, message: str) -> BoardflashError:
        changed = self.report.erases or self.report.pages_programmed or self.report.trial_bytes
        state = "" if changed else "; nothing was erased or programmed"
        return BoardflashError(
            message + state,
            where=f"{self.board.name}: {self.region.name} {address:#010x}",
            code=ExitCode.DEVICE_FAILED,
        )

    def wraps(self, address: int, seen_at: int) -> BoardflashError:
        """What was done at one address has changed another."""
        return self.failed(
            address,
            f"what was written here has changed {seen_at:#010x}: the chip is smaller than the"
            f" {size_text(self.chip.size)} of {self.chip.file}, or takes fewer address bytes",
        )

    def _prove_step(self, spots: Sequence[int]) -> Step:
        def filled(buffer: int) -> None:
            data = self.session.loader.link.read_memory(buffer, _WORD.size * len(spots))
            for index, at in enumerate(spots):
                self._words[at] = _WORD.unpack_from(data, _WORD.size * index)[0]

        return Step(
            Operation.PROVE,
            spots[0],
            SPOT_SIZE,
            argument=len(spots),
            upload=b"".join(map(_WORD.pack, spots)),
            expected_s=0.0002 * len(spots),
            limit_s=PROVE_LIMIT_S,
            filled=filled,
        )

    def _sfdp_step(self) -> Step:
        def filled(buffer: int) -> None:
            self._check_sfdp(self.session.loader.link.read_memory(buffer, SFDP_BYTES))

        return Step(Operation.SFDP, 0, SFDP_BYTES, way=Way.ONE_LINE, space=SFDP_BYTES, filled=filled)

    def _check_sfdp(self, data: bytes) -> None:
        """A chip without SFDP says nothing; one of several dies may mean one die."""
        if data[:4] != SIGNATURE or self.chip.stacked_dies != 1:
            return
        try:
            table = basic_table(data)
        except BoardflashError:
            return  # beyond what was asked for, or not as the standard has it
        if table.size != self.chip.size:
            raise self.failed(
                self.region.base,
                f"the chip's own SFDP table says {size_text(table.size)}, {self.chip.file} says"
                f" {size_text(self.chip.size)}; mend its size, or name the right chip in [qspi] chips",
            )


def _verdict(word: int) -> Spot:
    return Spot(word & ((1 << SPOT_HASH_SHIFT) - 1))
