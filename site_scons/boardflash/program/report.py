"""What a run found and did: text for a person, JSON for a machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from boardflash.errors import ExitCode

SCHEMA = 1
#: Lines about single units in the text report; the JSON has them all.
SHOWN = 8
#: A memory that stands still for less than this share of its time is busy.
IDLE_SHARE = 0.02


@dataclass(frozen=True)
class DeviceIdentity:
    """What is on the bench."""

    part: str
    device_id: int
    unique_id: str  # 24 hexadecimal digits
    flash_kib: int
    jedec_id: str  # "20 BA 18 10 40 00", or "" without a QSPI chip
    chip: str  # name of the chip file chosen, or ""
    set_up: tuple[str, ...]  # what had to be written in the chip's registers before it could be read
    notes: tuple[str, ...]  # for instance "the chip was busy with an interrupted erase"


@dataclass(frozen=True)
class UnitReason:
    """Why one erase unit was touched."""

    address: int
    size: int
    erased: bool
    bytes_programmed: int
    reason: str


@dataclass
class RegionReport:
    """Figures of one region; bytes unless the name says otherwise."""

    name: str
    image_bytes: int = 0
    granules: int = 0
    granules_differing: int = 0
    erases: dict[int, int] = field(default_factory=dict)  # size of the erase -> how many
    pages_programmed: int = 0
    bytes_programmed: int = 0
    bytes_unchanged: int = 0
    bytes_preserved: int = 0
    bytes_verified: int = 0
    restored: int = 0
    bytes_sent: int = 0  # data that crossed the link to be programmed
    bytes_copied: int = 0  # data that the device had elsewhere
    worked_s: float = 0.0  # on the board's clock: the memory was erased and programmed,
    waited_s: float = 0.0  # and stood still in between, for want of data
    proved_s: float = 0.0  # it was read on one line, too, to prove how it is read
    spots: int = 0  # places where the read mode was compared with one line
    spots_counted: int = 0  # and those that could tell something: not only FFh or 00h
    trial_bytes: int = 0  # programmed by themselves first, and once more with the others
    reasons: list[UnitReason] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # lines for the person

    @property
    def bytes_erased(self) -> int:
        return sum(size * count for size, count in self.erases.items())

    @property
    def limit(self) -> str:
        """What the time went by: "chip" or "link"; "" where nothing was changed."""
        if not self.worked_s:
            return ""
        return "link" if self.waited_s > IDLE_SHARE * (self.worked_s + self.waited_s) else "chip"


@dataclass
class FlashReport:
    """One run on one device."""

    verb: str  # "flash" or "verify"
    board: str
    probe: str
    simulated: bool
    plan_digest: str
    device: DeviceIdentity
    regions: list[RegionReport]
    seconds: float  # on the board's clock
    exit_code: ExitCode = ExitCode.OK

    @property
    def bytes_written(self) -> int:
        return sum(region.bytes_programmed for region in self.regions)

    @property
    def bytes_unchanged(self) -> int:
        return sum(region.bytes_unchanged for region in self.regions)

    def lines(self) -> list[str]:
        """The report as plain lines."""
        out = []
        for region in self.regions:
            out.extend(_region_lines(self.verb, region))
        board_clock = f"{self.seconds:.3f} s on the board's clock"
        if self.verb == "flash":
            out.append(
                f"{self.bytes_written:,} bytes written, {self.bytes_unchanged:,} bytes unchanged,"
                f" {board_clock}"
            )
        else:
            verdict = "matches the plan" if self.exit_code == ExitCode.OK else "does not match the plan"
            out.append(f"the device {verdict}, {board_clock}")
        return out

    def to_json(self) -> dict[str, Any]:
        """The report for machines; docs/report.schema.json describes it."""
        return {
            "schema": SCHEMA,
            "verb": self.verb,
            "board": self.board,
            "probe": self.probe,
            "simulated": self.simulated,
            "plan": self.plan_digest,
            "device": device_json(self.device),
            "regions": [_region_json(region) for region in self.regions],
            "bytes_written": self.bytes_written,
            "bytes_unchanged": self.bytes_unchanged,
            "seconds": round(self.seconds, 6),
            "exit_code": int(self.exit_code),
        }


def device_lines(device: DeviceIdentity) -> list[str]:
    """What was found, before anything is touched."""
    out = [
        f"MCU {device.part}: device ID {device.device_id:#05x}, {device.flash_kib} KiB flash,"
        f" unique ID {device.unique_id}"
    ]
    if device.jedec_id:
        set_up = f"; set up: {', '.join(device.set_up)}" if device.set_up else ""
        out.append(f"QSPI chip {device.chip}: JEDEC ID {device.jedec_id}{set_up}")
    out.extend(f"note: {note}" for note in device.notes)
    return out


def device_json(device: DeviceIdentity) -> dict[str, Any]:
    """What was found, for machines."""
    return {
        "part": device.part,
        "device_id": device.device_id,
        "unique_id": device.unique_id,
        "flash_kib": device.flash_kib,
        "jedec_id": device.jedec_id,
        "chip": device.chip,
        "set_up": list(device.set_up),
        "notes": list(device.notes),
    }


def size_text(size: int) -> str:
    """4096 -> "4 KiB"; sizes that are no whole KiB stay bytes."""
    if size % (1024 * 1024) == 0:
        return f"{size // (1024 * 1024)} MiB"
    return f"{size // 1024} KiB" if size % 1024 == 0 else f"{size} B"


def _region_lines(verb: str, region: RegionReport) -> list[str]:
    if verb == "verify":
        notes = [f"{region.name}: {note}" for note in region.notes]
        if region.granules_differing == 0:
            return [f"{region.name}: {region.image_bytes:,} bytes match", *notes]
        places = ", ".join(f"{reason.address:#010x}" for reason in region.reasons[:8])
        more = ", ..." if len(region.reasons) > 8 else ""
        differing = f"{region.granules_differing} of {region.granules} granules differ"
        return [f"{region.name}: {differing}: {places}{more}", *notes]
    erased = ", ".join(f"{count} x {size_text(size)}" for size, count in sorted(region.erases.items()))
    out = [
        f"{region.name}: erased {region.bytes_erased:,} bytes{f' ({erased})' if erased else ''},"
        f" programmed {region.bytes_programmed:,} bytes in {region.pages_programmed} pages,"
        f" skipped {region.bytes_unchanged:,} bytes, verified {region.bytes_verified:,} bytes"
    ]
    if region.limit:
        copied = f", {region.bytes_copied:,} copied on the device" if region.bytes_copied else ""
        reason = "its own speed" if region.limit == "chip" else "the link"
        out.append(
            f"{region.name}: busy for {region.worked_s:.3f} s, waited {region.waited_s:.3f} s for data:"
            f" {reason} is the limit; {region.bytes_sent:,} bytes sent{copied}"
        )
    if region.spots:
        trial = f"; {region.trial_bytes} bytes programmed first and read back" if region.trial_bytes else ""
        out.append(
            f"{region.name}: read mode equals one line at {region.spots} spots, {region.spots_counted} of"
            f" them not blank; {region.proved_s:.3f} s, preserved bytes included{trial}"
        )
    if region.bytes_preserved:
        out.append(f"{region.name}: preserved {region.bytes_preserved:,} bytes outside the image")
    if region.restored:
        out.append(f"{region.name}: restored {region.restored:,} bytes of an interrupted run")
    out.extend(f"{region.name}: {note}" for note in region.notes)
    groups = _grouped(region.reasons)
    out.extend(
        f"{region.name}: {place} {'erased' if reason.erased else 'not erased'},"
        f" {reason.bytes_programmed:,} bytes programmed: {reason.reason}"
        for place, reason in groups[:SHOWN]
    )
    if len(groups) > SHOWN:
        out.append(f"{region.name}: {len(groups) - SHOWN} more units, see --json")
    return out


def _grouped(reasons: list[UnitReason]) -> list[tuple[str, UnitReason]]:
    """Adjoining units with one reason make one line."""
    groups: list[list[UnitReason]] = []
    for reason in sorted(reasons, key=lambda reason: reason.address):
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and last.address + last.size == reason.address
            and (last.erased, last.reason) == (reason.erased, reason.reason)
        ):
            groups[-1].append(reason)
        else:
            groups.append([reason])
    told = []
    for group in groups:
        first, last = group[0], group[-1]
        size = last.address + last.size - first.address
        place = f"{first.address:#010x} {size_text(size)}"
        if len(group) > 1:
            place = f"{first.address:#010x}..{last.address + last.size - 1:#010x} ({size_text(size)})"
        programmed = sum(reason.bytes_programmed for reason in group)
        told.append((place, UnitReason(first.address, size, first.erased, programmed, first.reason)))
    return told


def _region_json(region: RegionReport) -> dict[str, Any]:
    return {
        "name": region.name,
        "image_bytes": region.image_bytes,
        "granules": region.granules,
        "granules_differing": region.granules_differing,
        "erases": [{"size": size, "count": count} for size, count in sorted(region.erases.items())],
        "bytes_erased": region.bytes_erased,
        "pages_programmed": region.pages_programmed,
        "bytes_programmed": region.bytes_programmed,
        "bytes_unchanged": region.bytes_unchanged,
        "bytes_preserved": region.bytes_preserved,
        "bytes_verified": region.bytes_verified,
        "bytes_restored": region.restored,
        "bytes_sent": region.bytes_sent,
        "seconds_proved": round(region.proved_s, 6),
        "bytes_tried": region.trial_bytes,
        "spots": region.spots,
        "spots_counted": region.spots_counted,
        "bytes_copied": region.bytes_copied,
        "seconds_worked": round(region.worked_s, 6),
        "seconds_waited": round(region.waited_s, 6),
        "limit": region.limit,
        "notes": list(region.notes),
        "units": [
            {
                "address": reason.address,
                "size": reason.size,
                "erased": reason.erased,
                "bytes_programmed": reason.bytes_programmed,
                "reason": reason.reason,
            }
            for reason in region.reasons
        ],
    }
