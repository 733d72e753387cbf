"""The host's side of the mailbox against a stand-in: few link calls, and clear words when it fails."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.loader import protocol as p
from boardflash.loader.artefact import LoaderArtefact
from boardflash.loader.session import CommandFailed, LoaderSession

RAM = 0x2000_0000
IMAGE = bytes(range(64))
MAILBOX = RAM + 0x100


class MailboxServer:
    """RAM, and a loader that takes one command each time the host pauses."""

    def __init__(self) -> None:
        self.ram = bytearray(0x4000)
        self.registers: dict[int, int] = {}
        self.calls: list[str] = []
        self.time = 0.0
        self.running = False
        self.silent = False
        self.status = dict.fromkeys(range(100), p.Status.OK)
        self.taken: list[tuple[int, ...]] = []
        self.fault: p.FaultRecord | None = None
        self.digest_of: Callable[[bytes], bytes] = lambda image: p.root_digest([image])
        self.spoil: int | None = None  # byte of the image that arrives as another

    def word(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self.ram, MAILBOX - RAM + offset)[0])

    def put(self, offset: int, *values: int) -> None:
        struct.pack_into(f"<{len(values)}I", self.ram, MAILBOX - RAM + offset, *values)

    def read_memory(self, address: int, size: int) -> bytes:
        self.calls.append(f"read {address - MAILBOX:+#x} {size}")
        return bytes(self.ram[address - RAM : address - RAM + size])

    def write_memory(self, address: int, data: bytes) -> None:
        self.calls.append(f"write {address - MAILBOX:+#x} {len(data)}")
        self.ram[address - RAM : address - RAM + len(data)] = data
        if address == RAM and self.spoil is not None:
            self.ram[self.spoil] ^= 0x10

    def halt(self) -> None:
        self.running = False

    def go(self) -> None:
        self.running = True
        if not self.silent:
            self.put(0, p.MAILBOX_MAGIC, p.MAILBOX_VERSION, p.LoaderState.READY)
            digest = self.digest_of(bytes(self.ram[: len(IMAGE)]))
            self.put(p.IMAGE_DIGEST_OFFSET, *struct.unpack("<4I", digest))

    def reset_and_halt(self) -> None:
        self.running = False

    def is_halted(self) -> bool:
        return not self.running

    def read_register(self, number: int) -> int:
        return self.registers.get(number, 0)

    def write_register(self, number: int, value: int) -> None:
        self.registers[number] = value

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds
        if self.fault:
            record = self.fault
            values = (record.cause, record.pc, record.lr, record.cfsr, record.hfsr, record.address)
            self.put(p.FAULT_OFFSET, *values)
            self.put(8, p.LoaderState.FAULT)
        elif self.running and not self.silent:
            for region in range(p.MAILBOX_REGIONS):
                self.serve(region)

    def serve(self, region: int) -> None:
        completed, error = 16 + 4 * region, 24 + 4 * region
        if self.word(p.ACKNOWLEDGE_OFFSET + 4 * region):
            self.put(p.ACKNOWLEDGE_OFFSET + 4 * region, 0)
            for number in range(p.MAILBOX_SLOTS):
                self.put(p.slot_offset(region, number) + p.TICKET_OFFSET, 0)
            self.put(completed, 0)
            self.put(error, 0)
        done = self.word(completed)
        slot = p.slot_offset(region, done)
        if self.word(error) or self.word(slot + p.TICKET_OFFSET) != done + 1:
            return
        command = struct.unpack_from("<5I", self.ram, MAILBOX - RAM + slot + p.REQUEST_OFFSET)
        self.taken.append((region, *command))
        status = self.status[len(self.taken) - 1]
        self.put(slot + p.RESULT_OFFSET, status, command[1], 0x5A, 0x20, 0x24, 0x03500001)
        if status == p.Status.OK:
            self.put(completed, done + 1)
        else:
            self.put(error, status)


ARTEFACT = LoaderArtefact(
    elf=Path("loader.elf"),
    image=IMAGE,
    load_address=RAM,
    entry=RAM + 1,
    fault=RAM + 0x11,
    vectors=MAILBOX - p.VECTORS_SIZE,
    stack_top=RAM + 0x80,
    mailbox=MAILBOX,
    buffers_base=RAM + 0x1000,
    buffers_end=RAM + 0x4000,
    sha256="",
    toolchain="",
    board="",
    digest=None,
    chips=("a",),
    protocol=1,
)


@pytest.fixture
def server() -> MailboxServer:
    return MailboxServer()


@pytest.fixture
def session(server: MailboxServer) -> LoaderSession:
    session = LoaderSession(server, ARTEFACT)
    session.start(3300)
    server.calls.clear()
    return session


def erase(number: int) -> p.Command:
    return p.Command(p.Operation.ERASE, 0x9000_0000 + 4096 * number, 4096)


def test_start_sets_stack_entry_and_supply(server: MailboxServer, session: LoaderSession) -> None:
    assert server.registers == {13: RAM + 0x80, 15: RAM, 16: 0x0100_0000}
    assert server.word(p.SUPPLY_OFFSET) == 3300
    assert bytes(server.ram[: len(IMAGE)]) == IMAGE


def test_a_loader_that_digests_its_code_otherwise_is_not_used(server: MailboxServer) -> None:
    """What lies in RAM reads back well: then it is the core that does not compute as it should."""
    server.digest_of = lambda image: p.root_digest([image[1:]])
    with pytest.raises(BoardflashError, match="its digest of its own code is not that of what was sent"):
        LoaderSession(server, ARTEFACT).start()
    assert not server.running


def test_where_the_wire_has_changed_the_loader_that_is_told_before_its_silence(server: MailboxServer) -> None:
    server.silent = True
    server.spoil = 5
    with pytest.raises(BoardflashError, match="does not read back from RAM") as caught:
        LoaderSession(server, ARTEFACT).start()
    assert caught.value.where == f"RAM {RAM + 5:#010x}"


def test_a_link_that_fails_in_the_comparison_does_not_hide_the_first_fault(server: MailboxServer) -> None:
    server.silent = True
    good = server.read_memory

    def broken(address: int, size: int) -> bytes:
        if address == RAM:
            raise BoardflashError("the link has failed", code=ExitCode.DEVICE_FAILED)
        return good(address, size)

    server.read_memory = broken  # type: ignore[method-assign]
    with pytest.raises(BoardflashError, match="target loader: does not answer"):
        LoaderSession(server, ARTEFACT).start()


@pytest.mark.parametrize(
    ("version", "state", "told"),
    [
        (p.MAILBOX_VERSION + 1, p.LoaderState.READY, f"mailbox version {p.MAILBOX_VERSION + 1}, expected"),
        (p.MAILBOX_VERSION, p.LoaderState.FAILED, "its set-up failed at step 3"),
    ],
)
def test_a_loader_that_can_not_serve_says_why(
    server: MailboxServer, version: int, state: p.LoaderState, told: str
) -> None:
    go = server.go

    def started() -> None:
        go()
        server.put(0, p.MAILBOX_MAGIC, version, state, 3)

    server.go = started  # type: ignore[method-assign]
    with pytest.raises(BoardflashError, match=told):
        LoaderSession(server, ARTEFACT).start()
    assert server.time < 0.1, "it is no silence"


def test_several_commands_cost_one_link_call(server: MailboxServer, session: LoaderSession) -> None:
    session.submit_all(p.REGION_QSPI, [erase(n) for n in range(5)])
    assert [call.split()[0] for call in server.calls] == ["write"]


def test_poll_is_one_link_call(server: MailboxServer, session: LoaderSession) -> None:
    session.poll()
    assert server.calls == ["read +0x0 36"]


def test_commands_come_in_order_over_the_ring_s_end(server: MailboxServer, session: LoaderSession) -> None:
    for start in range(0, 30, 10):
        first = session.submit_all(p.REGION_QSPI, [erase(start + n) for n in range(10)])
        assert first == start
        session.wait(p.REGION_QSPI, first + 9, 1)
    assert [taken[2] for taken in server.taken] == [erase(n).address for n in range(30)]


def test_full_ring_takes_no_more(session: LoaderSession) -> None:
    session.submit_all(p.REGION_QSPI, [erase(n) for n in range(p.MAILBOX_SLOTS)])
    assert session.free_slots(p.REGION_QSPI) == 0
    assert session.free_slots(p.REGION_INTERNAL) == p.MAILBOX_SLOTS
    with pytest.raises(BoardflashError, match="0 free slots"):
        session.submit(p.REGION_QSPI, erase(99))


def test_failed_command_names_its_place_and_drops_the_rest(
    server: MailboxServer, session: LoaderSession
) -> None:
    server.status[1] = p.Status.PROTECTED
    first = session.submit_all(p.REGION_QSPI, [erase(n) for n in range(3)])
    with pytest.raises(CommandFailed) as caught:
        session.wait(p.REGION_QSPI, first + 2, 1)
    assert str(caught.value) == (
        "qspi 0x90001000: erase: the memory is protected (status 0x5a 0x20, controller 0x00000024 0x03500001)"
    )
    assert caught.value.code == ExitCode.DEVICE_FAILED
    session.acknowledge(p.REGION_QSPI)
    assert session.submit(p.REGION_QSPI, erase(7)) == 0
    session.wait(p.REGION_QSPI, 0, 1)
    assert len(server.taken) == 3


def test_done_tells_one_command_from_the_next(server: MailboxServer, session: LoaderSession) -> None:
    first = session.submit_all(p.REGION_QSPI, [erase(0), erase(1)])
    server.pause(0.001)
    session.poll()
    assert session.done(p.REGION_QSPI, first)
    assert not session.done(p.REGION_QSPI, first + 1)


def test_loader_that_does_not_come_up_is_told(server: MailboxServer) -> None:
    server.silent = True
    server.registers[15] = 0x0800_1234
    with pytest.raises(BoardflashError, match="target loader: does not answer") as caught:
        LoaderSession(server, ARTEFACT).start()
    assert caught.value.code == ExitCode.DEVICE_FAILED


def test_ram_that_does_not_hold_the_image_is_told_by_address(server: MailboxServer) -> None:
    good = server.write_memory

    def forgetful(address: int, data: bytes) -> None:
        good(address, data)
        server.ram[5] ^= 0x10

    server.write_memory = forgetful  # type: ignore[method-assign]
    with pytest.raises(BoardflashError, match="RAM 0x20000005"):
        LoaderSession(server, ARTEFACT).start()


def test_fault_of_the_loader_is_decoded(server: MailboxServer, session: LoaderSession) -> None:
    session.submit(p.REGION_QSPI, erase(0))
    server.fault = p.FaultRecord(3, 0x2000_0456, 0, 0x82, 0x4000_0000, 0x9000_0010)
    with pytest.raises(BoardflashError) as caught:
        session.wait(p.REGION_QSPI, 0, 1)
    assert str(caught.value) == (
        "target loader: stopped with HardFault (data access to a no-access region) at pc 0x20000456, "
        "address 0x90000010, CFSR 0x00000082, HFSR 0x40000000"
    )


def test_control_c_while_a_chip_is_busy_ends_the_wait(server: MailboxServer) -> None:
    session = LoaderSession(server, ARTEFACT, interrupted=lambda: True)
    session.start()
    server.silent = True
    with pytest.raises(BoardflashError) as caught:
        session.identify_chip()
    assert caught.value.code == ExitCode.INTERRUPTED
    assert server.time < 1


def test_what_is_read_is_taken_when_the_command_is_over(
    server: MailboxServer, session: LoaderSession
) -> None:
    serve = server.serve

    def reading(region: int) -> None:
        taken = len(server.taken)
        serve(region)
        for _region, _operation, _address, length, buffer, *_ in server.taken[taken:]:
            server.ram[buffer - RAM : buffer - RAM + length] = b"\x5a" * length

    server.serve = reading  # type: ignore[method-assign]
    assert session.read(p.REGION_QSPI, 0x9000_0000, 0x5000) == b"\x5a" * 0x5000


def test_command_without_an_answer_ends_in_time(server: MailboxServer, session: LoaderSession) -> None:
    server.silent = True
    with pytest.raises(BoardflashError, match=r"no answer to a command within 0\.5 s"):
        session.run(p.REGION_QSPI, erase(0), 0.5)
