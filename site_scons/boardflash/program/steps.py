"""What a lane gives to the pump: steps with their data; where it waits, may be stopped, looks ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from boardflash.loader.protocol import Operation, Result, Way


@dataclass(frozen=True)
class Wait:
    """No further step of this lane before `until` holds; None: before all that it has given are done."""

    until: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Mark:
    """A unit begins or has ended: Ctrl-C ends a lane between two of them, not inside."""

    inside: bool


@dataclass(frozen=True)
class Load:
    """Bring the data of a step over already; the step itself comes later, if it does."""

    step: Step
    seconds: float = 0.0  # that it takes on the link
    wanted: Callable[[], bool] = lambda: False  # whatever else happens, and the link is what decides


@dataclass(frozen=True)
class Step:
    """One command for a region's ring, with its data."""

    operation: Operation
    address: int
    length: int
    argument: int = 0
    way: Way = Way.MODE
    upload: bytes = b""  # goes into the step's buffer before the command is submitted
    space: int = 0  # bytes of target RAM for the answer or a copy, where nothing is uploaded
    expands: bool = False  # `upload` is an LZ4 block of `length` bytes
    expected_s: float = 0.0  # typical time; paces the polling, decides nothing
    limit_s: float = 1.0  # datasheet maximum, for the silent-loader limit
    done: Callable[[], None] | None = None  # called when the step has succeeded
    filled: Callable[[int], None] | None = None  # the same, with its buffer
    answer: Callable[[Result, int], None] | None = None  # the same, with its result, too: costs a read


@dataclass(frozen=True)
class Alone:
    """What is done while our loader does not run: the pump calls it when no region has anything in flight.

    Afterwards our loader must stand as after its start. What was brought over ahead of its step is lost.
    """

    action: Callable[[], None]
    changes: bool = False  # the device


Item = Step | Wait | Load | Mark | Alone


@dataclass
class Flight:
    step: Step
    buffer: int | None
    sequence: int = 0


@dataclass
class Queue:
    """One region's steps: waiting, then in flight."""

    steps: Iterator[Item]
    waiting: Step | Load | Alone | None = None
    hold: Wait | None = None
    loaded: int = 0  # taken, not yet in flight
    flights: deque[Flight] = field(default_factory=deque)
    head_since: float = 0.0
    exhausted: bool = False
    inside: bool = False  # a unit
    stopping: bool = False

    def stop(self) -> None:
        """Go on to the end of the present unit, if there is one, and no further."""
        self.stopping = True
        if not self.inside:
            self.waiting = self.hold = None
            self.exhausted = True

    def peek(self) -> Step | Load | Alone | None:
        while self.waiting is None and not self.exhausted:
            if self.hold is not None:
                if not (self.hold.until() if self.hold.until else self.idle):
                    break
                self.hold = None
            item = next(self.steps, None)
            if item is None:
                self.exhausted = True
            elif isinstance(item, Wait):
                self.hold = item
            elif isinstance(item, Mark):
                self.inside = item.inside
                self.exhausted = self.stopping
            else:
                self.waiting = item
        return self.waiting

    def peek_step(self) -> Step | None:
        item = self.peek()
        return item if isinstance(item, Step) else None

    def take(self) -> None:
        self.waiting = None
        self.loaded += 1

    @property
    def idle(self) -> bool:
        return not self.flights and not self.loaded

    @property
    def queued_bytes(self) -> int:
        return sum(len(flight.step.upload) for flight in self.flights)
