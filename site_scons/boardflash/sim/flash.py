"""The internal flash and its controller (RM0385 chapter 3; reference facts/stm32f7.md section 2).

One array, one operation at a time. Programming clears bits; an erase sets a sector to ones. Everything
that the controller refuses leaves the array alone and sets an error flag.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from boardflash.sim.clocks import PS
from boardflash.sim.options import SimOptions
from boardflash.sim.registers import RegisterBlock
from boardflash.sim.target import BusFault, VirtualClock
from boardflash.sim.violations import Violations

ACR, KEYR, OPTKEYR, SR, CR, OPTCR, OPTCR1 = range(0, 28, 4)
BASE, ITCM_BASE, OTP_BASE = 0x08000000, 0x00200000, 0x1FF0F000
EOP, OPERR, WRPERR, PGAERR, PGPERR, ERSERR, BSY = 1 << 0, 1 << 1, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 16
_ERRORS = WRPERR | PGAERR | PGPERR | ERSERR
PG, SER, MER, STRT, EOPIE, ERRIE, LOCK = 1, 1 << 1, 1 << 2, 1 << 16, 1 << 24, 1 << 25, 1 << 31
_KEYS = (0x45670123, 0xCDEF89AB)
_OPTION_KEYS = (0x08192A3B, 0x4C5D6E7F)
OPTCR_FACTORY, OPTCR1_FACTORY = 0xC0FFAAFC, 0x00400080  # all sectors writable, RDP AAh, boot at 0x00200000
SECTOR_KIB = (32, 32, 32, 32, 128, 256, 256, 256)
# Maximum in ms for x8, x16, x32 (x8: reference "Timing"; the others **(unverified)**). x64 counts as x32.
_ERASE_MAX_MS = {32: (800, 600, 500), 128: (2400, 1400, 1100), 256: (4000, 2600, 2000)}
_MASS_MAX_MS = (32_000, 22_000, 16_000)
_OPTION_MS = 300
# Least supply in mV for x8, x16, x32 (reference "Programming rules"); x64 needs an external voltage.
_LEAST_MV = (1700, 2100, 2700)
# Highest HCLK per wait state, by supply **(unverified)** (RM0385 table 5).
_MHZ_PER_WAIT = ((2700, 30), (2400, 24), (2100, 22), (0, 20))


@dataclass(frozen=True)
class _Operation:
    end_ps: int
    start_ps: int
    offset: int
    before: bytes
    after: bytes
    otp: bool = False


class Flash(RegisterBlock):
    def __init__(
        self,
        clock: VirtualClock,
        array: memoryview,
        otp: memoryview,
        option_bytes: dict[str, int],
        supply_mv: int,
        options: SimOptions,
        violations: Violations,
    ) -> None:
        super().__init__(clock)
        self.array = array
        self.otp = otp
        self._options = options
        self._option_bytes = option_bytes
        self.supply_mv = supply_mv
        self._violations = violations
        self.on_busy: Callable[[bool], None] = lambda busy: None
        self.on_content: Callable[[int, int], None] = lambda offset, size: None
        self.erased_units = self.programmed_units = 0
        self._operation: _Operation | None = None
        self.sectors = self._layout(len(array))
        self.reset()

    @staticmethod
    def _layout(size: int) -> list[tuple[int, int]]:
        sectors, offset = [], 0
        for kib in SECTOR_KIB:
            if offset < size:
                sectors.append((offset, kib * 1024))
            offset += kib * 1024
        return sectors

    def reset(self) -> None:
        self._abandon()
        self._acr = 0
        self._sr = 0
        self._cr = LOCK
        self._optlocked = True
        self._optcr = self._option_bytes.get("optcr", OPTCR_FACTORY)
        self._optcr1 = self._option_bytes.get("optcr1", OPTCR1_FACTORY)
        self._keys: list[int] = []
        self._option_keys: list[int] = []
        self._dead = self._option_dead = False

    @property
    def read_protected(self) -> bool:
        return self._optcr >> 8 & 0xFF != 0xAA

    @property
    def watchdog_by_hardware(self) -> bool:
        return not self._optcr >> 5 & 1

    @property
    def boot_address(self) -> int:
        return (self._optcr1 & 0xFFFF) << 14

    def enough_wait_states(self, hclk_hz: int) -> bool:
        step = next(mhz for least, mhz in _MHZ_PER_WAIT if self.supply_mv >= least) * 1_000_000
        return hclk_hz <= ((self._acr & 0xF) + 1) * step

    @property
    def busy(self) -> bool:
        self.settle()
        return self._operation is not None

    @property
    def erasing(self) -> bool:
        """Busy for long. A unit's program is over in microseconds: during it the core's reads are not stalled
        (they would change time by less than that, never what is read); debugger's reads and writes are."""
        operation = self._operation
        return operation is not None and operation.end_ps - operation.start_ps > PS // 1000

    def settle(self) -> None:
        """End the operation if its time has come."""
        operation = self._operation
        if operation is None or self.clock.now_ps < operation.end_ps:
            return
        if self.erasing:
            self._store(operation, operation.after)
        self._operation = None
        self._cr &= ~STRT
        if self._cr & EOPIE:
            self._sr |= EOP
        self.on_busy(False)

    def stall(self) -> None:
        """The bus waits for the operation to end."""
        if self._operation is not None:
            self.clock.advance_to(self._operation.end_ps)
            self.settle()

    def _store(self, operation: _Operation, content: bytes) -> None:
        target = self.otp if operation.otp else self.array
        target[operation.offset : operation.offset + len(content)] = content
        if not operation.otp:
            self.on_content(operation.offset, len(content))

    def _abandon(self) -> None:
        """Reset or power loss in the middle: bits that were on their way are left anyhow."""
        operation, self._operation = self._operation, None
        if operation is None:
            return
        if self.clock.now_ps >= operation.end_ps:
            self._store(operation, operation.after)
        else:
            done = (self.clock.now_ps - operation.start_ps) / (operation.end_ps - operation.start_ps)
            self._store(operation, _interrupted(operation, done))
        self.on_busy(False)

    def _begin(self, duration_ps: int, offset: int, after: bytes, otp: bool = False) -> None:
        target = self.otp if otp else self.array
        before = bytes(target[offset : offset + len(after)])
        now = self.clock.now_ps
        operation = self._operation = _Operation(now + duration_ps, now, offset, before, after, otp)
        if not self.erasing:
            self._store(operation, after)
        self.on_busy(True)

    def _fail(self, flag: int) -> None:
        self._sr |= flag
        if self._cr & ERRIE:
            self._sr |= OPERR

    def store(self, address: int, value: int, width: int) -> None:
        """A write access of the bus into the array, from the core or a debugger."""
        self.stall()
        otp = OTP_BASE <= address < OTP_BASE + 1056
        if not otp and not BASE <= address < BASE + len(self.array):
            raise BusFault(address, "the ITCM view of the flash is read-only")
        if not self._cr & PG or self._cr & (SER | MER):
            return self._fail(ERSERR)
        psize = self._cr >> 8 & 3
        if width != 1 << psize:
            return self._fail(PGPERR)
        if address % width:
            return self._fail(PGAERR)
        offset = address - (OTP_BASE if otp else BASE)
        if otp:
            if offset < 1024 and self.otp[1024 + offset // 64] == 0:
                return self._fail(WRPERR)
        elif self._write_protected(self._sector_of(offset)):
            return self._fail(WRPERR)
        target = self.otp if otp else self.array
        before = int.from_bytes(target[offset : offset + width], "little")
        after = before & value
        if not self._supply_suffices(psize):
            after |= before & 0x0101010101010101  # too weak to clear every bit
        self.programmed_units += 1
        self._begin(
            round(self._options.flash_program_us * 1_000_000), offset, after.to_bytes(width, "little"), otp
        )
        return None

    def _supply_suffices(self, psize: int) -> bool:
        if psize == 3 or self.supply_mv < _LEAST_MV[psize]:
            need = "an external voltage" if psize == 3 else f"{_LEAST_MV[psize]} mV"
            self._violations.add("psize_supply", f"x{8 << psize} at {self.supply_mv} mV, needs {need}")
            return False
        return True

    def _sector_of(self, offset: int) -> int:
        return next(n for n, (start, size) in enumerate(self.sectors) if start <= offset < start + size)

    def _write_protected(self, sector: int) -> bool:
        return not self._optcr >> 16 + sector & 1

    def _start_erase(self) -> None:
        psize = self._cr >> 8 & 3
        column = min(psize, 2)
        mass = bool(self._cr & MER)
        sector = self._cr >> 3 & 0xF
        if self._cr & PG or mass == bool(self._cr & SER) or (not mass and sector >= len(self.sectors)):
            return self._fail(ERSERR)
        units = range(len(self.sectors)) if mass else (sector,)
        if any(self._write_protected(unit) for unit in units):
            return self._fail(WRPERR)
        if mass:
            offset, size, longest = 0, len(self.array), _MASS_MAX_MS[column]
        else:
            offset, size = self.sectors[sector]
            longest = _ERASE_MAX_MS[size // 1024][column]
        after = b"\xff" * size
        if not self._supply_suffices(psize):
            after = bytes(self.array[offset : offset + size])  # nothing comes of it
        self.erased_units += len(units)
        self._cr |= STRT
        self._begin(round(longest * self._options.flash_typ_ratio * PS / 1000), offset, after)
        return None

    def get(self, offset: int) -> int:
        self.settle()
        if offset == SR:
            return self._sr | (BSY if self._operation else 0)
        values = {ACR: self._acr, CR: self._cr, OPTCR1: self._optcr1}
        if offset == OPTCR:
            return self._optcr & ~3 | int(self._optlocked)
        return values.get(offset, 0)

    def put(self, offset: int, value: int) -> None:
        self.settle()
        if offset == ACR:
            self._acr = value & 0xB0F
        elif offset == KEYR:
            self._key(value)
        elif offset == OPTKEYR:
            self._option_key(value)
        elif offset == SR:
            self._sr &= ~(value & (_ERRORS | OPERR | EOP))
        elif offset == CR:
            self._write_cr(value)
        elif offset in (OPTCR, OPTCR1) and not self._optlocked:
            self._write_options(offset, value)

    def _key(self, value: int) -> None:
        if self._dead or not self._cr & LOCK:
            self._dead = True  # a key when none is due locks as a wrong one does
            self._cr |= LOCK
            return
        self._keys.append(value)
        if tuple(self._keys) != _KEYS[: len(self._keys)]:
            self._dead = True
        elif len(self._keys) == 2:
            self._keys = []
            self._cr &= ~LOCK

    def _option_key(self, value: int) -> None:
        self._option_keys.append(value)
        if self._option_dead or tuple(self._option_keys) != _OPTION_KEYS[: len(self._option_keys)]:
            self._option_dead = True
        elif len(self._option_keys) == 2:
            self._option_keys = []
            self._optlocked = False

    def _write_cr(self, value: int) -> None:
        self.stall()  # "any attempt to write it with BSY set stalls the bus" (RM0090, same controller)
        if self._cr & LOCK:
            return
        self._cr = value & 0x8301037F & ~STRT
        self._keys = []
        if value & STRT:
            self._start_erase()

    def _write_options(self, offset: int, value: int) -> None:
        self.stall()
        if offset == OPTCR1:
            self._optcr1 = value
            return
        if value & 1:
            self._optlocked = True
            self._option_keys = []
        self._optcr = value & ~3
        if value & 2:
            self._violations.add("option_bytes_touched", f"OPTCR {value:#010x}, OPTCR1 {self._optcr1:#010x}")
            self._option_bytes.update(optcr=self._optcr, optcr1=self._optcr1)
            self._begin(_OPTION_MS * PS // 1000, 0, b"")

    def next_change_ps(self) -> int | None:
        return self._operation.end_ps if self._operation else None

    def next_irq_ps(self) -> int | None:
        """When the interrupt line may next rise by itself."""
        return self.next_change_ps() if self._cr & (EOPIE | ERRIE) else None

    def irq(self) -> bool:
        self.settle()
        return bool(self._sr & EOP and self._cr & EOPIE) or bool(self._sr & OPERR and self._cr & ERRIE)

    def array_read(self, offset: int, size: int) -> bytes:
        """A bus read: waits while the controller is busy."""
        self.stall()
        return bytes(self.array[offset : offset + size])

    def power_lost(self) -> None:
        self._abandon()


def _interrupted(operation: _Operation, done: float) -> bytes:
    """What an operation leaves that was cut after the share `done`: the same cut gives the same bytes."""
    noise = random.Random(f"{operation.offset}:{len(operation.after)}:{round(done * 1000)}")
    if len(operation.after) <= 8:  # programming: some of the bits that were to fall have fallen
        kept = noise.randbytes(len(operation.after))
        pairs = zip(operation.before, operation.after, kept, strict=True)
        return bytes(a | (b & k) for b, a, k in pairs)
    size = len(operation.after)
    mask = noise.randbytes(size)  # erase: some of the bits that were to rise have risen
    if done > 0.5:
        mask = (int.from_bytes(mask, "little") | int.from_bytes(noise.randbytes(size), "little")).to_bytes(
            size, "little"
        )
    before = int.from_bytes(operation.before, "little")
    return (before | int.from_bytes(mask, "little")).to_bytes(size, "little")
