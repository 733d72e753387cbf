"""SEGGER_OPEN_Start, driven as the reconstruction of its library reads commands: blocks of twelve words."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import pytest

from boardflash.sim.board import SimulatedBoard
from export.caller import LIMIT_S, PC, R9, SP, STEP_PS, THUMB_STATE, XPSR, Caller, load
from export.export_rig import CHIP_SIZE, SECTOR, TWINS, WINDOW, jlink_flm, noise, simulated

IDLE, BLANK_CHECK, CRC, READ, PROGRAM, ERASE, INIT, UNINIT, VERIFY = 0, 2, 3, 5, 6, 7, 8, 9, 11
RUNNING = 0x7FFF_FFFF
NOT_TAKEN = 0x5A5A_5A5A
BLOCK_SIZE, COMMAND_AT, NEXT_AT = 48, 44, 36
BLOCKS = 4
AT = 0x12_0000
IWDG_KR, IWDG_PR, IWDG_RLR = 0x4000_3000, 0x4000_3004, 0x4000_3008


@dataclass
class Turbo:
    """The host: commands go into the blocks of a ring, before the one ahead of them has to be over."""

    board: SimulatedBoard
    caller: Caller
    sent: int = 0

    @property
    def data(self) -> int:
        return self.caller.buffer + 0x100

    def block(self, number: int) -> int:
        return self.caller.buffer + BLOCK_SIZE * (number % BLOCKS)

    def result_at(self, number: int) -> int:
        return self.caller.buffer + BLOCK_SIZE * BLOCKS + 4 * (number % BLOCKS)

    def word(self, address: int) -> int:
        return int.from_bytes(self.board.read_memory(address, 4, 4), "little")

    def start(self) -> None:
        board, caller = self.board, self.caller
        board.write_memory(caller.buffer, bytes(BLOCK_SIZE * BLOCKS), 4)
        for number, value in ((0, self.block(0)), (R9, caller.static_base), (SP, caller.stack)):
            board.write_register(number, value)
        board.write_register(XPSR, THUMB_STATE)
        board.write_register(PC, (caller.elf.symbols["SEGGER_OPEN_Start"] & ~1) + caller.offset)
        board.resume()

    def send(
        self, command: int, offset: int = 0, size: int = 0, buffer: int = 0, first: int = 0, second: int = 0
    ) -> int:
        """Hands a command over; its number."""
        number = self.sent
        self.sent += 1
        block = self.block(number)
        self.board.write_memory(self.result_at(number), struct.pack("<I", NOT_TAKEN), 4)
        words = (
            buffer,
            0,
            WINDOW,
            offset,
            size,
            first,
            second,
            0,
            self.result_at(number),
            self.block(number + 1),
            0,
        )
        self.board.write_memory(block, struct.pack("<11I", *words), 4)
        self.board.write_memory(block + COMMAND_AT, struct.pack("<I", command), 4)
        return number

    def result(self, number: int) -> int:
        end = self.board.clock.now_ps + LIMIT_S * 10**12
        while (found := self.word(self.result_at(number))) in (RUNNING, NOT_TAKEN):
            assert self.board.clock.now_ps < end and not self.board.halted()
            self.board.advance(STEP_PS)
        assert self.word(self.block(number) + COMMAND_AT) == IDLE
        return found

    def do(
        self, command: int, offset: int = 0, size: int = 0, buffer: int = 0, first: int = 0, second: int = 0
    ) -> int:
        return self.result(self.send(command, offset, size, buffer, first, second))


def turbo(board: SimulatedBoard, place: int = 0x2000_0404) -> Turbo:
    driver = Turbo(board, load(board, jlink_flm(), place))
    driver.start()
    return driver


@pytest.mark.parametrize("place", [0x2000_0404, 0x2001_2340], ids=hex)
@pytest.mark.parametrize("twin", TWINS)
def test_a_whole_job_without_ever_halting_the_core(twin: str, place: int) -> None:
    board = simulated(twin)
    expected = bytearray(board.chip.array)
    host = turbo(board, place)
    data = noise(4099, seed=8)
    assert host.do(INIT, first=PROGRAM, second=16_000_000) == 0
    assert host.do(BLANK_CHECK, AT, 4096, first=0xFF) == 1
    assert host.do(ERASE, AT, 2 * SECTOR, buffer=2, first=AT // SECTOR) == 0
    assert host.do(BLANK_CHECK, AT, 2 * SECTOR, first=0xFF) == 0
    board.write_memory(host.data, data, 1)
    assert host.do(PROGRAM, AT + 0xF800, len(data), host.data) == 0
    assert host.do(VERIFY, AT + 0xF800, len(data), host.data) == WINDOW + AT + 0xF800 + len(data)
    board.write_memory(host.data, bytes(len(data)), 1)
    assert host.do(READ, AT + 0xF800, len(data), host.data) == len(data)
    assert board.read_memory(host.data, len(data), 1) == data
    asked = host.send(CRC, AT + 0xF800, len(data), first=0xFFFF_FFFF, second=0xEDB8_8320)
    assert host.result(asked) == 0
    assert host.word(host.block(asked) + NEXT_AT) == zlib.crc32(data) ^ 0xFFFF_FFFF
    assert host.do(UNINIT, first=PROGRAM) == 0
    expected[AT : AT + 2 * SECTOR] = b"\xff" * (2 * SECTOR)
    expected[AT + 0xF800 : AT + 0xF800 + len(data)] = data
    assert bytes(board.chip.array) == expected
    assert board.read_memory(WINDOW + AT + 0xF800, 64, 4) == data[:64], "UnInit leaves the window mapped"
    assert host.caller.stack_left() > 64
    assert not board.violations


def test_the_next_command_is_handed_over_while_one_works() -> None:
    board = simulated()
    host = turbo(board)
    assert host.do(INIT, first=ERASE, second=16_000_000) == 0
    pages = [noise(256, seed=n) for n in range(2)]
    for n, page in enumerate(pages):
        board.write_memory(host.data + 256 * n, page, 1)
    first = host.send(ERASE, AT, SECTOR, buffer=1, first=AT // SECTOR)
    later = [host.send(PROGRAM, AT + 256 * n, 256, host.data + 256 * n) for n in range(2)]
    board.advance(10**9)
    assert host.word(host.result_at(first)) == RUNNING
    assert [host.word(host.result_at(number)) for number in later] == [NOT_TAKEN] * 2
    assert [host.result(number) for number in later] == [0, 0]
    assert bytes(board.chip.array[AT : AT + 512]) == b"".join(pages)
    assert not board.violations


def test_an_erase_of_no_size_is_that_of_the_chip() -> None:
    board = simulated()
    host = turbo(board)
    assert host.do(INIT, first=ERASE, second=16_000_000) == 0
    assert host.do(ERASE) == 0
    assert board.chip.array.count(0xFF) == CHIP_SIZE


def test_failures_are_results_and_the_next_command_is_taken() -> None:
    board = simulated()
    before = bytes(board.chip.array)
    host = turbo(board)
    assert host.do(PROGRAM, 0, 256, host.data) == 1, "before Init"
    assert host.do(INIT, first=ERASE, second=16_000_000) == 0
    assert host.do(4) == 0xFFFF_FFFF, "no such command"
    assert host.do(READ, CHIP_SIZE - 4, 8, host.data) == 0xFFFF_FFFF
    assert host.do(ERASE, CHIP_SIZE - SECTOR, 2 * SECTOR, buffer=2, first=255) == 1
    assert bytes(board.chip.array[: CHIP_SIZE - SECTOR]) == before[: CHIP_SIZE - SECTOR]
    assert host.do(BLANK_CHECK, CHIP_SIZE - SECTOR, SECTOR, first=0xFF) == 0


def test_a_watchdog_that_runs_is_refreshed_while_nothing_is_asked() -> None:
    board = simulated()
    host = Turbo(board, load(board, jlink_flm(), 0x2000_0404))
    for register, value in ((IWDG_KR, 0x5555), (IWDG_PR, 0), (IWDG_RLR, 0x400), (IWDG_KR, 0xCCCC)):
        board.write_memory(register, struct.pack("<I", value), 4)  # 128 ms
    host.start()
    board.advance(10**12)
    assert host.do(INIT, first=ERASE, second=16_000_000) == 0
    board.advance(10**12)
    assert host.do(BLANK_CHECK, AT, 4096, first=0xFF) == 1
