"""What software did that hardware forbids but does not report: kept by name, for tests and for the doctor."""

from __future__ import annotations

from dataclasses import dataclass

from boardflash.sim.target import VirtualClock


@dataclass(frozen=True)
class HardwareRuleViolation:
    rule: str
    """A short name that tests ask for, such as `flash_latency`."""
    detail: str
    time_ps: int


class Violations:
    """The list, each rule and detail once."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.all: list[HardwareRuleViolation] = []

    def add(self, rule: str, detail: str) -> None:
        if not any(v.rule == rule and v.detail == detail for v in self.all):
            self.all.append(HardwareRuleViolation(rule, detail, self._clock.now_ps))

    def names(self) -> set[str]:
        return {violation.rule for violation in self.all}
