"""What register blocks have in common: words underneath, narrower accesses cut out of them."""

from __future__ import annotations

from boardflash.sim.target import VirtualClock


class RegisterBlock:
    """A peripheral of 32-bit registers. Subclasses give `get` and `put`; bytes and halves are made here."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock

    def get(self, offset: int) -> int:
        """The word at `offset`, with the effects that reading it has."""
        raise NotImplementedError

    def put(self, offset: int, value: int) -> None:
        """Write the word at `offset`."""
        raise NotImplementedError

    def read(self, offset: int, width: int) -> int:
        word = self.get(offset & ~3)
        if width == 4:
            return word
        return word >> 8 * (offset & 3) & (1 << 8 * width) - 1

    def write(self, offset: int, value: int, width: int) -> None:
        if width != 4:
            shift = 8 * (offset & 3)
            mask = (1 << 8 * width) - 1 << shift
            value = self.get(offset & ~3) & ~mask | value << shift & mask
            offset &= ~3
        self.put(offset, value)

    def next_change_ps(self) -> int | None:
        return None

    def next_irq_ps(self) -> int | None:
        return self.next_change_ps()

    def read_is_pure(self, offset: int) -> bool:
        return True

    def irq(self) -> bool:
        return False

    def reset(self) -> None:
        raise NotImplementedError


class Unmodelled(RegisterBlock):
    """A peripheral that the chip has and the simulation has not: reads zero, ignores writes, is noted."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.touched: set[int] = set()
        self.base = 0

    def get(self, offset: int) -> int:
        self.touched.add(self.base + offset & ~0x3FF)
        return 0

    def put(self, offset: int, value: int) -> None:
        self.touched.add(self.base + offset & ~0x3FF)

    def reset(self) -> None:
        return None
