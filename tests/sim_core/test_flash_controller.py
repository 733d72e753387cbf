"""The internal flash controller as RM0385 chapter 3 has it."""

from __future__ import annotations

import pytest

from boardflash.sim.board import SimulatedBoard
from boardflash.sim.target import BusFault
from sim_core.guest import MS, RAM, US, assemble, board_with, new_board, put, run, word

FLASH, OTP, OTP_LOCKS = 0x08000000, 0x1FF0F000, 0x1FF0F400
KEYR, SR, CR, OPTKEYR, OPTCR = 0x40023C04, 0x40023C0C, 0x40023C10, 0x40023C08, 0x40023C14
PG, SER, MER, STRT, LOCK, BSY = 1, 2, 4, 1 << 16, 1 << 31, 1 << 16
EOPIE, ERRIE, OPERR = 1 << 24, 1 << 25, 1 << 1
EOP, WRPERR, PGAERR, PGPERR, ERSERR = 1, 1 << 4, 1 << 5, 1 << 6, 1 << 7
X8, X16, X32, X64 = 0, 1 << 8, 2 << 8, 3 << 8


def unlock(board: SimulatedBoard) -> None:
    put(board, KEYR, 0x45670123)
    put(board, KEYR, 0xCDEF89AB)


def wait(board: SimulatedBoard) -> int:
    """Until BSY falls: how long that took."""
    start = board.clock.now_ps
    while word(board, SR) & BSY:
        board.advance(US)
    return board.clock.now_ps - start


def test_locked_controller_refuses_everything(board: SimulatedBoard) -> None:
    put(board, CR, PG | X32)
    assert word(board, CR) == LOCK
    put(board, FLASH, 0)
    assert word(board, SR) == ERSERR
    assert word(board, FLASH) == 0xFFFFFFFF
    put(board, CR, SER | STRT)
    assert not word(board, SR) & BSY


def test_wrong_key_locks_until_reset(board: SimulatedBoard) -> None:
    put(board, KEYR, 0x12345678)
    unlock(board)
    assert word(board, CR) & LOCK
    board.reset(halt=True)
    unlock(board)
    assert not word(board, CR) & LOCK


@pytest.mark.parametrize("second", [0x12345678, 0x45670123])
def test_a_wrong_second_key_locks_until_reset(board: SimulatedBoard, second: int) -> None:
    """RM0385 3.3.4: "Any wrong sequence will lock up the FLASH_CR register until the next system reset"."""
    put(board, KEYR, 0x45670123)
    put(board, KEYR, second)
    assert word(board, CR) & LOCK
    unlock(board)
    assert word(board, CR) & LOCK
    put(board, CR, SER | X32 | STRT)
    assert word(board, CR) == LOCK
    board.reset(halt=True)
    unlock(board)
    assert not word(board, CR) & LOCK


def test_a_wrong_second_option_key_locks_until_reset(board: SimulatedBoard) -> None:
    put(board, OPTKEYR, 0x08192A3B)
    put(board, OPTKEYR, 0x12345678)
    for key in (0x08192A3B, 0x4C5D6E7F):
        put(board, OPTKEYR, key)
    assert word(board, OPTCR) & 1
    board.reset(halt=True)
    for key in (0x08192A3B, 0x4C5D6E7F):
        put(board, OPTKEYR, key)
    assert not word(board, OPTCR) & 1


def test_software_can_lock_again_and_unlock_again(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, LOCK)
    assert word(board, CR) == LOCK
    unlock(board)
    assert not word(board, CR) & LOCK


def test_a_locked_otp_block_holds_and_its_neighbour_does_not(board: SimulatedBoard) -> None:
    """RM0385 "One-time programmable bytes": 16 blocks of 64 bytes; lock byte n = 00h closes block n."""
    unlock(board)
    put(board, CR, PG | X8)
    for address, value in ((OTP + 64, 0x5A), (OTP_LOCKS + 1, 0x00)):
        put(board, address, value, 1)
        wait(board)
    for at in (64, 65, 127):
        put(board, OTP + at, 0, 1)
        assert word(board, SR) == WRPERR
        put(board, SR, WRPERR)
    assert board.read_memory(OTP + 64, 4, 1) == b"\x5a\xff\xff\xff"
    for at in (63, 128):
        put(board, OTP + at, 0, 1)
        wait(board)
        assert word(board, SR) == 0
        assert board.read_memory(OTP + at, 1, 1) == b"\0"


def test_otp_outlives_power_and_no_erase_touches_it(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, PG | X8)
    put(board, OTP, 0x12, 1)
    wait(board)
    put(board, CR, MER | X32 | STRT)
    board.advance(9000 * MS)
    board.power_cycle()
    assert board.read_memory(OTP, 1, 1) == b"\x12"


@pytest.mark.parametrize(("psize", "width"), [(X8, 1), (X16, 2), (X32, 4)])
def test_programming_with_the_width_of_psize(board: SimulatedBoard, psize: int, width: int) -> None:
    unlock(board)
    put(board, CR, PG | psize)
    put(board, FLASH + 8, 0x12345678 & (1 << 8 * width) - 1, width)
    assert word(board, SR) & BSY
    assert wait(board) <= 17 * US
    assert board.read_memory(FLASH + 8, width, width) == (0x12345678).to_bytes(4, "little")[:width]
    assert word(board, SR) == 0


@pytest.mark.parametrize(("psize", "width"), [(X8, 4), (X16, 4), (X32, 2), (X32, 1), (X64, 4)])
def test_another_width_than_psize_sets_pgperr(board: SimulatedBoard, psize: int, width: int) -> None:
    unlock(board)
    put(board, CR, PG | psize)
    put(board, FLASH, 0, width)
    assert word(board, SR) == PGPERR
    assert word(board, FLASH) == 0xFFFFFFFF


def test_programming_only_clears_bits(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, PG | X32)
    for value in (0xFF00FFFF, 0x0FF0FFFF):
        put(board, FLASH, value)
        wait(board)
    assert word(board, FLASH) == 0x0F00FFFF


def test_store_without_pg_is_a_sequence_error(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, X32)
    put(board, FLASH, 0)
    assert word(board, SR) == ERSERR


def test_core_store_of_an_unaligned_word_sets_pgaerr(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, PG | X32)
    run(board, "str r0, [r1]\n dsb\n bkpt", r0=0, r1=FLASH + 2)
    assert word(board, SR) & PGAERR
    assert word(board, FLASH) == 0xFFFFFFFF


@pytest.mark.parametrize(
    ("sector", "address", "size", "max_ms"),
    [(0, 0, 0x8000, 500), (4, 0x20000, 0x20000, 1100), (7, 0xC0000, 0x40000, 2000)],
)
def test_sector_erase_takes_its_time_and_leaves_the_others(
    board: SimulatedBoard, sector: int, address: int, size: int, max_ms: int
) -> None:
    board.flash.array[:] = b"\x00" * 0x100000
    unlock(board)
    put(board, CR, SER | sector << 3 | X32)
    put(board, CR, SER | sector << 3 | X32 | STRT)
    assert word(board, CR) & STRT
    start = board.clock.now_ps
    board.advance(round(0.49 * max_ms * MS))
    assert word(board, SR) & BSY
    assert bytes(board.flash.array[address : address + 4]) == b"\0" * 4
    wait(board)
    assert board.clock.now_ps - start == pytest.approx(max_ms * MS / 2, abs=2 * US)
    erased = bytes(board.flash.array)
    assert erased[address : address + size] == b"\xff" * size
    assert erased.count(0) == 0x100000 - size
    assert not word(board, CR) & STRT


def test_narrower_parallelism_erases_more_slowly(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, SER | X8 | STRT)
    assert wait(board) == pytest.approx(400 * MS, abs=2 * US)


def test_mass_erase_clears_all(board: SimulatedBoard) -> None:
    board.flash.array[:] = b"\x00" * 0x100000
    unlock(board)
    put(board, CR, MER | X32 | STRT)
    board.advance(9000 * MS)
    assert word(board, SR) == 0
    assert bytes(board.flash.array) == b"\xff" * 0x100000


def test_mer_with_ser_does_nothing_but_an_error(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, MER | SER | X32 | STRT)
    assert word(board, SR) == ERSERR


def test_read_of_busy_flash_stalls_until_it_is_done(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, SER | X32 | STRT)
    start = board.clock.now_ps
    word(board, FLASH + 0x80000)
    assert board.clock.now_ps - start == pytest.approx(250 * MS, abs=US)


def test_the_core_stalls_on_busy_flash_too(board: SimulatedBoard) -> None:
    unlock(board)
    passed = run(board, "str r0, [r1]\n ldr r2, [r3]\n bkpt", 500, r0=SER | X32 | STRT, r1=CR, r3=FLASH)
    assert passed == pytest.approx(250 * MS, abs=US)
    assert board.read_register(2) == 0xFFFFFFFF


def test_second_store_waits_for_the_first(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, PG | X32)
    passed = run(board, "str r0, [r1]\n str r0, [r1, #4]\n ldr r2, [r1, #4]\n bkpt", r0=0x55, r1=FLASH)
    assert board.read_register(2) == 0x55, "a read right after the store gives what was stored"
    assert word(board, FLASH) == 0x55
    assert passed == pytest.approx(16 * US, abs=US)


def test_write_protected_sector_sets_wrperr() -> None:
    board = board_with(option_bytes={"optcr": 0xC0FEAAFC})
    unlock(board)
    put(board, CR, PG | X32)
    put(board, FLASH, 0)
    assert word(board, SR) == WRPERR
    put(board, SR, WRPERR)
    put(board, CR, SER | X32 | STRT)
    assert word(board, SR) == WRPERR
    put(board, SR, WRPERR)
    put(board, CR, PG | X32)
    put(board, FLASH + 0x8000, 0)
    assert word(board, SR) == BSY, "sector 1 is not protected"


def test_read_protection_keeps_the_debugger_out() -> None:
    board = board_with(option_bytes={"optcr": 0xC0FF55FC})
    with pytest.raises(BusFault, match="RDP"):
        word(board, FLASH)


def test_x32_below_2v7_is_a_violation_and_programs_badly() -> None:
    board = board_with(supply_mv=2500)
    unlock(board)
    put(board, CR, PG | X32)
    put(board, FLASH, 0)
    wait(board)
    assert word(board, FLASH) != 0
    assert [violation.rule for violation in board.violations] == ["psize_supply"]
    put(board, CR, PG | X16)
    put(board, FLASH + 4, 0, 2)
    wait(board)
    assert board.read_memory(FLASH + 4, 2, 2) == b"\0\0"


def test_itcm_alias_shows_the_flash_and_cannot_be_written(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, PG | X32)
    put(board, FLASH + 16, 0x12345678)
    wait(board)
    assert word(board, 0x00200010) == 0x12345678
    with pytest.raises(BusFault):
        put(board, 0x00200010, 0)


def test_option_bytes_need_their_own_keys_and_are_noticed(board: SimulatedBoard) -> None:
    put(board, OPTCR, 0xC0FFAAFC | 2)
    assert board.violations == []
    assert word(board, OPTCR) & 1
    put(board, OPTKEYR, 0x08192A3B)
    put(board, OPTKEYR, 0x4C5D6E7F)
    assert not word(board, OPTCR) & 1
    put(board, OPTCR, 0xC0FEAAFC)
    put(board, OPTCR, 0xC0FEAAFE)
    assert {violation.rule for violation in board.violations} == {"option_bytes_touched"}


def test_code_that_was_run_from_flash_is_not_remembered_after_an_erase(board: SimulatedBoard) -> None:
    board.flash.array[:4] = assemble("movs r0, #1\n bkpt").code
    board.write_register(15, FLASH)
    board.resume()
    board.advance(MS)
    assert board.read_register(0) == 1
    unlock(board)
    put(board, CR, SER | X32 | STRT)
    wait(board)
    put(board, CR, PG | X16)
    for n, half in enumerate((0x2002, 0xBE00)):
        put(board, FLASH + 2 * n, half, 2)
        wait(board)
    board.write_register(15, FLASH)
    board.resume()
    board.advance(MS)
    assert board.read_register(0) == 2


def test_power_lost_in_an_erase_leaves_the_sector_half_done_and_always_alike() -> None:
    results = []
    for _ in range(2):
        board = new_board()
        board.flash.array[:] = b"\x00" * 0x100000
        unlock(board)
        put(board, CR, SER | X32 | STRT)
        board.advance(100 * MS)
        board.power_cycle()
        results.append(bytes(board.flash.array))
    assert results[0] == results[1]
    assert results[0][:0x8000] not in (b"\x00" * 0x8000, b"\xff" * 0x8000)
    assert results[0][0x8000:] == b"\x00" * 0xF8000
    assert RAM


@pytest.mark.parametrize(
    ("code", "noticed"),
    [
        ("str r0, [r1]\n dsb\n str r0, [r1, #4]\n dsb\n bkpt", set()),
        ("str.w r0, [r1, #0x20]\n dsb\n bkpt", set()),
        ("str r0, [r1]\n nop\n dsb\n bkpt", {"flash_store_barrier"}),
        ("str r0, [r1]\n dsb\n str r0, [r1, #4]\n str r0, [r1, #8]\n dsb\n bkpt", {"flash_store_barrier"}),
    ],
)
def test_a_store_to_flash_without_a_dsb_behind_it_is_noticed(
    board: SimulatedBoard, code: str, noticed: set[str]
) -> None:
    unlock(board)
    put(board, CR, PG | X32)
    run(board, code, r0=0x55, r1=FLASH)
    assert {violation.rule for violation in board.violations} == noticed


def test_an_erase_with_pg_set_is_a_sequence_error(board: SimulatedBoard) -> None:
    unlock(board)
    put(board, CR, PG | SER | X32 | STRT)
    assert word(board, SR) == ERSERR


@pytest.mark.parametrize(("errie", "flags"), [(0, PGPERR), (ERRIE, PGPERR | OPERR)])
def test_operr_is_set_only_where_it_may_interrupt(board: SimulatedBoard, errie: int, flags: int) -> None:
    """RM0385 3.7.4, OPERR: "set only if error interrupts are enabled"."""
    unlock(board)
    put(board, CR, PG | X32 | errie)
    put(board, FLASH, 0, 1)
    assert word(board, SR) == flags
    put(board, SR, flags)
    assert word(board, SR) == 0


@pytest.mark.parametrize(("eopie", "flags"), [(0, 0), (EOPIE, EOP)])
def test_eop_is_set_only_where_it_may_interrupt_and_cleared_by_a_one(
    board: SimulatedBoard, eopie: int, flags: int
) -> None:
    unlock(board)
    put(board, CR, PG | X32 | eopie)
    put(board, FLASH, 0)
    wait(board)
    assert word(board, SR) == flags
    put(board, SR, PGPERR)
    assert word(board, SR) == flags
    put(board, SR, EOP)
    assert word(board, SR) == 0


def test_up_to_fifteen_wait_states(board: SimulatedBoard) -> None:
    for value in range(16):
        put(board, 0x40023C00, value)
        assert word(board, 0x40023C00) == value


def test_a_write_to_cr_waits_for_the_end(board: SimulatedBoard) -> None:
    """RM0090 3.9.7 of the same controller: "any attempt to write it with BSY set stalls the bus"."""
    unlock(board)
    put(board, CR, SER | X32 | STRT)
    start = board.clock.now_ps
    put(board, CR, LOCK)
    assert board.clock.now_ps - start == pytest.approx(250 * MS, abs=US)
    assert word(board, CR) == LOCK
    assert not word(board, SR) & BSY
