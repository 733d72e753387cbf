"""When `scons flash` runs, and what a stamp may say (reference build-systems.md sections 1.4 and 11)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

STAMPS = "build/flash/746000001"
FLASH = ("flash", "PROBE=746000001")


def stamp(project, region: str = "qspi", probe: str = "746000001") -> Path:
    return project.folder / f"build/flash/{probe}/{region}.stamp"


def test_flash_always_asks_the_device(project) -> None:
    project.run(*FLASH)
    project.run(*FLASH)
    assert len(project.calls("flash")) == 2


def test_question_answers_from_the_stamps_of_the_named_probe(project) -> None:
    project.not_up_to_date(*FLASH)
    project.run(*FLASH)
    project.up_to_date(*FLASH)
    assert len(project.calls("flash")) == 1


def test_question_after_a_change_of_the_image_says_no(project) -> None:
    project.run(*FLASH)
    project.write("app.hex", ":0100000000FF\n:00000001FF\n")
    project.not_up_to_date(*FLASH)


def test_a_second_probe_is_not_up_to_date_because_the_first_is(project) -> None:
    project.run(*FLASH)
    project.not_up_to_date("flash", "PROBE=746000002")
    assert stamp(project).is_file()
    assert not stamp(project, probe="746000002").exists()


def test_without_a_named_probe_the_stamp_proves_nothing(project) -> None:
    project.run("flash")
    project.not_up_to_date("flash")


def test_several_probes_have_an_action_and_stamps_each(project) -> None:
    project.run("-j4", "flash", "PROBE=746000001,746000002")
    probes = sorted(word for words in project.calls("flash") for word in words if word.startswith("--probe"))
    assert probes == ["--probe=746000001", "--probe=746000002"]
    assert stamp(project).is_file() and stamp(project, probe="746000002").is_file()


def test_one_probe_failing_does_not_stop_the_others_with_keep_going(project) -> None:
    project.write(
        "fake_bench.py",
        project.folder.joinpath("fake_bench.py")
        .read_text()
        .replace('if os.path.exists("fail-late")', 'if "--probe=746000001" in words'),
    )
    project.run("-k", "flash", "PROBE=746000001,746000002", expect=2)
    assert not stamp(project).exists()
    assert stamp(project, probe="746000002").is_file()


@pytest.mark.parametrize("trust", ["digest", "stamp"])
def test_a_failed_flash_leaves_no_stamp_even_when_the_source_is_reverted(project, trust: str) -> None:
    before = (project.folder / "app.hex").read_text()
    project.run(*FLASH)
    project.write("app.hex", ":0100000000FF\n:00000001FF\n")
    project.write("fail-late", "")
    project.run(*FLASH, f"TRUST={trust}", expect=2)
    assert not stamp(project).exists()
    project.write("app.hex", before)
    project.not_up_to_date(*FLASH)


def test_trust_stamp_leaves_the_old_stamp_for_the_command_to_read(project) -> None:
    project.run(*FLASH)
    project.write(
        "fake_bench.py",
        project.folder.joinpath("fake_bench.py")
        .read_text()
        .replace(
            'if verb == "flash":',
            'if verb == "flash":\n    os.path.exists(after("--stamp")[0]) or sys.exit(9)',
        ),
    )
    project.run(*FLASH, "TRUST=stamp")
    assert "--trust=stamp" in project.calls("flash")[-1]
    project.run(*FLASH, expect=2)  # otherwise SCons removes it before the action


def test_a_cache_never_gives_a_stamp_back(project, tmp_path: Path) -> None:
    sconstruct = project.folder / "SConstruct"
    sconstruct.write_text(f"CacheDir(r'{tmp_path / 'cache'}')\n" + sconstruct.read_text())
    project.run(*FLASH)
    assert any((tmp_path / "cache").rglob("*")), "the cache is in use"
    for region in ("internal", "qspi"):
        stamp(project, region).unlink()
    project.not_up_to_date(*FLASH)
    outcome = project.run(*FLASH)
    assert "stamp' from cache" not in outcome.text
    assert len(project.calls("flash")) == 2


def test_what_does_not_change_the_result_does_not_outdate_a_stamp(project, tmp_path: Path) -> None:
    project.run(*FLASH)
    options = ("TRACE=session.trace", "JSON=report.json", "VERIFY=full", "FORCE=1", "TWIN=other")
    project.up_to_date(*FLASH, *options)


def test_another_interpreter_does_not_outdate_anything(project, tmp_path: Path) -> None:
    other = tmp_path / "python with another name"
    other.symlink_to(sys.executable)
    project.run(*FLASH)
    text = (project.folder / "SConstruct").read_text()
    project.write("SConstruct", text.replace("**FAKE", f"PYTHON=[r'{other}'], **FAKE"))
    project.up_to_date(*FLASH)
    assert "python with another name" in project.run("-n", *FLASH).stdout


def test_no_action_is_a_python_function(project) -> None:
    """SCons signs a function by its bytecode: a new Python would flash the bench again."""
    project.write(
        "SConstruct",
        (project.folder / "SConstruct").read_text()
        + """
import SCons.Action
application = env.FlashApplication("other", "app.hex", "acme-panel")
nodes = [*application.loader, *application.plan, *application.segments, *application.stamps]
assert application.stamps
for node in nodes:
    for act in node.get_executor().get_action_list():
        assert isinstance(act, (SCons.Action.CommandAction, SCons.Action.LazyAction)), act
""",
    )
    project.run("-n", "flash-acme-panel", "PROBE=746000001")


def test_the_host_decider_does_not_reach_stamps(project) -> None:
    text = (project.folder / "SConstruct").read_text()
    project.write("SConstruct", "Decider('timestamp-newer')\n" + text)
    project.run(*FLASH)
    (project.folder / "app.hex").touch()
    plan = project.folder / "build/stm32f746g-disco/app/plan.json"
    plan.touch()
    project.up_to_date(*FLASH)


def test_clean_leaves_stamps_and_state(project, tmp_path: Path) -> None:
    project.run(*FLASH)
    journal = tmp_path / "state" / "journal" / "kept"
    journal.parent.mkdir(parents=True)
    journal.write_text("owed")
    project.run("-c")
    assert not (project.folder / "build/stm32f746g-disco/app/plan.json").exists()
    assert not (project.folder / "build/stm32f746g-disco/loader").exists()
    assert stamp(project).is_file()
    project.run("-c", *FLASH)
    assert stamp(project).is_file()
    assert journal.is_file()


def test_one_region_has_its_own_stamp(project) -> None:
    project.run(*FLASH, "REGION=qspi")
    assert "--region=qspi" in project.calls("flash")[0]
    assert stamp(project).is_file() and not stamp(project, "internal").exists()
    project.not_up_to_date(*FLASH)


def test_actions_on_one_probe_never_overlap(project) -> None:
    project.sconstruct(
        """
plan = env.FlashApplication("app", "app.hex", "stm32f746g-disco").plan[0]
for region in ("internal", "qspi"):
    env.Alias("both", env.FlashDevice(f"#build/flash/1/{region}.stamp", plan, "1", (region,)))
"""
    )
    slow = (
        project.folder.joinpath("fake_bench.py")
        .read_text()
        .replace(
            'if verb == "flash":',
            """if verb == "flash":
    import time
    os.open("busy", os.O_CREAT | os.O_EXCL)
    time.sleep(0.3)
    os.unlink("busy")""",
        )
    )
    project.write("fake_bench.py", slow)
    project.run("-j4", "both")
    assert len(project.calls("flash")) == 2
