"""What the command line takes, verb by verb. Only this module knows argparse."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from boardflash import __version__
from boardflash.errors import ExitCode

MEANINGS = {
    ExitCode.OK: "done; the device holds the plan",
    ExitCode.DIFFERS: "verify: the device does not hold the plan",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.BAD_INPUT: "a board, chip, image or plan file is wrong, or a file can't be read or written",
    ExitCode.NO_PROBE: "no probe, several probes, or no J-Link DLL",
    ExitCode.PROBE_BUSY: "another process holds the probe",
    ExitCode.WRONG_DEVICE: "the device is not the one that the board file describes; nothing was changed",
    ExitCode.DEVICE_FAILED: "the loader does not answer, or an erase, program or read failed",
    ExitCode.VERIFY_FAILED: "what was written does not read back",
    ExitCode.INTERNAL: "a fault of boardflash itself",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
}

# As boardflash.export.formats has them; that module is loaded only when something is exported.
FORMAT_NAMES = ("flm", "jlink", "stldr", "openocd", "probe-rs", "pyocd", "make", "uf2")

# What `sim serve` listens on: gdb's usual port, and one beside it.
GDB_PORT, BITBANG_PORT = 3333, 3335

_EXAMPLE = """\
example, without any hardware:
  boardflash flash app.elf --board stm32f746g-disco --probe sim
"""


def exit_code_help() -> str:
    """The table of exit codes that `--help` shows."""
    return "exit codes:\n" + "\n".join(f"  {int(code):3}  {text}" for code, text in MEANINGS.items())


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line; ends the process with code 2 and one line when it is wrong."""
    # `--json` without a value means standard output. argparse would rather take the next word for its
    # value, and `flash --json plan.json` would then overwrite the plan with a report.
    words = ["--json=-" if word == "--json" else word for word in argv]
    return _parser().parse_args(words)


def number(text: str) -> int:
    """An address or a size: hexadecimal, decimal, or with K or M for KiB and MiB."""
    found = re.fullmatch(r"(0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)([kKmM]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; for instance 0x90000000, 4096 or 4K")
    try:
        value = int(found[1], 0) if found[1][:2] in ("0x", "0X") else int(found[1], 10)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    return value * {"": 1, "k": 1024, "m": 1024 * 1024}[found[2].lower()]


def fault(text: str) -> tuple[str, str]:
    """`NAME` or `NAME=VALUE`."""
    name, _, value = text.partition("=")
    return name, value


def serial(text: str) -> int:
    """A simulated board's serial number: decimal, as a J-Link's is."""
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise argparse.ArgumentTypeError(f"{text!r} is no serial number; for instance 746000001")
    return int(text)


def tcp_port(text: str) -> int:
    """A TCP port, or 0 for any that is free."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; 0 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="boardflash",
        description="Flashes firmware that lives in internal flash and in an external QSPI chip.",
        epilog=_EXAMPLE + "\n" + exit_code_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"boardflash {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _flash(verbs)
    _verify(verbs)
    _plan(verbs)
    _loader(verbs)
    _split(verbs)
    _export(verbs)
    _identify(verbs)
    _read(verbs)
    _erase(verbs)
    _reset(verbs)
    _journal(verbs)
    _bench_report(verbs)
    _sim(verbs)
    _lists(verbs)
    return parser


_Verbs = argparse._SubParsersAction  # argparse gives this class no public name


def _verb(
    verbs: _Verbs[argparse.ArgumentParser], name: str, about: str, module: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog=exit_code_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(module=module)
    return parser


def _flash(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "flash", "write what differs, verify it, start the firmware", "flash")
    _inputs(parser)
    _board(parser)
    _probe(parser)
    _device_work(parser)
    parser.add_argument(
        "--force", action="store_true", help="write all of the image, even what is there already"
    )
    parser.add_argument(
        "--no-run", action="store_true", help="leave the core halted instead of starting the firmware"
    )
    parser.add_argument(
        "--trust",
        choices=("digest", "stamp"),
        default="digest",
        help="what decides that the device holds the plan already: digests over its flash (default), or the"
        " stamp of an earlier run on the same chip",
    )
    parser.add_argument(
        "--stamp",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="write what was done, last and only after success; REGION.stamp tells of that region alone",
    )


def _verify(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "verify", "ask the device whether it holds the plan; change nothing", "verify")
    _inputs(parser)
    _board(parser)
    _probe(parser)
    _device_work(parser, verify=False)


def _plan(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "plan", "write the flash plan of some inputs, or tell what a plan says", "plan")
    _inputs(parser)
    _board(parser)
    parser.add_argument("--output", "-o", type=Path, metavar="DIR", help="where plan.json and its files go")
    parser.add_argument("--loader", type=Path, metavar="ELF", help="a target loader that is built already")
    parser.add_argument(
        "--all-regions",
        action="store_true",
        help="also leave an empty file for each region that the inputs have no bytes for",
    )
    parser.add_argument("--quiet", action="store_true", help="write the plan and say nothing")


def _loader(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "loader", "build the target loader of a board", "loader")
    _board(parser)
    parser.add_argument(
        "--output", "-o", type=Path, required=True, metavar="DIR", help="where loader.elf goes"
    )
    parser.add_argument("--quiet", action="store_true", help="build it and say nothing")


def _split(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "split", "split inputs into one .bin and one .hex for each region", "split")
    _inputs(parser)
    _board(parser, toolchain=False)
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR", help="where the files go")
    parser.add_argument("--all-regions", action="store_true", help="empty files for regions without bytes")
    parser.add_argument("--quiet", action="store_true", help="write the files and say nothing")


def _export(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "export", "make the board into what another flasher takes", "export")
    parser.add_argument("format", metavar="FORMAT", help=", ".join(FORMAT_NAMES))
    parser.add_argument(
        "inputs", nargs="*", metavar="FILE", help="uf2 alone: files as `boardflash flash` takes them"
    )
    _board(parser, required=True, toolchain=False)
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR", help="where the files go")
    parser.add_argument("--quiet", action="store_true", help="make the files and say nothing")


def _identify(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "identify", "tell which MCU and which chip answer; write to no flash", "identify")
    parser.add_argument("inputs", nargs="*", metavar="PLAN", help="a plan.json in place of --board")
    _board(parser)
    _probe(parser)
    _json(parser)


def _read(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "read", "read flash of the device into a file", "read")
    parser.add_argument("address", type=number, help="first byte, for instance 0x90000000")
    parser.add_argument("size", type=number, help="how many bytes, for instance 4096 or 64K")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="FILE", help="a .bin, or a .hex")
    _board(parser, required=True)
    _probe(parser)
    _json(parser)


def _erase(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "erase", "erase a region, or a range of whole erase units", "erase")
    parser.add_argument("--region", required=True, help="internal or qspi")
    parser.add_argument("--address", type=number, help="first byte; default: the start of the region")
    parser.add_argument("--size", type=number, help="how many bytes; default: to the end of the region")
    _board(parser, required=True)
    _probe(parser)
    _json(parser)


def _reset(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "reset", "reset the MCU and start its firmware", "reset")
    parser.add_argument("--halt", action="store_true", help="stop at the reset vector instead")
    _board(parser, required=True, toolchain=False)
    _probe(parser)
    _json(parser)


def _journal(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(
        verbs, "journal", "list what interrupted runs owe to devices, and decide about it", "journal"
    )
    decision = parser.add_mutually_exclusive_group()
    decision.add_argument(
        "--restore",
        type=Path,
        metavar="FILE",
        help="these bytes are right: the next flash of this device writes them back",
    )
    decision.add_argument(
        "--forget", type=Path, metavar="FILE", help="the device keeps what it holds; the entry goes"
    )
    _json(parser)


def _bench_report(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(
        verbs,
        "bench-report",
        "identify the device, verify or flash the inputs, and put what tells of it into one file to send",
        "bench_report",
    )
    _inputs(parser, count="*")
    parser.add_argument(
        "--output", "-o", type=Path, required=True, metavar="ZIP", help="the file to send; it must not exist"
    )
    parser.add_argument(
        "--flash", action="store_true", help="flash the inputs instead of only verifying them"
    )
    parser.add_argument(
        "--no-data",
        action="store_true",
        help="of memory reads above 64 bytes the traces keep length and SHA-256 alone",
    )
    _board(parser)
    _probe(parser, trace=False)


def _sim(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "sim", "work with a simulated board", "sim")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    serve = _verb(actions, "serve", "offer a simulated board to gdb and OpenOCD, until Ctrl-C", "sim")
    _board(serve, required=True)
    serve.add_argument("--twin", metavar="NAME", help="which simulated board it is (default: as the board)")
    serve.add_argument(
        "--serial", type=serial, metavar="N", help="whose flash it has (default: as --probe sim has)"
    )
    serve.add_argument(
        "--fault",
        type=fault,
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="something that goes wrong; may be given again",
    )
    for name, port, client in (("gdb", GDB_PORT, "gdb"), ("bitbang", BITBANG_PORT, "OpenOCD")):
        serve.add_argument(
            f"--{name}",
            type=tcp_port,
            nargs="?",
            const=port,
            metavar="PORT",
            help=f"a port for {client} on loopback (default {port}; 0: any that is free)",
        )


def _lists(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    probes = _verb(verbs, "list-probes", "list the J-Links that are attached", "list_probes")
    _json(probes)
    boards = _verb(verbs, "list-boards", "list the boards that can be named", "list_boards")
    _board_path(boards)
    _json(boards)


def _inputs(parser: argparse.ArgumentParser, *, count: str = "+") -> None:
    parser.add_argument(
        "inputs",
        nargs=count,
        metavar="FILE",
        help="an ELF, Intel HEX, S-record, TI-TXT or UF2 file, known by its contents; a BIN at an address"
        " (data.bin@0x90000000); or one plan.json",
    )


def _board_path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--board-path",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder with board files of your own; may be given again",
    )


def _board(parser: argparse.ArgumentParser, *, required: bool = False, toolchain: bool = True) -> None:
    parser.add_argument(
        "--board", required=required, metavar="NAME", help="a board's name, or its .toml file"
    )
    _board_path(parser)
    if toolchain:
        parser.add_argument(
            "--toolchain",
            choices=("zig", "gcc"),
            default="zig",
            help="what compiles the loader (default: zig)",
        )


def _probe(parser: argparse.ArgumentParser, *, trace: bool = True) -> None:
    group = parser.add_argument_group("probe")
    group.add_argument(
        "--probe",
        metavar="PROBE",
        help="a J-Link's serial number, usb:PATH, ip:HOST[:PORT] or tunnel:SERIAL; sim or sim:SERIAL for a"
        " simulated board. Default: the only J-Link",
    )
    group.add_argument(
        "--twin", metavar="NAME", help="sim: which simulated board it is (default: named like the board)"
    )
    group.add_argument(
        "--fault",
        type=fault,
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="sim: something that goes wrong; may be given again",
    )
    if trace:
        group.add_argument(
            "--trace", type=Path, metavar="FILE", help="record every call of the J-Link DLL and its reply"
        )


def _device_work(parser: argparse.ArgumentParser, *, verify: bool = True) -> None:
    parser.add_argument(
        "--region",
        action="append",
        metavar="NAME",
        help="this region alone; may be given again (default: all)",
    )
    if verify:
        parser.add_argument(
            "--verify",
            choices=("touched", "full"),
            default="touched",
            help="what is digested again after the last write: what was touched (default), or everything",
        )
    _json(parser)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json",
        metavar="PATH",
        help="a report for machines; --json alone is standard output, --json=PATH a file",
    )
