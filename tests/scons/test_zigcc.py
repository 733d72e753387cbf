"""The tool `zigcc`: what of its input the build must notice."""

from __future__ import annotations

from pathlib import Path

SITE_TOOLS = Path(__file__).resolve().parents[2] / "site_scons" / "site_tools"


def with_firmware(project) -> None:
    project.write(
        "SConstruct",
        f"env = Environment(tools=['zigcc'], toolpath=[r'{SITE_TOOLS}'], CPPPATH=['include'])\n"
        "env.Program('app', ['main.c', 'blob.S'], LINKERSCRIPT='app.ld')\n",
    )
    project.write(
        "main.c",
        '#include "value.h"\n__attribute__((used)) int reset_handler(void) { return VALUE; }\n',
    )
    project.write("include/value.h", "#define VALUE 1\n")
    project.write("include/blob.bin", "before")
    project.write("blob.S", '    .section .blob, "a"\n    .incbin "blob.bin"\n')
    project.write(
        "app.ld",
        "MEMORY { FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 1024K }\n"
        "SECTIONS { .text : { KEEP(*(.text.reset_handler)) KEEP(*(.blob)) } > FLASH }\n",
    )


def test_a_changed_incbin_file_changes_the_program(project) -> None:
    """`zig cc` would take the object from its own cache."""
    with_firmware(project)
    project.run()
    assert b"before" in (project.folder / "app.elf").read_bytes()
    project.write("include/blob.bin", "AFTER!")
    project.run()
    assert b"AFTER!" in (project.folder / "app.elf").read_bytes()
    project.up_to_date()


def test_header_and_linker_script_are_dependencies(project) -> None:
    with_firmware(project)
    project.run()
    for name in ("include/value.h", "app.ld"):
        path = project.folder / name
        path.write_text(path.read_text() + "\n")
        project.not_up_to_date()
        project.run()


def test_the_program_names_no_folder_of_this_machine(project) -> None:
    with_firmware(project)
    project.run()
    assert str(project.folder).encode() not in (project.folder / "app.elf").read_bytes()


def test_a_compiler_of_the_machine_is_no_dependency(project) -> None:
    """SCons takes the first word of a command for a program; behind $( $) that would be "cc"."""
    with_firmware(project)
    out = project.run("--tree=all").stdout
    assert "/cc" not in out
    assert "ziglang" in out
