"""The compiled loader on the simulated board: every command, and the states that it must survive."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from loader_boards import make_board
from target_link import TargetLink

from boardflash.errors import BoardflashError
from boardflash.loader.artefact import LoaderArtefact
from boardflash.loader.compile import Toolchain, build_loader
from boardflash.loader.protocol import REGION_INTERNAL, REGION_QSPI, Command, Operation, Status
from boardflash.loader.session import CommandFailed, LoaderSession
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import with_faults
from boardflash.sim.nor.wire import HOST_TO_CHIP, to_levels
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin

FLASH, WINDOW = 0x0800_0000, 0x9000_0000
MICRON, WINBOND, WINBOND_QE_CLEAR = (
    "stm32f746g-disco",
    "stm32f746g-disco-c03",
    "stm32f746g-disco-c03-im",
)
ROW = {MICRON: 0, WINBOND: 1, WINBOND_QE_CLEAR: 1}
TWINS = tuple(ROW)

Start = Callable[..., tuple[SimulatedBoard, LoaderSession]]


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> LoaderArtefact:
    return build_loader(make_board(), tmp_path_factory.mktemp("loader"), Toolchain.zig())


@pytest.fixture
def start(artefact: LoaderArtefact) -> Start:
    def run(
        twin: str = MICRON, measured_mv: int = 3300, **faults: str
    ) -> tuple[SimulatedBoard, LoaderSession]:
        worst = {"start": "noise", "busy_stays": "always", "late_abort": "true"}
        faulty = with_faults(load_twin(twin), {**worst, **faults}).twin
        board = SimulatedBoard(faulty, BoardState.in_memory("7"))
        session = LoaderSession(TargetLink(board), artefact)
        session.start(measured_mv)
        return board, session

    return run


def select(session: LoaderSession, twin: str) -> None:
    session.identify_chip()
    session.select_chip(ROW[twin])


def digests(data: bytes, address: int, granule: int) -> list[bytes]:
    out, at = [], 0
    while at < len(data):
        step = min(len(data) - at, granule - (address + at) % granule)
        out.append(hashlib.blake2s(data[at : at + step], digest_size=16).digest())
        at += step
    return out


def send(session: LoaderSession, data: bytes) -> int:
    session.link.write_memory(session.buffers_base, data)
    return session.buffers_base


def noise(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def test_mcu_identifies_itself(start: Start) -> None:
    _, session = start()
    identity = session.identify_mcu()
    assert (identity.device_id, identity.flash_kib, identity.read_protected) == (0x449, 1024, False)
    assert identity.write_protected == 0


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize(("address", "length"), [(WINDOW, 65536), (WINDOW + 0x1234 * 4 + 3, 20_001)])
def test_digest_of_the_chip_is_that_of_hashlib(start: Start, twin: str, address: int, length: int) -> None:
    board, session = start(twin)
    select(session, twin)
    pieces, root = session.digest(REGION_QSPI, address, length, 4096)
    content = bytes(board.chip.array[address - WINDOW : address - WINDOW + length])
    assert pieces == digests(content, address, 4096)
    assert root == hashlib.blake2s(b"".join(pieces), digest_size=16).digest()
    assert not board.violations


@pytest.mark.parametrize(("address", "length"), [(FLASH, 65536), (FLASH + 101, 12_345)])
def test_digest_of_internal_flash_is_that_of_hashlib(start: Start, address: int, length: int) -> None:
    board, session = start()
    pieces, _ = session.digest(REGION_INTERNAL, address, length, 32768)
    content = bytes(board.flash.array[address - FLASH : address - FLASH + length])
    assert pieces == digests(content, address, 32768)
    assert not board.violations


@pytest.mark.parametrize("twin", TWINS)
def test_every_erase_unit_of_the_chip_and_nothing_beside_it(start: Start, twin: str) -> None:
    board, session = start(twin)
    select(session, twin)
    for size in (4096, 65536):
        before = bytes(board.chip.array)
        address = 4 * size
        session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW + address, size), 10)
        expected = before[:address] + b"\xff" * size + before[address + size :]
        assert bytes(board.chip.array) == expected
    assert not board.violations


@pytest.mark.parametrize("twin", TWINS)
def test_program_may_start_and_end_anywhere_in_a_page(start: Start, twin: str) -> None:
    board, session = start(twin)
    select(session, twin)
    session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW + 0x10000, 65536), 10)
    data = noise(5003)
    buffer = send(session, data)
    session.run(REGION_QSPI, Command(Operation.PROGRAM, WINDOW + 0x10003, len(data), buffer), 10)
    assert bytes(board.chip.array[0x10000:0x12000]) == b"\xff" * 3 + data + b"\xff" * (0x2000 - 3 - len(data))
    session.run(REGION_QSPI, Command(Operation.VERIFY, WINDOW + 0x10003, len(data), buffer), 10)
    assert session.read(REGION_QSPI, WINDOW + 0x10001, 1000) == b"\xff\xff" + data[:998]
    assert not board.violations


@pytest.mark.parametrize("late_ns", [200, 500, 1_000, 2_000, 5_000])
@pytest.mark.parametrize("twin", [MICRON, WINBOND])
def test_the_late_flag_of_an_abort_is_not_taken_for_the_end_of_what_follows(
    start: Start, monkeypatch: pytest.MonkeyPatch, twin: str, late_ns: int
) -> None:
    """A copy reads, aborts, and goes on at once with write enable, its check, and a page."""
    board, session = start(twin)
    select(session, twin)
    session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW + 0x10000, 65536), 10)
    monkeypatch.setattr("boardflash.sim.quadspi.LATE_ABORT_PS", late_ns * 1000)
    copy = Command(Operation.COPY, WINDOW + 0x10003, 1001, session.buffers_base, WINDOW + 0x40001)
    session.run(REGION_QSPI, copy, 10)
    assert board.chip.array[0x10003 : 0x10003 + 1001] == board.chip.array[0x40001 : 0x40001 + 1001]
    assert not board.violations


def test_blank_pages_are_not_programmed(start: Start) -> None:
    board, session = start()
    select(session, MICRON)
    session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW, 65536), 10)
    buffer = send(session, b"\xff" * 65536)
    before = board.clock.now_ps
    session.run(REGION_QSPI, Command(Operation.PROGRAM, WINDOW, 65536, buffer), 10)
    assert board.clock.now_ps - before < 0.02e12  # 256 pages would take 128 ms


def test_verify_names_the_first_difference(start: Start) -> None:
    board, session = start()
    select(session, MICRON)
    data = bytearray(board.chip.array[:4096])
    data[1234] ^= 1
    buffer = send(session, bytes(data))
    with pytest.raises(CommandFailed) as caught:
        session.run(REGION_QSPI, Command(Operation.VERIFY, WINDOW, 4096, buffer), 10)
    assert caught.value.result.status == Status.VERIFY
    assert caught.value.result.failed_address == WINDOW + 1234
    session.acknowledge(REGION_QSPI)
    assert session.read(REGION_QSPI, WINDOW, 64) == bytes(board.chip.array[:64])


def test_blank_check_answers_for_each_granule(start: Start) -> None:
    board, session = start()
    select(session, MICRON)
    base = 0x20000
    session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW + base, 65536), 10)
    buffer = send(session, b"\xff" * 255 + b"\x7f")
    session.run(REGION_QSPI, Command(Operation.PROGRAM, WINDOW + base + 3840, 256, buffer), 10)
    command = Command(Operation.BLANK_CHECK, WINDOW + base, 3 * 4096, session.buffers_base, 4096)
    session.run(REGION_QSPI, command, 10)
    content = bytes(board.chip.array)
    blank = [content[at : at + 4096] == b"\xff" * 4096 for at in range(base, base + 3 * 4096, 4096)]
    assert blank[1] and not all(blank)
    assert session.link.read_memory(session.buffers_base, 4)[:3] == bytes(blank)


@pytest.mark.parametrize(("supply_mv", "width"), [(3300, 4), (2400, 2), (0, 1)])
def test_internal_flash_is_programmed_at_the_width_of_its_supply(
    start: Start, supply_mv: int, width: int
) -> None:
    faults = {"supply_mv": str(supply_mv)} if supply_mv else {}
    board, session = start(MICRON, supply_mv, **faults)
    session.run(REGION_INTERNAL, Command(Operation.ERASE, FLASH + 0x8000, 0x8000), 10)
    data = noise(4096)
    before = board.clock.now_ps
    buffer = send(session, data)
    session.run(REGION_INTERNAL, Command(Operation.PROGRAM, FLASH + 0x8000, len(data), buffer), 10)
    assert board.clock.now_ps - before > 16e6 * len(data) / width  # 16 us a store
    assert bytes(board.flash.array[0x8000:0x9000]) == data
    assert bytes(board.flash.array[0x9000:0x10000]) == b"\xff" * 0x7000
    assert not board.violations


def test_both_memories_erase_at_the_same_time(start: Start) -> None:
    board, session = start()
    select(session, MICRON)
    before = session.link.now()
    qspi = session.submit(REGION_QSPI, Command(Operation.ERASE, WINDOW, 65536))
    internal = session.submit(REGION_INTERNAL, Command(Operation.ERASE, FLASH + 0x40000, 0x40000))
    session.wait(REGION_QSPI, qspi, 10)
    session.wait(REGION_INTERNAL, internal, 10)
    took = session.link.now() - before
    assert took < 0.7 + 2.0 - 0.3  # 64 KiB of N25Q128A typically 0.7 s, 256 KiB of internal flash up to 2 s
    assert bytes(board.chip.array[:65536]) == b"\xff" * 65536
    assert bytes(board.flash.array[0x40000:0x80000]) == b"\xff" * 0x40000


def test_write_protected_sector_is_refused_before_any_erase(start: Start) -> None:
    optcr = 0xC0FFAAFD & ~(1 << 17)  # nWRP bit of sector 1
    board, session = start(MICRON, 3300, **{"option_bytes.optcr": hex(optcr)})
    before = bytes(board.flash.array)
    with pytest.raises(CommandFailed) as caught:
        session.run(REGION_INTERNAL, Command(Operation.ERASE, FLASH + 0x8000, 0x8000), 10)
    assert caught.value.result.status == Status.PROTECTED
    assert bytes(board.flash.array) == before


@pytest.mark.parametrize("twin", [MICRON, WINBOND])
@pytest.mark.parametrize(
    "left", ["qpi", "continuous_read", "four_byte", "deep_power_down", "busy_ms"], ids=str
)
def test_chip_is_identified_out_of_every_state(start: Start, twin: str, left: str) -> None:
    board, session = start(twin, 3300, **{left: "3000" if left == "busy_ms" else "true"})
    identity = session.identify_chip()
    assert identity.jedec[:3] == bytes.fromhex("20ba18" if twin == MICRON else "ef4018")
    assert identity.was_busy == (left == "busy_ms")
    session.select_chip(ROW[twin])
    assert session.read(REGION_QSPI, WINDOW + 0x555000, 256) == bytes(board.chip.array[0x555000:0x555100])
    assert not board.violations


@pytest.mark.parametrize("twin", [MICRON, WINBOND])
def test_a_chip_that_erases_in_qpi_is_waited_for_before_its_reset(start: Start, twin: str) -> None:
    board, session = start(twin, 3300, qpi="true", busy_ms="3000")
    identity = session.identify_chip()
    assert identity.was_busy
    assert board.clock.seconds > 3
    session.select_chip(ROW[twin])
    assert session.read(REGION_QSPI, WINDOW + 0x555000, 256) == b"\xff" * 256, "its chip erase has ended"
    assert not board.violations


def test_a_reset_that_cuts_off_a_suspended_erase_is_waited_for(start: Start) -> None:
    """The chip shows idle, takes the reset, and then hears nothing for as long as the whole erase."""
    board, session = start(MICRON)
    for command in (b"\x06", b"\x20\x00\x00\x00"):
        tell_chip(board, command)
    board.clock.advance_to(board.clock.now_ps + 10**9)
    tell_chip(board, b"\x75")
    board.clock.advance_to(board.clock.now_ps + 10**9)
    before = board.clock.seconds
    identity = session.identify_chip()
    assert identity.jedec[:3] == bytes.fromhex("20ba18")
    assert not identity.was_busy
    assert 0.25 <= board.clock.seconds - before < 0.3


def tell_chip(board: SimulatedBoard, command: bytes) -> None:
    """What earlier firmware sent, on one line."""
    board.chip.select(board.clock.now_ps)
    board.chip.clock_in(to_levels(command, 1, 0xE, HOST_TO_CHIP))
    board.chip.deselect(board.clock.now_ps)


def test_quad_enable_is_set_where_it_is_clear(start: Start) -> None:
    _, session = start(WINBOND_QE_CLEAR)
    session.identify_chip()
    assert session.registers(REGION_QSPI)[1] & 0x02 == 0
    session.select_chip(ROW[WINBOND_QE_CLEAR])
    assert session.registers(REGION_QSPI)[1] & 0x02 == 0x02


@pytest.mark.parametrize(
    ("twin", "registers"),
    [(MICRON, "{ sr = 0x5C }"), (WINBOND, "{ sr1 = 0x1C }"), (WINBOND, "{ sr2 = 0x42 }")],
)
def test_block_protection_is_lifted(start: Start, twin: str, registers: str) -> None:
    board, session = start(twin, 3300, registers=registers)
    select(session, twin)
    session.unprotect_chip()
    session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW + (1 << 24) - 4096, 4096), 10)
    assert bytes(board.chip.array[-4096:]) == b"\xff" * 4096


def test_failed_erase_is_told_by_the_chip(start: Start) -> None:
    _, session = start(MICRON, 3300, erase_fails="[0x10000]")
    select(session, MICRON)
    with pytest.raises(CommandFailed) as caught:
        session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW + 0x10000, 4096), 10)
    assert caught.value.result.status == Status.ERASE_FAILED
    assert caught.value.result.failed_address == WINDOW + 0x10000
    session.acknowledge(REGION_QSPI)
    session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW + 0x20000, 4096), 10)


def test_erase_beyond_the_datasheet_maximum_times_out(start: Start) -> None:
    _, session = start(MICRON, 3300, erase_time_factor="5.0")
    select(session, MICRON)
    with pytest.raises(CommandFailed) as caught:
        session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW, 4096), 10)
    assert caught.value.result.status == Status.TIMEOUT


def test_no_chip_is_told(start: Start) -> None:
    _, session = start(MICRON, 3300, **{"wiring.PB6": ""})
    with pytest.raises(CommandFailed) as caught:
        session.identify_chip()
    assert caught.value.result.status == Status.NO_CHIP


def test_sfdp_reads_at_any_address(start: Start) -> None:
    _, session = start(WINBOND)
    session.identify_chip()
    table = session.sfdp(64)
    assert table[:4] == b"SFDP"
    assert session.sfdp(8, address=8) == table[8:16]


@pytest.mark.parametrize(
    "command",
    [
        Command(Operation.ERASE, WINDOW + 1, 4096),
        Command(Operation.ERASE, WINDOW, 12345),
        Command(Operation.ERASE, WINDOW + (1 << 24), 4096),
        Command(Operation.READ, WINDOW + (1 << 24) - 4, 8),
        Command(Operation.PROGRAM, WINDOW - 4, 4),
        Command(Operation.DIGEST, WINDOW, 4096, 0, 0),
        Command(Operation.COPY),
    ],
)
def test_senseless_commands_are_refused(start: Start, command: Command) -> None:
    _, session = start()
    select(session, MICRON)
    with pytest.raises(CommandFailed) as caught:
        session.run(REGION_QSPI, command, 10)
    assert caught.value.result.status == Status.BAD_COMMAND


def test_flash_commands_wait_for_a_chosen_chip(start: Start) -> None:
    _, session = start()
    with pytest.raises(CommandFailed) as caught:
        session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW, 4096), 10)
    assert caught.value.result.status == Status.NOT_SELECTED


def test_ring_runs_on_beyond_its_slots(start: Start) -> None:
    _, session = start()
    select(session, MICRON)
    for _ in range(5):
        first = session.submit_all(
            REGION_QSPI,
            [Command(Operation.REGISTERS, buffer=session.scratch) for _ in range(7)],
        )
        session.wait(REGION_QSPI, first + 6, 1)


def test_access_to_the_closed_window_is_reported_as_a_fault(start: Start) -> None:
    """A command whose buffer lies in the QSPI window: the MPU stops the core, and the host is told where."""
    _, session = start()
    select(session, MICRON)
    with pytest.raises(BoardflashError) as caught:
        session.run(REGION_QSPI, Command(Operation.READ, WINDOW, 256, WINDOW + 0x40), 1)
    assert "no-access region" in str(caught.value)
    assert f"{WINDOW + 0x40:#010x}" in str(caught.value)


def test_hardware_watchdog_does_not_bite(start: Start) -> None:
    optcr = 0xC0FFAAFD & ~(1 << 5)  # IWDG_SW clear: it runs from reset
    board, session = start(MICRON, 3300, **{"option_bytes.optcr": hex(optcr)})
    select(session, MICRON)
    session.run(REGION_INTERNAL, Command(Operation.ERASE, FLASH + 0x40000, 0x40000), 10)
    session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW, 65536), 10)
    session.link.pause(2.0)
    session.poll()
    session.digest(REGION_QSPI, WINDOW, 1 << 20, 65536)
    assert not board.violations


def test_loader_of_the_other_toolchain_works_as_well(tmp_path: Path) -> None:
    toolchain = Toolchain.gcc()
    if not toolchain.available():
        pytest.skip("arm-none-eabi-gcc is not installed")
    board = SimulatedBoard(
        with_faults(load_twin(MICRON), {"start": "noise", "qpi": "true"}).twin, BoardState.in_memory("9")
    )
    session = LoaderSession(TargetLink(board), build_loader(make_board(), tmp_path, toolchain))
    session.start(3300)
    select(session, MICRON)
    pieces, _ = session.digest(REGION_QSPI, WINDOW + 3, 20_001, 4096)
    assert pieces == digests(bytes(board.chip.array[3 : 3 + 20_001]), 3, 4096)
    data = noise(1024)
    for region, address in ((REGION_QSPI, WINDOW + 0x10000), (REGION_INTERNAL, FLASH + 0x8000)):
        size = 65536 if region == REGION_QSPI else 0x8000
        session.run(region, Command(Operation.ERASE, address, size), 10)
        buffer = send(session, data)
        session.run(region, Command(Operation.PROGRAM, address, len(data), buffer), 10)
        assert session.read(region, address, 2048) == data + b"\xff" * 1024
    assert not board.violations


def test_replaced_loader_does_not_read_back(artefact: LoaderArtefact) -> None:
    board = SimulatedBoard(load_twin(MICRON), BoardState.in_memory("8"))
    broken = replace(artefact, load_address=FLASH, elf=Path("x"))
    with pytest.raises(BoardflashError):
        LoaderSession(TargetLink(board), broken).start(3300)
