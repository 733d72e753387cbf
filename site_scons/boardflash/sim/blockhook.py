"""The block hook without the two Python calls that Unicorn's binding wraps around every hook.

It runs a million times a second of host time, and they cost half of it. Where the binding's inner names
are not the expected ones, its own `hook_add` is used: slower, the same otherwise.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import unicorn

_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)


def add_block_hook(
    uc: Any,
    on_block: Callable[[int, int], None],
    on_error: Callable[[BaseException], object],
) -> object:
    """Call `on_block(address, size)` before each block. Keep the returned object as long as `uc` lives."""

    def direct(_handle: int, address: int, size: int, _data: int) -> None:
        try:
            on_block(address, size)
        except BaseException as error:
            on_error(error)

    try:
        from unicorn.unicorn_py3.unicorn import uclib

        engine = uc._uch
    except (ImportError, AttributeError):
        return uc.hook_add(unicorn.UC_HOOK_BLOCK, lambda _uc, address, size, _data: on_block(address, size))
    function = _PROTOTYPE(direct)
    handle = ctypes.c_size_t()
    code = ctypes.cast(function, ctypes.c_void_p)
    # A range that ends before it begins means all addresses.
    status = uclib.uc_hook_add(engine, ctypes.byref(handle), unicorn.UC_HOOK_BLOCK, code, None, 1, 0)
    if status != unicorn.UC_ERR_OK:
        raise unicorn.UcError(status)
    return function
