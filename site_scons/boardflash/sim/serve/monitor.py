"""gdb's `monitor` commands: reset and halt, in the words of OpenOCD and J-Link."""

from __future__ import annotations

from collections.abc import Callable

from boardflash.sim.serve.debuggee import Debuggee

HELP = """\
monitor reset halt   reset the MCU, stop at its reset vector
monitor reset        reset the MCU and let it run
monitor halt         stop the core
monitor help         this list
This board is simulated: boardflash sim serve.
"""


def command(debuggee: Debuggee, text: str) -> str:
    """What the command prints."""
    words = " ".join(text.split())
    action = _COMMANDS.get(words)
    if action is None:
        return f'no monitor command "{words}"; there are:\n{HELP}'
    return action(debuggee)


def _reset_halt(debuggee: Debuggee) -> str:
    debuggee.reset(halt=True)
    return f"reset; halted at {debuggee.pc:#010x}\n"


def _reset(debuggee: Debuggee) -> str:
    debuggee.reset(halt=False)
    return "reset; running\n"


def _halt(debuggee: Debuggee) -> str:
    debuggee.halt()
    return f"halted at {debuggee.pc:#010x}\n"


_COMMANDS: dict[str, Callable[[Debuggee], str]] = {
    "reset": _reset,
    "reset run": _reset,
    "reset halt": _reset_halt,
    "reset init": _reset_halt,  # OpenOCD's word, which IDEs send; there is nothing to initialise
    "halt": _halt,
    "help": lambda _debuggee: HELP,
}
