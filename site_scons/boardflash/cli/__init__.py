"""The command line: the verbs of the build, without SCons.

One module a verb, loaded when the verb is asked for, so that `boardflash --help` and the build's own
calls start quickly. No traceback reaches a user: a fault is one line and a documented exit code.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

from boardflash.cli.output import lost, say, silence
from boardflash.errors import BoardflashError, ExitCode, missing_package


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    lost.clear()
    try:
        code = _run(words)
    except SystemExit as stop:  # argparse: usage errors and --help
        code = stop.code if isinstance(stop.code, int) else int(ExitCode.USAGE)
    except KeyboardInterrupt:
        _say("interrupted" + ("; flash again to finish" if words[:1] == ["flash"] else ""))
        code = int(ExitCode.INTERRUPTED)
    except BrokenPipeError:  # the reader has gone (`boardflash plan ... | head`): nothing more can be told
        code = int(ExitCode.OK)
        if sys.stdout is not None:
            silence(sys.stdout)
    return _told(code)


def _told(code: int) -> int:
    """The exit code, when all that was said has left: here a full disk behind the stream can still be met."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            silence(sys.stdout)
        except OSError as error:
            lost.append(error.strerror or str(error))
            silence(sys.stdout)
    if lost:
        _say(f"the output could not be written: {lost[0]}")
        return code or int(ExitCode.BAD_INPUT)
    return code


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
        if not name and error.errno == errno.ENOSPC:
            told = f"the output could not be written: {error.strerror}"
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

        try:
            write_json(target, error_report(getattr(arguments, "verb", ""), message, code))
        except BoardflashError as error:
            if str(error) != message:  # else it is what has just been said
                _say(str(error))
    return int(code)


def _say(message: str) -> None:
    say(f"boardflash: {' '.join(message.splitlines())}", sys.stderr)
