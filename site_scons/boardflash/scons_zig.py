"""C and assembler for Cortex-M in SCons, by the Zig wheel from PyPI: the body of the tool `zigcc`.

Measured with Zig 0.17.1: it wants its two cache folders named in SCons's clean environment, ignores a
linker script's ENTRY (so the entry is passed, and sections are kept by KEEP), and strips without -g.
`zig cc` takes an object from its own cache when a file of an `.incbin` has changed, so assembler goes to
the compiler proper; SCons learns of such files from a scanner.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import SCons.Defaults
import SCons.Tool
from SCons.Node.FS import find_file
from SCons.Scanner import FindPathDirs, ScannerBase

_TAKEN_IN = re.compile(r'^[ \t]*(?:#[ \t]*include|\.incbin)[ \t]*"([^"]+)"', re.MULTILINE)
# -mfpu=none as in `zig cc` with this target: both calling conventions are the soft one.
_ASSEMBLE = (
    "$( $ZIG $) clang --target=thumbv7em-none-eabi -mcpu=$CORE -mfpu=none -ffreestanding -g"
    " -fdebug-compilation-dir=. $ASFLAGS $CPPFLAGS $_CPPDEFFLAGS $_CPPINCFLAGS -c -o $TARGET $SOURCES"
)


def generate(env: Any) -> None:
    """Give `env` the builders Object and Program for firmware."""
    env.Replace(OBJSUFFIX=".o", PROGSUFFIX=".elf")  # what the host's platform says is of no use here
    env.SetDefault(
        CORE="cortex-m7",
        ZIG=[_zig()],
        ZIGTARGET="thumb-freestanding-eabi",
        ENTRY="reset_handler",
        CCFLAGS=["-std=c11", "-Os", "-g", "-Wall", "-Wextra", "-Werror"],
        ASFLAGS=[],
        ASPPCOM=_ASSEMBLE,
        LINKFLAGS=[],
        INCPREFIX="-I",
        INCSUFFIX="",
        CPPDEFPREFIX="-D",
        CPPDEFSUFFIX="",
        LINKERSCRIPT="",
        # What it takes to get the same bytes in another folder.
        _ZIGFIXED=["-ffreestanding", "-fdebug-compilation-dir=.", "-ffunction-sections", "-fdata-sections"],
        _ZIGCPU="${CORE.replace('-', '_')}",
        CCCOM="$( $ZIG $) cc -target $ZIGTARGET -mcpu=$_ZIGCPU $_ZIGFIXED $CFLAGS $CCFLAGS"
        " $CPPFLAGS $_CPPDEFFLAGS $_CPPINCFLAGS -c -o $TARGET $SOURCES",
        LINKCOM="$( $ZIG $) cc -target $ZIGTARGET -mcpu=$_ZIGCPU -nostdlib -Wl,--gc-sections -g"
        " -Wl,-e,$ENTRY ${LINKERSCRIPT and '-T' or ''} $LINKERSCRIPT $LINKFLAGS -o $TARGET $SOURCES",
    )
    # The command's first word stands between $( and $), so SCons would take the next one, "cc", for the
    # program and depend on this machine's compiler. The wheel's version is the dependency instead.
    env["IMPLICIT_COMMAND_DEPENDENCIES"] = 0
    cache = env.Dir("#build/.zig-cache").abspath
    env["ENV"].setdefault("ZIG_GLOBAL_CACHE_DIR", cache)
    env["ENV"].setdefault("ZIG_LOCAL_CACHE_DIR", cache)
    SCons.Tool.SourceFileScanner.add_scanner(".S", _ASSEMBLER_SCANNER)
    objects, _ = SCons.Tool.createObjBuilders(env)
    for suffix, action in ((".c", SCons.Defaults.CAction), (".S", SCons.Defaults.ASPPAction)):
        objects.add_action(suffix, action)
        objects.add_emitter(suffix, _depend_on_zig)
    SCons.Tool.createProgBuilder(env)
    env.Append(PROGEMITTER=[_depend_on_script])


def _scan_assembler(node: Any, _env: Any, path: Any) -> list[Any]:
    """The files that `#include` and `.incbin` name, where they can be found."""
    found = (find_file(name, (node.dir, *path)) for name in _TAKEN_IN.findall(node.get_text_contents()))
    return [file for file in found if file is not None]


def _text_files(nodes: list[Any]) -> list[Any]:
    """What is worth scanning in turn: not the pictures."""
    return [node for node in nodes if str(node).endswith((".S", ".h", ".inc"))]


_ASSEMBLER_SCANNER = ScannerBase(
    function=_scan_assembler,
    name="assembler",
    skeys=[".S"],
    path_function=FindPathDirs("CPPPATH"),
    recursive=_text_files,
)


def exists(_env: Any) -> bool:
    """Whether the wheel is installed."""
    return importlib.util.find_spec("ziglang") is not None


def _zig() -> str:
    spec = importlib.util.find_spec("ziglang")
    if spec is None or not spec.submodule_search_locations:
        from SCons.Errors import UserError

        raise UserError("the tool zigcc needs the Zig wheel: pip install ziglang (boardflash pins a version)")
    return str(
        Path(next(iter(spec.submodule_search_locations))) / ("zig.exe" if sys.platform == "win32" else "zig")
    )


def _version_node(env: Any) -> Any:
    return env.Value(f"ziglang {importlib.metadata.version('ziglang')}")


def _depend_on_zig(target: list[Any], source: list[Any], env: Any) -> tuple[list[Any], list[Any]]:
    env.Depends(target, _version_node(env))
    return target, source


def _depend_on_script(target: list[Any], source: list[Any], env: Any) -> tuple[list[Any], list[Any]]:
    env.Depends(target, _version_node(env))
    if env.subst("$LINKERSCRIPT"):
        env.Depends(target, env.subst("$LINKERSCRIPT"))
    return target, source
