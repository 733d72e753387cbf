"""What the user asked of this run of SCons: KEY=value variables and targets, checked before anything runs.

Only this module reads SCons's command line. Nothing here, or in anything that runs while SConscripts
are read, talks to a device.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.link.selector import parse

VARIABLES: tuple[tuple[str, str, str], ...] = (
    ("BOARD", "the board to flash, verify or plan for; several with commas", ""),
    ("APP", "the application; default: the first one that the SConscripts name for the board", ""),
    (
        "PROBE",
        "a J-Link's serial number, usb:PATH, ip:HOST[:PORT], tunnel:SERIAL, sim or sim:SERIAL;"
        " several with commas; default: the only J-Link",
        "",
    ),
    ("REGION", "this region alone (internal or qspi); several with commas", ""),
    (
        "TRUST",
        "digest: ask the device's flash what it holds; stamp: go by the last run on this chip",
        "digest",
    ),
    ("VERIFY", "touched: digest again what was written; full: everything", "touched"),
    ("FORCE", "1: write all of the image, even what is there already", "0"),
    ("BOARDPATH", "folders with board files of your own, with commas", ""),
    ("TWIN", "PROBE=sim: which simulated board it is; default: named like the board", ""),
    ("TOOLCHAIN", "zig or gcc: what compiles the target loader", "zig"),
    ("TRACE", "a file that records every call of the J-Link DLL", ""),
    ("JSON", "a file for the report", ""),
)
_CHOICES = {
    "TRUST": ("digest", "stamp"),
    "VERIFY": ("touched", "full"),
    "FORCE": ("0", "1"),
    "TOOLCHAIN": ("zig", "gcc"),
}
# These go into command lines and folder names, so they are held to what needs no quoting anywhere.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PATH = re.compile(r"[^\x00-\x1f\"'`$;&|<>*?!\\]+")

DEVICE_VERBS = ("flash", "verify")


@dataclass(frozen=True)
class Request:
    """One run, as the user asked for it."""

    boards: tuple[str, ...]
    app: str
    probes: tuple[str, ...]
    regions: tuple[str, ...]
    trust: str
    verify: str
    force: bool
    board_path: tuple[str, ...]
    twin: str
    toolchain: str
    trace: str
    json: str
    targets: tuple[str, ...]
    question: bool

    def wants(self, verb: str) -> bool:
        """Whether a target of this verb stands on the command line."""
        return any(target == verb or target.startswith(verb + "-") for target in self.targets)

    def regions_for(self, verb: str, board: str, regions: Sequence[str]) -> tuple[str, ...] | None:
        """Which of a board's regions `verb` is asked for; None if it is not asked for this board."""
        asked: list[str] = []
        everything = False
        for target in self.targets:
            if target == verb:
                everything = everything or not self.boards or board in self.boards
            elif target == f"{verb}-{board}":
                everything = True
            else:
                asked += [region for region in regions if target == f"{verb}-{board}-{region}"]
        if not everything and not asked:
            return None
        chosen = tuple(r for r in regions if everything or r in asked)
        if not self.regions:
            return chosen
        for name in self.regions:
            if name not in regions:
                raise BoardflashError(f"{board} has the regions {', '.join(regions)}", where=f"REGION={name}")
        return tuple(r for r in chosen if r in self.regions)


def read_request(arguments: Mapping[str, str], targets: Sequence[str], *, question: bool) -> Request:
    """The command line, checked; BoardflashError for what can't be meant."""
    if any(target.split("-")[0] in DEVICE_VERBS for target in targets):
        _refuse_misspelt(arguments)
    values = {name: str(arguments.get(name, default)).strip() for name, _, default in VARIABLES}
    for name, choices in _CHOICES.items():
        if values[name] not in choices:
            raise BoardflashError(f"it is one of {', '.join(choices)}", where=f"{name}={values[name]}")
    for name in ("APP", "TWIN"):
        if values[name] and not _WORD.fullmatch(values[name]):
            raise BoardflashError("letters, digits, '.', '_' and '-' only", where=f"{name}={values[name]}")
    for name in ("TRACE", "JSON"):
        _check(name, values[name], _PATH, "no quotes, and nothing that the shell takes for its own")
    probes = _list(values["PROBE"])
    for probe in probes:
        parse(probe)
    regions = _list(values["REGION"])
    for region in regions:
        _check("REGION", region, _WORD, "a region's name, for instance internal or qspi")
    board_path = _list(values["BOARDPATH"])
    for folder in board_path:
        _check("BOARDPATH", folder, _PATH, "no quotes, and nothing that the shell takes for its own")
    return Request(
        boards=_list(values["BOARD"]),
        app=values["APP"],
        probes=probes,
        regions=regions,
        trust=values["TRUST"],
        verify=values["VERIFY"],
        force=values["FORCE"] == "1",
        board_path=board_path,
        twin=values["TWIN"],
        toolchain=values["TOOLCHAIN"],
        trace=values["TRACE"],
        json=values["JSON"],
        targets=tuple(targets),
        question=question,
    )


def help_text() -> str:
    """What `scons -h` says about this tool."""
    width = max(len(name) for name, _, _ in VARIABLES) + 1
    variables = "\n".join(
        f"  {name + '=':{width}}  {text}" + (f" (default: {default})" if default not in ("", "0") else "")
        for name, text, default in VARIABLES
    )
    return f"""
Flashing (boardflash):
  scons                       build the applications and their flash plans; never touches a device
  scons flash PROBE=sim       write what differs on the device, verify it, start the firmware
  scons flash-BOARD           the same for one board; flash-BOARD-REGION for one region of it
  scons verify                ask the device whether it holds the plan; changes nothing
  scons plan                  write the flash plans and tell what they say
  scons segments              one .bin and one .hex for each region
  scons loaders               build the target loaders
  scons exports               make what FlashExport declares, for other flashers
  scons list-boards           the boards that can be named; list-probes: the J-Links attached
  scons -n flash              what would run; touches nothing
  scons -q flash              exit 0 if the stamps of PROBE= say that it holds this plan, else 1
  scons -c                    remove what was built; stamps (build/flash/PROBE) and journals stay

Variables:
{variables}
"""


def region_flags(regions: Sequence[str]) -> list[str]:
    return [f"--region={name}" for name in regions]


def probe_flags(probe: str, request: Request) -> list[str]:
    flags = [f"--probe={probe}"] if probe else []
    if request.twin:
        flags.append(f"--twin={request.twin}")
    if request.trace:
        flags.append(f"--trace={_for_probe(request.trace, probe, request)}")
    return flags


def report_flags(probe: str, request: Request) -> list[str]:
    return [f"--json={_for_probe(request.json, probe, request)}"] if request.json else []


def _for_probe(path: str, probe: str, request: Request) -> str:
    """A file of its own for each of several probes: report.json becomes report-123.json."""
    if len(request.probes) < 2:
        return path
    return str(Path(path).with_stem(f"{Path(path).stem}-{probe.replace(':', '-')}"))


def option_flags(probe: str, request: Request) -> list[str]:
    flags = report_flags(probe, request)
    if request.trust != "digest":
        flags.append(f"--trust={request.trust}")
    if request.verify != "touched":
        flags.append(f"--verify={request.verify}")
    if request.force:
        flags.append("--force")
    return flags


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _check(name: str, value: str, pattern: re.Pattern[str], rule: str) -> None:
    if value and not pattern.fullmatch(value):
        raise BoardflashError(rule, where=f"{name}={value}")


def _refuse_misspelt(arguments: Mapping[str, str]) -> None:
    """A misspelt REGION= would flash everything, so a near miss is an error; other names are the host's."""
    names = [name for name, _, _ in VARIABLES]
    for given in arguments:
        if given not in names:
            near = difflib.get_close_matches(given.upper(), names, n=1, cutoff=0.75)
            if near:
                raise BoardflashError(f"no such variable; did you mean {near[0]}=?", where=f"{given}=")
