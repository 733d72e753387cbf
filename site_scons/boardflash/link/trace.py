"""`--trace FILE`: every call of the J-Link library and its reply, as lines of JSON, and their replay.

Line 1 says what the file is. Each other line is one `call`: its `args`, what it `returns`, what it `wrote`
into its arguments, what it `said` through its callbacks, and `t`, the seconds on the board's clock after
it. Bytes are base64; an argument longer than 64 bytes is its length and SHA-256, so a trace does not hold
what was flashed. What was read it does hold. Questions about the state of the link, which pylink asks
before every call, are left out while the answer stays the same.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from boardflash.link.timebase import Timebase

FORMAT = 1
LITERAL_BYTES = 64

QUESTIONS = ("JLINKARM_IsOpen", "JLINKARM_EMU_IsConnected", "JLINKARM_IsConnected")

UNSECURE = "unsecure"  # the question whether to unlock a read-protected device

# Called through these: what the DLL tells the user.
CALLBACKS = {
    "JLINKARM_SetErrorOutHandler": "error",
    "JLINKARM_SetWarnOutHandler": "warning",
    "JLINK_SetHookUnsecureDialog": UNSECURE,
}


class Library(Protocol):
    def dll(self) -> Any: ...


class TracingLibrary:
    """A J-Link library that writes down what passes through it."""

    def __init__(
        self,
        library: Library,
        path: Path,
        timebase: Timebase,
        *,
        simulated: bool,
        serial: int | None = None,
        probe: str = "",
        software: str = "",
    ) -> None:
        """`probe` is what was asked for, `software` which J-Link software answers."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # A line at a time: the trace of a session that ends in a crash is the one that is wanted.
        self._out = path.open("w", encoding="utf-8", newline="\n", buffering=1)
        self._timebase = timebase
        self._messages: list[list[str]] = []
        self._answers: dict[str, Any] = {}
        head = {"probe": probe, "serial": serial, "simulated": simulated, "software": software}
        self._put({"boardflash_trace": FORMAT, **head})
        self._functions = _TracedFunctions(library.dll(), self)

    def dll(self) -> _TracedFunctions:
        return self._functions

    def close(self) -> None:
        self._out.close()

    def call(
        self, name: str, function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        """Make one call and write it down."""
        if self._out.closed:  # pylink's destructor asks whether the DLL is open
            return function(*args, **named)
        if name in QUESTIONS:
            return self._question(name, function())
        before = [_content(arg) for arg in args]
        record: dict[str, Any] = {
            "call": name,
            "args": [*map(describe, args), *map(describe, named.values())],
        }
        if name in CALLBACKS:
            args = tuple(self._listen(CALLBACKS[name], arg) for arg in args)
        self._messages = []
        result = function(*args, **named)
        record["returns"] = _result(result)
        changed = {
            str(n): _written(arg)
            for n, (arg, was) in enumerate(zip(args, before, strict=True))
            if was is not None and _content(arg) != was
        }
        if changed:
            record["wrote"] = changed
        if self._messages:
            record["said"] = self._messages
        record["t"] = self._timebase.now()
        self._put(record)
        return result

    def _question(self, name: str, answer: Any) -> Any:
        if self._answers.get(name) != answer:
            self._answers[name] = answer
            self._put({"call": name, "args": [], "returns": answer, "t": self._timebase.now()})
        return answer

    def _listen(self, kind: str, handler: Any) -> Any:
        if handler is None:
            return None

        def heard(text: bytes) -> None:
            self._messages.append([kind, text.decode(errors="replace")])
            handler(text)

        def asked(title: bytes, message: bytes, flags: int) -> int:
            self._messages.append([kind, message.decode(errors="replace")])
            return int(handler(title, message, flags))

        wrapped = type(handler)(asked if kind == UNSECURE else heard)
        self._functions.keep.append(wrapped)  # the DLL holds only the address
        return wrapped

    def _put(self, record: dict[str, Any]) -> None:
        self._out.write(json.dumps(record, separators=(",", ":")) + "\n")


class _TracedFunctions:
    def __init__(self, dll: Any, tracing: TracingLibrary) -> None:
        self._dll = dll
        self._tracing = tracing
        self.keep: list[Any] = []

    def __getattr__(self, name: str) -> _TracedFunction:
        function = _TracedFunction(name, getattr(self._dll, name), self._tracing)
        self.__dict__[name] = function
        return function


class _TracedFunction:
    """One export. Types that are set on it (`restype`) reach the real one."""

    def __init__(self, name: str, function: Any, tracing: TracingLibrary) -> None:
        self._name = name
        self._function = function
        self._tracing = tracing

    def __setattr__(self, attribute: str, value: Any) -> None:
        if attribute.startswith("_"):
            super().__setattr__(attribute, value)
        else:
            setattr(self._function, attribute, value)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._tracing.call(self._name, self._function, args, named)


def describe(arg: Any) -> Any:
    """An argument as JSON, without addresses: what two runs of the same session have in common."""
    if arg is None or isinstance(arg, (int, str)):
        return arg
    if isinstance(arg, bytes):
        return {"text": arg.decode(errors="replace")}
    target = pointee(arg)
    if isinstance(target, ctypes.Array):
        content = bytes(memoryview(target).cast("B"))
        if not any(content):
            return {"size": len(content)}
        if len(content) > LITERAL_BYTES:
            return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        return {"bytes": base64.b64encode(content).decode()}
    if target is not None:
        return {"size": ctypes.sizeof(target)}
    return "callback" if callable(arg) else type(arg).__name__


def pointee(arg: Any) -> Any:
    """The array, structure or number that a call may write to; None for an argument by value."""
    target = getattr(arg, "_obj", arg)  # what byref() made
    if isinstance(target, ctypes._Pointer):
        target = target.contents
    if isinstance(target, (ctypes.Array, ctypes.Structure)):
        return target
    return target if target is not arg else None


def text_fields(structure: Any) -> list[str]:
    """The `char *` fields of a structure: addresses, which mean nothing in another process."""
    if not isinstance(structure, ctypes.Structure):
        return []
    kinds = (ctypes.POINTER(ctypes.c_char), ctypes.c_char_p)
    return [entry[0] for entry in structure._fields_ if entry[1] in kinds]


def _content(arg: Any) -> bytes | None:
    target = pointee(arg)
    return None if target is None else ctypes.string_at(ctypes.addressof(target), ctypes.sizeof(target))


def _written(arg: Any) -> dict[str, Any]:
    """What the call left in an argument: its bytes, addresses as 0, and the texts that those point to."""
    target = pointee(arg)
    raw = bytearray(_content(arg) or b"")
    texts = {}
    for name in text_fields(target):
        place = getattr(type(target), name)
        raw[place.offset : place.offset + place.size] = bytes(place.size)
        texts[name] = _text(getattr(target, name))
    written: dict[str, Any] = {"bytes": base64.b64encode(bytes(raw)).decode()}
    if texts:
        written["texts"] = texts
    return written


def _result(result: Any) -> Any:
    return result if result is None or isinstance(result, int) else {"text": _text(result)}


def _text(pointer: Any) -> str | None:
    if isinstance(pointer, bytes):
        return pointer.decode(errors="replace")
    value = ctypes.cast(pointer, ctypes.c_char_p).value if pointer else None
    return None if value is None else value.decode(errors="replace")
