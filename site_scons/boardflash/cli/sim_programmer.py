"""What gdb's `load` does on a simulated board: our own loader and programmer, through its debug port."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from boardflash.errors import BoardflashError, ExitCode

if TYPE_CHECKING:
    from boardflash.cli.output import Teller
    from boardflash.description.model import Board
    from boardflash.image.model import Segment
    from boardflash.link.jlink import Link
    from boardflash.loader.artefact import LoaderArtefact
    from boardflash.loader.session import MemoryLink

ERASED = b"\xff"


class BoardProgrammer:
    """The `Programmer` of sim/serve: erases are planned, what is there already is not written again."""

    def __init__(
        self,
        board: Board,
        loader: LoaderArtefact,
        link: MemoryLink,
        teller: Teller,
        interrupted: Callable[[], bool],
    ) -> None:
        """`interrupted` is asked before flash is touched and between its units."""
        self._board = board
        self._loader = loader
        # The programmer names the class of a probe's link; of that it takes what a BoardLink has, too.
        self._link = cast("Link", link)
        self._teller = teller
        self._interrupted = interrupted

    def program(self, erases: Sequence[tuple[int, int]], writes: Mapping[int, bytes]) -> None:
        from boardflash.program.access import erase_range

        filled, blank = split_erases(erases, writes)
        for address, size in blank:
            erase_range(self._board, self._loader, self._link, address, size)
            self._teller.note(f"gdb: {size:,} bytes erased at {address:#010x}")
        if filled:
            self._flash(filled)

    def read(self, address: int, size: int) -> bytes:
        from boardflash.program.access import read_range

        return read_range(self._board, self._loader, self._link, address, size)

    def _flash(self, segments: Sequence[Segment]) -> None:
        from boardflash.image.model import MemoryRange
        from boardflash.image.split import split
        from boardflash.plan.file import make_plan
        from boardflash.plan.model import LoaderRef
        from boardflash.program.run import FlashOptions, flash

        regions = [MemoryRange(region.name, region.base, region.size) for region in self._board.regions]
        loader = self._loader
        reference = LoaderRef(loader.elf, loader.sha256, loader.toolchain, loader.protocol)
        with tempfile.TemporaryDirectory(prefix="boardflash-load-") as folder:
            plan = make_plan(self._board, split(segments, regions), reference, (), Path(folder))
            if self._interrupted():
                raise BoardflashError("interrupted; nothing has been changed", code=ExitCode.INTERRUPTED)
            report = flash(plan, self._link, FlashOptions(reset_run=False), interrupted=self._interrupted)
        self._teller.lines(f"gdb: {line}" for line in report.lines())


def split_erases(
    erases: Sequence[tuple[int, int]], writes: Mapping[int, bytes]
) -> tuple[list[Segment], list[tuple[int, int]]]:
    """What is to be held by ranges that are erased and written, and the ranges that are erased alone.

    A write outside of every erased range changes its own bytes.
    """
    from boardflash.image.model import Segment

    segments: list[Segment] = []
    blank: list[tuple[int, int]] = []
    inside: set[int] = set()
    for start, size in erases:
        content = bytearray(ERASED * size)
        own = {at: data for at, data in writes.items() if start <= at and at + len(data) <= start + size}
        for at, data in own.items():
            content[at - start : at - start + len(data)] = data
        inside |= own.keys()
        if own:
            segments.append(Segment(start, bytes(content), f"gdb, {start:#010x}"))
        else:
            blank.append((start, size))
    segments += [Segment(at, data, f"gdb, {at:#010x}") for at, data in writes.items() if at not in inside]
    return segments, blank
