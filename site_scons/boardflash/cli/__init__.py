"""The command line: the verbs of the build, without SCons.

One module a verb, loaded when the verb is asked for, so that `boardflash --help` and the build's own
calls start quickly. No traceback reaches a user: a fault is one line and a documented exit code.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from boardflash.errors import BoardflashError, ExitCode, missing_package


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(words)
        sys.stdout.flush()  # here a reader that has gone can still be met
        return code
    except SystemExit as stop:  # argparse: usage errors and --help
        return stop.code if isinstance(stop.code, int) else int(ExitCode.USAGE)
    except KeyboardInterrupt:
        _say("interrupted" + ("; flash again to finish" if words[:1] == ["flash"] else ""))
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone (`boardflash plan ... | head`). Nothing more can be told; not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)


def _run(argv: list[str]) -> int:
    from boardflash.cli.arguments import parse

    arguments = parse(argv)
    try:
        verb = importlib.import_module(f"boardflash.cli.{arguments.module}")
        return int(verb.run(arguments))
    except BoardflashError as error:
        return _failed(arguments, str(error), error.code)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        name = error.filename if isinstance(error.filename, str) else ""
        told = f"{name}: {error.strerror}" if name and error.strerror else str(error)
        return _failed(arguments, told, ExitCode.BAD_INPUT)
    except RecursionError:
        return _failed(arguments, "the input is nested too deeply", ExitCode.BAD_INPUT)
    except ModuleNotFoundError as error:
        return _failed(arguments, missing_package(error), ExitCode.INTERNAL)
    except Exception as error:
        if os.environ.get("BOARDFLASH_DEBUG"):
            raise
        told = f"a fault of boardflash itself: {type(error).__name__}: {error}".splitlines()[0]
        hint = "; BOARDFLASH_DEBUG=1 shows where, please report it"
        return _failed(arguments, told + hint, ExitCode.INTERNAL)


def _failed(arguments: object, message: str, code: ExitCode) -> int:
    _say(message)
    target = getattr(arguments, "json", None)
    if target is not None:
        from boardflash.cli.output import error_report, write_json

        write_json(target, error_report(getattr(arguments, "verb", ""), message, code))
    return int(code)


def _say(message: str, stream: TextIO | None = None) -> None:
    line = " ".join(message.splitlines())
    print(f"boardflash: {line}", file=stream or sys.stderr, flush=True)
