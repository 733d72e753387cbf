"""A MemoryLink straight onto a simulated board's `Target`: no J-Link, the same costs."""

from __future__ import annotations

from boardflash.sim.target import Target

CALL_PS = 1_000_000_000  # a blocking call of the DLL: 1 ms
WORD_PS = 46 * 250_000  # 46 SWD clocks at 4 MHz


class TargetLink:
    def __init__(self, target: Target) -> None:
        self.target = target
        self.calls = 0

    def _spend(self, size: int = 0) -> None:
        self.calls += 1
        self.target.advance(CALL_PS + (size + 3) // 4 * WORD_PS)

    def read_memory(self, address: int, size: int) -> bytes:
        self._spend(size)
        return self.target.read_memory(address, size, 4 if not (address | size) & 3 else 1)

    def write_memory(self, address: int, data: bytes) -> None:
        self.target.write_memory(address, data, 4 if not (address | len(data)) & 3 else 1)
        self._spend(len(data))

    def halt(self) -> None:
        self._spend()
        self.target.halt()

    def go(self) -> None:
        self._spend()
        self.target.resume()

    def reset_and_halt(self) -> None:
        self._spend()
        self.target.reset(halt=True)

    def is_halted(self) -> bool:
        self._spend()
        return self.target.halted()

    def read_register(self, number: int) -> int:
        self._spend()
        return self.target.read_register(number)

    def write_register(self, number: int, value: int) -> None:
        self._spend()
        self.target.write_register(number, value)

    def now(self) -> float:
        return self.target.clock.now_ps / 1e12

    def pause(self, seconds: float) -> None:
        self.target.advance(int(seconds * 1e12))
