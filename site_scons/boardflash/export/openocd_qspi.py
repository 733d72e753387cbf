"""The QSPI half of OpenOCD's configuration: pins, controller, the way out of every mode, chips by JEDEC ID.

Registers as in loader/controllers/stm32_quadspi.c (RM0385 chapter 14); the way out as in loader/nor_bus.c.
All commands on one line: no quad enable is needed, and the debug link is slower than that anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from boardflash.description.model import Board, Chip, PinUse, Qspi
from boardflash.errors import BoardflashError

BUS_HZ_MAX = 20_000_000  # no chip file tells how fast 03h may be; all that we know do this (unverified)
DESELECT_CYCLES = 8
BUSY_MS = 4000  # how long an erase that was interrupted may go on

REGISTERS = {
    "CR": 0x00,
    "DCR": 0x04,
    "SR": 0x08,
    "FCR": 0x0C,
    "DLR": 0x10,
    "CCR": 0x14,
    "ABR": 0x1C,
    "DR": 0x20,
}
CR_FSEL = 1 << 7
CCR_MEMORY_MAPPED = 0x0D00_0500  # FMODE 3; data, address and instruction on one line
READ_ID, READ_STATUS = 0x9F, 0x05

GPIO = {"AFRL": 0x20, "AFRH": 0x24, "OTYPER": 0x04, "OSPEEDR": 0x08, "PUPDR": 0x0C, "MODER": 0x00}
ALTERNATE, VERY_HIGH, PULL_UP, PULL_NONE = 2, 3, 1, 0
PULLED_UP = ("ncs", "io1", "io2", "io3")  # as in loader/render: a chip that is silent must read FFh

ONE, FOUR = 1, 3  # CCR's IMODE
#: Out of whatever firmware left the chip in: lines, opcode, whether a word of ones follows, what it is for.
LEAVE = (
    (FOUR, 0xFF, True, "ends continuous read on four lines"),
    (FOUR, 0xF5, False, "leaves QPI"),
    (FOUR, 0xFF, False, "leaves QPI, other vendors"),
    (FOUR, 0xAB, False, "wakes up in QPI"),
    (ONE, 0xFF, True, "ends continuous read on one line"),
    (ONE, 0xFF, False, "leaves QPI, other vendors"),
    (ONE, 0xAB, False, "wakes up"),
)
RESTART = (
    (FOUR, 0x66, False, "reset enable, should it be in QPI still"),
    (FOUR, 0x99, False, "reset"),
    (ONE, 0x66, False, "reset enable"),
    (ONE, 0x99, False, "reset"),
)


def qspi_values(board: Board, hclk_hz: int, fsize_over: int) -> Mapping[str, Any]:
    qspi, clock, base = board.qspi, board.mcu.clock, board.mcu.qspi.registers
    assert qspi is not None
    if not qspi.chips:
        raise BoardflashError("OpenOCD needs to know the chip: name it in [qspi] chips", where=board.file)
    ports = 0
    for pin in qspi.pins:
        ports |= clock.gpio_enable.set_bits << pin.port
    limit = min(BUS_HZ_MAX, qspi.clock_hz_max, *(chip.read.clock_hz_max for chip in qspi.chips))
    prescaler = min(clock.divider(limit, hclk_hz) - 1, 255)
    return {
        "window": _hex(board.mcu.qspi.window),
        "reg": {name: _hex(base + offset) for name, offset in REGISTERS.items()},
        "refused_size": min(chip.size for chip in qspi.chips),
        "gpio": _bits(clock.gpio_enable.address, ports),
        "enable": _bits(clock.qspi_enable.address, clock.qspi_enable.set_bits),
        "reset": _bits(clock.qspi_reset.address, clock.qspi_reset.set_bits),
        "ports": _ports(board, qspi.pins),
        "control": _hex(prescaler << 24 | (CR_FSEL if qspi.bank == 2 else 0)),
        "bus_mhz": f"{hclk_hz / (prescaler + 1) / 1e6:g}",
        "bank": qspi.bank,
        "widest": _hex(_size_control(1 << 24, 0)),
        "leave": [_command(*row) for row in LEAVE],
        "restart": [_command(*row) for row in RESTART],
        "busy_ms": BUSY_MS,
        "read_status": f"{READ_STATUS:#04x}",
        "read_id": f"{READ_ID:#04x}",
        "chips": _chips(qspi, fsize_over),
        "protect": _protected(board),
        "wanted": " or ".join(chip.name for chip in qspi.chips),
    }


def _hex(value: int) -> str:
    return f"{value:#010x}"


def _bits(address: int, bits: int) -> Mapping[str, str]:
    return {"address": _hex(address), "bits": _hex(bits)}


def _size_control(size: int, over: int) -> int:
    """DCR for a chip of this size: FSIZE, and CSHT at its longest."""
    return (size.bit_length() - 2 + over) << 16 | (DESELECT_CYCLES - 1) << 8


def _command(lines: int, opcode: int, ones: bool, purpose: str) -> Mapping[str, str]:
    mode_word = lines << 14 | 3 << 16 if ones else 0  # CCR's ABMODE and ABSIZE
    on = "four lines" if lines == FOUR else "one line"
    return {"form": _hex(mode_word | lines << 8 | opcode), "about": f"{opcode:02X}h on {on}: {purpose}"}


def _ports(board: Board, pins: Iterable[PinUse]) -> list[Mapping[str, Any]]:
    by_port: dict[int, list[PinUse]] = {}
    for pin in pins:
        by_port.setdefault(pin.port, []).append(pin)
    return [
        {
            "pins": ", ".join(f"{pin.pin} {pin.signal.upper()} AF{pin.function}" for pin in members),
            "rows": [
                {
                    "name": name,
                    "address": _hex(board.mcu.gpio_base + port * board.mcu.gpio_stride + GPIO[name]),
                    "set_bits": _hex(set_bits),
                    "clear_bits": _hex(clear_bits),
                }
                for name, (set_bits, clear_bits) in _port_registers(members).items()
            ],
        }
        for port, members in sorted(by_port.items())
    ]


def _port_registers(pins: Iterable[PinUse]) -> Mapping[str, tuple[int, int]]:
    """Register -> bits to set and bits to clear, in the order of writing: the mode comes last."""
    found = dict.fromkeys(GPIO, (0, 0))

    def field(name: str, width: int, index: int, value: int) -> None:
        set_bits, clear_bits = found[name]
        unset = ((1 << width) - 1) & ~value
        found[name] = (set_bits | value << index * width, clear_bits | unset << index * width)

    for pin in pins:
        field("AFRL" if pin.number < 8 else "AFRH", 4, pin.number % 8, pin.function)
        field("OTYPER", 1, pin.number, 0)
        field("OSPEEDR", 2, pin.number, VERY_HIGH)
        field("PUPDR", 2, pin.number, PULL_UP if pin.signal in PULLED_UP else PULL_NONE)
        field("MODER", 2, pin.number, ALTERNATE)
    return {name: bits for name, bits in found.items() if bits != (0, 0)}


def _protected(board: Board) -> list[Mapping[str, int]]:
    """First and last byte in the chip. The driver minds them by itself; it writes no status bit."""
    region = board.region("qspi")
    return [
        {"start": address - region.base, "last": address + size - 1 - region.base}
        for address, size in region.protect
    ]


def _chips(qspi: Qspi, fsize_over: int) -> list[Mapping[str, str]]:
    """By JEDEC ID, the longest first: parts may share the first three bytes."""
    rows = [(jedec, chip) for chip in qspi.chips for jedec in chip.jedec_ids]
    return [
        {"jedec_id": " ".join(f"{byte:#04x}" for byte in jedec), "row": _chip(chip, fsize_over)}
        for jedec, chip in sorted(rows, key=lambda row: -len(row[0]))
    ]


def _chip(chip: Chip, fsize_over: int) -> str:
    """Chips with commands of their own for four address bytes: JESD216F 6.4.21, on one line."""
    own_opcodes = chip.address_bytes == 4 and chip.enter_4byte == "none"
    read, program = (0x13, 0x12) if own_opcodes else (0x03, 0x02)
    erase = chip.erases[-1]
    values = [chip.name, chip.size, chip.page_size]
    values += [f"{opcode:#04x}" for opcode in (read, program, chip.chip_erase.opcode)]
    values += [erase.size, f"{erase.opcode:#04x}", _hex(_size_control(chip.size, fsize_over))]
    values += [_hex(CCR_MEMORY_MAPPED | (chip.address_bytes - 1) << 12 | read), chip.enter_4byte]
    values += [int(chip.flag_status), f"{chip.unlock_opcode or 0:#04x}", f"{chip.protection.sr1_mask:#04x}"]
    return " ".join(map(str, values))
