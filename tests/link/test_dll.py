"""The newest J-Link DLL that is installed is loaded, from where it lies, and it is told which one that is."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link import dll
from boardflash.link.dll import FoundDll, find_dlls, load_dll, spoken, version_of
from boardflash.sim.jlink import SimulatedJLink
from boardflash.sim.jlink_commands import DllOptions


def install(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def link(root: Path, name: str, to: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).symlink_to(to)


def names(found: list[FoundDll], root: Path) -> list[str]:
    return [dll.path.relative_to(root.resolve()).as_posix() for dll in found]


def test_on_linux_the_newest_of_several(tmp_path: Path) -> None:
    install(
        tmp_path,
        "opt/SEGGER/JLink_V796k/libjlinkarm.so.7.96.11",
        "opt/SEGGER/JLink_V924a/libjlinkarm.so.9.24.1",
        "opt/SEGGER/JLink_V924a/libjlinkarm_x86.so.9.24.1",
        "opt/SEGGER/JLink_V818/libjlinkarm.so.8.18.0",
        "opt/SEGGER/Ozone_V340/libjlinkarm.so.9.99.0",
    )
    link(tmp_path, "opt/SEGGER/JLink_V924a/libjlinkarm.so", "libjlinkarm.so.9.24.1")
    link(tmp_path, "opt/SEGGER/JLink", "JLink_V796k")  # where an older installer left it
    assert names(find_dlls(tmp_path, "linux"), tmp_path) == [
        "opt/SEGGER/JLink_V924a/libjlinkarm.so.9.24.1",
        "opt/SEGGER/JLink_V818/libjlinkarm.so.8.18.0",
        "opt/SEGGER/JLink_V796k/libjlinkarm.so.7.96.11",
    ]


def test_on_macos(tmp_path: Path) -> None:
    install(
        tmp_path,
        "Applications/SEGGER/JLink_V798h/libjlinkarm.7.98.8.dylib",
        "Applications/SEGGER/JLink_V914/libjlinkarm.dylib",
    )
    link(tmp_path, "Applications/SEGGER/JLink", "JLink_V914")
    assert names(find_dlls(tmp_path, "darwin"), tmp_path) == [
        "Applications/SEGGER/JLink_V914/libjlinkarm.dylib",
        "Applications/SEGGER/JLink_V798h/libjlinkarm.7.98.8.dylib",
    ]


def test_on_windows(tmp_path: Path) -> None:
    install(
        tmp_path,
        f"Program Files/SEGGER/JLink_V810/{dll.WINDOWS_NAME}",
        f"Program Files (x86)/SEGGER/JLink_V920/{dll.WINDOWS_NAME}",
        f"Program Files/SEGGER/JLink_V700/{'JLinkARM.dll' if dll.BITS_64 else 'JLink_x64.dll'}",
    )
    assert names(find_dlls(tmp_path, "win32"), tmp_path) == [
        f"Program Files (x86)/SEGGER/JLink_V920/{dll.WINDOWS_NAME}",
        f"Program Files/SEGGER/JLink_V810/{dll.WINDOWS_NAME}",
    ]


def test_one_whose_name_tells_nothing_is_asked(tmp_path: Path) -> None:
    install(
        tmp_path,
        "Applications/SEGGER/JLink/libjlinkarm.dylib",
        "Applications/SEGGER/JLink_V798/libjlinkarm.dylib",
    )
    asked: list[str] = []

    def ask(version: int | None) -> list[FoundDll]:
        return find_dlls(tmp_path, "darwin", lambda path: asked.append(path.parent.name) or version)

    assert [d.path.parent.name for d in ask(92401)] == ["JLink", "JLink_V798"]
    assert ask(92401)[0].version == (9, 24, 1)
    assert [d.path.parent.name for d in ask(70000)] == ["JLink_V798", "JLink"]
    assert [d.path.parent.name for d in ask(None)] == ["JLink_V798", "JLink"]
    assert set(asked) == {"JLink"}


def test_the_only_one_is_not_asked(tmp_path: Path) -> None:
    install(tmp_path, "opt/SEGGER/JLink/libjlinkarm.so")
    (only,) = find_dlls(tmp_path, "linux", lambda _path: pytest.fail("there is no choice"))
    assert only.version is None
    assert str(only) == f"of unknown version ({only.path})"


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("JLink_V924a/libjlinkarm.so", (9, 24, 1)),
        ("JLink_V924/libjlinkarm.so", (9, 24, 0)),
        ("JLink_Linux_V796_arm64/libjlinkarm.so", (7, 96, 0)),
        ("JLink_V612i/JLinkARM.dll", (6, 12, 9)),
        ("JLink/libjlinkarm.so.7.96.11", (7, 96, 11)),
        ("JLink/libjlinkarm.so.7", None),
        ("JLink/libjlinkarm.6.10.dylib", (6, 10, 0)),
        ("JLink/JLink_x64.dll", None),
    ],
)
def test_versions_in_names(path: str, version: Any) -> None:
    assert version_of(Path(path)) == version


def test_versions_are_spoken_as_segger_writes_them() -> None:
    assert [spoken(v) for v in ((9, 24, 1), (7, 96, 11), (6, 2, 0))] == ["V9.24a", "V7.96k", "V6.02"]


# With real shared objects: enough of them to be loaded


STUB = "int JLINKARM_GetDLLVersion(void) { return VERSION; }\n"


def compiled(folder: Path, name: str, version: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "stub.c"
    source.write_text(STUB.replace("VERSION", str(version)))
    path = folder / name
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-o", str(path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    source.unlink()
    return path


@pytest.fixture(scope="module")
def segger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine with two versions, the newer in a folder whose name does not tell."""
    if sys.platform != "linux":
        pytest.skip("the stubs are ELF files")
    root = tmp_path_factory.mktemp("machine")
    compiled(root / "opt/SEGGER/JLink", "libjlinkarm.so", 92401)
    compiled(root / "opt/SEGGER/JLink_V796k", "libjlinkarm.so.7.96.11", 79611)
    return root


def test_the_newest_is_loaded_where_it_lies(
    segger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = load_dll({}, segger, "linux")
    newest = (segger / "opt/SEGGER/JLink/libjlinkarm.so").resolve()
    assert library.dll().JLINKARM_GetDLLVersion() == 92401
    assert library.dll()._name == str(newest)
    assert list(tmp_path.iterdir()) == []  # the temporary folder of this test: no copy in it
    assert dll.described(library) == f"J-Link software V9.24a ({newest})"


def test_one_that_cannot_be_loaded_is_passed_over(segger: Path, tmp_path: Path) -> None:
    install(tmp_path, "opt/SEGGER/JLink_V999/libjlinkarm.so.9.99.0")  # for another processor
    compiled(tmp_path / "opt/SEGGER/JLink_V796k", "libjlinkarm.so.7.96.11", 79611)
    assert load_dll({}, tmp_path, "linux").dll().JLINKARM_GetDLLVersion() == 79611


def test_none_that_can_be_loaded_is_told(tmp_path: Path) -> None:
    install(tmp_path, "opt/SEGGER/JLink_V999/libjlinkarm.so.9.99.0")
    with pytest.raises(BoardflashError) as caught:
        load_dll({}, tmp_path, "linux")
    assert str(caught.value).startswith(
        f"PROBE: the J-Link DLL cannot be loaded ({tmp_path.resolve()}/opt/SEGGER/JLink_V999/"
        "libjlinkarm.so.9.99.0: "
    )
    assert caught.value.code == ExitCode.NO_PROBE


@pytest.mark.parametrize("name", ["opt/SEGGER/JLink_V796k/libjlinkarm.so.7.96.11", "opt/SEGGER/JLink_V796k"])
def test_the_variable_overrides(segger: Path, name: str) -> None:
    library = load_dll({"BOARDFLASH_JLINK_DLL": str(segger / name)}, segger, "linux")
    assert library.dll().JLINKARM_GetDLLVersion() == 79611
    assert dll.described(library).startswith("J-Link software V7.96k (")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere.so", "no such file"),
        ("", ""),
        ("folder", "no libjlinkarm*.so* in this folder"),
        ("text.so", "the J-Link DLL cannot be loaded ("),
    ],
)
def test_a_variable_that_names_no_dll_is_told(tmp_path: Path, segger: Path, value: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.so").write_text("not a DLL")
    if not value:  # set, but empty: as if it were not
        assert load_dll({"BOARDFLASH_JLINK_DLL": ""}, segger, "linux").dll().JLINKARM_GetDLLVersion() == 92401
        return
    path = tmp_path / value
    with pytest.raises(BoardflashError) as caught:
        load_dll({"BOARDFLASH_JLINK_DLL": str(path)}, segger, "linux")
    assert str(caught.value).startswith(f"BOARDFLASH_JLINK_DLL={path}: {message}")
    assert caught.value.code == ExitCode.NO_PROBE


def test_a_library_without_a_path_tells_its_version() -> None:
    library = SimulatedJLink({}, options=DllOptions(version=63008))
    assert dll.described(library) == "J-Link software V6.30h"


def test_the_temporary_folder_of_these_tests_is_watched(tmp_path: Path) -> None:
    assert tempfile.gettempdir() == str(tmp_path)
