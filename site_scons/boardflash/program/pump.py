"""Keeps both memories and the link busy at once.

Steps of each region run in order; the two regions run side by side. While the device works on what it
has, the next data is already on its way: a step is submitted as soon as its ring has a slot and the
target's RAM has room. The core is never halted for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from boardflash.errors import BoardflashError, ExitCode
from boardflash.loader.protocol import REGION_NUMBERS, Command, Operation, Result
from boardflash.loader.session import LoaderSession
from boardflash.program.buffers import BufferPool

#: A loader that makes no progress for this much longer than the datasheet's maximum is called silent.
GRACE_S = 2.0
REGION_NAMES = {number: name for name, number in REGION_NUMBERS.items()}
POLL_MIN_S = 0.0005
POLL_MAX_S = 0.02


CHANGING = (Operation.ERASE, Operation.PROGRAM)


@dataclass(frozen=True)
class Step:
    """One command for a region's ring, with its data."""

    operation: Operation
    address: int
    length: int
    argument: int = 0
    upload: bytes = b""  # goes into the step's buffer before the command is submitted
    space: int = 0  # bytes of target RAM for the answer, where nothing is uploaded
    expected_s: float = 0.0  # typical time; paces the polling, decides nothing
    limit_s: float = 1.0  # datasheet maximum, for the silent-loader limit
    done: Callable[[], None] | None = None  # called when the step has succeeded
    answer: Callable[[Result, int], None] | None = None  # the same, with its result and buffer: costs a read


@dataclass
class _Flight:
    step: Step
    sequence: int
    buffer: int | None


@dataclass
class _Lane:
    """One region's steps: waiting, then in flight."""

    steps: Iterator[Step]
    waiting: Step | None = None
    flights: deque[_Flight] = field(default_factory=deque)
    head_since: float = 0.0
    exhausted: bool = False

    def peek(self) -> Step | None:
        if self.waiting is None and not self.exhausted:
            self.waiting = next(self.steps, None)
            self.exhausted = self.waiting is None
        return self.waiting

    def take(self) -> Step:
        step = self.waiting
        assert step is not None
        self.waiting = None
        return step

    @property
    def queued_bytes(self) -> int:
        return sum(len(flight.step.upload) for flight in self.flights)


class Pump:
    """Runs steps on a loader session; raises what `explain` makes of a failed one."""

    def __init__(
        self,
        session: LoaderSession,
        explain: Callable[[int, Step, Result], BoardflashError],
        interrupted: Callable[[], bool],
    ) -> None:
        self._session = session
        self._explain = explain
        self._interrupted = interrupted
        self._pool = BufferPool(session.buffers_base, session.buffers_end)
        self._changing = False  # an erase or a program has been handed over

    def run(self, steps: dict[int, Iterator[Step]]) -> None:
        """Run the steps of each region (0 internal, 1 qspi) to their end."""
        lanes = {region: _Lane(iterator) for region, iterator in steps.items()}
        while True:
            if self._interrupted():
                self._drain(lanes)
                raise self._interruption()
            submitted = self._submit(lanes)
            if not any(lane.flights for lane in lanes.values()):
                if submitted or any(lane.peek() is not None for lane in lanes.values()):
                    continue
                return
            self._retire(lanes, idle=not submitted)

    def _interruption(self) -> BoardflashError:
        told = (
            "the unit in work is finished, the next run goes on from here"
            if self._changing
            else "nothing on the device has been changed"
        )
        return BoardflashError(f"interrupted; {told}", code=ExitCode.INTERRUPTED)

    def _submit(self, lanes: dict[int, _Lane]) -> bool:
        """Upload and submit one step, for the region that has least in store; False when none fits."""
        order = sorted(lanes, key=lambda region: (lanes[region].queued_bytes, -region))
        for region in order:
            lane = lanes[region]
            step = lane.peek()
            if step is None or self._session.free_slots(region) == 0:
                continue
            batch = [self._load(lane)]
            if batch[0] is None:
                continue
            # Commands without data travel with the next ones in one write of the ring.
            while (
                (following := lane.peek()) is not None
                and not following.upload
                and len(batch) < self._session.free_slots(region)
            ):
                loaded = self._load(lane)
                if loaded is None:
                    break
                batch.append(loaded)
            ready = [item for item in batch if item is not None]
            commands = [command for command, _, _ in ready]
            self._changing |= any(command.operation in CHANGING for command in commands)
            first = self._session.submit_all(region, commands)
            now = self._session.link.now()
            for index, (_, loaded_step, buffer) in enumerate(ready):
                if not lane.flights:
                    lane.head_since = now
                lane.flights.append(_Flight(loaded_step, first + index, buffer))
            return True
        return False

    def _load(self, lane: _Lane) -> tuple[Command, Step, int | None] | None:
        """Give the lane's next step its buffer and data; None while there is no room."""
        step = lane.peek()
        assert step is not None
        size = len(step.upload) or step.space
        buffer: int | None = None
        if size:
            if size > self._pool.size:
                raise BoardflashError(
                    f"a step needs {size} bytes of target RAM, there are {self._pool.size}",
                    code=ExitCode.DEVICE_FAILED,
                )
            buffer = self._pool.allocate(size)
            if buffer is None:
                return None
        lane.take()
        if step.upload:
            assert buffer is not None
            padding = -len(step.upload) % 4
            self._session.link.write_memory(buffer, step.upload + b"\xff" * padding)
        command = Command(step.operation, step.address, step.length, buffer or 0, step.argument)
        return command, step, buffer

    def _retire(self, lanes: dict[int, _Lane], *, idle: bool) -> None:
        """Take in what is completed; with nothing else to do, first wait a sensible while."""
        link = self._session.link
        if idle:
            left = min(
                lane.flights[0].step.expected_s - (link.now() - lane.head_since)
                for lane in lanes.values()
                if lane.flights
            )
            link.pause(min(max(left / 2, POLL_MIN_S), POLL_MAX_S))
        heads = self._session.poll()
        if any(heads.error):
            # The words of the head are read one after the other: the ring may have gone on between its count
            # and its error. Now it stands.
            heads = self._session.poll()
        now = link.now()
        for region, lane in lanes.items():
            progressed = False
            while lane.flights and _reached(heads.completed[region], lane.flights[0].sequence):
                self._finish(region, lane.flights.popleft())
                progressed = True
            if progressed:
                lane.head_since = now
            if not lane.flights:
                continue
            head = lane.flights[0]
            if heads.error[region]:
                error = self._explain(region, head.step, self._session.result(region, head.sequence))
                with suppress(BoardflashError):  # what came first is told
                    self._drain({other: lanes[other] for other in lanes if other != region})
                raise error
            if now - lane.head_since > head.step.limit_s + GRACE_S:
                raise BoardflashError(
                    f"the loader does not answer: {head.step.operation.name.lower()} of"
                    f" {head.step.length} bytes has run for {now - lane.head_since:.1f} s,"
                    f" the limit is {head.step.limit_s:.1f} s",
                    where=f"{REGION_NAMES[region]} {head.step.address:#010x}",
                    code=ExitCode.DEVICE_FAILED,
                )

    def _finish(self, region: int, flight: _Flight) -> None:
        if flight.step.answer is not None:
            flight.step.answer(self._session.result(region, flight.sequence), flight.buffer or 0)
        if flight.step.done is not None:
            flight.step.done()
        if flight.buffer is not None:
            self._pool.free(flight.buffer)

    def _drain(self, lanes: dict[int, _Lane]) -> None:
        """Let what is in flight come to its end; start nothing more."""
        while any(lane.flights for lane in lanes.values()):
            self._session.link.pause(POLL_MAX_S)
            heads = self._session.poll()
            now = self._session.link.now()
            for region, lane in lanes.items():
                while lane.flights and _reached(heads.completed[region], lane.flights[0].sequence):
                    lane.flights.popleft()
                    lane.head_since = now
                if heads.error[region]:
                    lane.flights.clear()
                if lane.flights and now - lane.head_since > lane.flights[0].step.limit_s + GRACE_S:
                    lane.flights.clear()


def _reached(completed: int, sequence: int) -> bool:
    """Has the ring's count passed this command? Counts run modulo 2^32."""
    return 0 < ((completed - sequence) & 0xFFFF_FFFF) < 0x8000_0000
