"""The mailbox as the host sees it: the numbers and layouts of `loader/mailbox.h`.

A test compiles that header and compares every value and offset with this module. Addresses in commands are
absolute, as the core's bus has them: a QSPI byte is at `window + offset` although the loader never maps it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

MAILBOX_MAGIC = 0x4D4C4642
MAILBOX_VERSION = 4
MAILBOX_SLOTS = 12
MAILBOX_REGIONS = 2

REGION_INTERNAL = 0
REGION_QSPI = 1
REGION_NUMBERS = {"internal": REGION_INTERNAL, "qspi": REGION_QSPI}

WAY_SHIFT = 8  # in the operation word
SPOT_SIZE = 64  # bytes
SPOT_HASH_SHIFT = 2  # in the word of a spot, above its verdict

DIGEST_SIZE = 16  # BLAKE2s with a 128-bit digest, unkeyed: hashlib.blake2s(digest_size=16)
MASK32 = 0xFFFF_FFFF


class LoaderState(IntEnum):
    STARTING = 0
    READY = 1
    FAULT = 2
    FAILED = 3


class Operation(IntEnum):
    IDENTIFY = 1
    SFDP = 2
    SELECT_CHIP = 3
    REGISTERS = 4
    DIGEST = 5
    BLANK_CHECK = 6
    ERASE = 7
    PROGRAM = 8
    READ = 9
    VERIFY = 10
    CHIP_RESET = 11
    COPY = 12
    PROGRAM_LZ4 = 13
    SAMPLE = 14
    PROVE = 15
    UNPROTECT = 16


class Way(IntEnum):
    """How the QSPI chip is read or programmed."""

    MODE = 0  # by the chip's read and program commands
    ONE_LINE = 1  # 03h and 02h, or 13h and 12h, slow
    BOTH = 2  # on one line, and compared with the mode's
    THREE = 3  # on one line with three address bytes


class Spot(IntEnum):
    BLANK = 0  # all FFh or all 00h, both ways: proves nothing
    PROVED = 1
    DIFFERS = 2  # the mode reads other bytes than one line
    WIDTH = 3  # three and four address bytes read different bytes on one line


class SetUp(IntFlag):
    """What had to be written into the chip's registers."""

    QUAD_ENABLE = 1  # non-volatile
    DUMMIES = 2
    ADDRESS_MODE = 4
    PROTECTION = 8
    BLOCK_LOCKS = 16


class Status(IntEnum):
    OK = 0
    BUSY = 1
    BAD_COMMAND = 2
    TIMEOUT = 3
    ERASE_FAILED = 4
    PROGRAM_FAILED = 5
    PROTECTED = 6
    NO_CHIP = 7
    QUAD_ENABLE = 8
    VERIFY = 9
    CONTROLLER = 10
    NOT_SELECTED = 11
    WRITE_ENABLE = 12
    UNPROVED = 13


STATUS_TEXT = {
    Status.OK: "done",
    Status.BUSY: "not finished",
    Status.BAD_COMMAND: "the command is unknown, misaligned or out of range",
    Status.TIMEOUT: "the datasheet's maximum time has passed",
    Status.ERASE_FAILED: "the erase failed",
    Status.PROGRAM_FAILED: "the programming failed",
    Status.PROTECTED: "the memory is protected",
    Status.NO_CHIP: "no chip answers: the ID reads all 00h or all FFh",
    Status.QUAD_ENABLE: "the quad enable bit did not stick",
    Status.VERIFY: "the content differs",
    Status.CONTROLLER: "the flash controller reports a transfer error or stays busy",
    Status.NOT_SELECTED: "no chip has been selected",
    Status.WRITE_ENABLE: "the chip did not take the write enable command",
    Status.UNPROVED: "the read mode in use reads other bytes than one line",
}

# Offsets in struct mailbox
HEAD_OFFSET = 0
HEAD_LAYOUT = struct.Struct("<4I2I2II")
IMAGE_DIGEST_OFFSET = 36  # right behind the head
WORKED_OFFSET = 52
WORKED_LAYOUT = struct.Struct("<2I2I2I")  # and starved_us, proved_us
ACKNOWLEDGE_OFFSET = 76
SUPPLY_OFFSET = 84
FAULT_OFFSET = 88
FAULT_LAYOUT = struct.Struct("<6I")
SLOTS_OFFSET = 112
COMMAND_SIZE = 56
COMMAND_LAYOUT = struct.Struct("<24x8I")  # what the host writes; the loader's part starts as zeros
RESULT_OFFSET = 0  # in struct command
REQUEST_OFFSET = 24
TICKET_OFFSET = 52
RESULT_LAYOUT = struct.Struct("<II16s")
MAILBOX_SIZE = SLOTS_OFFSET + MAILBOX_REGIONS * MAILBOX_SLOTS * COMMAND_SIZE

IDENTITY_LAYOUT = struct.Struct("<6s6sBB2x")
MCU_IDENTITY_LAYOUT = struct.Struct("<I3II2III")
REGISTERS_LAYOUT = struct.Struct("<4I")

DBG_SLEEP = 1  # of DBGMCU_CR; set by loader/time.c

# The vector table, right before the mailbox: SP, and the exceptions that nobody may mask (ARMv7-M B1.5.2)
VECTORS = 16
VECTORS_SIZE = 4 * VECTORS
_FAULTS = range(2, 7)  # NMI, HardFault, MemManage, BusFault, UsageFault


def vector_table(stack_top: int, fault: int) -> bytes:
    """Every fault to `fault`; nothing else is ever taken."""
    words = [stack_top, *(fault if number in _FAULTS else 0 for number in range(1, VECTORS))]
    return struct.pack(f"<{VECTORS}I", *words)


def slot_offset(region: int, sequence: int) -> int:
    """Where the command with this running number lies in the mailbox."""
    return SLOTS_OFFSET + (region * MAILBOX_SLOTS + sequence % MAILBOX_SLOTS) * COMMAND_SIZE


@dataclass(frozen=True)
class Command:
    operation: Operation
    address: int = 0  # absolute
    length: int = 0
    buffer: int = 0  # in target RAM, between buffers_base and buffers_end
    argument: int = 0  # row of the chip table, granule, source of a copy, or where an LZ4 block expands to
    marker_at: int = 0  # where `marker` comes when the data have come; 0: they are there
    marker: int = 0  # see `marker_of`
    way: Way = Way.MODE

    def pack(self, ticket: int) -> bytes:
        """A whole slot; its last word hands the command over."""
        return COMMAND_LAYOUT.pack(
            self.operation | self.way << WAY_SHIFT,
            self.address,
            self.length,
            self.buffer,
            self.argument,
            self.marker_at,
            self.marker,
            ticket,
        )


def root_digest(pieces: Sequence[bytes]) -> bytes:
    """What OP_DIGEST answers for these pieces: BLAKE2s-128 of the list of theirs."""
    digests = (hashlib.blake2s(piece, digest_size=DIGEST_SIZE).digest() for piece in pieces)
    return hashlib.blake2s(b"".join(digests), digest_size=DIGEST_SIZE).digest()


def marker_of(epoch: int, region: int, ticket: int) -> int:
    """The word behind a command's data: never twice the same in a session, and never 0, as the buffers start.

    `epoch` counts how often the rings were cleared, after which tickets begin at 1 again.
    """
    words = struct.pack("<3I", epoch, region, ticket & MASK32)
    return int.from_bytes(hashlib.blake2s(words, digest_size=4).digest(), "little") | 1


@dataclass(frozen=True)
class Heads:
    """The mailbox head: one read of nine words."""

    magic: int
    version: int
    state: int
    state_detail: int
    completed: tuple[int, int]
    error: tuple[int, int]
    millivolts: int

    @classmethod
    def unpack(cls, data: bytes) -> Heads:
        magic, version, state, detail, c0, c1, e0, e1, millivolts = HEAD_LAYOUT.unpack(data)
        return cls(magic, version, state, detail, (c0, c1), (e0, e1), millivolts)


@dataclass(frozen=True)
class Result:
    status: Status
    failed_address: int
    detail: bytes  # 16 bytes: the digest root; or on failure SR1, SR2/FSR, controller SR, controller CR

    @property
    def registers(self) -> tuple[int, int, int, int]:
        a, b, c, d = struct.unpack("<4I", self.detail)
        return a, b, c, d

    @classmethod
    def unpack(cls, data: bytes) -> Result:
        status, failed, detail = RESULT_LAYOUT.unpack(data)
        return cls(Status(status), failed, detail)


@dataclass(frozen=True)
class ChipIdentity:
    jedec: bytes  # 9Fh on one line, six bytes
    first_try: bytes  # the same before the recovery ladder
    status1: int
    was_busy: bool  # an interrupted erase or program was waited for

    @classmethod
    def unpack(cls, data: bytes) -> ChipIdentity:
        jedec, first_try, status1, was_busy = IDENTITY_LAYOUT.unpack(data)
        return cls(jedec, first_try, status1, bool(was_busy))


@dataclass(frozen=True)
class McuIdentity:
    device_id: int
    uid: bytes  # 12 bytes, as they lie in memory
    flash_kib: int
    option_bytes: tuple[int, int]
    read_protected: bool
    write_protected: int  # bit n: erase unit n

    @classmethod
    def unpack(cls, data: bytes) -> McuIdentity:
        device, u0, u1, u2, kib, o0, o1, rdp, wrp = MCU_IDENTITY_LAYOUT.unpack(data)
        return cls(device, struct.pack("<3I", u0, u1, u2), kib, (o0, o1), rdp != 0, wrp)


FAULT_NAMES = {2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault"}
CFSR_BITS = {
    0: "instruction access to a no-access region",
    1: "data access to a no-access region",
    3: "MPU fault on exception return",
    4: "MPU fault on exception entry: the stack has run out",
    8: "bus error on an instruction fetch",
    9: "bus error",
    10: "imprecise bus error",
    11: "bus error on exception return",
    12: "bus error on exception entry: the stack has run out",
    16: "undefined instruction",
    17: "invalid state",
    18: "invalid exception return",
    19: "no coprocessor",
    24: "unaligned access",
    25: "division by zero",
}  # ARMv7-M B3.2.15
CFSR_NO_FRAME = (1 << 4) | (1 << 12)
CFSR_ADDRESS_VALID = (1 << 7) | (1 << 15)  # MMARVALID, BFARVALID


@dataclass(frozen=True)
class FaultRecord:
    cause: int
    pc: int
    lr: int
    cfsr: int
    hfsr: int
    address: int

    @classmethod
    def unpack(cls, data: bytes) -> FaultRecord:
        return cls(*FAULT_LAYOUT.unpack(data))

    def __str__(self) -> str:
        name = FAULT_NAMES.get(self.cause, f"exception {self.cause}")
        reasons = [text for bit, text in CFSR_BITS.items() if self.cfsr >> bit & 1]
        why = f" ({', '.join(reasons)})" if reasons else ""
        where = f", address {self.address:#010x}" if self.cfsr & CFSR_ADDRESS_VALID else ""
        place = "" if self.cfsr & CFSR_NO_FRAME else f" at pc {self.pc:#010x}"
        return f"{name}{why}{place}{where}, CFSR {self.cfsr:#010x}, HFSR {self.hfsr:#010x}"
