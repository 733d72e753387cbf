"""One simulated board: a core, its memories and peripherals, and the NOR chip that is wired to it.

    board = SimulatedBoard(load_twin("stm32f746g-disco"), BoardState.in_memory("1"), SimOptions())
    board.reset(halt=True)

It is a `Target` (target.py); adapters for probes and debug clients stand on that alone. For tests it
also shows its parts: `clock`, `core`, `rcc`, `gpio`, `flash`, `quadspi`, `chip`, `violations`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from boardflash.sim import bus as addresses
from boardflash.sim import flash as internal
from boardflash.sim import rcc as clocks
from boardflash.sim.bus import Bus, Memory
from boardflash.sim.cache import LINE, DataCache
from boardflash.sim.core import Core
from boardflash.sim.dbgmcu import Dbgmcu
from boardflash.sim.debugunits import Dwt, Fpb, RomTable
from boardflash.sim.engine import Engine
from boardflash.sim.flash import Flash
from boardflash.sim.gpio import BankPads, GpioPort, Pads, load_functions
from boardflash.sim.iwdg import Iwdg
from boardflash.sim.nor import ChipOptions, NorChip, create_chip
from boardflash.sim.options import SimOptions
from boardflash.sim.quadspi import QuadSpi
from boardflash.sim.quadspi_registers import CCR, MAPPED
from boardflash.sim.quadspi_wire import Wire
from boardflash.sim.rcc import Pwr, Rcc
from boardflash.sim.registers import Unmodelled
from boardflash.sim.scs import SystemControl
from boardflash.sim.state import BoardState, fresh
from boardflash.sim.target import BusFault, InterruptSource, Peripheral, VirtualClock
from boardflash.sim.twin import Twin, die_of
from boardflash.sim.violations import HardwareRuleViolation, Violations
from boardflash.sim.waiting import WaitDetector

FLASH_LINE, QUADSPI_LINE = 4, 92
_PORTS = "ABCDEFGHIJK"
_UID, _FLASH_SIZE = 0x1FF0F420, 0x1FF0F442
_QUADSPI_BIT = 1


class SimulatedBoard:
    """The board as built by `twin`, holding what `state` holds, powered up and running."""

    def __init__(self, twin: Twin, state: BoardState, options: SimOptions | None = None) -> None:
        self.twin = twin
        self.state = state
        self.options = options or SimOptions()
        self.clock = VirtualClock()
        self._rules = Violations(self.clock)
        size = twin.flash_kib * 1024
        state.fit(twin.name, twin.chip, size, twin.start)
        for key, value in twin.option_bytes.items():
            state.option_bytes.setdefault(key, value)
        self._flash_memory = Memory(internal.BASE, size, writable=False)
        self._flash_memory.bytes[:] = state.internal
        self._make_memories()
        self.flash = Flash(
            self.clock,
            self._flash_memory.bytes,
            self._system.bytes[internal.OTP_BASE - addresses.SYSTEM :][:1056],
            state.option_bytes,
            twin.supply_mv,
            self.options,
            self._rules,
        )
        self.rcc = Rcc(self.clock, twin.hse_hz, self._rules, twin.hsi_ppm)
        self.pwr = Pwr(self.clock, lambda: self.rcc.pll_on)
        self.gpio = {letter: GpioPort(self.clock, letter) for letter in _PORTS}
        self.pads = Pads(
            self.gpio, self._port_clocked, twin.wiring, load_functions(die_of(twin.mcu, twin.name))
        )
        self.chip = self._make_chip()
        self.quadspi = QuadSpi(
            self.clock,
            lambda: self.rcc.hclk_hz,
            [Wire(BankPads(self.pads, bank), self.chip) for bank in (1, 2)],
            busy_stays=twin.busy_stays,
            late_abort=twin.late_abort,
            violation=self._rules.add,
        )
        self.iwdg = Iwdg(self.clock, twin.lsi_hz)
        self.dbgmcu = Dbgmcu(self.clock, twin.revision)
        self.unmodelled = Unmodelled(self.clock)
        self.bus = Bus(
            [self._itcm, self._ram, self._system, self._options], self.flash, lambda: self.core.mpu
        )
        self.core = self._make_core()
        self.dwt, self.fpb = Dwt(self.core), Fpb(self.core)
        self._attach_peripherals()
        self._wire()
        self._start()

    @property
    def violations(self) -> list[HardwareRuleViolation]:
        """What software did that hardware forbids without reporting it."""
        return self._rules.all

    # -- Target -------------------------------------------------------------------------------------

    def advance(self, ps: int) -> None:
        self.core.run_until(self.clock.now_ps + ps)

    def read_memory(self, address: int, size: int, width: int) -> bytes:
        self._check_clocked(address)
        return self.bus.debug_read(address, size, width)

    def write_memory(self, address: int, data: bytes, width: int) -> None:
        self._check_clocked(address)
        self.dwt.debugger = True
        try:
            self.bus.debug_write(address, data, width)
        finally:
            self.dwt.debugger = False
        self._after_slice()

    def _check_clocked(self, address: int) -> None:
        """Asleep, the core keeps HCLK off but for DBGMCU_CR.DBG_SLEEP (RM0385 40.16.1); its own registers
        answer."""
        if self.core.sleeping is not None and address < addresses.PPB and not self.dbgmcu.clock_in_sleep:
            raise BusFault(address, "no HCLK: the core sleeps and DBG_SLEEP is clear")

    def halt(self) -> None:
        self.core.halt()

    def resume(self) -> None:
        self.core.resume()

    def step(self) -> None:
        self.core.step()
        self._after_slice()

    def halted(self) -> bool:
        return self.core.halted

    def read_register(self, number: int) -> int:
        return self.core.read_register(number)

    def write_register(self, number: int, value: int) -> None:
        self.core.write_register(number, value)

    def reset(self, halt: bool) -> None:
        self._system_reset(clocks.PIN_FLAGS, halt)

    def power_cycle(self) -> None:
        """Everything volatile is lost; an erase or program that was under way stays half done."""
        self.flash.power_lost()
        self.chip.settle(self.clock.now_ps)
        self.chip.power_cycle()
        for memory in (self._itcm, self._ram):
            memory.bytes[:] = bytes(memory.size)
            self.core.engine.forget_code(memory.base, memory.size)
        self.dbgmcu.reset()
        self.fpb.reset()
        self.core.demcr = self.core.dhcsr = self.core.dfsr = 0
        self.core.resume()
        self._start()

    def save(self) -> None:
        """Put both flashes where they outlive this process."""
        self.flash.settle()
        self.chip.settle(self.clock.now_ps)
        self.state.internal = bytearray(self.flash.array)
        self.state.otp = bytearray(self.flash.otp)
        self.state.qspi = self.chip.array
        self.state.chip_registers = dict(self.chip.nonvolatile())
        self.state.save()
        self.chip.dirty = False

    def close(self) -> None:
        """Power off and save."""
        self.flash.power_lost()
        self.save()

    # -- building -----------------------------------------------------------------------------------

    def _make_memories(self) -> None:
        self._itcm = Memory(addresses.ITCM, addresses.ITCM_SIZE, writable=True)
        self._ram = Memory(addresses.RAM, addresses.RAM_SIZE, writable=True)
        self._system = Memory(addresses.SYSTEM, addresses.SYSTEM_SIZE, writable=False)
        self._options = Memory(addresses.OPTIONS, addresses.OPTIONS_SIZE, writable=False)
        uid = hashlib.blake2s(self.state.serial.encode(), digest_size=12, person=b"uid").digest()
        self._system.bytes[_UID - addresses.SYSTEM :][:12] = uid
        self._system.bytes[_FLASH_SIZE - addresses.SYSTEM :][:2] = self.twin.flash_kib.to_bytes(2, "little")
        self._system.bytes[internal.OTP_BASE - addresses.SYSTEM :][:1056] = self.state.otp

    def _make_chip(self) -> NorChip:
        options = ChipOptions.from_table(self.twin.chip_options, f"{self.twin.name}: [chip_options]")
        chip = create_chip(self.twin.chip, self.clock, options)
        if self.state.qspi:
            chip.array[:] = self.state.qspi
            chip.restore(dict(self.state.chip_registers))
            chip.impose(ChipOptions.from_table(self.twin.chip_faults, f"{self.twin.name}: [chip_options]"))
        elif self.twin.start != "blank":
            chip.array[:] = fresh(len(chip.array), self.twin.start, f"{self.state.serial}/qspi")
        return chip

    def _make_core(self) -> Core:
        waiting = WaitDetector(self._next_change, self._ram_content) if self.options.skip_waiting else None
        engine = Engine(self.clock, self.rcc.hclk_hz, self.bus, waiting, self.twin.register_cycles)
        for memory in self.bus.memories:
            engine.map_memory(memory.base, memory.size, memory.pointer, memory.writable)
        for base in (internal.BASE, internal.ITCM_BASE):
            engine.map_memory(base, self._flash_memory.size, self._flash_memory.pointer, writable=False)
        for base, size in (*addresses.REGISTER_AREAS, (addresses.WINDOW, addresses.WINDOW_SIZE)):
            engine.map_registers(base, size)
        lines: dict[int, InterruptSource] = {FLASH_LINE: self.flash, QUADSPI_LINE: self.quadspi}
        return Core(self.clock, engine, lines, lambda: self.flash.boot_address, self._make_cache())

    def _make_cache(self) -> DataCache:
        def get(address: int) -> bytes:
            return bytes(self._ram.bytes[address - self._ram.base :][:LINE])

        def put(address: int, data: bytes) -> None:
            self._ram.bytes[address - self._ram.base :][: len(data)] = data
            self.core.engine.forget_code(address, len(data))

        return DataCache(get, put)

    def _gate(self, register: int, bit: int) -> Callable[[], bool]:
        return lambda: self.rcc.clocked(register, bit)

    def _port_clocked(self, letter: str) -> bool:
        return self.rcc.clocked(clocks.AHB1ENR, _PORTS.index(letter))

    def _attach_peripherals(self) -> None:
        bus = self.bus
        bus.unmodelled = self.unmodelled
        bus.attach(0x40003000, self.iwdg, None)
        bus.attach(0x40007000, self.pwr, self._gate(clocks.APB1ENR, 28))
        bus.attach(0x40023800, self.rcc, None)
        bus.attach(0x40023C00, self.flash, None)
        for n, letter in enumerate(_PORTS):
            bus.attach(0x40020000 + 0x400 * n, self.gpio[letter], self._gate(clocks.AHB1ENR, n))
            self.rcc.on_reset[clocks.AHB1RSTR, n] = self.gpio[letter].reset
        quadspi_clock = self._gate(clocks.AHB3ENR, _QUADSPI_BIT)
        bus.attach(0xA0001000, self.quadspi, quadspi_clock)
        bus.window, bus.window_clocked = self.quadspi, quadspi_clock
        bus.stream = self.quadspi
        self.rcc.on_reset[clocks.AHB3RSTR, _QUADSPI_BIT] = self.quadspi.reset
        self.rcc.on_reset[clocks.APB1RSTR, 28] = self.pwr.reset
        bus.attach(0xE0001000, self.dwt, None, 0x1000)
        bus.attach(0xE0002000, self.fpb, None, 0x1000)
        bus.attach(0xE000E000, SystemControl(self.core), None, 0x1000)
        bus.attach(0xE0042000, self.dbgmcu, None)
        bus.attach(0xE00FF000, RomTable(self.clock), None, 0x1000)

    def _wire(self) -> None:
        self.rcc.supply = self.pwr.supply
        self.rcc.on_hclk = self._hclk_changed
        self.flash.on_busy = self._flash_busy
        self.flash.on_content = self._flash_changed
        self.bus.flash_readable = self._flash_unreadable
        self.bus.on_memory_written = self.core.engine.forget_code
        self.bus.after_write = self._register_written
        self.bus.on_unbarriered_store = lambda pc: self._rules.add(
            "flash_store_barrier", f"store to flash at pc {pc:#010x} without a DSB behind it"
        )
        self.core.read_word = self.bus.vector_read
        self.core.write_word = lambda address, value: self.bus.debug_write(
            address, value.to_bytes(4, "little"), 4
        )
        self.core.horizon = self.iwdg.next_change_ps
        self.core.after_slice = self._after_slice
        self.core.on_halt = lambda halted: self._freeze_watchdog()

    # -- what the parts tell each other -----------------------------------------------------------------

    def _start(self) -> None:
        self._system_reset(clocks.POR_FLAGS)

    def _system_reset(self, flags: int, halt: bool = False) -> None:
        """All of the MCU but its debug logic and RAM; the NOR chip has no reset line and is left as it is."""
        peripherals: list[Peripheral] = [self.pwr, self.flash, self.quadspi, self.iwdg, *self.gpio.values()]
        for peripheral in peripherals:
            peripheral.reset()
        self.rcc.reset()
        self.bus.settings_changed()
        self.rcc.set_reset_flags(flags)
        self.core.set_hclk(self.rcc.hclk_hz)
        self._protect_flash()
        if self.flash.watchdog_by_hardware:
            self.iwdg.start()
        self.core.reset(halt)
        self._freeze_watchdog()

    def _after_slice(self) -> None:
        if self.iwdg.expired():
            self._system_reset(clocks.IWDG_FLAGS)
        elif self.core.reset_requested:
            self._system_reset(clocks.SOFT_FLAGS)

    def _freeze_watchdog(self) -> None:
        self.iwdg.freeze(self.core.halted and self.dbgmcu.stops_watchdog)

    def _register_written(self, peripheral: Peripheral) -> None:
        if peripheral is self.rcc or isinstance(peripheral, SystemControl):
            self.bus.settings_changed()
        if self.options.read_ahead and peripheral is self.quadspi and not self.core.halted:
            self._read_ahead()
        if peripheral is self.dbgmcu:
            self._freeze_watchdog()
        elif peripheral is self.flash:
            self._protect_flash()
        elif isinstance(peripheral, GpioPort) or (
            peripheral is self.quadspi and self.quadspi.next_irq_ps() is None and not self.quadspi.irq()
        ):
            return  # nothing that the core could notice by itself: most writes while flashing are such
        self.core.registers_written()

    def _hclk_changed(self, hz: int) -> None:
        self.core.set_hclk(hz)
        self._protect_flash()

    def _flash_unreadable(self) -> str | None:
        if self.flash.enough_wait_states(self.rcc.hclk_hz):
            return None
        detail = f"HCLK {self.rcc.hclk_hz} Hz at {self.twin.supply_mv} mV"
        self._rules.add("flash_latency", f"flash read with too few wait states for {detail}")
        return f"too few flash wait states for {detail}"

    def _flash_busy(self, busy: bool) -> None:
        self._protect_flash()
        if busy and self.options.read_ahead and not self.core.halted:
            self._read_ahead()

    def _read_ahead(self) -> None:
        """The worst that the core may do on its own while an erase or a transfer of the QSPI chip begins."""
        may = self.core.mpu.may_read_ahead
        mapped = self.quadspi.read(CCR, 4) >> 26 & 3 == MAPPED
        for bank in [*addresses.EXTERNAL] + [addresses.WINDOW] * (not mapped):
            if any(may(bank + at) for at in addresses.PROBES):
                self._rules.add("read_ahead", f"the core may read {bank:#010x}, where nothing answers")
        starts = [start for start, _ in self.flash.sectors]
        if self.flash.erasing and any(
            may(b + s) for b in (internal.BASE, internal.ITCM_BASE) for s in starts
        ):
            self.flash.stall()

    _flash_open = True

    def _protect_flash(self) -> None:
        """Let the core read flash at full speed, or stop it at each read while flash is busy or too fast."""
        readable = not self.flash.erasing and self.flash.enough_wait_states(self.rcc.hclk_hz)
        if readable == self._flash_open:
            return
        self._flash_open = readable
        for base in (internal.BASE, internal.ITCM_BASE):
            self.core.engine.protect(base, self._flash_memory.size, readable)

    def _flash_changed(self, offset: int, size: int) -> None:
        for base in (internal.BASE, internal.ITCM_BASE):
            self.core.engine.forget_code(base + offset, size)

    def _next_change(self) -> int | None:
        """When anything that software can see changes by itself."""
        moments = [self.flash.next_change_ps(), self.quadspi.next_change_ps(), self.rcc.next_change_ps()]
        moments += [self.iwdg.next_change_ps(), self.core.systick.next_zero_ps()]
        return min((moment for moment in moments if moment is not None), default=None)

    def _ram_content(self) -> bytes:
        return bytes(self._ram.bytes) + bytes(self._itcm.bytes)
