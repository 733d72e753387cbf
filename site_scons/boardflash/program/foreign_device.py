"""A region's vendor loader on the device: our loader gives way to it and stands again afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from boardflash.description.model import Board, Region, RegionLoader
from boardflash.foreign.layout import lay_out
from boardflash.foreign.read import read_loader
from boardflash.image.model import DIGEST_BYTES, ERASED, Piece, RegionImage, digest_of
from boardflash.loader.session import LoaderSession
from boardflash.plan.model import FlashPlan
from boardflash.program.foreign_caller import Caller, Tally
from boardflash.program.foreign_digest import controller_state, window_digest
from boardflash.program.foreign_engine import Engine, engine_of
from boardflash.program.report import RegionReport
from boardflash.program.session import Session
from boardflash.program.steps import Alone, Item
from boardflash.program.survey import Digests, digest_steps, runs_of
from boardflash.program.work import SWD_CLOCKS_PER_BYTE, Costs

PIECES_AT_ONCE = 64  # between two looks whether Ctrl-C was pressed


class ForeignDevice:
    """One region as its loader reaches it."""

    def __init__(
        self,
        session: Session,
        board: Board,
        region: Region,
        named: RegionLoader,
        path: Path,
        image: RegionImage | None = None,
    ) -> None:
        """`image` is what the region should hold, for a loader that can do no more than compare."""
        self.region = region
        self.tally = Tally()
        #: Without chip facts our own loader can't read the region; then this one does.
        self.reads = region.name == "qspi" and session.found.chip is None
        self._session = session
        self._board = board
        self.sha256 = named.sha256
        self._shown = named.name
        self._image = image
        self._loader = read_loader(path, named.name)
        self._layout = lay_out(self._loader, board.mcu.ram_base, board.mcu.ram_size, named.name)

    @property
    def page_size(self) -> int:
        return self._loader.device.page_size

    def costs(self) -> Costs:
        """For the planner: nothing but sectors, at the times that the loader gives as its limits."""
        link = SWD_CLOCKS_PER_BYTE * 1000 / self._board.probe.speed_khz
        return Costs(self.page_size, self._loader.limits.program_ms * 1000, link, (), None)

    @contextmanager
    def at_work(self) -> Iterator[Engine]:
        """The loader in RAM, in place of ours. After a fault ours does not come back: the run is over."""
        link = self._session.loader.link
        self._session.pause()
        started = link.now()
        where = f"{self._board.name}: {self.region.name}"
        state = controller_state(self._board.mcu) if self.region.name == "qspi" else None
        caller = Caller(link, self._loader, self._layout, where, self._shown, self.tally, state)
        engine = engine_of(caller)
        yield engine
        engine.finish()
        self.tally.sessions += 1
        self.tally.total_s += link.now() - started
        self._session.resume()

    def digest(self, pieces: Sequence[Piece], granule: int, settle: Callable[[Piece, bytes], None]) -> None:
        """The device's digest of each piece to `settle`: made there, where the loader maps its window."""
        with self.at_work() as engine:
            engine.expose()
            window = window_digest(engine.caller, self._session.loader.artefact)
            for group in runs_of(pieces, min(PIECES_AT_ONCE, window.room) if window else PIECES_AT_ONCE):
                self.stop_if_asked()
                first, size = group[0].address, group[-1].end - group[0].address
                if window:
                    digests = window.digests(first, size, granule, len(group))
                elif self._image is not None and engine.only_compares():
                    digests = [self._compared(engine, piece, self._image) for piece in group]
                else:
                    data = engine.read(first, size)
                    digests = [digest_of(data[p.address - first : p.end - first]) for p in group]
                for piece, digest in zip(group, digests, strict=True):
                    settle(piece, digest)

    def _compared(self, engine: Engine, piece: Piece, image: RegionImage) -> bytes:
        """Its digest if the device holds what it should, else one of nothing."""
        data = image.read(piece.address, piece.size)
        same = digest_of(data) == piece.digest and engine.holds(piece.address, data)
        return piece.digest if same else bytes(DIGEST_BYTES)

    def read(self, stretches: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of all (address, size), in one go."""
        found = []
        with self.at_work() as engine:
            for address, size in stretches:
                self.stop_if_asked()
                engine.expose()
                blank = bytes([ERASED]) * size
                is_blank = engine.only_compares() and engine.holds(address, blank)
                found.append(blank if is_blank else engine.read(address, size))
        return found

    def erase(self, units: Sequence[tuple[int, int]]) -> None:
        """Its own sectors, one by one."""
        with self.at_work() as engine:
            for address, size in units:
                self.stop_if_asked()
                engine.erase(address, size)

    def stop_if_asked(self) -> None:
        """Between two units: Ctrl-C ends the run here."""
        if self._session.interrupted():
            raise self._session.pump.interruption()

    def tell(self, report: RegionReport) -> None:
        """What it cost, as measured in this run."""
        tally = self.tally
        if not tally.sessions:
            return
        calls = ", ".join(f"{count} {name}" for name, count in sorted(tally.calls.items()))
        report.notes.append(
            f"{self._shown} works with the core halted between its calls: {tally.calls.total()} of them"
            f" ({calls}) took {tally.in_calls_s:.3f} s, loading it {tally.sessions}"
            f" time{'s' if tally.sessions != 1 else ''} and moving the data"
            f" {tally.total_s - tally.in_calls_s:.3f} s"
        )
        if tally.bytes_digested:
            report.notes.append(
                f"{tally.bytes_digested:,} bytes of the window that it maps were digested on the device in"
                f" {tally.digesting_s:.3f} s"
            )
        if tally.bytes_compared:
            report.notes.append(
                f"{tally.bytes_compared:,} bytes sent to its Verify in {tally.comparing_s:.3f} s: it offers"
                " no way to read; name the chip in [qspi] chips, and boardflash's own loader digests them"
            )
        if tally.bytes_read:
            report.notes.append(
                f"{tally.bytes_read:,} bytes read back through it in {tally.reading_s:.3f} s: the board file"
                " names no chips, so boardflash's own loader can't read them"
            )
        report.bytes_sent = tally.bytes_sent
        if tally.bytes_sent:
            report.worked_s, report.waited_s = tally.in_calls_s, tally.total_s - tally.in_calls_s


def foreign_devices(
    session: Session, plan: FlashPlan, images: Mapping[str, RegionImage]
) -> dict[str, ForeignDevice]:
    """Of those regions that a vendor's loader writes."""
    found = {}
    for name in images:
        region = plan.board.region(name)
        if region.loader is not None:
            path = plan.foreign_path(region.loader)
            found[name] = ForeignDevice(session, plan.board, region, region.loader, path, images[name])
    return found


def digest_items(
    session: LoaderSession,
    device: ForeignDevice | None,
    pieces: Sequence[Piece],
    granule: int,
    found: Digests,
    advanced: Callable[[int], None],
) -> Iterator[Item]:
    """Fill `found` with the device's digests: by our loader, or of what a vendor's loader reads."""
    if device is None or not device.reads:
        yield from digest_steps(session, pieces, granule, found, advanced)
        return

    def settle(piece: Piece, digest: bytes) -> None:
        found[piece.address, piece.size] = digest
        advanced(piece.size)

    if pieces:
        yield Alone(lambda: device.digest(pieces, granule, settle))
