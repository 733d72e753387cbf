"""What a board, an MCU and a chip are: frozen data, checked once when the TOML is read.

Sizes are bytes, addresses absolute, times in the unit that the name carries. Terms as in JESD216F:
dummy cycles are the wait states after the mode clocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

#: A field that is left out of plans and digests while it has its default: older ones, made without it, stay
#: good.
OPTIONAL = {"optional": True}
#: Where a chip file does not say how fast 03h may be: every chip that we know answers it at that.
ONE_LINE_HZ_MAX = 10_000_000


class QuadEnable(str, Enum):
    """JESD216F BFPT DWORD 15 bits 22:20, by the names that Zephyr gave them."""

    NONE = "NONE"
    S1B6 = "S1B6"
    S2B1V1 = "S2B1v1"
    S2B1V4 = "S2B1v4"
    S2B1V5 = "S2B1v5"
    S2B1V6 = "S2B1v6"
    S2B7 = "S2B7"


@dataclass(frozen=True)
class Lines:
    """How many lines carry the instruction, the address and the data: "1-4-4"."""

    instruction: int
    address: int
    data: int

    def __str__(self) -> str:
        return f"{self.instruction}-{self.address}-{self.data}"


@dataclass(frozen=True)
class Assumption:
    """A value that no source gives, what stands in for it, and why; shown in the plan."""

    subject: str
    value: str
    reason: str


@dataclass(frozen=True)
class ReadCommand:
    opcode: int
    lines: Lines
    mode_cycles: int  # clocks of the mode byte; 0 where the chip has none or it counts as dummy
    mode_value: int  # the byte sent in the mode clocks; must not enter continuous read
    dummy_cycles: int  # wait states after the mode clocks
    clock_hz_max: int


@dataclass(frozen=True)
class ProgramCommand:
    opcode: int
    lines: Lines
    typ_us: int
    max_us: int


@dataclass(frozen=True)
class EraseCommand:
    size: int
    opcode: int
    typ_ms: int
    max_ms: int


@dataclass(frozen=True)
class BlockProtection:
    """Status bits that must read 0 for the whole array to be writable."""

    sr1_mask: int
    sr2_mask: int  # for instance Winbond CMP; 0 where the chip has no such bit
    sr3_mask: int  # for instance Winbond WPS


@dataclass(frozen=True)
class RegisterBits:
    """Bits of a one-byte register, by the opcode that reads it."""

    opcode: int
    mask: int


@dataclass(frozen=True)
class FailBits:
    """Where a chip tells that its last erase or program did not succeed, by the opcode that reads it."""

    opcode: int
    erase_mask: int
    program_mask: int


@dataclass(frozen=True)
class Chip:
    """A serial NOR flash, as its datasheet has it."""

    name: str
    file: str  # as shown in messages
    vendor: str
    title: str
    jedec_ids: tuple[bytes, ...]  # three to six bytes each: the prefix that 9Fh must answer
    size: int
    page_size: int
    quad_enable: QuadEnable
    address_bytes: int  # 3 or 4, what the commands below send
    enter_4byte: str  # "none", "B7", "WREN_B7": how 4-byte addressing is entered where address_bytes = 4
    read: ReadCommand
    program: ProgramCommand
    erases: tuple[EraseCommand, ...]  # ascending size, chip erase not among them
    chip_erase: EraseCommand
    protection: BlockProtection
    status_write_max_ms: int
    flag_status: bool  # Micron: 70h/50h; errors stand there
    volatile_dummies: bool  # Micron: dummy count lives in the volatile configuration register (81h/85h)
    clear_only_program: bool  # may a page be programmed again without erase, to clear more bits
    sfdp_sha256: str  # digest of the basic table where parts share an ID; "" = not asked
    assumptions: tuple[Assumption, ...]
    volatile_status: bool = False  # 50h makes the next status write volatile
    address_mode: RegisterBits | None = None  # set while the chip takes four address bytes; None = not known
    fail_status: FailBits | None = None  # Macronix: security register, 2Bh
    one_line_hz_max: int = field(default=ONE_LINE_HZ_MAX, metadata=OPTIONAL)  # of 03h, where reads are proved
    stacked_dies: int = field(default=1, metadata=OPTIONAL)  # 9Fh tells the density of one of them
    unlock_opcode: int | None = None  # after 06h, clears all block locks (SST26: all set from power-up on)


@dataclass(frozen=True)
class SectorRun:
    """`count` erase units of `size` bytes each, one after the other."""

    size: int
    count: int
    erase_typ_ms: int
    erase_max_ms: int


@dataclass(frozen=True)
class InternalFlash:
    driver: str  # loader/internal/<driver>.c
    registers: int
    base: int
    sectors: tuple[SectorRun, ...]  # of the largest part of the die; a part may end earlier
    program_bytes: int  # the unit of programming: 4 (x32) or a flash word of 32 bytes
    program_typ_us: int  # for one unit
    program_max_us: int
    clear_only_program: bool
    size_register: int  # 16 bit, KiB
    uid_address: int  # 96 bit
    otp: tuple[int, int] | None  # base, size: never written


@dataclass(frozen=True)
class QspiController:
    driver: str  # loader/controllers/<driver>.c
    registers: int
    window: int
    window_size: int
    fifo_bytes: int
    abort_after_transfer: bool  # F74x/F75x keep BUSY after an indirect transfer (HAL QSPI1_V1_0)


@dataclass(frozen=True)
class RegisterWrite:
    """One read-modify-write that the loader does at start: `*address |= set_bits`."""

    address: int
    set_bits: int


TIME_SPARE_PERCENT = 10  # in every time limit of the loader: more than any of our oscillators may be fast


@dataclass(frozen=True)
class ClockTree:
    driver: str  # loader/clocks/<driver>.c
    hclk_hz: int  # after the loader's set-up, from the internal oscillator at its nominal frequency
    hsi_slow_ppm: int  # by how much that oscillator may be slow or fast, over supply and temperature
    hsi_fast_ppm: int
    values: Mapping[str, int]  # the driver's own numbers: PLL dividers, wait states
    gpio_enable: RegisterWrite  # set_bits = bit of port A; port n is shifted by n
    qspi_enable: RegisterWrite
    qspi_reset: RegisterWrite

    def fastest(self, hz: int) -> int:
        """What a clock of nominally `hz` is when the oscillator is as fast as it may be."""
        return hz * (1_000_000 + self.hsi_fast_ppm) // 1_000_000

    def divider(self, limit_hz: int, kernel_hz: int | None = None) -> int:
        """The smallest whole divider of HCLK (or `kernel_hz`) that never exceeds `limit_hz`."""
        return -(-self.fastest(kernel_hz or self.hclk_hz) // limit_hz)

    def patience_s(self, max_ms: float) -> float:
        """When the loader has given up on what takes `max_ms` at most, however slow its clock is."""
        return max_ms / 1000 * (100 + TIME_SPARE_PERCENT) / 100 * 1_000_000 / (1_000_000 - self.hsi_slow_ppm)


@dataclass(frozen=True)
class Mcu:
    """One die; the parts made of it differ in package, pins and flash size."""

    name: str
    file: str
    title: str
    core: str  # "cortex-m7"
    device_id: int  # DBGMCU_IDCODE bits 11:0
    idcode_address: int
    ram_base: int  # contiguous, never cached by the loader
    ram_size: int
    gpio_base: int
    gpio_stride: int
    watchdog: int  # IWDG registers
    flash: InternalFlash
    qspi: QspiController
    clock: ClockTree
    simulated: bool  # False: the programmer refuses to flash (nothing has proved the drivers)
    assumptions: tuple[Assumption, ...]
    other_ram: tuple[
        tuple[int, int], ...
    ] = ()  # (base, size) of RAM that the loader leaves alone, ITCM for one


@dataclass(frozen=True)
class Part:
    """An MCU by the number on its package."""

    number: str
    pattern: str  # the row of the pin table that matched
    package: str
    flash_size: int
    pinset: str
    jlink_device: str


@dataclass(frozen=True)
class PinUse:
    signal: str  # "clk" "ncs" "io0".."io3"
    pin: str  # "PB2"
    function: int  # alternate function number

    @property
    def port(self) -> int:
        return ord(self.pin[1]) - ord("A")

    @property
    def number(self) -> int:
        return int(self.pin[2:])


@dataclass(frozen=True)
class EraseUnit:
    address: int
    size: int

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True)
class RegionLoader:
    """A loader that is not ours, which erases and programs one region."""

    name: str  # as the board file has it: "vendor/X.FLM"
    file: str  # where it lies; in a plan, beside that
    sha256: str

    def name_beside_plan(self, region: str) -> str:
        """What its copy beside a plan is called."""
        return f"{region}-{self.name.rpartition('/')[2]}"


@dataclass(frozen=True)
class Region:
    """A programmable memory of a board."""

    name: str  # "internal" or "qspi"
    base: int
    size: int
    granule: int  # the unit of digest: smallest erase unit, at least 4 KiB
    sectors: tuple[SectorRun, ...]  # smallest erase units in address order
    protect: tuple[tuple[int, int], ...]  # (address, size) that is never erased
    loader: RegionLoader | None = field(default=None, metadata=OPTIONAL)

    @property
    def end(self) -> int:
        return self.base + self.size


@dataclass(frozen=True)
class Qspi:
    bank: int
    pins: tuple[PinUse, ...]  # clk, ncs, io0, io1, io2, io3
    clock_hz_max: int
    chips: tuple[Chip, ...]  # alternates; the JEDEC ID decides


@dataclass(frozen=True)
class ProbeSettings:
    interface: str  # "swd"
    speed_khz: int
    connect_under_reset: bool


@dataclass(frozen=True)
class Board:
    name: str
    file: str
    title: str
    mcu: Mcu
    part: Part
    probe: ProbeSettings
    qspi: Qspi | None
    regions: tuple[Region, ...]
    boot_guard: str  # "internal", "always", "never"
    overrides: tuple[str, ...]  # "qspi.chip.w25q128jv.read.dummy_cycles = 6 (chip file: 4)"
    assumptions: tuple[Assumption, ...]

    def region(self, name: str) -> Region:
        return next(r for r in self.regions if r.name == name)
