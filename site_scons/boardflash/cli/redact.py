"""Takes what names a person or a machine out of what is going to be sent to others."""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Keys whose texts are no language: base64 and digests, in which a short name may occur by chance.
OPAQUE_KEYS = ("bytes", "sha256")


class Redactor:
    """Replaces folders by short names, and names of the user and the machine where they stand as words.

    `places`: folder -> what stands for it; the longest folder that fits wins. `names`: name -> what stands
    for it.
    """

    def __init__(self, places: Mapping[str, str], names: Mapping[str, str]) -> None:
        spelled = {form: short for place, short in places.items() for form in _spellings(place)}
        self._rules = [
            (re.compile(rf"(?<![\w.-]){re.escape(place)}(?!\w)", _CASE), spelled[place])
            for place in sorted(spelled, key=lambda place: (-len(place), place))
        ]
        # An underscore separates, too: a trace file may be called bench_anna.
        self._rules += [
            (re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE), names[name])
            for name in sorted(filter(None, names), key=lambda name: (-len(name), name))
        ]

    def text(self, text: str) -> str:
        for pattern, short in self._rules:
            text = pattern.sub(lambda _, short=short: short, text)  # type: ignore[misc]
        return text

    def value(self, value: Any) -> Any:
        """The same in each text of a JSON value; keys are ours and stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {
                key: item if key in OPAQUE_KEYS and isinstance(item, str) else self.value(item)
                for key, item in value.items()
            }
        return value


_CASE = re.IGNORECASE if os.name == "nt" else re.NOFLAG if hasattr(re, "NOFLAG") else 0


def user_and_machine() -> dict[str, str]:
    """The names under which this user and this machine are known."""
    names = {platform.node(): "MACHINE", platform.node().partition(".")[0]: "MACHINE"}
    users: set[str] = {os.environ.get(variable, "") for variable in ("LOGNAME", "USER", "USERNAME")}
    with suppress(RuntimeError):
        users.add(Path.home().name)
    with suppress(OSError, KeyError, ImportError):  # no variable says it, nor the password file
        users.add(getpass.getuser())
    return {name: short for name, short in {**names, **dict.fromkeys(users, "USER")}.items() if name}


def home_folders() -> Iterator[str]:
    """The user's home folder, as the environment and as the system name it."""
    for variable in ("HOME", "USERPROFILE"):
        if os.environ.get(variable):
            yield os.environ[variable]
    with suppress(RuntimeError):
        yield str(Path.home())


def _spellings(place: str) -> Iterable[str]:
    """A folder as it is named, as it resolves, and with the other slashes; not the root of all."""
    path = Path(place)
    forms = {place.rstrip("/\\"), str(path), str(path.resolve())}
    forms |= {form.replace("\\", "/") for form in forms}
    return (form for form in forms if form and Path(form) != Path(Path(form).anchor))
