"""Turns a board into the C tables and the linker script of its loader.

Data only: no template holds logic of a driver.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from boardflash.description.model import (
    TIME_SPARE_PERCENT,
    Board,
    Chip,
    EraseCommand,
    FailBits,
    Lines,
    PinUse,
    QuadEnable,
    Region,
    RegisterBits,
)
from boardflash.errors import BoardflashError
from boardflash.templates import render_template

from .artefact import ABOUT_SECTION, CODE_LIMIT
from .protocol import MAILBOX_SIZE, MAILBOX_VERSION, VECTORS_SIZE

STACK_SIZE = 640  # measured: 280 bytes; a fault frame comes on top
IDENTIFY_HZ_MAX = 10_000_000  # every chip answers 9Fh and 5Ah at that
IDENTIFY_SIZE = 1 << 24  # what three address bytes reach
DESELECT_NS = 50  # chip select high between commands; nor-behaviour: longest tSHSL2 of the chips that we ship
HALF_CYCLE_HZ = 24_000_000  # above it the half clock that SSHIFT gives is worth more than the one it takes
LINES_MODE_BITS = 8

# Bit in SR1, bit in SR2, opcode that reads SR2, opcode that writes it (01h: after SR1, in the same write).
QUAD_ENABLE = {
    QuadEnable.NONE: (0x00, 0x00, 0x00, 0x00),
    QuadEnable.S1B6: (0x40, 0x00, 0x00, 0x00),
    QuadEnable.S2B1V1: (0x00, 0x02, 0x35, 0x01),
    QuadEnable.S2B1V4: (0x00, 0x02, 0x35, 0x01),
    QuadEnable.S2B1V5: (0x00, 0x02, 0x35, 0x01),
    QuadEnable.S2B1V6: (0x00, 0x02, 0x35, 0x31),
    QuadEnable.S2B7: (0x00, 0x80, 0x3F, 0x3E),
}
READ, PROGRAM = 0x03, 0x02  # on one line: every chip has them
READ_FLAG_STATUS, READ_STATUS3, READ_VOLATILE = 0x70, 0x15, 0x85  # loader/nor_opcodes.h
ENTER_4BYTE = {"none": "ENTER_4BYTE_NONE", "B7": "ENTER_4BYTE_B7", "WREN_B7": "ENTER_4BYTE_WREN_B7"}

_PULLED_UP = ("ncs", "io1", "io2", "io3")  # io1: a chip that does not answer must read FFh, nothing else
_HELD_HIGH = ("io2", "io3")


def render(board: Board, toolchain: str) -> dict[str, str]:
    """File name -> text of everything that is made for this board."""
    values = {
        "board": board.name,
        "about_section": ABOUT_SECTION,
        "about": _about(board, toolchain),
        "defines": _defines(board),
        "flash_runs": _flash_runs(board.region("internal")),
        "pins": _pins(board),
        "chips": [_chip(board, chip) for chip in board.qspi.chips] if board.qspi else [],
        "ram_base": _hex(board.mcu.ram_base),
        "ram_size": _hex(board.mcu.ram_size),
        "stack_size": STACK_SIZE,
        "vectors_size": VECTORS_SIZE,
        "mailbox_size": MAILBOX_SIZE,
        "code_limit": CODE_LIMIT,
    }
    names = ("board_data.h", "board_data.c", "loader.ld")
    return {name: render_template(name, values) for name in names}


def _about(board: Board, toolchain: str) -> str:
    facts = {
        "board": board.name,
        "chips": [chip.name for chip in board.qspi.chips] if board.qspi else [],
        "protocol": MAILBOX_VERSION,
        "toolchain": toolchain,
    }
    return json.dumps(facts, sort_keys=True).replace("\\", "\\\\").replace('"', '\\"')


def _hex(value: int) -> str:
    return f"{value:#010x}"


def _unsigned(value: int) -> str:
    return f"{value}u"


def _address(value: int) -> str:
    return f"{value:#010x}u"


def _milliseconds(microseconds: int) -> int:
    return -(-microseconds // 1000)


def _defines(board: Board) -> list[tuple[str, str]]:
    mcu = board.mcu
    ports = {pin.port for pin in board.qspi.pins} if board.qspi else set()
    gpio_bits = 0
    for port in ports:
        gpio_bits |= mcu.clock.gpio_enable.set_bits << port
    defines = [
        ("MCU_IDCODE", _address(mcu.idcode_address)),
        ("MCU_WATCHDOG", _address(mcu.watchdog)),
        ("CLOCK_HCLK_HZ", _unsigned(mcu.clock.hclk_hz)),
        *((f"CLOCK_{key.upper()}", _unsigned(value)) for key, value in sorted(mcu.clock.values.items())),
        ("GPIO_ENABLE_REGISTER", _address(mcu.clock.gpio_enable.address)),
        ("GPIO_ENABLE_BITS", _address(gpio_bits)),
        ("QSPI_ENABLE_REGISTER", _address(mcu.clock.qspi_enable.address)),
        ("QSPI_ENABLE_BITS", _address(mcu.clock.qspi_enable.set_bits)),
        ("QSPI_RESET_REGISTER", _address(mcu.clock.qspi_reset.address)),
        ("QSPI_RESET_BITS", _address(mcu.clock.qspi_reset.set_bits)),
        ("FLASH_REGISTERS", _address(mcu.flash.registers)),
        ("FLASH_BASE", _address(mcu.flash.base)),
        ("FLASH_SIZE", _address(board.part.flash_size)),
        ("FLASH_LOG2", _unsigned((board.part.flash_size - 1).bit_length())),
        ("FLASH_PROGRAM_BYTES", _unsigned(mcu.flash.program_bytes)),
        ("FLASH_STORE_MAX_MS", _unsigned(_limit_ms(_milliseconds(mcu.flash.program_max_us)))),
        ("FLASH_SIZE_REGISTER", _address(mcu.flash.size_register)),
        ("FLASH_UID", _address(mcu.flash.uid_address)),
        ("FLASH_RUNS", _unsigned(len(board.region("internal").sectors))),
        ("QSPI_REGISTERS", _address(mcu.qspi.registers)),
        ("QSPI_WINDOW", _address(mcu.qspi.window)),
        ("QSPI_WINDOW_LOG2", _unsigned(_log2(mcu.qspi.window_size, "the controller's window"))),
        ("QSPI_FIFO_BYTES", _unsigned(mcu.qspi.fifo_bytes)),
        ("QSPI_ABORT_AFTER_TRANSFER", _unsigned(int(mcu.qspi.abort_after_transfer))),
        ("IDENTIFY_PRESCALER", _unsigned(_prescaler(board, IDENTIFY_HZ_MAX))),
        ("IDENTIFY_SIZE_LOG2", _unsigned(IDENTIFY_SIZE.bit_length() - 1)),
        ("BOARD_ERASES", _unsigned(max((len(c.erases) for c in _chips(board)), default=1))),
    ]
    if board.qspi:
        defines += [
            ("QSPI_BANK", _unsigned(board.qspi.bank)),
            ("BOARD_PINS", _unsigned(len(board.qspi.pins))),
            ("BOARD_CHIPS", _unsigned(len(board.qspi.chips))),
            ("BOARD_BUSY_MAX_MS", _unsigned(_limit_ms(max(c.chip_erase.max_ms for c in board.qspi.chips)))),
        ]
    return defines


def _chips(board: Board) -> tuple[Chip, ...]:
    return board.qspi.chips if board.qspi else ()


def _log2(value: int, what: str) -> int:
    if value <= 0 or value & (value - 1):
        raise BoardflashError(f"the size of {what}, {value} bytes, is no power of two")
    return value.bit_length() - 1


def _prescaler(board: Board, limit_hz: int) -> int:
    """N of clock = kernel / (N + 1), the fastest that keeps the limit; the field has eight bits."""
    return min(board.mcu.clock.divider(limit_hz) - 1, 255)


def _limit_ms(max_ms: int) -> int:
    """How long the loader waits for what takes `max_ms` at most: its own clock may be fast."""
    return -(-max_ms * (100 + TIME_SPARE_PERCENT) // 100)


def _flash_runs(region: Region) -> list[Mapping[str, int]]:
    return [
        {"size": run.size, "count": run.count, "erase_max_ms": _limit_ms(run.erase_max_ms)}
        for run in region.sectors
    ]


def _pins(board: Board) -> list[Mapping[str, str | int]]:
    return [_pin(board, pin) for pin in board.qspi.pins] if board.qspi else []


def _pin(board: Board, pin: PinUse) -> Mapping[str, str | int]:
    return {
        "signal": pin.signal,
        "pin": pin.pin,
        "port": _address(board.mcu.gpio_base + pin.port * board.mcu.gpio_stride),
        "number": pin.number,
        "function": pin.function,
        "pull_up": "true" if pin.signal in _PULLED_UP else "false",
        "hold_high": "true" if pin.signal in _HELD_HIGH else "false",
    }


def _chip(board: Board, chip: Chip) -> Mapping[str, Any]:
    return {
        "name": chip.name,
        "fields": {**_commands(chip), **_quad_enable(chip.quad_enable), **_quirks(board, chip)},
        "chip_erase": _erase(chip.chip_erase, chip.size, 0),
        "erases": [_erase(erase, erase.size, chip.address_bytes) for erase in chip.erases],
        "timing": _timing(board, chip),
    }


def _byte(value: int) -> str:
    return f"{value:#04x}"


def _form(opcode: int, lines: Lines, address_bytes: int, *, mode_lines: int = 0, dummies: int = 0) -> str:
    """A command as `controller.h` packs it; the C preprocessor does the packing."""
    parts = [f"FORM_INSTRUCTION({lines.instruction}u, {_byte(opcode)}u)"]
    if address_bytes:
        parts.append(f"FORM_ADDRESS({lines.address}u, {address_bytes}u)")
    if mode_lines:
        parts.append(f"FORM_MODE_BYTE({mode_lines}u)")
    if dummies:
        parts.append(f"FORM_DUMMY({dummies}u)")
    if lines.data:
        parts.append(f"FORM_DATA({lines.data}u)")
    return " | ".join(parts)


def _erase(erase: EraseCommand, size: int, address_bytes: int) -> Mapping[str, str]:
    form = _form(erase.opcode, Lines(1, 1, 0), address_bytes)
    return {"size": _unsigned(size), "max_ms": _unsigned(_limit_ms(erase.max_ms)), "form": form}


def _commands(chip: Chip) -> Mapping[str, str | int]:
    """The mode clocks of a read are one byte on the address lines; where they are not (Micron's single XIP
    confirmation bit), they count as dummies."""
    read, program = chip.read, chip.program
    whole_byte = _has_mode_byte(chip)
    dummies = read.dummy_cycles + (0 if whole_byte else read.mode_cycles)
    mode_lines = read.lines.address if whole_byte else 0
    return {
        "size": _unsigned(chip.size),
        "page_size": _unsigned(chip.page_size),
        "read_form": _form(
            read.opcode, read.lines, chip.address_bytes, mode_lines=mode_lines, dummies=dummies
        ),
        "read_dummies": dummies,
        "program_form": _form(program.opcode, program.lines, chip.address_bytes),
        "slow_read_form": _form(slow_opcode(chip, READ), Lines(1, 1, 1), chip.address_bytes),
        "slow_program_form": _form(slow_opcode(chip, PROGRAM), Lines(1, 1, 1), chip.address_bytes),
        "program_max_ms": _unsigned(_limit_ms(_milliseconds(program.max_us))),
        "status_write_max_ms": _unsigned(_limit_ms(chip.status_write_max_ms)),
        "uses_four_lines": _bool(4 in (read.lines.address, read.lines.data, program.lines.data)),
    }


def slow_opcode(chip: Chip, opcode: int) -> int:
    """03h and 02h, or 13h and 12h where four address bytes have opcodes of their own (JESD216F 6.4.19, the
    4-byte address instruction table): a chip in its 4-byte mode takes four behind the old ones."""
    return opcode | 0x10 if chip.address_bytes == 4 and chip.enter_4byte == "none" else opcode


def _has_mode_byte(chip: Chip) -> bool:
    return chip.read.mode_cycles * chip.read.lines.address == LINES_MODE_BITS


def _timing(board: Board, chip: Chip) -> Mapping[str, int]:
    assert board.qspi is not None
    kernel = board.mcu.clock.hclk_hz
    prescaler = _prescaler(board, min(board.qspi.clock_hz_max, chip.read.clock_hz_max))
    clock = kernel // (prescaler + 1)
    high = -(-DESELECT_NS * board.mcu.clock.fastest(clock) // 1_000_000_000)
    return {
        "prescaler": prescaler,
        "size_log2": _log2(chip.size, chip.name),
        "high_cycles": max(1, min(high, 8)),
        "sample_shift": int(clock > HALF_CYCLE_HZ),
        "mode_value": chip.read.mode_value if _has_mode_byte(chip) else 0,
    }


def _quirks(board: Board, chip: Chip) -> Mapping[str, str | int]:
    mode = chip.address_mode or RegisterBits(0, 0)
    fail = chip.fail_status or FailBits(0, 0, 0)
    return {
        "slow_prescaler": _prescaler(board, chip.one_line_hz_max),
        "erases": len(chip.erases),
        "address_bytes": chip.address_bytes,
        "enter_4byte": ENTER_4BYTE[chip.enter_4byte],
        "mode_register": _byte(mode.opcode),
        "mode_mask": _byte(mode.mask),
        "fail_register": _byte(fail.opcode),
        "erase_fail": _byte(fail.erase_mask),
        "program_fail": _byte(fail.program_mask),
        "unlock": _byte(chip.unlock_opcode or 0),
        "report": "{" + ", ".join(_byte(opcode) for opcode in _report(chip)) + "}",
        "protect1": _byte(chip.protection.sr1_mask),
        "protect2": _byte(chip.protection.sr2_mask),
        "protect3": _byte(chip.protection.sr3_mask),
        "volatile_status": _bool(chip.volatile_status),
        "flag_status": _bool(chip.flag_status),
        "volatile_dummies": _bool(chip.volatile_dummies),
    }


def _report(chip: Chip) -> tuple[int, int, int]:
    """What OP_REGISTERS tells after SR1: SR2, flag status or fail bits; SR3; VCR."""
    if chip.flag_status:
        second = READ_FLAG_STATUS
    elif chip.fail_status:
        second = chip.fail_status.opcode
    else:
        second = QUAD_ENABLE[chip.quad_enable][2]
    third = READ_STATUS3 if chip.protection.sr3_mask else 0
    return second, third, READ_VOLATILE if chip.volatile_dummies else 0


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _quad_enable(method: QuadEnable) -> Mapping[str, str]:
    """JESD216F BFPT DWORD 15 bits 22:20, as bits and opcodes (reference facts/sfdp.md)."""
    sr1_bit, sr2_bit, read, write = QUAD_ENABLE[method]
    return {
        "quad_enable1": _byte(sr1_bit),
        "quad_enable2": _byte(sr2_bit),
        "status2_read": _byte(read),
        "status2_write": _byte(write),
        "status2_unreadable": _bool(method in (QuadEnable.S2B1V1, QuadEnable.S2B1V4)),
    }
