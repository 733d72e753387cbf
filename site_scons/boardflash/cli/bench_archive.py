"""The file that `boardflash bench-report` makes: what is in it, what it says of itself, and its bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boardflash.cli.redact import Redactor
from boardflash.link.trace import LITERAL_BYTES

#: The earliest date that a zip file can hold: nothing in the archive tells when it was made.
DATE = (1980, 1, 1, 0, 0, 0)

CONTENTS = {
    "README.txt": "this text",
    "steps.json": "the commands that were run, in their order, and how each ended",
    "log.txt": "what they printed",
    "versions.json": "versions of boardflash, Python, the packages and the operating system",
    "board.json": "the board file with all that follows from it: pins, chips, times",
    "loader.elf": "the target loader of the board; with it the traces can be replayed",
    "list-probes.json": "serial numbers and products of the J-Links on USB; which J-Link DLL answers",
    "identify.json": "probe, J-Link DLL, supply, device ID, unique ID, ID of the QSPI chip and its set-up",
    "verify.json": "which parts of the images the device holds",
    "flash.json": "what was erased, programmed and verified, and why",
    "journal.json": "which bytes an interrupted run still owes to which devices (their unique IDs): addresses"
    " and sizes, not the bytes",
    "identify-trace.jsonl": "each call of the J-Link DLL while the device was identified",
    "verify-trace.jsonl": "each call of the J-Link DLL during the comparison",
    "flash-trace.jsonl": "each call of the J-Link DLL during flashing",
}

_DATA = f"""\
The traces. Data that went to the device stand there as length and SHA-256 if they are longer
than {LITERAL_BYTES} bytes; shorter ones stand there as they are. What was read from the device's RAM stands
there as it is: the loader itself, its answers, and whatever of your flash boardflash had to look at: bytes
beside the image that it preserves, first pages that prove how a blank chip is read, and image data where a
transfer had to be checked. They also hold the probe's nickname, if it has one.
"""
_NO_DATA = f"""\
The traces. Data of more than {LITERAL_BYTES} bytes stand there as length and SHA-256, whether they went
to the device or were read from its memory (--no-data); shorter ones stand there as they are. They also hold
the probe's nickname, if it has one. Such traces can be read, but not replayed.
"""
_MACHINE = """\
What the file tells about your machine: versions of operating system, Python and packages, the processor,
where the J-Link DLL lies, the serial numbers of the J-Links, the names of the image files, and how you named
the probe (a host, with ip:).
It tells neither your name nor your folders: ~ stands for your home folder, STATE for boardflash's state
folder, WORK for the folder that you were in, IMAGES and BOARDS for folders that you named, PYTHON, PACKAGE
and TEMPORARY for where those are, USER for your login name and MACHINE for your machine's name, wherever they
stand as a word. Other names that you put into your board file or into file names are there as you wrote them.
Your image files are not in it. The unique ID tells this one microcontroller from all others.
"""


@dataclass(frozen=True)
class Step:
    """One command of the report and its end."""

    name: str
    command: str  # as it could be typed; "" for what is no command
    outcome: str  # "done", "differs", "failed", "interrupted" or "skipped"
    exit_code: int
    message: str = ""  # the line about the failure, or why it was skipped


def readme(names: Sequence[str], steps: Sequence[Step], *, no_data: bool) -> str:
    """README.txt of an archive with these files."""
    width = max(map(len, CONTENTS))
    lines = ["A report of `boardflash bench-report`: one device on one probe.", ""]
    lines += [f"{step.name}: {step.outcome}{f' ({step.message})' if step.message else ''}" for step in steps]
    lines += ["", "The files:", ""]
    lines += [f"{name:{width}}  {text}" for name, text in CONTENTS.items() if name in names]
    return "\n".join(lines) + "\n\n" + (_NO_DATA if no_data else _DATA) + "\n" + _MACHINE


def trace_text(path: Path, redactor: Redactor, *, no_data: bool) -> str:
    """A trace as it may be sent. Its last line may be half a line: the process ended while it was written."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            break
        if no_data and "wrote" in record and "ReadMem" in record["call"]:
            record["wrote"] = {n: _without_data(written) for n, written in record["wrote"].items()}
        lines.append(json.dumps(redactor.value(record), separators=(",", ":")))
    return "\n".join(lines) + "\n"


def write_archive(path: Path, files: Mapping[str, bytes]) -> None:
    """All of the file or none of it; the same files give the same bytes. README.txt comes first."""
    part = path.with_name(f".{path.name}.part")
    order = sorted(files, key=lambda name: (name != "README.txt", name))
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in order:
                entry = zipfile.ZipInfo(name, DATE)
                entry.create_system = 3  # Unix, on every machine; then the mode counts
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, files[name])
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _without_data(written: dict[str, Any]) -> dict[str, Any]:
    data = base64.b64decode(written["bytes"])
    if len(data) <= LITERAL_BYTES:
        return written
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
