"""Finds out that the core is only waiting, so that its wait need not be executed.

If the core comes by the same block twice with every register the same, has in between read nothing that
reading changes, written no register and left memory as it was, then it will go round the same way until
something outside it changes. So time may jump, by whole rounds, to just before that moment. Virtual time and
results are those of executing every round.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from boardflash.sim.clocks import PS

if TYPE_CHECKING:
    from boardflash.sim.engine import Engine

_SHIFT = 20  # as in engine.py: instructions above, storing blocks below
_STORES = (1 << _SHIFT) - 1
_LONGEST_WINDOW = 256
_NONE = -1
_NEVER = 1 << 62
_KNOWN_WAIT = -4  # where there was a wait there will be another: so many vain looks are free


class WaitDetector:
    """Follows one block, the anchor; moves on to another when the core does not come back to it."""

    def __init__(self, next_change: Callable[[], int | None], memory: Callable[[], bytes]) -> None:
        self._next_change = next_change
        self._memory = memory
        self.anchor = _NONE
        self.left = 0
        self.impure = False
        """Something happened since the last look that forbids to call it waiting."""
        self.jumps = 0
        self.skipped = 0  # cycles
        self._window = 4
        self._hold = 0
        self._misses: dict[int, int] = {}
        self._registers: bytes | None = None
        self._snapshot: bytes | None = None
        self._seen = 0
        self._quiet_until = 0  # nothing changes by itself before this moment
        self._context: Any = None

    def disturb(self) -> None:
        """Memory or registers were changed from outside."""
        self._registers = self._snapshot = None
        self._hold = 0

    def new_slice(self) -> None:
        """The count starts at zero again: the distance to the last look is no longer known."""
        self._registers = self._snapshot = None
        self._hold = 0
        self.left = self._window

    def move_anchor(self, address: int) -> None:
        self.anchor = address
        self._window = self._window * 2 if self._window < _LONGEST_WINDOW else 4
        self.left = self._window
        self._registers = self._snapshot = None
        self._hold = 0
        self.impure = False

    def visit(self, engine: Engine, done: int) -> int:
        """The core is at the anchor: the new count, larger if rounds were skipped."""
        if self._hold:
            self._hold -= 1
            return done
        if self.impure:
            self.impure = False
            self._registers = None
            self._missed(done)
            if self._misses[self.anchor] > 0:
                return done
        now = engine.clock.now_ps = engine.time_of(done)
        registers = self._read_registers(engine)
        if registers != self._registers or now >= self._quiet_until:
            return self._look_afresh(registers, now, done)
        if (done - self._seen) & _STORES and not self._memory_is_same(done):
            return done
        done += self._skip(engine, now, done - self._seen >> _SHIFT) << _SHIFT
        self._seen = done
        self.left = self._window
        self._misses[self.anchor] = _KNOWN_WAIT
        return done

    def _look_afresh(self, registers: bytes, now: int, done: int) -> int:
        """What is read from here on holds until the next change: a second visit before that may skip."""
        same = registers == self._registers
        first_look = self._registers is None
        self._registers, self._seen, self._snapshot = registers, done, None
        if same or self._misses.get(self.anchor, 0) <= 0:
            change = self._next_change()
            self._quiet_until = _NEVER if change is None else change
        else:
            self._quiet_until = 0  # not worth the question before the registers repeat
        if not (same or first_look):
            self._missed(done)
        return done

    def _memory_is_same(self, done: int) -> bool:
        """Stores that write what is there already change nothing; it takes two looks to know."""
        memory = self._memory()
        if memory == self._snapshot:
            return True
        if self._snapshot is not None:
            self._missed(done)
        self._snapshot, self._seen = memory, done
        return False

    def _missed(self, done: int) -> int:
        """Look less and less often at a block that turns out to be no wait."""
        misses = self._misses.get(self.anchor, 0) + 1
        self._misses[self.anchor] = min(misses, 13)
        self._hold = (1 << misses - 3) - 1 if misses > 3 else 0
        return done

    def _skip(self, engine: Engine, now: int, cycles: int) -> int:
        """How many cycles to jump: whole rounds, ending before anything changes or the slice ends."""
        until = min(engine.limit(), self._quiet_until)
        rounds = (until - now) * engine.hz // PS // cycles if cycles and until > now else 0
        self.jumps += bool(rounds)
        self.skipped += rounds * cycles
        return rounds * cycles

    def _read_registers(self, engine: Engine) -> bytes:
        context = self._context
        if context is None:
            context = self._context = engine.uc.context_save()
        else:
            engine.uc.context_update(context)
        return ctypes.string_at(context._context, context.size)
