"""The watchdog, and what a board keeps without power."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin, twin_names
from sim_core.guest import MS, RAM, load, new_board, put, word

KR, PR, RLR, CSR, APB1_FZ = 0x40003000, 0x40003004, 0x40003008, 0x40023874, 0xE0042008
PERIOD_MS = 512  # 4096 * 4 / 32 kHz


def start_loop(board: SimulatedBoard, source: str) -> None:
    board.flash.array[:8] = (0x20010000).to_bytes(4, "little") + (0x20002001).to_bytes(4, "little")
    put(board, RAM + 0x2000, 0xBE00)
    load(board, source)
    put(board, CSR, 1 << 24)
    board.resume()


def test_expiry_resets_the_mcu(board: SimulatedBoard) -> None:
    start_loop(board, "1: b 1b")
    put(board, KR, 0xCCCC)
    board.advance((PERIOD_MS - 1) * MS)
    assert not board.halted()
    board.advance(2 * MS)
    assert board.read_register(15) == RAM + 0x2000
    assert word(board, CSR) & 1 << 29


def test_refresh_in_a_wait_keeps_it_from_expiring(board: SimulatedBoard) -> None:
    start_loop(board, "ldr r0, =0x40003000\n ldr r1, =0xAAAA\n 1: str r1, [r0]\n b 1b")
    put(board, KR, 0xCCCC)
    board.advance(5 * PERIOD_MS * MS)
    assert not board.halted()
    assert board.core.engine.executed < 10_000


def test_frozen_only_while_halted(board: SimulatedBoard) -> None:
    start_loop(board, "1: b 1b")
    put(board, KR, 0xCCCC)
    put(board, APB1_FZ, 1 << 12)
    board.halt()
    board.advance(3 * PERIOD_MS * MS)
    assert not word(board, CSR) & 1 << 29
    board.resume()
    board.advance((PERIOD_MS + 1) * MS)
    assert word(board, CSR) & 1 << 29


def test_not_frozen_without_the_debug_bit(board: SimulatedBoard) -> None:
    put(board, KR, 0xCCCC)
    board.advance((PERIOD_MS + 1) * MS)
    assert word(board, CSR) & 1 << 29


def test_prescaler_needs_the_unlock_key(board: SimulatedBoard) -> None:
    put(board, PR, 3)
    assert word(board, PR) == 0
    put(board, KR, 0x5555)
    put(board, PR, 3)
    put(board, RLR, 99)
    assert (word(board, PR), word(board, RLR)) == (3, 99)


def test_the_option_byte_starts_it_at_reset() -> None:
    twin = load_twin("stm32f746g-disco")
    state = BoardState.in_memory()
    state.option_bytes = {"optcr": 0xC0FFAADC}
    board = SimulatedBoard(twin, state)
    board.advance((PERIOD_MS + 1) * MS)
    assert word(board, CSR) & 1 << 29


def program_word(board: SimulatedBoard, value: int) -> None:
    put(board, 0x40023C04, 0x45670123)
    put(board, 0x40023C04, 0xCDEF89AB)
    put(board, 0x40023C10, 0x201)
    put(board, 0x08000000, value)
    board.advance(MS)


def test_flash_and_chip_outlive_the_process(tmp_path: Path) -> None:
    twin = load_twin("stm32f746g-disco")
    board = SimulatedBoard(twin, BoardState.load(tmp_path, "77"))
    board.reset(halt=True)
    program_word(board, 0x12345678)
    board.chip.array[5] = 0x42
    board.close()
    again = SimulatedBoard(twin, BoardState.load(tmp_path, "77"))
    assert word(again, 0x08000000) == 0x12345678
    assert again.chip.array[5] == 0x42
    other = SimulatedBoard(twin, BoardState.load(tmp_path, "78"))
    assert word(other, 0x08000000) == 0xFFFFFFFF


@pytest.mark.parametrize(("start", "blank"), [("blank", True), ("noise", False)])
def test_a_new_board_holds_in_both_memories_what_its_twin_says(start: str, blank: bool) -> None:
    board = SimulatedBoard(replace(load_twin("stm32f746g-disco"), start=start), BoardState.in_memory())
    for memory in (board.flash.array, board.chip.array):
        assert (bytes(memory[-4096:]) == b"\xff" * 4096) is blank


def test_unchanged_state_is_not_written_again(tmp_path: Path) -> None:
    board = SimulatedBoard(load_twin("stm32f746g-disco"), BoardState.load(tmp_path, "77"))
    board.save()
    folder = tmp_path / "sim" / "77"
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert set(before) == {"internal.bin", "qspi.bin", "board.json"}
    board.save()
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_a_serial_number_stays_the_board_it_was(tmp_path: Path) -> None:
    SimulatedBoard(load_twin("stm32f746g-disco"), BoardState.load(tmp_path, "77")).close()
    with pytest.raises(BoardflashError, match="is a stm32f746g-disco"):
        SimulatedBoard(load_twin("acme-panel"), BoardState.load(tmp_path, "77"))


def test_a_broken_state_folder_is_named(tmp_path: Path) -> None:
    SimulatedBoard(load_twin("stm32f746g-disco"), BoardState.load(tmp_path, "77")).close()
    (tmp_path / "sim" / "77" / "board.json").write_text("{", encoding="utf-8")
    with pytest.raises(BoardflashError, match="delete the folder"):
        BoardState.load(tmp_path, "77")


def test_power_cycle_loses_ram_and_keeps_flash(board: SimulatedBoard) -> None:
    put(board, RAM, 0x12345678)
    program_word(board, 0x55AA55AA)
    board.power_cycle()
    assert word(board, RAM) == 0
    assert word(board, 0x08000000) == 0x55AA55AA
    assert word(board, CSR) >> 24 == 0x0E
    assert not board.halted()


@pytest.mark.parametrize("name", twin_names())
def test_every_twin_makes_a_board(name: str) -> None:
    board = new_board(name)
    assert board.chip.size == 16 * 1024 * 1024
    assert len(board.twin.wiring) == 6


def test_an_unknown_twin_names_those_there_are() -> None:
    with pytest.raises(BoardflashError, match="acme-panel"):
        load_twin("nonesuch")


def test_a_twin_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('name = "x"\nmcu = "STM32F746NG"\nchip = "W25Q128JV-IQ"\ncolour = 1\n[wiring]\n', "utf-8")
    with pytest.raises(BoardflashError, match="unknown key"):
        load_twin(str(file))
