"""Entry into exceptions and return from them; which fault becomes which exception (ARMv7-M ARM, B1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unicorn import arm_const as arm

from boardflash.sim import exceptions as exc
from boardflash.sim.slices import Stop, StopInfo
from boardflash.sim.target import BusFault

if TYPE_CHECKING:
    from boardflash.sim.core import Core

_FRAME = (
    arm.UC_ARM_REG_R0,
    arm.UC_ARM_REG_R1,
    arm.UC_ARM_REG_R2,
    arm.UC_ARM_REG_R3,
    arm.UC_ARM_REG_R12,
    arm.UC_ARM_REG_LR,
)
_RETURN_HANDLER, _RETURN_MSP, _RETURN_PSP = 0xFFFFFFF1, 0xFFFFFFF9, 0xFFFFFFFD
_ALIGNED = 1 << 9
# CFSR bits (B3.2.15)
IACCVIOL, DACCVIOL, MSTKERR, MMARVALID = 1 << 0, 1 << 1, 1 << 4, 1 << 7
IBUSERR, PRECISERR, UNSTKERR, STKERR, BFARVALID = 1 << 8, 1 << 9, 1 << 11, 1 << 12, 1 << 15
UNDEFINSTR, INVSTATE, INVPC, NOCP, UNALIGNED = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 24
VECTTBL, FORCED, DEBUGEVT = 1 << 1, 1 << 30, 1 << 31
_EXECUTE_NEVER = (range(0x40000000, 0x60000000), range(0xA0000000, 0x100000000))
# Vector catch bits of DEMCR by exception (C1.6.5)
_CATCH = {exc.HARD_FAULT: 1 << 10, exc.MEM_MANAGE: 1 << 4, exc.BUS_FAULT: 1 << 8, exc.USAGE_FAULT: 0xE0}
_ENABLE_BIT = {exc.MEM_MANAGE: 1 << 16, exc.BUS_FAULT: 1 << 17, exc.USAGE_FAULT: 1 << 18}


def enter(core: Core, number: int, return_address: int) -> None:
    """Stack the frame, go to the vector."""
    uc = core.uc
    xpsr = int(uc.reg_read(arm.UC_ARM_REG_XPSR))
    stack = int(uc.reg_read(arm.UC_ARM_REG_SP))
    control = int(uc.reg_read(arm.UC_ARM_REG_CONTROL))
    in_handler = bool(core.exceptions.active)
    frame = (stack - 32) & ~7
    if (stack - 32) & 4:
        xpsr |= _ALIGNED
    else:
        xpsr &= ~_ALIGNED
    words = [int(uc.reg_read(register)) for register in _FRAME] + [return_address, xpsr]
    try:
        for n, word in enumerate(words):
            core.write_word(frame + 4 * n & 0xFFFFFFFF, word)
    except BusFault:
        core.cfsr |= STKERR
        core.last_fault = f"no stack at {frame & 0xFFFFFFFF:#010x}, after {core.last_fault}"
        number = _derived(core, number)
    uc.reg_write(arm.UC_ARM_REG_SP, frame & 0xFFFFFFFF)
    if control & 2 and not in_handler:
        uc.reg_write(arm.UC_ARM_REG_CONTROL, control & ~2)  # over to the main stack
        link = _RETURN_PSP
    else:
        link = _RETURN_HANDLER if in_handler else _RETURN_MSP
    uc.reg_write(arm.UC_ARM_REG_LR, link)
    uc.reg_write(arm.UC_ARM_REG_XPSR, xpsr & 0xF8000000 | 0x01000000 | number)
    core.exceptions.active.append(number)
    core.exceptions.event = True
    _go_to_vector(core, number)
    if core.demcr & _CATCH.get(number, 0) and core.dhcsr & 1 and core.lockup is None:
        core.catch_vector()


def _derived(core: Core, number: int) -> int:
    """What is entered when the frame of exception `number` could not be written: of that and the derived
    bus fault the more urgent one. The frame is lost, SP has moved, and nothing is stacked once more
    (DerivedLateArrival, B1.5.8; so does QEMU's armv7m_nvic.c). That is no lockup: only an unreadable vector
    is."""
    state = core.exceptions
    own = core.shcsr & _ENABLE_BIT[exc.BUS_FAULT] and state.priority_of(exc.BUS_FAULT) < core.level()
    derived = exc.BUS_FAULT if own else exc.HARD_FAULT
    if derived == exc.HARD_FAULT:
        core.hfsr |= FORCED
    entered, waits = number, derived
    if state.priority_of(derived) < state.priority_of(number):
        entered, waits = derived, number
    state.pend(waits)
    return entered


def _go_to_vector(core: Core, number: int) -> None:
    try:
        vector = core.read_word(core.vtor + 4 * number)
    except BusFault:
        vector = 0
        core.hfsr |= VECTTBL
    core.pc = vector & ~1
    if vector & 1:
        return
    if number == exc.HARD_FAULT:
        core.lock_up(
            f"no handler for exception {number}: the vector at {core.vtor + 4 * number:#010x} "
            f"is {vector:#010x}; after {core.last_fault}"
        )
    else:
        core.cfsr |= INVSTATE
        escalate(core, exc.HARD_FAULT, core.pc)


def leave(core: Core, exc_return: int) -> None:
    """Exception return: EXC_RETURN was loaded into the PC."""
    uc = core.uc
    if not core.exceptions.active:
        core.pc = exc_return & ~1
        raise_fault(core, StopInfo(Stop.FETCH_FAULT, core.pc, core.pc, reason="not in an exception"))
        return
    core.exceptions.active.pop()
    core.exceptions.event = True
    uc.reg_write(arm.UC_ARM_REG_FAULTMASK, 0)
    uc.reg_write(arm.UC_ARM_REG_XPSR, 0x01000000)
    if (exc_return | 1) & 0xF == _RETURN_PSP & 0xF:
        uc.reg_write(arm.UC_ARM_REG_CONTROL, int(uc.reg_read(arm.UC_ARM_REG_CONTROL)) | 2)
    frame = int(uc.reg_read(arm.UC_ARM_REG_SP))
    try:
        words = [core.read_word(frame + 4 * n & 0xFFFFFFFF) for n in range(8)]
    except BusFault:
        core.cfsr |= UNSTKERR
        escalate(core, exc.BUS_FAULT, core.pc)
        return
    for register, word in zip(_FRAME, words[:6], strict=True):
        uc.reg_write(register, word)
    xpsr = words[7]
    uc.reg_write(arm.UC_ARM_REG_SP, frame + 32 + (4 if xpsr & _ALIGNED else 0))
    uc.reg_write(arm.UC_ARM_REG_XPSR, xpsr & ~_ALIGNED)
    core.pc = words[6] & ~1
    if core.sleep_on_exit and not core.exceptions.active:
        core.fall_asleep(Stop.WFI)


def supervisor_call(core: Core) -> None:
    if core.exceptions.priority_of(exc.SVCALL) >= core.level():
        core.last_fault = f"SVC at pc {core.pc:#010x} that may not be taken"
        escalate(core, exc.SVCALL, core.pc)
    else:
        enter(core, exc.SVCALL, core.pc)


def debug_event(core: Core) -> None:
    """BKPT without a debugger (C1.5.1)."""
    core.hfsr |= DEBUGEVT
    core.last_fault = f"BKPT at pc {core.pc:#010x} without a debugger"
    escalate(core, exc.HARD_FAULT, core.pc)


def raise_fault(core: Core, info: StopInfo) -> None:
    """Note the cause, then take the exception it calls for."""
    number = exc.USAGE_FAULT
    if info.kind is Stop.MPU_FAULT:
        number = exc.MEM_MANAGE
        core.cfsr |= DACCVIOL | MMARVALID
        core.mmfar = info.address
    elif info.kind is Stop.BUS_FAULT:
        number = exc.BUS_FAULT
        core.cfsr |= PRECISERR | BFARVALID
        core.bfar = info.address
    elif info.kind is Stop.FETCH_FAULT:
        if any(info.pc in area for area in _EXECUTE_NEVER):
            number = exc.MEM_MANAGE
            core.cfsr |= IACCVIOL
        else:
            number = exc.BUS_FAULT
            core.cfsr |= IBUSERR
    else:
        core.cfsr |= {
            Stop.INVALID_STATE: INVSTATE,
            Stop.NO_COPROCESSOR: NOCP,
            Stop.UNALIGNED: UNALIGNED,
        }.get(info.kind, UNDEFINSTR)
    name = info.kind.name.lower().replace("_", " ")
    fault = f"{name} at pc {info.pc:#010x}"
    if number in (exc.BUS_FAULT, exc.MEM_MANAGE):
        fault += f", address {info.address or info.pc:#010x}"
    if info.reason:
        fault += f" ({info.reason})"
    nested = exc.HARD_FAULT in core.exceptions.active
    core.last_fault = f"{fault}, after {core.last_fault}" if nested else fault
    escalate(core, number, info.pc)


def escalate(core: Core, number: int, return_address: int) -> None:
    """The fault's own handler if it is enabled and may preempt, else HardFault, else lockup."""
    level = core.level()
    enabled = number not in _ENABLE_BIT or core.shcsr & _ENABLE_BIT[number]
    if number != exc.HARD_FAULT and enabled and core.exceptions.priority_of(number) < level:
        enter(core, number, return_address)
        return
    if number != exc.HARD_FAULT:
        core.hfsr |= FORCED
    if level <= -1:
        core.lock_up(f"fault in a fault handler: {core.last_fault}")
        return
    enter(core, exc.HARD_FAULT, return_address)
