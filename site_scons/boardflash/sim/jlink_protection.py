"""Read-out protection, as the simulated J-Link DLL meets it when it connects to an STM32F7.

RM0385 3.6.1 (protection levels) and 3.7.5 (OPTCR). At level 1 the DLL asks whether to unlock the device,
which erases it, through the hook that `JLINK_SetHookUnsecureDialog` sets; without a Yes it does not
connect. At level 2 the debug port is off for good, and there is no CPU to be found.
"""

from __future__ import annotations

from collections.abc import Callable

from boardflash.sim.target import BusFault, Target

FLASH_OPTKEYR, FLASH_OPTCR = 0x4002_3C08, 0x4002_3C14
OPTION_KEYS = (0x0819_2A3B, 0x4C5D_6E7F)
OPTLOCK, OPTSTRT = 1 << 0, 1 << 1
RDP_SHIFT, RDP_MASK = 8, 0xFF << 8
RDP_LEVEL_0, RDP_LEVEL_2 = 0xAA, 0xCC

# As the hook's caller and pylink's JLinkFlags number the buttons.
BUTTON_YES, BUTTON_NO = 1, 2
TITLE = b"J-Link: Unsecure device?"
QUESTION = b"The device is read-protected. Unlocking it will erase its flash. Unlock it now?"

Hook = Callable[[bytes, bytes, int], int]


def level(target: Target) -> int:
    """0, 1 or 2; 0 for a target that has no such register."""
    rdp = _optcr(target) >> RDP_SHIFT & 0xFF
    return {RDP_LEVEL_0: 0, RDP_LEVEL_2: 2}.get(rdp, 1)


def unlocked(target: Target, hook: Hook | None) -> bool:
    """Ask; a Yes erases the device, anything else leaves it as it is."""
    if hook is None or hook(TITLE, QUESTION, BUTTON_YES | BUTTON_NO) != BUTTON_YES:
        return False
    for key in OPTION_KEYS:
        _write(target, FLASH_OPTKEYR, key)
    value = _optcr(target) & ~(RDP_MASK | OPTLOCK) | RDP_LEVEL_0 << RDP_SHIFT
    _write(target, FLASH_OPTCR, value)
    _write(target, FLASH_OPTCR, value | OPTSTRT)
    return True


def _optcr(target: Target) -> int:
    try:
        return int.from_bytes(target.read_memory(FLASH_OPTCR, 4, 4), "little")
    except BusFault:
        return RDP_LEVEL_0 << RDP_SHIFT


def _write(target: Target, address: int, value: int) -> None:
    target.write_memory(address, value.to_bytes(4, "little"), 4)
