"""Commands that go ahead of their data, and how long each memory works and waits."""

from __future__ import annotations

from dataclasses import astuple

import lz4.block
import pytest
from benches import BASE, REGIONS, Bench, noise

from boardflash.loader.protocol import REGION_INTERNAL, REGION_QSPI, Command, Operation
from boardflash.loader.session import WorkTimes

AT = 0x1_0000
SIZE = 1024
MARKER = 0x1234_5678
BLANK = b"\xff" * SIZE

region_of = pytest.mark.parametrize("region", REGIONS, ids=["internal", "qspi"])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def waiting(bench: Bench, region: int, operation: Operation = Operation.PROGRAM, at: int = AT) -> Command:
    """A command at whose marker's place something else still lies."""
    buffer = bench.base + 0x4000 * region
    bench.write_ram(buffer, bytes(SIZE) + (MARKER ^ 1).to_bytes(4, "little"))
    return Command(operation, BASE[region] + at, SIZE, buffer, 0, buffer + SIZE, MARKER)


def come(bench: Bench, command: Command, data: bytes) -> None:
    """First the data, then the marker."""
    bench.write_ram(command.buffer, data)
    bench.session.link.pause(0.02)
    assert bench.session.poll().completed[region_at(command)] == 0
    bench.write_ram(command.marker_at, command.marker.to_bytes(4, "little"))


def region_at(command: Command) -> int:
    return REGION_QSPI if command.address >= BASE[REGION_QSPI] else REGION_INTERNAL


@pytest.fixture
def settled(bench: Bench) -> Bench:
    """Both rings count from 0 again."""
    for region in REGIONS:
        bench.session.acknowledge(region)
    return bench


@region_of
def test_a_command_is_taken_when_its_marker_has_come_and_not_before(settled: Bench, region: int) -> None:
    bench, data = settled, noise(SIZE)
    command = waiting(bench, region)
    number = bench.session.submit(region, command)
    bench.session.link.pause(0.05)
    assert bench.session.poll().completed[region] == 0
    assert bench.holds(region, AT, SIZE) == BLANK
    come(bench, command, data)
    bench.session.wait(region, number, 1)
    assert bench.holds(region, AT, SIZE) == data


@region_of
def test_a_marker_that_is_there_already_starts_the_command_at_once(settled: Bench, region: int) -> None:
    bench = settled
    command = waiting(bench, region)
    bench.write_ram(command.buffer, noise(SIZE) + MARKER.to_bytes(4, "little"))
    bench.session.wait(region, bench.session.submit(region, command), 1)
    assert bench.holds(region, AT, SIZE) == noise(SIZE)


@region_of
def test_the_other_memory_does_not_wait_along(settled: Bench, region: int) -> None:
    bench, other = settled, 1 - region
    number = bench.session.submit(region, waiting(bench, region))
    buffer = bench.base + 0x8000
    bench.write_ram(buffer, noise(SIZE, 2))
    bench.run(other, Command(Operation.PROGRAM, BASE[other] + AT, SIZE, buffer))
    assert bench.holds(other, AT, SIZE) == noise(SIZE, 2)
    assert not bench.session.done(region, number)


@region_of
def test_what_follows_in_the_same_ring_waits_along(settled: Bench, region: int) -> None:
    bench = settled
    first = waiting(bench, region)
    bench.write_ram(bench.base + 0x8000, noise(SIZE, 2))
    second = Command(Operation.PROGRAM, BASE[region] + AT + SIZE, SIZE, bench.base + 0x8000)
    number = bench.session.submit_all(region, [first, second])
    bench.session.link.pause(0.05)
    assert bench.holds(region, AT, 2 * SIZE) == 2 * BLANK
    come(bench, first, noise(SIZE))
    bench.session.wait(region, number + 1, 1)
    assert bench.holds(region, AT, 2 * SIZE) == noise(SIZE) + noise(SIZE, 2)


@region_of
def test_a_waiting_command_is_dropped_with_its_ring(settled: Bench, region: int) -> None:
    bench = settled
    command = waiting(bench, region)
    bench.session.submit(region, command)
    bench.session.acknowledge(region)
    bench.write_ram(command.marker_at, MARKER.to_bytes(4, "little"))
    bench.session.link.pause(0.05)
    assert bench.session.poll().completed[region] == 0
    assert bench.holds(region, AT, SIZE) == BLANK


@region_of
def test_it_is_seen_soon_whether_or_not_the_other_memory_is_at_work(settled: Bench, region: int) -> None:
    """Idle, the loader looks at nothing else; while it sleeps, a tick of a millisecond wakes it."""
    bench, other = settled, 1 - region
    took = []
    for busy in (False, True):
        command = waiting(bench, region, at=AT + SIZE * busy)
        number = bench.session.submit(region, command)
        if busy:
            erase = (0x8000, 0x8000) if other == REGION_INTERNAL else (0, 4096)
            bench.session.submit(other, Command(Operation.ERASE, BASE[other] + erase[0], erase[1]))
        bench.write_ram(command.buffer, noise(SIZE))
        bench.session.link.pause(0.01)
        before = bench.session.link.now()
        bench.write_ram(command.marker_at, MARKER.to_bytes(4, "little"))
        bench.session.wait(region, number, 1, idle_s=0.0001)
        took.append(bench.session.link.now() - before)
        if busy:
            assert bench.session.poll().completed[other] == 0
    programs = 0.0005 * 4 if region == REGION_QSPI else 16e-6 * SIZE / 4
    assert all(programs < seconds < programs + 0.006 for seconds in took)


# Work and waiting

PAUSE = 0.05


def ready(bench: Bench, region: int, number: int, operation: Operation = Operation.PROGRAM) -> Command:
    """A command for the 4 KiB of that number, its data in place."""
    data = noise(64, number) * 64
    buffer, argument = bench.base + 0x2000 * number, 0
    if operation == Operation.PROGRAM_LZ4:
        bench.write_ram(buffer, lz4.block.compress(data, store_size=False))
        argument = bench.base + 0x8000
    elif operation == Operation.COPY:
        argument = BASE[region] + AT
    else:
        bench.write_ram(buffer, data)
    return Command(operation, BASE[region] + AT + 4096 * number, len(data), buffer, argument)


@region_of
@pytest.mark.parametrize(
    "operation", [Operation.PROGRAM, Operation.PROGRAM_LZ4, Operation.COPY], ids=lambda found: found.name
)
def test_the_time_between_two_changes_is_told_as_waiting(
    bench: Bench, region: int, operation: Operation
) -> None:
    commands = [ready(bench, region, 0), ready(bench, region, 1, operation)]
    before = bench.session.link.now()
    bench.run(region, commands[0])
    took = bench.session.link.now() - before
    assert bench.session.work_times()[region].starved == 0
    bench.session.link.pause(PAUSE)
    bench.run(region, commands[1])
    worked, starved, _ = astuple(bench.session.work_times()[region])
    pages = 0.0005 * 16 if region == REGION_QSPI else 16e-6 * 1024
    assert 2 * pages < worked < 2 * took
    assert PAUSE < starved < PAUSE + 0.006  # and some calls of the link
    assert bench.session.work_times()[1 - region] == WorkTimes(0, 0, 0)


@region_of
def test_commands_that_follow_each_other_leave_no_time_between(bench: Bench, region: int) -> None:
    bench.write_ram(bench.base, noise(4096))
    commands = [
        Command(Operation.PROGRAM, BASE[region] + AT + n * 1024, 1024, bench.base + n * 1024)
        for n in range(4)
    ]
    bench.session.wait(region, bench.session.submit_all(region, commands) + 3, 1)
    worked, starved, _ = astuple(bench.session.work_times()[region])
    assert worked > 0.008
    assert starved < 0.0001


@region_of
def test_a_look_at_the_memory_is_neither(bench: Bench, region: int) -> None:
    """Digests stand between what was programmed and what is next: the memory is not waiting for data."""
    bench.run(region, ready(bench, region, 0))
    worked = bench.session.work_times()[region].worked
    bench.session.link.pause(PAUSE)
    bench.session.digest(region, BASE[region], 4096, 4096)
    bench.session.link.pause(PAUSE)
    bench.run(region, ready(bench, region, 1))
    again, starved, _ = astuple(bench.session.work_times()[region])
    assert again == pytest.approx(2 * worked, rel=0.05)
    assert starved == 0


@region_of
def test_an_erase_is_work(bench: Bench, region: int) -> None:
    size = 0x8000 if region == REGION_INTERNAL else 4096
    before = bench.session.link.now()
    bench.run(region, Command(Operation.ERASE, BASE[region] + size, size))
    took = bench.session.link.now() - before
    worked, starved, _ = astuple(bench.session.work_times()[region])
    assert took - 0.005 < worked < took
    assert starved == 0
