"""Talks to the running target loader through its mailbox (loader/mailbox.h), over any memory link.

The core is halted once, to start the loader. From then on everything goes through RAM while it runs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from boardflash.errors import BoardflashError, ExitCode

from . import protocol as p
from .artefact import LoaderArtefact
from .protocol import (
    ChipIdentity,
    Command,
    FaultRecord,
    Heads,
    LoaderState,
    McuIdentity,
    Operation,
    Result,
    SetUp,
    Way,
)

SP, PC, XPSR = 13, 15, 16  # DCRSR numbering (ARMv7-M C1.6.3)
XPSR_THUMB = 0x0100_0000
VTOR = 0xE000_ED08
START_TIMEOUT_S = 1.0
START_POLL_S = 0.0005  # setting up and digesting its own code takes about 3 ms
SCRATCH_SIZE = 256  # at buffers_base, for the answers of the small commands


class MemoryLink(Protocol):
    """What a session needs of a probe. Every call may cost a millisecond."""

    def read_memory(self, address: int, size: int) -> bytes: ...

    def write_memory(self, address: int, data: bytes) -> None: ...

    def halt(self) -> None: ...

    def go(self) -> None: ...

    def reset_and_halt(self) -> None: ...

    def is_halted(self) -> bool: ...

    def read_register(self, number: int) -> int: ...

    def write_register(self, number: int, value: int) -> None: ...

    def now(self) -> float:
        """Seconds on the board's clock."""

    def pause(self, seconds: float) -> None: ...


class CommandFailed(BoardflashError):  # noqa: N818 - it is a fault of the device, told as any other
    """The loader answered a command with a status that is not OK."""

    def __init__(self, region: int, command: Command | None, result: Result) -> None:
        name = command.operation.name.lower().replace("_", " ") if command else "command"
        where = f"{'qspi' if region == p.REGION_QSPI else 'internal'} {result.failed_address:#010x}"
        a, b, c, d = result.registers
        super().__init__(
            f"{name}: {p.STATUS_TEXT[result.status]} "
            f"(status {a:#04x} {b:#04x}, controller {c:#010x} {d:#010x})",
            where=where,
            code=ExitCode.DEVICE_FAILED,
        )
        self.region = region
        self.command = command
        self.result = result


@dataclass(frozen=True)
class WorkTimes:
    """Seconds of one memory, as the loader has counted them."""

    worked: float  # it was erased and programmed,
    starved: float  # and stood still in between, for want of the next command
    proved: float  # it was read in two ways

    def __add__(self, other: WorkTimes) -> WorkTimes:
        return WorkTimes(self.worked + other.worked, self.starved + other.starved, self.proved + other.proved)


class LoaderSession:
    """One run of the loader on one device."""

    def __init__(
        self,
        link: MemoryLink,
        artefact: LoaderArtefact,
        interrupted: Callable[[], bool] = lambda: False,
        debug_control: int | None = None,
    ) -> None:
        """`interrupted` is asked while `identify_chip` waits: a chip may be busy for minutes.
        `debug_control` is the address of DBGMCU_CR, for `restore_debug`."""
        self.link = link
        self._debug_control = debug_control
        self._debug_before: bytes | None = None
        self._interrupted = interrupted
        self.artefact = artefact
        self.heads = Heads(0, 0, 0, 0, (0, 0), (0, 0), 0)
        self._submitted = [0] * p.MAILBOX_REGIONS
        self._epoch = 0
        self._in_flight: list[dict[int, Command]] = [{} for _ in range(p.MAILBOX_REGIONS)]

    @property
    def scratch(self) -> int:
        """Where the helpers below let the loader put small answers."""
        return self.artefact.buffers_base

    @property
    def buffers_base(self) -> int:
        """Start of the RAM that callers hand out as command buffers; it ends at `buffers_end`."""
        return self.artefact.buffers_base + SCRATCH_SIZE

    @property
    def buffers_end(self) -> int:
        return self.artefact.buffers_end

    # Start

    def start(self, supply_mv: int = 0) -> None:
        """Reset, download, run, and wait until the loader serves its rings. 0 mV = not measured."""
        try:
            self._launch(supply_mv)
        except BoardflashError as error:
            # A watchdog, or a finger on the reset button: the core has left its halt before it was started.
            if error.code != ExitCode.DEVICE_FAILED or self.link.is_halted():
                raise
            self._launch(supply_mv)
        try:
            self._wait_ready()
        except BoardflashError as error:
            if error.code == ExitCode.DEVICE_FAILED:
                self._compare_image(error)
            raise

    def _launch(self, supply_mv: int) -> None:
        art, link = self.artefact, self.link
        link.reset_and_halt()
        if self._debug_control is not None and self._debug_before is None:
            self._debug_before = link.read_memory(self._debug_control, 4)
        link.write_memory(art.load_address, art.image)
        fresh = bytearray(p.SLOTS_OFFSET)
        struct.pack_into("<I", fresh, p.SUPPLY_OFFSET, supply_mv)
        link.write_memory(art.vectors, p.vector_table(art.stack_top, art.fault) + fresh)
        link.write_memory(VTOR, struct.pack("<I", art.vectors))
        link.write_register(SP, art.stack_top)
        link.write_register(PC, art.entry & ~1)
        link.write_register(XPSR, XPSR_THUMB)
        self._submitted = [0] * p.MAILBOX_REGIONS
        self._in_flight = [{} for _ in range(p.MAILBOX_REGIONS)]
        link.go()

    def restore_debug(self) -> None:
        """DBGMCU_CR as it was found; the core must not be asleep. The loader sets DBG_SLEEP there, and no
        reset but that of the power clears it (RM0385 chapter 40): firmware would sleep less deeply."""
        before = self._debug_before
        if self._debug_control is not None and before is not None and not before[0] & p.DBG_SLEEP:
            self.link.write_memory(self._debug_control, before)

    def _wait_ready(self) -> None:
        """The loader digests its own code before it is ready: what has not arrived whole is never used."""
        deadline = self.link.now() + START_TIMEOUT_S
        while True:
            size = p.IMAGE_DIGEST_OFFSET + p.DIGEST_SIZE
            data = self.link.read_memory(self.artefact.mailbox, size)
            heads = self.heads = Heads.unpack(data[: p.HEAD_LAYOUT.size])
            if heads.state == LoaderState.READY and heads.magic == p.MAILBOX_MAGIC:
                if heads.version != p.MAILBOX_VERSION:
                    raise self._failed(f"mailbox version {heads.version}, expected {p.MAILBOX_VERSION}")
                if data[p.IMAGE_DIGEST_OFFSET :] != p.root_digest([self.artefact.image]):
                    self.link.halt()
                    raise self._failed("its digest of its own code is not that of what was sent")
                return
            if heads.state == LoaderState.FAULT:
                raise self._faulted()
            if heads.state == LoaderState.FAILED:
                raise self._failed(f"its set-up failed at step {heads.state_detail}")
            if self.link.now() > deadline:
                raise self._silent()
            self.link.pause(START_POLL_S)

    def _compare_image(self, error: BoardflashError) -> None:
        """Where the loader does not start as it should, for the reason that is behind all others."""
        art = self.artefact
        with suppress(BoardflashError):  # of the link: then the first one is told
            back = self.link.read_memory(art.load_address, len(art.image))
            at = next((i for i, (x, y) in enumerate(zip(art.image, back, strict=True)) if x != y), None)
            if at is None:
                return
            error = BoardflashError(
                "the target loader does not read back from RAM as it was written; "
                "check the wiring or lower the speed",
                where=f"RAM {art.load_address + at:#010x}",
                code=ExitCode.DEVICE_FAILED,
            )
        raise error

    # Rings

    def free_slots(self, region: int) -> int:
        """Slots free as of the last `poll`."""
        return p.MAILBOX_SLOTS - (self._submitted[region] - self.heads.completed[region] & p.MASK32)

    def submit(self, region: int, command: Command) -> int:
        """Hand over one command; its running number."""
        return self.submit_all(region, [command])

    def submit_all(self, region: int, commands: Sequence[Command]) -> int:
        """Hand over commands that follow each other, in one link write (two at the ring's end); the running
        number of the first. Each slot's ticket is its last word: a block write goes upwards."""
        first = self._submitted[region]
        if not commands:
            return first
        if len(commands) > self.free_slots(region):
            raise BoardflashError(
                f"{len(commands)} commands for {self.free_slots(region)} free slots of ring {region}",
                code=ExitCode.DEVICE_FAILED,
            )
        before_wrap = p.MAILBOX_SLOTS - first % p.MAILBOX_SLOTS
        for start, part in ((0, commands[:before_wrap]), (before_wrap, commands[before_wrap:])):
            if part:
                address = self.artefact.mailbox + p.slot_offset(region, first + start) + p.REQUEST_OFFSET
                slots = b"".join(c.pack(first + start + n + 1 & p.MASK32) for n, c in enumerate(part))
                self.link.write_memory(address, slots[p.REQUEST_OFFSET :])
        for number, command in enumerate(commands, first):
            self._in_flight[region].pop(number - p.MAILBOX_SLOTS & p.MASK32, None)
            self._in_flight[region][number & p.MASK32] = command
        self._submitted[region] = first + len(commands) & p.MASK32
        return first

    def next_sequence(self, region: int) -> int:
        """The running number of the next command that is submitted."""
        return self._submitted[region]

    def marker(self, region: int, sequence: int) -> int:
        """What may follow the data of the command with this running number, and of no other."""
        return p.marker_of(self._epoch, region, sequence + 1)

    def poll(self) -> Heads:
        """Where both rings stand: one link read. Raises if the loader has faulted."""
        heads = self._read_heads()
        if heads.state == LoaderState.FAULT:
            raise self._faulted()
        if heads.magic != p.MAILBOX_MAGIC or heads.state != LoaderState.READY:
            raise self._silent()
        return heads

    def done(self, region: int, sequence: int) -> bool:
        """Whether that command is over (well or badly), as of the last `poll`."""
        completed = self.heads.completed[region]
        if self.heads.error[region]:
            return True
        return (completed - sequence - 1) & p.MASK32 < 1 << 31

    def result(self, region: int, sequence: int) -> Result:
        """What the loader wrote for a finished command; valid until its slot is used again."""
        address = self.artefact.mailbox + p.slot_offset(region, sequence) + p.RESULT_OFFSET
        return Result.unpack(self.link.read_memory(address, p.RESULT_LAYOUT.size))

    def wait(self, region: int, sequence: int, timeout_s: float, idle_s: float = 0.001) -> Result:
        """Poll until that command is over; what it answered. A failed command of the ring raises
        CommandFailed; call `acknowledge` to use the ring again."""
        self.wait_over(region, sequence, timeout_s, idle_s)
        return self.result(region, sequence)

    def wait_over(
        self,
        region: int,
        sequence: int,
        timeout_s: float,
        idle_s: float = 0.001,
        *,
        interruptible: bool = False,
    ) -> None:
        """The same for a command whose answer is elsewhere: one link call less."""
        deadline = self.link.now() + timeout_s
        while True:
            heads = self.poll()
            if heads.error[region]:
                raise self.failure(region)
            if self.done(region, sequence):
                self._in_flight[region].pop(sequence, None)
                return
            if interruptible and self._interrupted():
                raise BoardflashError(
                    "interrupted; nothing on the device has been changed", code=ExitCode.INTERRUPTED
                )
            if self.link.now() > deadline:
                raise self._failed(f"no answer to a command within {timeout_s:g} s")
            self.link.pause(idle_s)

    def work_times(self) -> list[WorkTimes]:
        """How each memory has spent its time since the loader's start."""
        address = self.artefact.mailbox + p.WORKED_OFFSET
        words = p.WORKED_LAYOUT.unpack(self.link.read_memory(address, p.WORKED_LAYOUT.size))
        return [
            WorkTimes(*(us / 1e6 for us in words[region :: p.MAILBOX_REGIONS]))
            for region in range(p.MAILBOX_REGIONS)
        ]

    def failure(self, region: int) -> CommandFailed:
        """The fault that stopped this ring, as an exception to raise."""
        sequence = self.heads.completed[region]
        return CommandFailed(region, self._in_flight[region].get(sequence), self.result(region, sequence))

    def acknowledge(self, region: int) -> None:
        """Clear a ring that an error has stopped; everything in it is dropped."""
        address = self.artefact.mailbox + p.ACKNOWLEDGE_OFFSET + 4 * region
        self.link.write_memory(address, struct.pack("<I", 1))
        deadline = self.link.now() + START_TIMEOUT_S
        while struct.unpack("<I", self.link.read_memory(address, 4))[0]:
            if self.link.now() > deadline:
                raise self._silent()
            self.link.pause(0.001)
        self._submitted[region] = 0
        self._in_flight[region].clear()
        self._epoch += 1
        self.poll()

    def run(self, region: int, command: Command, timeout_s: float, idle_s: float = 0.001) -> Result:
        """Submit one command and wait for its answer."""
        return self.wait(region, self.submit(region, command), timeout_s, idle_s)

    def carry_out(self, region: int, command: Command, timeout_s: float, idle_s: float = 0.001) -> None:
        """Submit one command and wait until it is over."""
        self.wait_over(region, self.submit(region, command), timeout_s, idle_s)

    # Commands

    def identify_chip(self, timeout_s: float = 300.0) -> ChipIdentity:
        """Recovery ladder, reset, JEDEC ID. May wait for an interrupted chip erase to end."""
        sequence = self.submit(p.REGION_QSPI, Command(Operation.IDENTIFY, buffer=self.scratch))
        self.wait_over(p.REGION_QSPI, sequence, timeout_s, interruptible=True)
        return ChipIdentity.unpack(self.link.read_memory(self.scratch, p.IDENTITY_LAYOUT.size))

    def identify_mcu(self, timeout_s: float = 1.0) -> McuIdentity:
        self.carry_out(p.REGION_INTERNAL, Command(Operation.IDENTIFY, buffer=self.scratch), timeout_s)
        return McuIdentity.unpack(self.link.read_memory(self.scratch, p.MCU_IDENTITY_LAYOUT.size))

    def sfdp(self, length: int = 256, address: int = 0, timeout_s: float = 1.0) -> bytes:
        command = Command(Operation.SFDP, address=address, length=length, buffer=self.buffers_base)
        self.carry_out(p.REGION_QSPI, command, timeout_s)
        return self.link.read_memory(self.buffers_base, length)

    def select_chip(self, row: int, timeout_s: float = 5.0) -> SetUp:
        """`row` counts as `artefact.chips` does. What had to be written in the chip's registers."""
        result = self.run(p.REGION_QSPI, Command(Operation.SELECT_CHIP, argument=row), timeout_s)
        return SetUp(result.registers[0])

    def unprotect_chip(self, timeout_s: float = 5.0) -> SetUp:
        """Lift block protection; what had to be lifted."""
        return SetUp(self.run(p.REGION_QSPI, Command(Operation.UNPROTECT), timeout_s).registers[0])

    def registers(self, region: int, timeout_s: float = 1.0) -> tuple[int, int, int, int]:
        """qspi: SR1, SR2 or FSR, SR3, VCR; internal: SR, CR and the option registers."""
        self.carry_out(region, Command(Operation.REGISTERS, buffer=self.scratch), timeout_s)
        a, b, c, d = p.REGISTERS_LAYOUT.unpack(self.link.read_memory(self.scratch, p.REGISTERS_LAYOUT.size))
        return a, b, c, d

    def digest(
        self,
        region: int,
        address: int,
        length: int,
        granule: int,
        *,
        buffer: int = 0,
        timeout_s: float = 60.0,
    ) -> tuple[list[bytes], bytes]:
        """BLAKE2s-128 of each piece, and of the list of them. Reads the list back."""
        buffer = buffer or self.buffers_base
        root = self.run(region, Command(Operation.DIGEST, address, length, buffer, granule), timeout_s).detail
        count = -(-(address % granule + length) // granule)
        data = self.link.read_memory(buffer, count * p.DIGEST_SIZE)
        return [data[i : i + p.DIGEST_SIZE] for i in range(0, len(data), p.DIGEST_SIZE)], root

    def read(
        self, region: int, address: int, length: int, timeout_s: float = 10.0, way: Way = Way.MODE
    ) -> bytes:
        """Flash content, in parts that fit the buffers."""
        out = bytearray()
        room = self.buffers_end - self.buffers_base
        while len(out) < length:
            step = min(room, length - len(out))
            command = Command(Operation.READ, address + len(out), step, self.buffers_base, way=way)
            self.carry_out(region, command, timeout_s)
            out += self.link.read_memory(self.buffers_base, step)
        return bytes(out)

    # Faults

    def _read_heads(self) -> Heads:
        data = self.link.read_memory(self.artefact.mailbox, p.HEAD_LAYOUT.size)
        self.heads = Heads.unpack(data)
        return self.heads

    def _failed(self, text: str) -> BoardflashError:
        return BoardflashError(text, where="target loader", code=ExitCode.DEVICE_FAILED)

    def _faulted(self) -> BoardflashError:
        address = self.artefact.mailbox + p.FAULT_OFFSET
        record = FaultRecord.unpack(self.link.read_memory(address, p.FAULT_LAYOUT.size))
        return self._failed(f"stopped with {record}")

    def _silent(self) -> BoardflashError:
        self.link.halt()
        pc = self.link.read_register(PC) & p.MASK32
        return self._failed(
            f"does not answer (mailbox {self.heads.magic:#010x}, state {self.heads.state}, pc {pc:#010x}); "
            "check the MCU in the board file and that nothing else resets the board"
        )
