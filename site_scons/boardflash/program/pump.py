"""Keeps both memories and the link busy at once.

Steps of each region run in order; the two regions run side by side. While the device works on what it
has, the next data is already on its way: a step is submitted as soon as its ring has a slot and the
target's RAM has room, its data right behind it. The core is never halted for it. A lane may `Wait`: for its
own steps, or for what the other lane does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from boardflash.errors import BoardflashError, ExitCode
from boardflash.loader.protocol import REGION_NUMBERS, Command, Operation, Result
from boardflash.loader.session import LoaderSession
from boardflash.program.buffers import BufferPool
from boardflash.program.chunks import joined
from boardflash.program.steps import Alone, Flight, Item, Load, Queue, Step

#: A loader that makes no progress for this much longer than the datasheet's maximum is called silent.
GRACE_S = 2.0
REGION_NAMES = {number: name for name, number in REGION_NUMBERS.items()}
POLL_MIN_S = 0.0005
POLL_MAX_S = 0.02
#: While there is always something to send, the device is asked this often only: each question stops the flow.
LOOK_S = 0.1
#: An LZ4 block expands into a buffer of its lane's own; programming internal flash is slow, so small ones do.
CHUNK_MAX = {REGION_NUMBERS["internal"]: 16 * 1024, REGION_NUMBERS["qspi"]: 64 * 1024}
#: So many chunks of the largest size the target's RAM should hold.
CHUNKS_IN_RAM = 4
#: So much data goes in one call, whatever the number of commands that it is for: fewer questions between.
BURST_BYTES = 128 * 1024
#: And so much while the other region waits for something: it must not stand still for the length of a call.
SHORT_BURST_BYTES = 8 * 1024
MARKER_BYTES = 4

CHANGING = (Operation.ERASE, Operation.PROGRAM, Operation.COPY, Operation.PROGRAM_LZ4)


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
        self._expansions: dict[int, int] = {}  # region -> where its LZ4 blocks expand to
        self._looked_at = 0.0
        self._stock: dict[tuple[int, int, bytes], int] = {}  # data that came ahead of its step -> its buffer
        self._spare: Iterator[tuple[int, Load]] = iter(())
        self._next_spare: tuple[int, Load] | None = None

    def chunk_bytes(self, region: int) -> int:
        """The most that one step of this region should program: a power of two."""
        limit = CHUNK_MAX[region]
        while limit * CHUNKS_IN_RAM > self._pool.size:
            limit //= 2
        return limit

    def run(self, steps: Mapping[int, Iterator[Item]], spare: Iterable[tuple[int, Load]] = ()) -> None:
        """Run the steps of each region (0 internal, 1 qspi) to their end.

        `spare`, by region: what may be worth bringing over while the link has nothing else to do.
        Whatever ends it early, what the device has begun is left to come to its end first.
        """
        lanes = {region: Queue(iterator) for region, iterator in steps.items()}
        self._spare = iter(spare)
        self._next_spare = next(self._spare, None)
        self._looked_at = self._session.link.now()
        try:
            self._run(lanes)
        except BoardflashError:
            with suppress(BoardflashError):  # what came first is told
                self._drain(lanes)
            raise
        self._drop_stock()
        for address in self._expansions.values():
            self._pool.free(address)
        self._expansions.clear()

    def _run(self, lanes: dict[int, Queue]) -> None:
        blocked = 0
        stopping = False
        while True:
            if self._interrupted() and not stopping:
                stopping = True
                for lane in lanes.values():
                    lane.stop()
            submitted = self._submit(lanes)
            if not any(lane.flights for lane in lanes.values()):
                if all(lane.peek() is None and lane.exhausted for lane in lanes.values()):
                    if stopping:
                        raise self.interruption()
                    return
                blocked = 0 if submitted else blocked + 1
                if blocked > len(lanes):
                    raise BoardflashError(
                        "the regions wait for each other: please report this", code=ExitCode.INTERNAL
                    )
                continue
            blocked = 0
            if not submitted or self._session.link.now() - self._looked_at >= LOOK_S:
                self._retire(lanes, idle=not submitted)

    def interruption(self) -> BoardflashError:
        told = (
            "the unit in work is finished, the next run goes on from here"
            if self._changing
            else "nothing on the device has been changed"
        )
        return BoardflashError(f"interrupted; {told}", code=ExitCode.INTERRUPTED)

    def _submit(self, lanes: dict[int, Queue]) -> bool:
        """Send what comes next, for the region that has least in store; False when nothing can be sent."""
        order = sorted(lanes, key=lambda region: (lanes[region].queued_bytes, -region))
        for region in order:
            if any(isinstance(lane.waiting, Alone) for lane in lanes.values()):
                return self._leave_alone(lanes)
            lane = lanes[region]
            item = lane.peek()
            if isinstance(item, Alone):
                return self._leave_alone(lanes)
            if isinstance(item, Load):
                lane.waiting = None
                self._bring(region, item.step)
                return True
            others_wait = any(
                other.idle and not other.exhausted for other in lanes.values() if other is not lane
            )
            most = SHORT_BURST_BYTES if others_wait else BURST_BYTES
            if item is not None and self._hand_over(region, lane, most):
                return True
        return False

    def _leave_alone(self, lanes: dict[int, Queue]) -> bool:
        """Our loader has to stop for something: nothing more is submitted, and then that is done."""
        if any(lane.flights for lane in lanes.values()):
            return False
        for lane in lanes.values():
            item = lane.waiting
            if isinstance(item, Alone):
                lane.waiting = None
                self._drop_stock()
                self._changing |= item.changes
                item.action()
                return True
        return False

    def _hand_over(self, region: int, lane: Queue, most: int) -> bool:
        """Commands that go together, in one write of the ring, and their data behind them in another."""
        commands: list[Command] = []
        flights: list[Flight] = []
        data: list[tuple[int, bytes]] = []
        size = 0
        first = self._session.next_sequence(region)
        while (step := lane.peek_step()) is not None and len(commands) < self._session.free_slots(region):
            if data and size + len(step.upload) > most:
                break
            loaded = self._load(region, step, self._session.marker(region, first + len(commands)))
            if loaded is None:
                break
            lane.take()
            command, buffer, payload = loaded
            commands.append(command)
            flights.append(Flight(step, buffer))
            if payload:
                data.append((command.buffer, payload))
                size += len(payload)
        if not commands:
            return False
        self._changing |= any(command.operation in CHANGING for command in commands)
        self._session.submit_all(region, commands)
        if not lane.flights:
            lane.head_since = self._session.link.now()
        for index, flight in enumerate(flights):
            flight.sequence = first + index
            lane.flights.append(flight)
        lane.loaded = 0
        for address, payload in joined(data):
            self._session.link.write_memory(address, payload)
        return True

    def _load(self, region: int, step: Step, marker: int) -> tuple[Command, int | None, bytes] | None:
        """The command with its buffer, and what must be written there; None while there is no room."""
        command = Command(step.operation, step.address, step.length, 0, step.argument, way=step.way)
        if step.expands:
            if not self._expansion(region):
                return None
            command = replace(command, argument=self._expansions[region])
        if not step.upload:
            buffer = self._allocate(step.space) if step.space else None
            if step.space and buffer is None:
                return None
            return replace(command, buffer=buffer or 0), buffer, b""
        buffer = self._stock.pop((region, step.address, step.upload), None)
        if buffer is not None:
            return replace(command, buffer=buffer), buffer, b""
        payload = step.upload + b"\xff" * (-len(step.upload) % MARKER_BYTES)
        buffer = self._allocate(len(payload) + MARKER_BYTES)
        if buffer is None:
            return None
        command = replace(command, buffer=buffer, marker_at=buffer + len(payload), marker=marker)
        return command, buffer, payload + marker.to_bytes(MARKER_BYTES, "little")

    def _allocate(self, size: int) -> int | None:
        if size > self._pool.size:
            raise BoardflashError(
                f"a step needs {size} bytes of target RAM, there are {self._pool.size}",
                code=ExitCode.DEVICE_FAILED,
            )
        buffer = self._pool.allocate(size)
        if buffer is None and self._stock:
            self._drop_stock()
            buffer = self._pool.allocate(size)
        return buffer

    def _bring(self, region: int, step: Step) -> bool:
        """Data ahead of its step, where there is room; False where there is none."""
        payload = step.upload + b"\xff" * (-len(step.upload) % MARKER_BYTES)
        buffer = self._pool.allocate(len(payload) + MARKER_BYTES) if payload else None
        if buffer is None:
            return False
        self._session.link.write_memory(buffer, payload)
        self._stock[region, step.address, step.upload] = buffer
        return True

    def _bring_spare(self, seconds: float) -> bool:
        """Use the time in which the device only looks at itself; False where there is too little of it."""
        if self._changing or self._next_spare is None:
            return False
        region, load = self._next_spare
        if load.seconds > seconds and not load.wanted():
            return False
        brought = self._bring(region, load.step)
        self._next_spare = next(self._spare, None) if brought else None
        return brought

    def _drop_stock(self) -> None:
        for address in self._stock.values():
            self._pool.free(address)
        self._stock.clear()

    def _expansion(self, region: int) -> bool:
        """Give the region its buffer for expanded data, once; False while there is no room."""
        if region not in self._expansions:
            address = self._allocate(self.chunk_bytes(region))  # what came ahead makes room for it
            if address is None:
                return False
            self._expansions[region] = address
        return True

    def _retire(self, lanes: dict[int, Queue], *, idle: bool) -> None:
        """Take in what is completed; with nothing else to do, first wait a sensible while."""
        link = self._session.link
        if idle:
            left = min(
                lane.flights[0].step.expected_s - (link.now() - lane.head_since)
                for lane in lanes.values()
                if lane.flights
            )
            if not self._bring_spare(left):
                link.pause(min(max(left / 2, POLL_MIN_S), POLL_MAX_S))
        heads = self._session.poll()
        self._looked_at = link.now()
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
                lane.flights.clear()  # the loader has dropped what followed
                raise error
            if now - lane.head_since > head.step.limit_s + GRACE_S:
                lane.flights.clear()
                raise BoardflashError(
                    f"the loader does not answer: {head.step.operation.name.lower()} of"
                    f" {head.step.length} bytes has run for {now - lane.head_since:.1f} s,"
                    f" the limit is {head.step.limit_s:.1f} s",
                    where=f"{REGION_NAMES[region]} {head.step.address:#010x}",
                    code=ExitCode.DEVICE_FAILED,
                )

    def _finish(self, region: int, flight: Flight) -> None:
        if flight.step.answer is not None:
            flight.step.answer(self._session.result(region, flight.sequence), flight.buffer or 0)
        if flight.step.filled is not None:
            flight.step.filled(flight.buffer or 0)
        if flight.step.done is not None:
            flight.step.done()
        if flight.buffer is not None:
            self._pool.free(flight.buffer)

    def _drain(self, lanes: dict[int, Queue]) -> None:
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
