"""Reset and clock control of the STM32F746 (RM0385 chapter 5) and what its clocks are allowed to be.

Register offsets and resets: reference facts/stm32f7.md section 3. Start-up times are the datasheet's
typical values **(unverified)**: HSI 2.2 us, HSE 2 ms, PLL lock 200 us at most.
"""

from __future__ import annotations

from collections.abc import Callable

from boardflash.sim.registers import RegisterBlock
from boardflash.sim.target import VirtualClock
from boardflash.sim.violations import Violations

CR, PLLCFGR, CFGR, CIR = 0x00, 0x04, 0x08, 0x0C
AHB1RSTR, AHB2RSTR, AHB3RSTR, APB1RSTR, APB2RSTR = 0x10, 0x14, 0x18, 0x20, 0x24
AHB1ENR, AHB2ENR, AHB3ENR, APB1ENR, APB2ENR = 0x30, 0x34, 0x38, 0x40, 0x44
BDCR, CSR = 0x70, 0x74
_ENABLE_ABOVE_RESET = AHB1ENR - AHB1RSTR
HSI_HZ = 16_000_000
MILLION = 1_000_000
HSI_PPM = range(-80_000, 45_001)  # DS10916, HSI accuracy over all temperatures **(unverified)**
# Highest HCLK by PWR_CR1.VOS, without and with over-drive (DS10916 "General operating conditions"
# **(unverified)**; RM0385 PWR_CR1: scale 3 is 01, scale 2 is 10, scale 1 is 11 and what a reset leaves).
SCALE_3, SCALE_2, SCALE_1 = 1, 2, 3
MAX_HCLK = {
    SCALE_3: (144_000_000, 144_000_000),
    SCALE_2: (168_000_000, 180_000_000),
    SCALE_1: (180_000_000, 216_000_000),
}
# VCO limits of the data sheet **(unverified)**
VCO_IN = range(950_000, 2_100_001)
VCO_OUT = range(100_000_000, 432_000_001)
_US = 1_000_000  # in ps
HSI_START, HSE_START, PLL_LOCK = 2 * _US, 2000 * _US, 200 * _US
_RESETS = {
    CR: 0x83,
    PLLCFGR: 0x24003010,
    AHB1ENR: 0x00100000,
    0x50: 0x7E6791FF,
    0x54: 0xF1,
    0x58: 0x3,
    0x60: 0x36FEC9FF,
    0x64: 0x00075F33,
    0x84: 0x24003000,
    0x88: 0x24003000,
}
_HSION, _HSEON, _PLLON = 1 << 0, 1 << 16, 1 << 24
_PLLS = {1 << 24: "PLL", 1 << 26: "PLLI2S", 1 << 28: "PLLSAI"}
_ALL_FLAGS = 0xFE000000
POR_FLAGS, SOFT_FLAGS, IWDG_FLAGS, PIN_FLAGS = 0x0E000000, 0x14000000, 0x24000000, 0x04000000
_HPRE = {8: 1, 9: 2, 10: 3, 11: 4, 12: 6, 13: 7, 14: 8, 15: 9}


class Rcc(RegisterBlock):
    """Frequencies here are real ones: software that reckons with 16 MHz is as wrong as its oscillator is."""

    def __init__(
        self, clock: VirtualClock, hse_hz: int | None, violations: Violations, hsi_ppm: int = 0
    ) -> None:
        super().__init__(clock)
        self._hse_hz = hse_hz
        self._hsi_hz = HSI_HZ * (MILLION + hsi_ppm) // MILLION
        self._violations = violations
        self.hclk_hz = self._hsi_hz
        self.on_hclk: Callable[[int], None] = lambda hz: None
        self.supply: Callable[[], tuple[int, bool]] = lambda: (SCALE_1, True)
        """PWR_CR1.VOS, and whether over-drive is on."""
        self.on_reset: dict[tuple[int, int], Callable[[], None]] = {}
        """What to call when software sets a reset bit: (register offset, bit) -> reset of that peripheral."""
        self._flags = POR_FLAGS
        self._regs: dict[int, int] = {}
        self._ready_at: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        bdcr = self._regs.get(BDCR, 0)
        self._regs = dict(_RESETS)
        self._regs[BDCR] = bdcr
        self._ready_at = {_HSION: 0}
        self._update_hclk()

    def set_reset_flags(self, flags: int) -> None:
        """The cause of this reset; causes add up until software removes them."""
        self._flags = flags if flags == POR_FLAGS else self._flags | flags

    def clocked(self, register: int, bit: int) -> bool:
        """Its clock runs, and it is not held in reset (`xxxRSTR` stands 20h below `xxxENR`, RM0385 5.3)."""
        held = self._regs.get(register - _ENABLE_ABOVE_RESET, 0)
        return bool(self._regs.get(register, 0) & ~held & 1 << bit)

    def _ready(self, on_bit: int) -> bool:
        moment = self._ready_at.get(on_bit)
        return moment is not None and self.clock.now_ps >= moment

    def get(self, offset: int) -> int:
        if offset == CR:
            value = self._regs[CR] & ~0x2A020002
            for bit in (_HSION, _HSEON, *_PLLS):
                if self._ready(bit):
                    value |= bit << 1
            return value
        if offset == CFGR:
            self._update_hclk()
            return self._regs.get(CFGR, 0) & ~0xC | self._source << 2
        if offset == CSR:
            return self._flags | self._regs.get(CSR, 0) | (self._regs.get(CSR, 0) & 1) << 1
        return self._regs.get(offset, 0)

    def put(self, offset: int, value: int) -> None:
        old = self._regs.get(offset, 0)
        if offset == PLLCFGR and self._regs[CR] & _PLLON:
            return  # "can be written only if PLL is disabled"
        if offset == CSR:
            if value & 1 << 24:
                self._flags = 0
            self._regs[CSR] = value & 1
            return
        if offset == CR:
            self._write_cr(old, value)
        else:
            self._regs[offset] = value
        if offset in (CR, CFGR):
            self._update_hclk()
        elif AHB1RSTR <= offset <= APB2RSTR:
            for (register, bit), reset in self.on_reset.items():
                if register == offset and value >> bit & 1:
                    reset()

    def _write_cr(self, old: int, value: int) -> None:
        if self._source == 0 and self.get(CFGR) & 3 == 0:
            value |= _HSION  # hardware keeps the running system clock on
        if self._source == 2:
            value |= _PLLON
        for bit, delay in ((_HSION, HSI_START), (_HSEON, HSE_START)):
            if value & bit and not old & bit and not (bit == _HSEON and self._hse_hz is None):
                self._ready_at[bit] = self.clock.now_ps + delay
            elif not value & bit:
                self._ready_at.pop(bit, None)
        for bit in _PLLS:
            if value & bit and not old & bit and self._pll_locks(bit):
                self._ready_at[bit] = self.clock.now_ps + PLL_LOCK
            elif not value & bit:
                self._ready_at.pop(bit, None)
        self._regs[CR] = value

    def _pll_source_hz(self) -> int | None:
        if self._regs[PLLCFGR] >> 22 & 1:
            return self._hse_hz if self._ready(_HSEON) else None
        return self._hsi_hz if self._ready(_HSION) else None

    def _pll_locks(self, bit: int) -> bool:
        """A PLL outside its limits does not lock; without its source neither."""
        if bit != _PLLON:
            return self._pll_source_hz() is not None
        source = self._pll_source_hz()
        config = self._regs[PLLCFGR]
        m, n = config & 0x3F, config >> 6 & 0x1FF
        if source is None or m < 2 or not 50 <= n <= 432:
            return False
        vco_in = source // m
        if vco_in not in VCO_IN or vco_in * n not in VCO_OUT:
            self._violations.add("pll_range", f"VCO input {vco_in} Hz, output {vco_in * n} Hz")
            return False
        return True

    def _pll_hz(self) -> int:
        config = self._regs[PLLCFGR]
        source = self._pll_source_hz() or 0
        return source * (config >> 6 & 0x1FF) // (config & 0x3F) // (2 * (config >> 16 & 3) + 2)

    _source = 0

    def _update_hclk(self) -> None:
        """SWS follows SW once the chosen source is ready; HCLK follows from both."""
        config = self._regs.get(CFGR, 0)
        wanted = config & 3
        if wanted == 0 and self._ready(_HSION):
            self._source, sysclk = 0, self._hsi_hz
        elif wanted == 1 and self._ready(_HSEON) and self._hse_hz is not None:
            self._source, sysclk = 1, self._hse_hz
        elif wanted == 2 and self._ready(_PLLON):
            self._source, sysclk = 2, self._pll_hz()
        elif self._regs.get(CFGR, 0) == 0:
            self._source, sysclk = 0, self._hsi_hz
        else:
            return
        hclk = sysclk >> _HPRE.get(config >> 4 & 0xF, 0)
        if hclk == self.hclk_hz:
            return
        self.hclk_hz = hclk
        self._check_hclk(hclk)
        self.on_hclk(hclk)

    def _check_hclk(self, hclk: int) -> None:
        """Software does not notice; the core, at that voltage, may."""
        scale, over_drive = self.supply()
        most = MAX_HCLK[scale][over_drive]
        if hclk <= most:
            return
        if hclk > MAX_HCLK[SCALE_1][True]:
            self._violations.add("hclk_maximum", f"HCLK {hclk} Hz, at most {MAX_HCLK[SCALE_1][True]} Hz")
        elif scale != SCALE_1:
            self._violations.add("voltage_scale", f"HCLK {hclk} Hz at VOS {scale}, at most {most} Hz")
        else:
            self._violations.add("over_drive", f"HCLK {hclk} Hz without over-drive, at most 180 MHz")

    @property
    def pll_on(self) -> bool:
        return bool(self._regs[CR] & _PLLON)

    def next_change_ps(self) -> int | None:
        now = self.clock.now_ps
        return min((moment for moment in self._ready_at.values() if moment > now), default=None)

    def read_is_pure(self, offset: int) -> bool:
        return True


class Pwr(RegisterBlock):
    """Power control (RM0385 chapter 4): what the clocks ask for, the core's voltage and over-drive."""

    _CR1, _CSR1, _VOS_SHIFT, _ODEN, _ODSWEN = 0x00, 0x04, 14, 1 << 16, 1 << 17
    _VOS = 3 << _VOS_SHIFT

    def __init__(self, clock: VirtualClock, pll_on: Callable[[], bool]) -> None:
        super().__init__(clock)
        self._pll_on = pll_on
        self.reset()

    def reset(self) -> None:
        self._cr1 = 0xC000

    def supply(self) -> tuple[int, bool]:
        both = self._ODEN | self._ODSWEN
        return max(self._cr1 >> self._VOS_SHIFT & 3, SCALE_3), self._cr1 & both == both

    def get(self, offset: int) -> int:
        if offset == self._CR1:
            return self._cr1
        if offset == self._CSR1:
            # VOSRDY, and ODRDY and ODSWRDY as soon as they are asked for.
            return 1 << 14 | self._cr1 & (self._ODEN | self._ODSWEN)
        return 0

    def put(self, offset: int, value: int) -> None:
        if offset == self._CR1:
            if self._pll_on():  # VOS: "These bits can be modified only when the PLL is OFF"
                value = value & ~self._VOS | self._cr1 & self._VOS
            self._cr1 = value
