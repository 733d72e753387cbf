"""One call for one application on one board: compile, loader, split, plan, and, when asked for, flash.

Device nodes exist only in a run whose command line asks for them, so that no default target, no `scons .`
and no `scons -c` can reach a device or its stamps.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from boardflash.errors import BoardflashError
from boardflash.link.selector import parse
from boardflash.scons import (
    action,
    current_request,
    flash_device,
    flash_plan,
    flash_segments,
    load,
    loader_blob,
    own_environment,
    probe_node,
)
from boardflash.scons_request import DEVICE_VERBS, Request, probe_flags, region_flags, report_flags

COMPILED = (".c", ".cc", ".cpp", ".s", ".S", ".o")


@dataclass(frozen=True)
class Application:
    """The nodes of one application on one board."""

    name: str
    board: str
    elf: Any
    loader: Any
    plan: Any
    segments: Any
    stamps: tuple[Any, ...]


@dataclass
class _Project:
    """What the SConscripts have declared so far in this run."""

    loaders: dict[str, Any] = field(default_factory=dict)
    apps: dict[str, list[str]] = field(default_factory=dict)  # board -> applications, in order
    device_of: dict[str, tuple[str, str]] = field(default_factory=dict)  # probe folder -> (board, app)
    chosen: list[tuple[str, str]] = field(default_factory=list)


_project = _Project()


def flash_application(env: Any, name: str, source: Any, board: Any, **overrides: Any) -> Application:
    """Wire `name` for `board`.

    `source`: C and assembler sources, which `env` compiles (construction variables by keyword); or an ELF
    that is built elsewhere, HEX files, and BIN files as "data.bin@0x90000000".
    """
    request = current_request()
    loaded = load(env, board)
    known = _project.apps.setdefault(loaded.name, [])
    if name in known:
        raise BoardflashError(f"there is a {name} for {loaded.name} already", where="FlashApplication")
    known.append(name)
    folder = env.Dir(f"{env['FLASHBUILD']}/{loaded.name}/{name}")
    elf = _linked(env, name, source, folder, overrides)
    loader = _loader(env, board, loaded)
    plan = flash_plan(env, folder.File("plan.json"), elf, board, loader)
    segments = flash_segments(env, folder.Dir("segments"), elf, board)
    if not request.boards or loaded.name in request.boards:
        env.Alias("loaders", loader)
        if request.app in ("", name):
            env.Alias("segments", segments)
            _show_plan(env, request, plan)
    stamps = _wire_device(env, request, loaded, name, plan)
    return Application(name, loaded.name, elf, loader, plan, segments, stamps)


def _wire_device(env: Any, request: Request, loaded: Any, name: str, plan: Any) -> tuple[Any, ...]:
    """The device nodes that the command line asks for; the stamps among them."""
    selected = _selected(request, loaded.name, name)
    if not request.boards and env["FLASHBOARD"]:
        request = replace(request, boards=(env["FLASHBOARD"],))
    stamps: tuple[Any, ...] = ()
    regions = [region.name for region in loaded.regions]
    for verb in DEVICE_VERBS:
        if not request.wants(verb):
            continue
        wanted = request.regions_for(verb, loaded.name, regions)
        if wanted and selected:
            _refuse_to_guess(verb, request, loaded.name)
            nodes = _device(env, verb, request, loaded.name, name, plan, wanted, regions)
            env.Requires(nodes, stamps)  # `scons flash verify`: in this order
            if verb == "flash":
                stamps = tuple(nodes)
    return stamps


def _linked(env: Any, name: str, source: Any, folder: Any, overrides: dict[str, Any]) -> Any:
    """The ELF of these sources; or the inputs as they are."""
    items = env.Flatten([source])
    if not any(str(item).endswith(COMPILED) for item in items):
        return items
    objects = []
    for item in items:
        if str(item).endswith(".o"):
            objects.append(item)
            continue
        (node,) = env.arg2nodes(item, env.File)
        objects += env.Object(folder.File(f"{node.name.rpartition('.')[0]}.o"), node, **overrides)
    return env.Program(folder.File(f"{name}.elf"), objects, **overrides)


def _loader(env: Any, board: Any, loaded: Any) -> Any:
    """One loader a board, however many applications."""
    target = env.File(f"{env['FLASHBUILD']}/{loaded.name}/loader/loader.elf")
    if target.path not in _project.loaders:
        _project.loaders[target.path] = loader_blob(env, target, board)
        env.Clean(_project.loaders[target.path], target.dir)  # the compiler's own files lie there too
    return _project.loaders[target.path]


def _selected(request: Request, board: str, app: str) -> bool:
    if request.boards and board not in request.boards:
        return False
    return app == (request.app or _project.apps[board][0])


def _show_plan(env: Any, request: Request, plan: Any) -> None:
    """`scons plan` writes the plans and tells what they say; `scons -q plan` only asks."""
    if request.question:
        env.Alias("plan", plan)
        return
    own = own_environment(env)
    show = own.Alias(f"show-{plan[0].path}", plan[0], action(own, "FLASHSHOW"))
    own.AlwaysBuild(show)
    env.Alias("plan", show)


def _device(
    env: Any,
    verb: str,
    request: Request,
    board: str,
    app: str,
    plan: Any,
    wanted: Sequence[str],
    regions: Sequence[str],
) -> list[Any]:
    """The nodes of `verb` for each probe that the user named."""
    nodes: list[Any] = []
    for probe in request.probes or ("",):
        _refuse_two_on_one(probe, board, app)
        if verb == "flash":
            folder = stamp_folder(env, probe, board)
            stamps = [folder.File(f"{region}.stamp") for region in wanted]
            nodes += flash_device(env, stamps, plan[0], probe, wanted if len(wanted) < len(regions) else ())
        else:
            own = own_environment(env)
            asked = own.Alias(
                f"verify {board} {probe}",
                plan[0],
                action(own, "FLASHVERIFY"),
                FLASHREGIONS=region_flags(wanted if len(wanted) < len(regions) else ()),
                FLASHPROBE=probe_flags(probe, request),
                FLASHREPORT=report_flags(probe, request),
            )
            own.AlwaysBuild(asked)
            own.SideEffect(probe_node(own, probe), asked)
            nodes += asked
    for target in request.targets:
        if target == verb or target == f"{verb}-{board}" or target.startswith(f"{verb}-{board}-"):
            env.Alias(target, nodes)
    return nodes


def stamp_folder(env: Any, probe: str, board: str) -> Any:
    """One folder a probe: removing it means "forget this device"."""
    if probe == "sim":
        from boardflash.link.probes import default_serial

        probe = f"sim:{default_serial(board)}"
    return env.Dir(f"{env['FLASHBUILD']}/flash/{parse(probe).key}")


def _refuse_to_guess(verb: str, request: Request, board: str) -> None:
    """`scons flash` with several boards about: the user says which."""
    others = [name for name, _ in _project.chosen if name != board]
    _project.chosen.append((board, verb))
    if verb in request.targets and not request.boards and others:
        raise BoardflashError(
            f"there are several boards ({others[0]}, {board}, ...): which one? say BOARD=", where=verb
        )


def _refuse_two_on_one(probe: str, board: str, app: str) -> None:
    if probe == "sim":
        return
    holder = _project.device_of.setdefault(parse(probe).key, (board, app))
    if holder[0] != board:
        name = f"PROBE={probe}" if probe else "the only J-Link"
        raise BoardflashError(f"it can't be on {holder[0]} and on {board} at once; say BOARD=", where=name)


def explain_missing_target(name: str, **_keywords: Any) -> None:
    """Say why there is nothing to flash or verify, where SCons would say that it knows no such file.

    SCons asks this after all SConscripts are read, for a target that is no alias.
    """
    import SCons.Script

    if getattr(SCons.Script, "sconscript_reading", 1):
        return
    request = current_request()
    if name not in request.targets or name.split("-")[0] not in DEVICE_VERBS:
        return
    boards = ", ".join(f"{board} ({', '.join(apps)})" for board, apps in _project.apps.items())
    asked = [f"BOARD={','.join(request.boards)}"] if request.boards else []
    asked += [f"APP={request.app}"] if request.app else []
    told = f"the SConscripts have no application for {' '.join(asked) or 'it'}; they have: {boards or 'none'}"
    sys.stderr.write(f"scons: *** {name}: {told}  Stop.\n")
    raise SystemExit(2)  # what SCons itself does for a fault of the user's
