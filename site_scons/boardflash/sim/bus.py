"""The address map of the STM32F746 (RM0385 chapter 2): who answers at which address, for core and debugger.

A peripheral without its clock, or held in reset, reads zero and ignores writes. Where nothing is, the bus
answers with an error.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from boardflash.sim import flash as internal
from boardflash.sim.flash import Flash
from boardflash.sim.iwdg import Iwdg
from boardflash.sim.mpu import Mpu
from boardflash.sim.slices import CoreBus, MpuFault
from boardflash.sim.target import BusFault, Peripheral

ITCM, RAM, SYSTEM, OPTIONS, WINDOW, PPB = 0, 0x20000000, 0x1FF00000, 0x1FFF0000, 0x90000000, 0xE0000000
ITCM_SIZE, RAM_SIZE, SYSTEM_SIZE, OPTIONS_SIZE, WINDOW_SIZE = 0x4000, 0x50000, 0x10000, 0x1000, 0x10000000
# What the core waits for one access outside its own bus (0xE0000000): over AXI, the AXI to AHB bridge and the
# bus matrix, and back (RM0385 figure 1). An assumption: no source gives it for this MCU. A loop of GPIO
# reads was measured at 12 cycles on an STM32F103, whose way is shorter
# (blog.soch.cc/fastest-gpio-read-speed-stm32f103). A write may leave by the store buffer and be cheaper; it
# counts the same, since accesses to Device memory stay in order.
REGISTER_CYCLES = 10
EXTERNAL = range(0x60000000, WINDOW, 0x10000000)  # the FMC's banks of 256 MiB: nothing is connected to them
PROBES = range(0, WINDOW_SIZE, 0x1000000)  # of a bank, where reading ahead is looked for
REGISTER_AREAS = ((0x40000000, 0x80000), (0x50000000, 0x61000), (0xA0000000, 0x2000), (PPB, 0x100000))


class Memory:
    """Bytes that the core's emulation and we both see."""

    def __init__(self, base: int, size: int, writable: bool) -> None:
        self.base, self.size, self.writable = base, size, writable
        self.storage = (ctypes.c_ubyte * size)()
        self.pointer = ctypes.addressof(self.storage)
        self.bytes = memoryview(self.storage).cast("B")

    def __contains__(self, address: int) -> bool:
        return self.base <= address < self.base + self.size


class Window(Protocol):
    """What the memory-mapped QSPI window needs from its controller."""

    def window_read(self, offset: int, width: int) -> int: ...

    def window_bytes(self, offset: int, size: int) -> bytes: ...


class Stream(Peripheral, Protocol):
    """A peripheral that is written to in long runs."""

    def write_is_quiet(self, offset: int) -> bool:
        """A write there changes nothing that the core could notice by itself: no interrupt, no clock."""


@dataclass(frozen=True)
class Slot:
    peripheral: Peripheral
    base: int
    clocked: Callable[[], bool] | None = None


class Bus(CoreBus):
    def __init__(self, memories: list[Memory], flash: Flash, mpu: Callable[[], Mpu]) -> None:
        self.memories = memories
        self.flash = flash
        self.slots: dict[int, Slot] = {}
        """By address / 1 KiB."""
        self.window: Window | None = None
        self.window_clocked: Callable[[], bool] = lambda: False
        self.unmodelled: Peripheral | None = None
        self.after_write: Callable[[Peripheral], None] = lambda peripheral: None
        self.flash_readable: Callable[[], str | None] = lambda: None
        """Why flash cannot be read at all now, if so."""
        self.on_unbarriered_store: Callable[[int], None] = lambda pc: None
        self.on_memory_written: Callable[[int, int], None] = lambda address, size: None
        self._mpu = mpu
        self._settled_page: dict[int, Peripheral] = {}
        self.stream: Stream | None = None
        self._stream_pages: dict[int, Stream] = {}
        self._watchdog: Iwdg | None = None

    def attach(
        self, base: int, peripheral: Peripheral, clocked: Callable[[], bool] | None, size: int = 0x400
    ) -> None:
        for address in range(base, base + size, 0x400):
            self.slots[address >> 10] = Slot(peripheral, base, clocked)
        if isinstance(peripheral, Iwdg):
            self._watchdog = peripheral

    # -- the core's side ------------------------------------------------------------------------

    def core_read(self, address: int, width: int) -> tuple[int, bool]:
        peripheral = self._settled_page.get(address >> 10)
        if peripheral is not None:
            offset = address - self.slots[address >> 10].base
            pure = peripheral.read_is_pure(offset)
            return peripheral.read(offset, width), pure
        if not self._mpu().allows(address, write=False):
            raise MpuFault(address)
        self._settle_page(address)
        return self._read(address, width)

    def settings_changed(self) -> None:
        """Clocks or the MPU were set, or reset: ask them again at the next access."""
        self._settled_page.clear()
        self._stream_pages.clear()

    def _settle_page(self, address: int) -> None:
        """Remember that all of this KiB may be read and is clocked, where that can be said of all of it."""
        slot = self.slots.get(address >> 10)
        if slot is not None and self._settles(slot):
            self._settled_page[address >> 10] = slot.peripheral

    def _settles(self, slot: Slot) -> bool:
        mpu = self._mpu()
        return mpu.coarse and not mpu.bypassed and (slot.clocked is None or slot.clocked())

    def core_write(self, address: int, value: int, width: int) -> bool:
        stream = self._stream_pages.get(address >> 10)
        if stream is not None:
            offset = address - self.slots[address >> 10].base
            if stream.write_is_quiet(offset):
                stream.write(offset, value, width)
                return False
        if not self._mpu().allows(address, write=True):
            raise MpuFault(address)
        slot = self.slots.get(address >> 10)
        if slot is not None and slot.peripheral is self.stream and self._settles(slot):
            self._stream_pages[address >> 10] = self.stream
        return self._write(address, value, width)

    def unbarriered_store(self, pc: int) -> None:
        self.on_unbarriered_store(pc)

    def flash_blocked(self, address: int) -> None:
        if not self._mpu().allows(address, write=False):
            raise MpuFault(address)
        self.flash.stall()
        why = self.flash_readable()
        if why is not None:
            raise BusFault(address, why)

    def _slot(self, address: int) -> Slot | None:
        slot = self.slots.get(address >> 10)
        if slot is None:
            if any(base <= address < base + size for base, size in REGISTER_AREAS):
                assert self.unmodelled is not None
                return Slot(self.unmodelled, 0)
            return None
        return slot

    def _read(self, address: int, width: int) -> tuple[int, bool]:
        slot = self.slots.get(address >> 10)
        if slot is None:
            if WINDOW <= address < WINDOW + WINDOW_SIZE:
                return self._window(address).window_read(address - WINDOW, width), False
            slot = self._slot(address)
        if slot is None:
            raise BusFault(address, "nothing there")
        if slot.clocked is not None and not slot.clocked():
            return 0, True
        offset = address - slot.base
        pure = slot.peripheral.read_is_pure(offset)
        return slot.peripheral.read(offset, width), pure

    def _write(self, address: int, value: int, width: int) -> bool:
        slot = self._slot(address)
        if slot is None:
            self._write_no_register(address, value, width)
            return False
        if slot.clocked is not None and not slot.clocked():
            return True
        harmless = slot.peripheral is self._watchdog and self._watchdog.is_refresh(address - slot.base, value)
        slot.peripheral.write(address - slot.base, value, width)
        self.after_write(slot.peripheral)
        return harmless

    def _write_no_register(self, address: int, value: int, width: int) -> None:
        flash = self.flash
        if (
            internal.BASE <= address < internal.BASE + len(flash.array)
            or internal.OTP_BASE <= address < internal.OTP_BASE + 1056
            or internal.ITCM_BASE <= address < internal.ITCM_BASE + len(flash.array)
        ):
            flash.store(address, value, width)
            self.after_write(flash)
            return
        raise BusFault(
            address, "read-only" if WINDOW <= address < WINDOW + WINDOW_SIZE else "nothing to write there"
        )

    def _window(self, address: int) -> Window:
        if self.window is None:
            raise BusFault(address, "no QUADSPI")
        if not self.window_clocked():
            raise BusFault(address, "QUADSPI has no clock, or is held in reset")
        return self.window

    # -- the debugger's side ----------------------------------------------------------------------

    def debug_read(self, address: int, size: int, width: int) -> bytes:
        _check(address, size, width)
        for memory in self.memories:
            if address in memory and address + size <= memory.base + memory.size:
                start = address - memory.base
                return bytes(memory.bytes[start : start + size])
        for base in (internal.BASE, internal.ITCM_BASE):
            if base <= address and address + size <= base + len(self.flash.array):
                self._check_readable(address)
                return self.flash.array_read(address - base, size)
        if address >= WINDOW and address + size <= WINDOW + WINDOW_SIZE and width == 4:
            return self._window(address).window_bytes(address - WINDOW, size)
        return b"".join(
            self._read(at, width)[0].to_bytes(width, "little") for at in range(address, address + size, width)
        )

    def vector_read(self, address: int) -> int:
        """A word that the core itself fetches from memory: vectors and stack frames."""
        for base in (internal.BASE, internal.ITCM_BASE):
            if base <= address < base + len(self.flash.array):
                return int.from_bytes(self.flash.array_read(address - base, 4), "little")
        return int.from_bytes(self.debug_read(address, 4, 4), "little")

    def _check_readable(self, address: int) -> None:
        if self.flash.read_protected:
            raise BusFault(address, "flash is read-protected (RDP)")
        self.flash.stall()
        why = self.flash_readable()
        if why is not None:
            raise BusFault(address, why)

    def debug_write(self, address: int, data: bytes, width: int) -> None:
        _check(address, len(data), width)
        for memory in self.memories:
            if memory.writable and address in memory and address + len(data) <= memory.base + memory.size:
                start = address - memory.base
                memory.bytes[start : start + len(data)] = data
                self.on_memory_written(address, len(data))
                return
        for n in range(0, len(data), width):
            self._write(address + n, int.from_bytes(data[n : n + width], "little"), width)


def _check(address: int, size: int, width: int) -> None:
    if address % width or size % width:
        raise BusFault(address, f"not aligned to accesses of {width} bytes")
