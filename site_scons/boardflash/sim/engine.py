"""Runs machine code in Unicorn and keeps its time: one instruction is one cycle of HCLK, and an access to a
peripheral's register takes as many more as the bus does.

Unicorn runs uncounted. The block hook adds up the instructions of each block before it runs and stops
the emulation at the block where the slice ends. A register access happens at the time of its block's start,
later by the accesses before it in that block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import unicorn
from unicorn import arm_const as arm

from boardflash.sim import thumb
from boardflash.sim.clocks import PS
from boardflash.sim.hooks import add_block_hook, map_registers
from boardflash.sim.slices import CoreBus, MpuFault, Stop, StopInfo
from boardflash.sim.target import BusFault, VirtualClock
from boardflash.sim.waiting import WaitDetector

# One integer counts both: instructions above, blocks that store below. It starts again with each slice.
SHIFT = 20
_STORE_MASK = (1 << SHIFT) - 1
_WFE, _WFI = 0xBF20, 0xBF30
_CORE_BUS = 0xE0000000  # the private peripheral bus: SysTick, NVIC, SCB, MPU


# Unicorn's exception numbers for M-profile (QEMU target/arm/cpu.h).
_INTERRUPTS = {
    1: Stop.UNDEFINED,
    2: Stop.SVC,
    3: Stop.FETCH_FAULT,
    7: Stop.BKPT,
    8: Stop.EXCEPTION_RETURN,
    17: Stop.NO_COPROCESSOR,
    18: Stop.INVALID_STATE,
    22: Stop.UNALIGNED,
}


class Engine:
    def __init__(
        self,
        clock: VirtualClock,
        hz: int,
        bus: CoreBus,
        waiting: WaitDetector | None,
        register_cycles: int = 1,
    ) -> None:
        self.clock = clock
        self.bus = bus
        self.hz = hz
        self.uc: Any = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M7)
        self.cycles = 0  # run or skipped, since power-up
        self.limit: Callable[[], int] = lambda: clock.now_ps
        """The moment at which this slice must end, asked anew whenever a register write may have moved it."""
        self.on_event: Callable[[], None] = lambda: None
        self.breakpoints: dict[int, Any] = {}
        self._waiting = waiting
        self._register_cost = register_cycles - 1 << SHIFT  # the instruction itself is counted with its block
        self._counts: dict[int, int] = {}
        self._special: dict[int, thumb.BlockFacts] = {}
        self._by_granule: dict[int, set[int]] = {}
        self._done = self._at = self._budget = self._origin = 0
        self._base_ps = 0
        self._block = 0
        self._running = self._delicate = self._ending = False
        self._protections: dict[int, tuple[int, bool]] = {}
        self._stale: list[tuple[int, int]] = []
        self._repairs: list[tuple[int, bytes]] = []
        self._barriers: dict[int, bool] = {}  # store to flash at this pc -> a DSB follows it
        self._stop: StopInfo | None = None
        self._error: BaseException | None = None
        self._hook()

    def _hook(self) -> None:
        uc = self.uc
        self._kept: list[object] = [add_block_hook(uc, self._on_block, self._abort)]
        uc.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        uc.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED, self._on_unmapped)
        uc.hook_add(unicorn.UC_HOOK_MEM_WRITE_PROT, self._on_protected_write)
        uc.hook_add(unicorn.UC_HOOK_MEM_READ_PROT | unicorn.UC_HOOK_MEM_FETCH_PROT, self._on_protected_read)

    @property
    def executed(self) -> int:
        """Instructions that were really run: without the waits that were skipped."""
        return self.cycles - (self._waiting.skipped if self._waiting is not None else 0)

    def map_memory(self, address: int, size: int, pointer: int, writable: bool) -> None:
        permissions = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC | (unicorn.UC_PROT_WRITE if writable else 0)
        self.uc.mem_map_ptr(address, size, permissions, pointer)

    def map_registers(self, base: int, size: int) -> None:
        self._kept.append(map_registers(self.uc, base, size, self._register_read, self._register_write))

    def protect(self, address: int, size: int, readable: bool) -> None:
        """Let reads of this (read-only) memory through, or make each one ask `flash_blocked`."""
        self._protections[address] = (size, readable)
        self._between_blocks()

    def _between_blocks(self) -> None:
        """Changes of Unicorn's maps and translations; in the middle of a plain access they would crash it."""
        if self._running and self._delicate:
            self._budget = -1
            return
        for address, (size, readable) in self._protections.items():
            allowed = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC if readable else unicorn.UC_PROT_NONE
            self.uc.mem_protect(address, size, allowed)
        self._protections.clear()
        if self._running and (self._stale or self._repairs):
            self._budget = -1
            return
        for start, end in self._stale:
            self.uc.ctl_remove_cache(start, end)
        self._stale.clear()
        for address, content in self._repairs:
            self.uc.mem_write(address, content)
        self._repairs.clear()

    def disturb(self) -> None:
        """Memory or registers were changed from outside the core."""
        if self._waiting is not None:
            self._waiting.disturb()

    def forget_code(self, address: int, size: int) -> None:
        """Memory was changed from outside the core: drop what was translated from it."""
        self.disturb()
        first, last = address >> 8, address + size - 1 >> 8
        if first == last and first not in self._by_granule:
            return
        if last - first > len(self._by_granule):
            touched = sorted(g for g in self._by_granule if first <= g <= last)
        else:
            touched = [g for g in range(first, last + 1) if g in self._by_granule]
        if not touched:
            return
        self._barriers.clear()
        for granule in touched:
            for block in self._by_granule.pop(granule):
                self._counts.pop(block, None)
                self._special.pop(block, None)
        self._stale.append((touched[0] << 8, (touched[-1] + 1) << 8))
        self._between_blocks()

    def set_breakpoints(self, addresses: set[int]) -> None:
        for address in [a for a in self.breakpoints if a not in addresses]:
            self.uc.hook_del(self.breakpoints.pop(address))
            self._retranslate(address)
        for address in addresses:
            if address not in self.breakpoints:
                self.breakpoints[address] = self.uc.hook_add(
                    unicorn.UC_HOOK_CODE, self._on_breakpoint, None, address, address
                )
                self._retranslate(address)

    def _retranslate(self, address: int) -> None:
        self.uc.ctl_remove_cache(address & ~0xFFF, (address & ~0xFFF) + 0x1000)

    def set_clock(self, hz: int) -> None:
        """HCLK changes now; cycles counted so far keep their length."""
        self._rebase()
        self.hz = hz

    def time_of(self, done: int) -> int:
        return self._base_ps + ((done >> SHIFT) - self._origin) * PS // self.hz

    def _rebase(self) -> None:
        self._base_ps = self.clock.now_ps
        self._origin = self._at >> SHIFT

    def reconsider(self) -> None:
        """Ask again where this slice ends."""
        if self._protections or self._stale or self._repairs:
            self._budget = -1
            return
        if self._ending:
            self._budget = 0
            return
        cycles = -(-(self.limit() - self._base_ps) * self.hz // PS)
        self._budget = max(self._origin + cycles, 0) << SHIFT

    def end_slice(self) -> None:
        """Stop before the next block."""
        self._ending = True
        self._budget = min(self._budget, 0)

    def run(self, pc: int) -> StopInfo:
        """Run from `pc` until `limit()` or something that the core must decide about. Moves the clock."""
        self._done = self._at = self._origin = 0
        self._base_ps = self.clock.now_ps
        self._block = pc
        self._stop = None
        self._ending = False
        self.reconsider()
        if self._waiting is not None:
            self._waiting.new_slice()
        error = self._emulate(pc, 0)
        where = int(self.uc.reg_read(arm.UC_ARM_REG_PC)) & ~1
        info = self._why(where, error)
        if info.kind is not Stop.BUDGET:
            self._count_partial_block(where)
        self.cycles += self._done >> SHIFT
        self.clock.advance_to(self.time_of(self._done))
        return info

    def _emulate(self, pc: int, count: int) -> unicorn.UcError | None:
        self._running = True
        try:
            self.uc.emu_start(pc | 1, 0xFFFFFFFF, count=count)
        except unicorn.UcError as raised:
            return raised
        finally:
            self._running = False
            self._between_blocks()
            failure, self._error = self._error, None
            if failure is not None:
                raise failure
        return None

    def _count_partial_block(self, pc: int) -> None:
        """The last block did not run to its end: take back what did not run."""
        if self._done > self._at and self._block <= pc < self._block + 4096:
            ran = thumb.count(self.uc.mem_read(self._block, pc - self._block))
            self._done = min(self._done, self._at + (ran << SHIFT))

    def _why(self, pc: int, error: unicorn.UcError | None) -> StopInfo:
        if self._stop is not None:
            if self._stop.kind is not Stop.EXCEPTION_RETURN:
                self._stop.pc = pc
            return self._stop
        if error is None:
            # WFI comes back as a plain end; so does the budget, but that leaves the last block unrun.
            if self._done != self._at and self._halfword(pc - 2) == _WFI:
                return StopInfo(Stop.WFI, pc)
            return StopInfo(Stop.BUDGET, pc)
        if error.errno == unicorn.UC_ERR_INSN_INVALID:
            if self._halfword(pc - 2) == _WFE:
                return StopInfo(Stop.WFE, pc)
            return StopInfo(Stop.UNDEFINED, pc)
        return StopInfo(Stop.FETCH_FAULT, pc, pc, reason=str(error))

    def _halfword(self, address: int) -> int:
        try:
            return int.from_bytes(self.uc.mem_read(address, 2), "little")
        except unicorn.UcError:
            return 0

    def step(self, pc: int) -> StopInfo:
        """One instruction. Its block is translated for this alone: counted and uncounted runs don't mix."""
        self._done = self._at = self._origin = 0
        self._base_ps = self.clock.now_ps
        self._block = pc
        self._stop = None
        self._budget = 1 << 62
        self.disturb()
        self.uc.ctl_remove_cache(pc, pc + 4)
        error = self._emulate(pc, 1)
        self.uc.ctl_remove_cache(pc, pc + 4)
        self._counts.pop(pc, None)
        self._done = 1 << SHIFT
        self.cycles += 1
        self.clock.advance_to(self.time_of(self._done))
        info = self._why(int(self.uc.reg_read(arm.UC_ARM_REG_PC)) & ~1, error)
        return StopInfo(Stop.BUDGET, info.pc) if info.kind in (Stop.WFI, Stop.WFE) else info

    def _on_block(self, address: int, size: int) -> None:
        try:
            count = self._counts[address]
        except KeyError:
            count = self._examine(address, size)
        done = self._done
        self._at = done
        self._block = address
        if done >= self._budget:
            if self._budget < 0:
                self._catch_up()
            if done >= self._budget:
                self.uc.emu_stop()
                return
        waiting = self._waiting
        if waiting is not None:
            if address == waiting.anchor:
                done = waiting.visit(self, done)
                if done >= self._budget:
                    self._done = self._at = done
                    self.uc.emu_stop()
                    return
                self._at = done
            else:
                waiting.left -= 1
                if waiting.left < 0:
                    waiting.move_anchor(address)
        self._done = done + count

    def _catch_up(self) -> None:
        """At the start of a block nothing is under way: do what had to wait."""
        self._running = False
        self._between_blocks()
        self._running = True
        self.reconsider()

    def _examine(self, address: int, size: int) -> int:
        facts = self._special.get(address)
        if facts is None:
            facts = thumb.examine(self.uc.mem_read(address, size))
            for granule in range(address >> 8, (address + max(size, 1) - 1 >> 8) + 1):
                self._by_granule.setdefault(granule, set()).add(address)
        count = facts.instructions << SHIFT | int(facts.stores)
        if facts.changes_masks or facts.sends_event:
            # Not in the fast table: each time it runs, the core looks at its pending exceptions after it.
            self._special[address] = facts
            if self._done < self._budget:
                if facts.sends_event:
                    self.on_event()
                if self._waiting is not None:
                    self._waiting.impure = True
                self._ending = True
                self._budget = min(self._budget, self._done + 1)
        else:
            self._counts[address] = count
        return count

    def _on_breakpoint(self, uc: Any, address: int, _size: int, _data: Any) -> None:
        self._stop = StopInfo(Stop.BREAKPOINT, address)
        uc.emu_stop()

    def _on_interrupt(self, uc: Any, number: int, _data: Any) -> None:
        pc = int(uc.reg_read(arm.UC_ARM_REG_PC))
        self._stop = StopInfo(_INTERRUPTS.get(number, Stop.UNDEFINED), pc)
        uc.emu_stop()

    def _on_unmapped(self, uc: Any, access: int, address: int, _size: int, _value: int, _data: Any) -> bool:
        kind = Stop.FETCH_FAULT if access == unicorn.UC_MEM_FETCH_UNMAPPED else Stop.BUS_FAULT
        write = access == unicorn.UC_MEM_WRITE_UNMAPPED
        self._stop = StopInfo(kind, 0, address, write, "nothing there")
        return False

    def _on_protected_write(
        self, uc: Any, _access: int, address: int, size: int, value: int, _data: Any
    ) -> bool:
        self._delicate = True
        if address % size:
            # Unicorn cuts an unaligned store into bytes, and those get past this hook into the memory.
            self._repairs.append((address, bytes(uc.mem_read(address, size))))
            self._budget = -1
        self._register_write(address, value & (1 << 8 * size) - 1, size)
        self._look_for_barrier(int(uc.reg_read(arm.UC_ARM_REG_PC)) & ~1)
        self._delicate = False
        return self._stop is None

    def _look_for_barrier(self, pc: int) -> None:
        """A store to flash wants a DSB behind it; without one it may be lost (ST forum, thread 33948)."""
        if pc not in self._barriers:
            self._barriers[pc] = thumb.barrier_follows(self.uc.mem_read(pc, 8))
            if not self._barriers[pc]:
                self.bus.unbarriered_store(pc)

    def _on_protected_read(
        self, uc: Any, access: int, address: int, _size: int, _value: int, _data: Any
    ) -> bool:
        self.clock.now_ps = self.time_of(self._at)
        before = self.clock.now_ps
        self._delicate = True
        try:
            self.bus.flash_blocked(address)
        except (BusFault, MpuFault) as fault:
            self._fault(fault, False)
            if access == unicorn.UC_MEM_FETCH_PROT and self._stop is not None:
                self._stop.kind = Stop.FETCH_FAULT
            return False
        finally:
            self._delicate = False
        if self._waiting is not None:
            self._waiting.impure = True
        if self.clock.now_ps != before:
            self._rebase()
            self.reconsider()
        return True

    def _wait_for_bus(self) -> None:
        self._done += self._register_cost
        self._at += self._register_cost

    def _register_read(self, address: int, width: int) -> int:
        if address < _CORE_BUS:
            self._wait_for_bus()
        now = self.clock.now_ps = self.time_of(self._at)
        try:
            value, pure = self.bus.core_read(address, width)
        except (BusFault, MpuFault) as fault:
            self._fault(fault, False)
            return 0
        except BaseException as error:
            return self._abort(error)
        if not pure and self._waiting is not None:
            self._waiting.impure = True
        if self.clock.now_ps != now:
            self._rebase()
            self.reconsider()
        return value

    def _register_write(self, address: int, value: int, width: int) -> None:
        if address < _CORE_BUS:
            self._wait_for_bus()
        now = self.clock.now_ps = self.time_of(self._at)
        try:
            harmless = self.bus.core_write(address, value, width)
        except (BusFault, MpuFault) as fault:
            self._fault(fault, True)
            return
        except BaseException as error:
            self._abort(error)
            return
        if not harmless and self._waiting is not None:
            self._waiting.impure = True
        if self.clock.now_ps != now:
            self._rebase()
            self.reconsider()

    def _fault(self, fault: BusFault | MpuFault, write: bool) -> None:
        kind = Stop.MPU_FAULT if isinstance(fault, MpuFault) else Stop.BUS_FAULT
        self._stop = StopInfo(kind, 0, fault.address, write, str(fault))
        self.uc.emu_stop()

    def _abort(self, error: BaseException) -> int:
        """An error of the simulation itself: carry it out of Unicorn."""
        self._error = error
        self.uc.emu_stop()
        return 0
