"""The builders of the SCons tool `flash`: target loader, split, flash plan, flashed device.

Every action is a command line of `python -m boardflash`, never a Python function: SCons signs a
function by its bytecode, so that a new Python would flash the bench again. What does not change the
result (interpreter, probe, trust) stands between $( and $), which SCons leaves out of the signature.

The builders work in an environment of their own: neither the host project's flags, nor its decider, nor
its process environment reach a loader or a stamp.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import SCons.Action
import SCons.Environment
import SCons.Errors
import SCons.Node
import SCons.Subst

from boardflash.errors import BoardflashError, missing_package
from boardflash.link.selector import parse
from boardflash.resources import data_dir
from boardflash.scons_request import (
    Request,
    help_text,
    option_flags,
    probe_flags,
    read_request,
    region_flags,
)

F = TypeVar("F", bound=Callable[..., Any])

DEFAULTS = {
    "FLASHBUILD": "#build",
    "FLASHBOARD": "",  # the board that `scons flash` means where BOARD= does not say; a project's choice
    "LOADERBLOBCOM": "$( $PYTHON $) -m boardflash loader --quiet --board $BOARDNAME $( $_BOARDPATH $)"
    " --toolchain $TOOLCHAIN --output ${TARGET.dir}",
    "FLASHSEGMENTSCOM": "$( $PYTHON $) -m boardflash split --quiet --all-regions --board $BOARDNAME"
    " $( $_BOARDPATH $) --output ${TARGET.dir} $FLASHINPUTS",
    "FLASHPLANCOM": "$( $PYTHON $) -m boardflash plan --quiet --all-regions --board $BOARDNAME"
    " $( $_BOARDPATH $) --loader $FLASHLOADER --output ${TARGET.dir} $FLASHINPUTS",
    "FLASHDEVICECOM": "$( $PYTHON $) -m boardflash flash $SOURCE $FLASHREGIONS $FLASHSTAMPS"
    " $( $FLASHPROBE $FLASHOPTIONS $)",
    "FLASHVERIFYCOM": "$( $PYTHON $) -m boardflash verify $SOURCE $FLASHREGIONS"
    " $( $FLASHPROBE $FLASHREPORT $)",
    "FLASHSHOWCOM": "$( $PYTHON $) -m boardflash plan $SOURCE",
    "FLASHEXPORTCOM": "$( $PYTHON $) -m boardflash export $FLASHFORMAT $FLASHINPUTS --quiet"
    " --board $BOARDNAME $( $_BOARDPATH $) --output $FLASHFOLDER",
    "LOADERBLOBCOMSTR": "",
    "FLASHSEGMENTSCOMSTR": "",
    "FLASHPLANCOMSTR": "",
    "FLASHDEVICECOMSTR": "",
    "FLASHVERIFYCOMSTR": "",
    "FLASHSHOWCOMSTR": "",
    "FLASHEXPORTCOMSTR": "",
}
# What our commands need of the user's environment: where state lies, and how to print.
_ENVIRONMENT = (
    "HOME",
    "XDG_STATE_HOME",
    "BOARDFLASH_STATE_DIR",
    "BOARDFLASH_DEBUG",
    "TERM",
    "NO_COLOR",
    "COLUMNS",
    "LANG",
    "LC_ALL",
    "USERPROFILE",
    "LOCALAPPDATA",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
)


def exists(_env: Any) -> bool:
    """Always: all that the tool needs is in its own package."""
    return True


def generate(env: Any) -> None:
    """Put the builders, the one call that wires them, the aliases and the help into `env`."""
    from boardflash.scons_application import flash_application

    request = current_request()
    env.SetDefault(PYTHON=[sys.executable], **DEFAULTS)
    for name, method in (
        ("LoaderBlob", loader_blob),
        ("FlashSegments", flash_segments),
        ("FlashPlan", flash_plan),
        ("FlashDevice", flash_device),
        ("FlashExport", flash_export),
        ("FlashApplication", flash_application),
    ):
        env.AddMethod(told_at_read_time(method), name)
    _once(env, request)


def told_at_read_time(function: F) -> F:
    """Turn our errors into SCons's: one line that names the place in the SConscript, no traceback."""

    @functools.wraps(function)
    def wrapper(*args: Any, **keywords: Any) -> Any:
        try:
            return function(*args, **keywords)
        except BoardflashError as error:
            raise SCons.Errors.StopError(f"{error}{_calling_line()}") from None
        except ModuleNotFoundError as error:
            raise SCons.Errors.StopError(missing_package(error)) from None

    return wrapper  # type: ignore[return-value]


def _calling_line() -> str:
    """Where in the user's files the call stands. (SCons's UserError would name our own line.)"""
    ours = str(Path(__file__).resolve().parent)
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith((ours, "<")) and f"{os.sep}SCons{os.sep}" not in frame.filename:
            name = Path(frame.filename)
            if name.suffix in ("", ".py", ".scons") and name.parent.name != "site_tools":
                return f" ({name.name}, line {frame.lineno})"
            return ""
    return ""


@told_at_read_time
@functools.lru_cache(maxsize=1)
def current_request() -> Request:
    """This run's command line; read once."""
    from SCons.Script import ARGUMENTS, COMMAND_LINE_TARGETS, GetOption

    return read_request(ARGUMENTS, COMMAND_LINE_TARGETS, question=bool(GetOption("question")))


def loader_blob(env: Any, target: Any, board: Any) -> Any:
    """The target loader of `board`: `target` ends in loader.elf."""
    own = own_environment(env)
    loaded = load(env, board)
    node = own.File(_in_host(env, target))
    if node.name != "loader.elf":
        raise BoardflashError("a target loader is called loader.elf", where=f"LoaderBlob({str(target)!r})")
    request = current_request()
    built = own.Command(
        node,
        [],
        action(own, "LOADERBLOB"),
        BOARDNAME=board_name(env, board),
        TOOLCHAIN=request.toolchain,
        _BOARDPATH=board_path_flags(),
    )
    own.Depends(built, [facts_node(own, loaded), toolchain_node(own, request), *loader_sources(own)])
    return built


def flash_segments(env: Any, target: Any, source: Any, board: Any) -> Any:
    """One .bin and one .hex for each region of `board`, in the folder `target`."""
    own = own_environment(env)
    loaded = load(env, board)
    folder = own.Dir(_in_host(env, target))
    nodes, words = inputs(env, source)
    built = own.Command(
        [folder.File(f"{region.name}{suffix}") for region in loaded.regions for suffix in (".bin", ".hex")],
        nodes,
        action(own, "FLASHSEGMENTS"),
        BOARDNAME=board_name(env, board),
        FLASHINPUTS=words,
        _BOARDPATH=board_path_flags(),
    )
    own.Depends(built, [facts_node(own, loaded), *package_sources(own, "image")])
    own.Ignore(folder, built)  # for those who ask; a plan makes its own images
    return built


def flash_plan(env: Any, target: Any, source: Any, board: Any, loader: Any) -> Any:
    """`plan.json` (the target), and beside it the loader and the image of each region, and the loaders of
    others that the board names."""
    own = own_environment(env)
    loaded = load(env, board)
    node = own.File(_in_host(env, target))
    if node.name != "plan.json":
        raise BoardflashError("a flash plan is called plan.json", where=f"FlashPlan({str(target)!r})")
    nodes, words = inputs(env, source)
    (loader_node,) = own.arg2nodes(loader, own.File)
    foreign = [(region.name, region.loader) for region in loaded.regions if region.loader is not None]
    beside = [f"{region.name}.bin" for region in loaded.regions]
    beside += [other.name_beside_plan(name) for name, other in foreign]
    built = own.Command(
        [node, *(node.dir.File(name) for name in ("loader.elf", *beside))],
        [*nodes, loader_node],
        action(own, "FLASHPLAN"),
        BOARDNAME=board_name(env, board),
        FLASHINPUTS=words,
        FLASHLOADER=loader_node,
        _BOARDPATH=board_path_flags(),
    )
    own.Depends(built, [facts_node(own, loaded), *package_sources(own, "image", "plan")])
    own.Depends(built, [own.File(other.file) for _, other in foreign])
    own.Clean(built, [node.dir.File(f"{region.name}.hex") for region in loaded.regions])
    return built


def flash_export(env: Any, target: Any, board: Any, format: str, source: Any = ()) -> Any:
    """The board as another flasher takes it, in the folder `target`; `source` for formats of an image.

    `scons exports` makes all that the SConscripts have declared.
    """
    from boardflash.export.formats import exporter, format_named

    own = own_environment(env)
    loaded = load(env, board)
    chosen = format_named(format)
    folder = own.Dir(env.Dir(target).abspath)
    nodes, words = inputs(env, source)
    built = own.Command(
        [folder.File(name) for name in exporter(chosen).names(loaded)],
        nodes,
        action(own, "FLASHEXPORT"),
        BOARDNAME=board_name(env, board),
        FLASHFORMAT=chosen.name,
        FLASHFOLDER=folder,
        FLASHINPUTS=words,
        _BOARDPATH=board_path_flags(),
    )
    own.Depends(
        built, [facts_node(own, loaded), *loader_sources(own), *package_sources(own, "export", "image")]
    )
    own.Ignore(folder, built)  # for those who ask
    env.Alias("exports", built)
    return built


def flash_device(env: Any, target: Any, source: Any, probe: str = "", regions: Sequence[str] = ()) -> Any:
    """Flash the plan `source` and write the stamps `target`, each named REGION.stamp.

    The device is asked each time; only `scons -q` goes by the stamps, and only for a named probe.
    """
    own = own_environment(env)
    request = current_request()
    plan = own.arg2nodes(source, own.File)[0]
    stamps = [own.File(_in_host(env, name)) for name in own.Flatten([target])]
    built = own.Command(
        stamps,
        plan,
        action(own, "FLASHDEVICE"),
        FLASHREGIONS=region_flags(regions),
        FLASHSTAMPS=own.Flatten([["--stamp", stamp] for stamp in stamps]),
        FLASHPROBE=probe_flags(probe, request),
        FLASHOPTIONS=option_flags(probe, request),
    )
    # A cache would "retrieve" a stamp and leave the device as it is.
    own.NoCache(built)
    own.NoClean(built)
    own.Ignore(built[0].dir, built)
    if request.trust == "stamp":
        # SCons would remove the stamp before the action that has to read it. The action itself removes
        # it before it writes to the device.
        own.Precious(built)
    if not (request.question and probe):
        own.AlwaysBuild(built)
    own.SideEffect(probe_node(own, probe), built)
    return built


def probe_node(own: Any, probe: str) -> Any:
    """One name for one probe, so that SCons never runs two actions on it at once.

    Other processes are kept away by the lock that the flasher itself takes.
    """
    return own.File(f"{own['FLASHBUILD']}/flash/.probe-{parse(probe).key}")


def own_environment(env: Any) -> Any:
    """An environment with nothing of the host's in it but our own variables."""
    own = SCons.Environment.Environment(tools=[])
    own.Decider("content")
    for name in ("PYTHON", *DEFAULTS):
        own[name] = env[name]
    own["SPAWN"], own["ESCAPE"] = run_literally, str
    own["IMPLICIT_COMMAND_DEPENDENCIES"] = 0  # see scons_zig: "-m" is no program
    for name in _ENVIRONMENT:
        if name in os.environ:
            own["ENV"][name] = os.environ[name]
    if current_request().toolchain == "gcc":
        own["ENV"]["PATH"] = os.environ.get("PATH", own["ENV"]["PATH"])
    own["ENV"]["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    own["ENV"]["PYTHONSAFEPATH"] = "1"  # a file rich.py in the project's folder is not ours to import
    return own


def action(own: Any, name: str) -> Any:
    """The command line `<name>COM`, printed as `<name>COMSTR` if the user sets that."""
    text = own[f"{name}COMSTR"]
    # Not Environment.Action: that expands the variables at once, before there is a target.
    return SCons.Action.Action(f"${name}COM", text) if text else SCons.Action.Action(f"${name}COM")


def load(env: Any, board: Any) -> Any:
    """The board by name, or by its file."""
    name = board_name(env, board)
    if name != board:  # a file; SCons reads each SConscript in that one's folder
        name = env.File(board).srcnode().abspath
    return _load(name, tuple(str(folder) for folder in board_folders()))


@functools.cache
def _load(name: str, folders: tuple[str, ...]) -> Any:
    from boardflash.description.load import load_board

    return load_board(name, tuple(Path(folder) for folder in folders))


def board_name(env: Any, board: Any) -> str:
    """What `--board` gets: a name as it is, a file as its path in the source tree, seen from the top."""
    text = str(board)
    if text.endswith(".toml") or not isinstance(board, str):
        return str(env.File(board).srcnode().path)
    return text


def board_folders() -> list[Path]:
    """BOARDPATH, absolute."""
    from SCons.Script import Dir

    request = current_request()
    return [Path(Dir("#").abspath) / folder for folder in request.board_path]


def board_path_flags() -> list[str]:
    return [f"--board-path={folder}" for folder in current_request().board_path]


def facts_node(own: Any, board: Any) -> Any:
    """The board's facts as a node: a changed value rebuilds, a changed comment does not."""
    from boardflash.description.load import board_facts

    return own.Value(json.dumps(board_facts(board), sort_keys=True), name=f"facts-of-{board.name}")


def toolchain_node(own: Any, request: Request) -> Any:
    """The compiler's name and version."""
    return own.Value(_toolchain(request.toolchain), name=f"toolchain-{request.toolchain}")


@functools.cache
def _toolchain(name: str) -> str:
    """By the wheel's metadata, or one short question to gcc; this runs for each scons."""
    if name == "zig":
        return f"ziglang {importlib.metadata.version('ziglang')}"
    from boardflash.loader.compile import Toolchain

    return Toolchain.gcc().describe()


def loader_sources(own: Any) -> list[Any]:
    """Our C sources and templates, and the Python that renders and compiles them."""
    folder = data_dir("loader")
    suffixes = {".c", ".h", ".S", ".ld", ".j2"}
    files = sorted(path for path in folder.rglob("*") if path.suffix in suffixes)
    return [own.File(str(path)) for path in files] + package_sources(own, "loader")


def package_sources(own: Any, *parts: str) -> list[Any]:
    """The Python files of some of our subpackages: an edit there runs the command again."""
    here = Path(__file__).resolve().parent
    return [own.File(str(path)) for part in parts for path in sorted((here / part).glob("*.py"))]


def inputs(env: Any, source: Any) -> tuple[list[Any], list[Any]]:
    """The input files as nodes, and as words for the command line ("data.bin@0x90000000")."""
    nodes: list[Any] = []
    words: list[Any] = []
    for item in env.Flatten([source]):
        name, at, address = str(item).rpartition("@") if isinstance(item, str) else (item, "", "")
        (node,) = env.arg2nodes(name if at else item, env.fs.File)  # env.File would expand variables twice
        nodes.append(node)
        place = str(node.path if node.is_derived() else node.srcnode().path)
        words.append(Word(_no_option(f"{place}@{address}" if at else place)))
    return nodes, words


class Word(SCons.Subst.Literal):  # type: ignore[misc]
    """A word of a command line that SCons neither expands nor cuts."""

    def for_signature(self) -> str:
        """Without what SCons takes for the marks of a part that does not count."""
        return str(self.lstr).replace("$", "%24")


def _no_option(path: str) -> str:
    """A file called "-x" is no option of a command."""
    return f"./{path}" if path.startswith("-") else path


def run_literally(
    _shell: str, _escape: object, _command: str, words: Sequence[str], environment: Mapping[str, str]
) -> int:
    """SCons's SPAWN without a shell: quotes, semicolons, backquotes and dollars of file names are letters."""
    try:
        code = subprocess.run([str(word) for word in words], env=dict(environment), check=False).returncode
    except OSError as error:
        print(f"scons: {words[0]}: {error.strerror}", file=sys.stderr)
        return 127
    return code if code >= 0 else 128 - code


def _in_host(env: Any, name: Any) -> Any:
    """A name as the calling SConscript means it: relative to its folder."""
    return env.File(name) if isinstance(name, str) and not name.endswith("/") else name


def _once(env: Any, request: Request) -> None:
    """Help and the aliases that need no application: once, however many environments use the tool."""
    if getattr(_once, "done", False):
        return
    _once.done = True  # type: ignore[attr-defined]
    from SCons.Script import Help

    from boardflash.scons_application import explain_missing_target

    Help(help_text(), append=True, local_only=True)
    SCons.Node.arg2nodes_lookups.append(explain_missing_target)
    own = own_environment(env)
    for verb in ("list-boards", "list-probes"):
        flags = " $_BOARDPATH" if verb == "list-boards" else ""
        listing = own.Alias(
            verb,
            [],
            SCons.Action.Action(f"@$PYTHON -m boardflash {verb}{flags}"),
            _BOARDPATH=board_path_flags(),
        )
        own.AlwaysBuild(listing)
