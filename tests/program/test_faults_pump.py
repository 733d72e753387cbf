"""The pump and the steady link against stand-ins: torn heads, errors over errors, repeated transfers."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.loader.protocol import Command, Heads, Operation, Result, Status
from boardflash.program.pump import Pump
from boardflash.program.steady import SteadyLink
from boardflash.program.steps import Step


class Ring:
    """A loader session whose heads come from a list."""

    def __init__(self, heads: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
        self.heads = iter(heads)
        self.buffers_base, self.buffers_end = 0x2000_0000, 0x2000_1000
        self.submitted: tuple[list[Command], list[Command]] = ([], [])
        self.link = SimpleNamespace(now=lambda: 0.0, pause=lambda s: None, write_memory=lambda a, d: None)

    def next_sequence(self, region: int) -> int:
        return len(self.submitted[region])

    def marker(self, region: int, sequence: int) -> int:
        return sequence + 1

    def free_slots(self, region: int) -> int:
        return 16 - len(self.submitted[region])

    def submit_all(self, region: int, commands: list[Command]) -> int:
        self.submitted[region].extend(commands)
        return len(self.submitted[region]) - len(commands)

    def poll(self) -> Heads:
        try:
            completed, error = next(self.heads)
        except StopIteration:
            raise BoardflashError("the link is gone", code=ExitCode.DEVICE_FAILED) from None
        return Heads(0, 0, 1, 0, completed, error, 0)

    def result(self, region: int, sequence: int) -> Result:
        return Result(Status.ERASE_FAILED if sequence == 1 else Status.OK, 0, bytes(16))


def explain(region: int, step: Step, result: Result) -> BoardflashError:
    return BoardflashError(f"{region} {step.address:#x} {result.status.name}")


def erases(*addresses: int) -> Iterator[Step]:
    return iter([Step(Operation.ERASE, address, 4096) for address in addresses])


def run(ring: Any, steps: dict[int, Iterator[Step]]) -> str:
    with pytest.raises(BoardflashError) as caught:
        Pump(ring, explain, lambda: False).run(steps)
    return str(caught.value)


def test_a_head_read_between_a_completion_and_an_error_blames_the_right_step() -> None:
    """The count was read before the first erase ended, the error after the second had failed."""
    ring = Ring([((0, 0), (4, 0)), ((1, 0), (4, 0))])
    assert run(ring, {0: erases(0x1000, 0x2000)}) == "0 0x2000 ERASE_FAILED"


def test_a_link_that_dies_after_the_failure_does_not_hide_it() -> None:
    ring = Ring([((0, 0), (0, 0)), ((1, 0), (4, 0)), ((1, 0), (4, 0))])
    assert run(ring, {0: erases(0x1000, 0x2000), 1: erases(0x9000)}) == "0 0x2000 ERASE_FAILED"


def test_an_interruption_before_any_change_says_so() -> None:
    with pytest.raises(BoardflashError) as caught:
        Pump(Ring([]), explain, lambda: True).run({0: erases(0x1000)})  # type: ignore[arg-type]
    assert str(caught.value) == "interrupted; nothing on the device has been changed"
    assert caught.value.code == ExitCode.INTERRUPTED


class Flaky:
    """RAM over a link that fails at given transfers; `half` = what of a failing write arrives."""

    def __init__(self, fail: set[int], arrives: bool = False) -> None:
        self.ram = bytearray(64)
        self.fail, self.arrives = fail, arrives
        self.calls = 0
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None

    def _count(self) -> bool:
        self.calls += 1
        return self.calls in self.fail

    def read_memory(self, address: int, size: int) -> bytes:
        if self._count():
            raise BoardflashError("reading stopped", code=ExitCode.DEVICE_FAILED)
        return bytes(self.ram[address : address + size])

    def write_memory(self, address: int, data: bytes) -> None:
        failed = self._count()
        self.writes += 1
        kept = data if not failed or self.arrives else data[: len(data) // 2]
        self.ram[address : address + len(kept)] = kept
        if failed:
            raise BoardflashError("writing stopped", code=ExitCode.DEVICE_FAILED)


def test_a_write_that_arrived_in_spite_of_its_error_is_not_repeated() -> None:
    flaky, notes = Flaky({1}, arrives=True), list[str]()
    SteadyLink(flaky, notes.append).write_memory(8, b"submitted")
    assert flaky.writes == 1
    assert notes == ["note: writing stopped; all of it has arrived"]


def test_a_write_that_did_not_arrive_is_written_again_after_a_look() -> None:
    flaky, notes = Flaky({1}), list[str]()
    SteadyLink(flaky, notes.append).write_memory(8, b"12345678")
    assert (flaky.ram[8:16], flaky.writes, flaky.calls) == (b"12345678", 2, 3)
    assert notes == ["note: writing stopped; written again"]


def test_a_link_that_is_gone_is_told_after_three_tries() -> None:
    flaky, notes = Flaky(set(range(1, 100))), list[str]()
    with pytest.raises(BoardflashError, match="reading stopped"):
        SteadyLink(flaky, notes.append).read_memory(0, 4)
    assert flaky.calls == 3 and len(notes) == 2


def test_what_is_no_fault_of_the_wire_is_not_tried_again() -> None:
    """A replay that deviates, for one: another try would hide it."""

    class Refusing(Flaky):
        def read_memory(self, address: int, size: int) -> bytes:
            self.calls += 1
            raise BoardflashError("this session deviates from the trace")

    refusing, notes = Refusing(set()), list[str]()
    with pytest.raises(BoardflashError, match="deviates"):
        SteadyLink(refusing, notes.append).read_memory(0, 4)
    assert refusing.calls == 1
    assert notes == []
