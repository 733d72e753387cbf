"""One wheel, a source distribution, an editable install and a bare checkout: all of them work."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = 'PyPackageDir("boardflash.site_tools")'
WHERE = (
    "import boardflash, boardflash.cli; from boardflash.resources import data_dir;"
    "print(data_dir('boards') / 'stm32f746g-disco.toml'); print(data_dir('loader') / 'main.c');"
    "print(boardflash.__file__)"
)
PLAN = "build/stm32f746g-disco/app/plan.json"


def wheel_names(distributions: Path) -> set[str]:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def data_files(folder: str, suffixes: set[str]) -> set[str]:
    base = ROOT / folder
    return {str(path.relative_to(base)) for path in base.rglob("*") if path.suffix in suffixes}


def test_every_package_is_listed() -> None:
    """The mapping names packages one by one, so that a new one is easily forgotten."""
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    base = ROOT / "site_scons"
    packages = {
        ".".join(path.parent.relative_to(base).parts) for path in (base / "boardflash").rglob("__init__.py")
    }
    mapped = set(project["tool"]["setuptools"]["package-dir"])
    assert set(project["tool"]["setuptools"]["packages"]) == packages | mapped


def test_wheel_carries_all_modules_and_data(distributions: Path) -> None:
    names = wheel_names(distributions)
    wanted = {f"boardflash/_boards/{name}" for name in data_files("boards", {".toml", ".csv"})}
    wanted |= {
        f"boardflash/_loader/{name}" for name in data_files("loader", {".c", ".h", ".S", ".ld", ".j2"})
    }
    wanted |= {
        f"boardflash/{name}"
        for name in data_files("site_scons/boardflash", {".py", ".toml", ".hex", ".typed"})
    }
    wanted |= {"boardflash/site_tools/flash.py", "boardflash/site_tools/zigcc.py"}
    assert wanted - names == set()


def test_wheel_puts_nothing_outside_the_package(distributions: Path) -> None:
    tops = {name.split("/")[0] for name in wheel_names(distributions)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"boardflash"}


def test_source_distribution_carries_what_a_checkout_has(distributions: Path) -> None:
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for name in ("SConstruct", "Makefile", "constraints.txt", "LICENSE", "examples/SConscript", ".ci/run"):
        assert name in names
    assert "tests/packaging/test_distributions.py" in names
    assert not any("__pycache__" in name for name in names)


def test_installed_wheel_serves_another_repository(
    environment, distributions: Path, other_repository
) -> None:
    (wheel,) = distributions.glob("*.whl")
    environment.install(wheel)
    folder = other_repository(INSTALLED)
    for line in environment.run("-c", WHERE, cwd=folder).splitlines():
        assert Path(line).is_file() and environment.folder in Path(line).parents
    environment.run("-m", "SCons", "-Q", cwd=folder)
    assert (folder / PLAN).is_file()
    assert "up to date" in environment.run("-m", "SCons", "-Q", cwd=folder)
    assert "stm32f746g-disco" in environment.run("-m", "SCons", "-Q", "list-boards", cwd=folder)


def test_installed_script_and_module_are_the_same_command(
    environment, distributions: Path, tmp_path: Path
) -> None:
    (wheel,) = distributions.glob("*.whl")
    environment.install(wheel)
    script = environment.folder / "bin" / "boardflash"
    assert environment.run(script, "--help", cwd=tmp_path) == environment.run(
        "-m", "boardflash", "--help", cwd=tmp_path
    )


def test_installed_wheel_flashes_a_simulated_board(environment, distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    environment.install(wheel)
    (tmp_path / "pictures.bin").write_bytes(bytes(range(256)) * 20)
    words = (
        "-m",
        "boardflash",
        "flash",
        "pictures.bin@0x90000000",
        "--board",
        "acme-panel",
        "--probe",
        "sim",
    )
    assert "5,120 bytes written" in environment.run(*words, cwd=tmp_path)
    assert "0 bytes written" in environment.run(*words, cwd=tmp_path)


def test_editable_install_serves_another_repository(environment, checkout: Path, other_repository) -> None:
    environment.install("--editable", checkout)
    folder = other_repository(INSTALLED)
    for line in environment.run("-c", WHERE, cwd=folder).splitlines():
        assert Path(line).is_file() and checkout in Path(line).parents
    environment.run("-m", "SCons", "-Q", cwd=folder)
    assert (folder / PLAN).is_file()


def test_bare_checkout_serves_itself_and_another_repository(
    environment, checkout: Path, other_repository
) -> None:
    environment.run("-m", "SCons", "-Q", "-n", "flash", "PROBE=sim", cwd=checkout)
    folder = other_repository(f"r'{checkout / 'site_scons' / 'site_tools'}'")
    environment.run("-m", "SCons", "-Q", cwd=folder)
    assert (folder / PLAN).is_file()


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "constraints.txt"])
def test_files_that_the_metadata_names_are_there(name: str) -> None:
    assert (ROOT / name).is_file()


def test_constraints_pin_every_dependency() -> None:
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {word.split(">")[0].split("=")[0].split("<")[0].strip().lower() for word in wanted}
    pinned = {
        line.split("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    }
    assert names - pinned == set()
