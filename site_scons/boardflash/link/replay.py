"""Replays a trace: a J-Link library that gives the recorded answers, as long as the calls are the same.

With the plan of a session that failed on somebody's bench, this is that session, without the bench.
"""

from __future__ import annotations

import base64
import ctypes
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boardflash.errors import BoardflashError
from boardflash.files import MIB, read_file
from boardflash.link.selector import Selector, parse
from boardflash.link.trace import CALLBACKS, FORMAT, QUESTIONS, UNSECURE, describe, pointee, text_fields

NO_PROBE = -256
TRACE_MOST = 1024 * MIB
SHOWN = 160

# Exports that pylink uses only where the DLL has them.
OPTIONAL = ("JLINK_SetHookUnsecureDialog",)


class ReplayLibrary:
    """`dll()` answers from the trace; `time` is the board's clock as it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        header, self._calls = _read(path)
        self.simulated = bool(header.get("simulated"))
        self._serial = header.get("serial")
        self.software = str(header.get("software") or "J-Link software of a trace")
        self._asked_for = str(header.get("probe") or "")
        self.time = ReplayTime()
        self._next = 0
        self._deviated = False
        self._answers: dict[str, Any] = dict.fromkeys(QUESTIONS, 0)
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._functions = _ReplayFunctions(self)

    def dll(self) -> _ReplayFunctions:
        return self._functions

    @property
    def probe(self) -> Selector:
        """The probe that the session was with, and the way to it."""
        asked = parse(self._asked_for)
        return asked if asked.kind in ("ip", "tunnel") else Selector("serial", str(self.serial))

    @property
    def serial(self) -> int:
        if self._serial is not None:
            return int(self._serial)
        chosen = [c["args"][0] for c in self._calls if c["call"] == "JLINKARM_EMU_SelectByUSBSN"]
        if not chosen:
            raise BoardflashError("no probe was opened in this trace", where=str(self._path))
        return int(chosen[0])

    @property
    def remaining(self) -> int:
        """Calls of the trace that have not been made, questions left out."""
        return sum(call["call"] not in QUESTIONS for call in self._calls[self._next :])

    def has(self, name: str) -> bool:
        return name not in OPTIONAL or any(call["call"] == name for call in self._calls)

    def answer(self, name: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if self._deviated:  # said once; what follows only lets go of the probe
            return 0 if name in QUESTIONS else NO_PROBE
        if name in QUESTIONS:
            return self._question(name)
        self._skip_questions()
        made = {"call": name, "args": [*map(describe, args), *map(describe, named.values())]}
        if self._next >= len(self._calls):
            raise self._deviation("the trace ends here", made)
        call = self._calls[self._next]
        if call["call"] != name or call["args"] != made["args"]:
            raise self._deviation(f"recorded was {_show(call)}", made)
        self._next += 1
        self.time.reached(call["t"])
        if name in CALLBACKS:
            self._handlers[CALLBACKS[name]] = args[0]
        for kind, text in call.get("said", ()):
            if kind not in self._handlers:
                raise self._deviation("a message comes before anybody listens", made)
            self._handlers[kind](*((b"", text.encode(), 0) if kind == UNSECURE else (text.encode(),)))
        for n, written in call.get("wrote", {}).items():
            target = pointee(args[int(n)]) if int(n) < len(args) else None
            if target is None:
                raise self._deviation("it writes to an argument that is none to write to", made)
            self._write(target, written)
        result = call["returns"]
        return self._functions.text(result["text"]) if isinstance(result, dict) else result

    def _question(self, name: str) -> Any:
        """From the answers recorded next, if it is among them; else the last answer still holds."""
        for n in range(self._next, len(self._calls)):
            asked = self._calls[n]["call"]
            if asked not in QUESTIONS:
                break
            if asked == name:
                self._take_answers(n + 1)
                break
        return self._answers[name]

    def _skip_questions(self) -> None:
        end = self._next
        while end < len(self._calls) and self._calls[end]["call"] in QUESTIONS:
            end += 1
        self._take_answers(end)

    def _take_answers(self, end: int) -> None:
        for call in self._calls[self._next : end]:
            self._answers[call["call"]] = call["returns"]
        self._next = end

    def _write(self, target: Any, written: dict[str, Any]) -> None:
        if "bytes" not in written:
            raise BoardflashError(
                "this trace cannot be replayed: what was read is left out of it (bench-report --no-data)",
                where=f"{self._path.name}: line {self._next + 1}",
            )
        raw = base64.b64decode(written["bytes"])
        ctypes.memmove(ctypes.addressof(target), raw, min(len(raw), ctypes.sizeof(target)))
        texts = written.get("texts", {})
        for field in text_fields(target):
            # An address that was recorded, or made up, means nothing here: it must never be followed.
            text = texts.get(field)
            kind = type(getattr(target, field))
            setattr(target, field, kind() if text is None else ctypes.cast(self._functions.text(text), kind))

    def _deviation(self, what: str, made: dict[str, Any]) -> BoardflashError:
        self._deviated = True
        line = self._next + 2  # the header is line 1
        return BoardflashError(
            f"this session deviates from the trace: {what}, made was {_show(made)}",
            where=f"{self._path.name}: line {line}",
        )


class ReplayTime:
    """The board's clock of the recorded session."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def pause(self, seconds: float) -> None:
        self._now += seconds

    def reached(self, seconds: float) -> None:
        self._now = seconds


class _ReplayFunctions:
    def __init__(self, replay: ReplayLibrary) -> None:
        self._replay = replay
        self._keep: list[Any] = []

    def __getattr__(self, name: str) -> _ReplayFunction:
        if not name.startswith("JLINK") or not self._replay.has(name):
            raise AttributeError(name)
        function = _ReplayFunction(name, self._replay)
        self.__dict__[name] = function
        return function

    def text(self, text: str | None) -> Any:
        if text is None:
            return None
        self._keep.append(ctypes.create_string_buffer(text.encode()))
        return ctypes.cast(self._keep[-1], ctypes.c_char_p)


class _ReplayFunction:
    def __init__(self, name: str, replay: ReplayLibrary) -> None:
        self._name = name
        self._replay = replay

    def __call__(self, *args: Any, **named: Any) -> Any:
        result = self._replay.answer(self._name, args, named)
        # pylink says which functions answer with an address. A number from a file is none.
        is_address = getattr(self, "restype", None) is not None
        return None if is_address and isinstance(result, int) else result


def _read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        lines = read_file(path, TRACE_MOST).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as failure:
        told = failure.strerror if isinstance(failure, OSError) else "not UTF-8 text"
        raise BoardflashError(f"the trace cannot be read: {told}", where=str(path)) from failure
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as failure:
            if number == len(lines):
                break  # cut off while it was written
            raise _no_line(path, number, " ".join(str(failure).split())[:64]) from failure
        if number == 1:
            _check_header(path, record)
        else:
            wrong = _fault_of(record)
            if wrong:
                raise _no_line(path, number, wrong)
        records.append(record)
    if not records:
        raise BoardflashError(f"not a trace of format {FORMAT}", where=str(path))
    return records[0], records[1:]


def _check_header(path: Path, header: object) -> None:
    if not isinstance(header, dict) or header.get("boardflash_trace") != FORMAT:
        raise BoardflashError(f"not a trace of format {FORMAT}", where=str(path))
    serial = header.get("serial")
    if serial is not None and not _is_number(serial, 0, 1 << 32):
        raise _no_line(path, 1, "`serial` is no serial number")
    if not all(isinstance(header.get(key) or "", str) for key in ("probe", "software")):
        raise _no_line(path, 1, "`probe` and `software` are texts")


def _fault_of(record: object) -> str:
    """What is wrong with a line of calls; "" if nothing is. Afterwards each key has the type that it must."""
    if not isinstance(record, dict):
        return "no call"
    name, args, returns = record.get("call"), record.get("args"), record.get("returns")
    if not isinstance(name, str) or not name.startswith("JLINK") or not isinstance(args, list):
        return "no call of the J-Link library"
    text = isinstance(returns, dict) and list(returns) == ["text"] and _is_text(returns["text"])
    if "returns" not in record:
        return "`returns` is missing"
    if returns is not None and not text and not _is_number(returns, -(1 << 63), 1 << 64):
        return "`returns` is neither a number nor a text"
    if not isinstance(record.get("t"), (int, float)) or not 0 <= record["t"] < 1e9:
        return "`t` is no time"
    said = record.get("said", [])
    kinds = set(CALLBACKS.values())
    if not isinstance(said, list) or not all(
        isinstance(m, list) and len(m) == 2 and m[0] in kinds and isinstance(m[1], str) for m in said
    ):
        return "`said` holds no messages"
    return _fault_of_written(record.get("wrote", {}))


def _fault_of_written(wrote: object) -> str:
    if not isinstance(wrote, dict):
        return "`wrote` is no table"
    for number, written in wrote.items():
        if not number.isascii() or not number.isdigit() or len(number) > 2 or not isinstance(written, dict):
            return "`wrote` names no argument"
        texts = written.get("texts", {})
        if not isinstance(texts, dict) or not all(_is_text(text) for text in texts.values()):
            return "`texts` holds no texts"
        try:
            base64.b64decode(written.get("bytes", ""), validate=True)
        except (ValueError, TypeError):
            return "`bytes` is not base64"
    return ""


def _is_text(value: object) -> bool:
    return value is None or (isinstance(value, str) and "\0" not in value)


def _is_number(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and low <= value < high


def _no_line(path: Path, number: int, what: str) -> BoardflashError:
    return BoardflashError(f"not a line of a trace: {what}", where=f"{path}: line {number}")


def _show(call: dict[str, Any]) -> str:
    name = call["call"].replace("JLINKARM_", "").replace("JLINK_", "")
    text = f"{name}({', '.join(json.dumps(arg) for arg in call['args'])})"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
