"""Hooks without the Python calls that Unicorn's binding wraps around every one of its own.

They run a million times a second of host time, and the wrapping costs half of it. Where the binding's inner
names are not the expected ones, its own methods are used: slower, the same otherwise.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import unicorn

_BLOCK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
_READ = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
_WRITE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p
)
OnError = Callable[[BaseException], object]


def add_block_hook(uc: Any, on_block: Callable[[int, int], None], on_error: OnError) -> object:
    """Call `on_block(address, size)` before each block. Keep the returned object as long as `uc` lives."""

    def direct(_handle: int, address: int, size: int, _data: int) -> None:
        try:
            on_block(address, size)
        except BaseException as error:
            on_error(error)

    library = _library(uc)
    if library is None:
        return uc.hook_add(unicorn.UC_HOOK_BLOCK, lambda _uc, address, size, _data: on_block(address, size))
    uclib, engine = library
    function = _BLOCK(direct)
    handle = ctypes.c_size_t()
    code = ctypes.cast(function, ctypes.c_void_p)
    # A range that ends before it begins means all addresses.
    _check(uclib.uc_hook_add(engine, ctypes.byref(handle), unicorn.UC_HOOK_BLOCK, code, None, 1, 0))
    return function


def map_registers(
    uc: Any, base: int, size: int, read: Callable[[int, int], int], write: Callable[[int, int, int], None]
) -> object:
    """Let `read(address, width)` and `write(address, value, width)`, which must not raise, answer a range.

    Keep the returned object as long as `uc` lives.
    """

    def direct_read(_handle: int, offset: int, width: int, _data: int) -> int:
        return read(base + offset, width)

    def direct_write(_handle: int, offset: int, width: int, value: int, _data: int) -> None:
        write(base + offset, value, width)

    library = _library(uc)
    if library is None:
        return uc.mmio_map(
            base,
            size,
            lambda _uc, offset, width, _data: read(base + offset, width),
            None,
            lambda _uc, offset, width, value, _data: write(base + offset, value, width),
            None,
        )
    uclib, engine = library
    functions = _READ(direct_read), _WRITE(direct_write)
    pointers = [ctypes.cast(function, ctypes.c_void_p) for function in functions]
    start, length = ctypes.c_uint64(base), ctypes.c_size_t(size)
    _check(uclib.uc_mmio_map(engine, start, length, pointers[0], None, pointers[1], None))
    return functions


def _library(uc: Any) -> tuple[Any, Any] | None:
    try:
        from unicorn.unicorn_py3.unicorn import uclib

        return uclib, uc._uch
    except (ImportError, AttributeError):
        return None


def _check(status: int) -> None:
    if status != unicorn.UC_ERR_OK:
        raise unicorn.UcError(status)
