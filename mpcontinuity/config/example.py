"""Writes the commented mpcontinuity.toml that ``init`` makes, from the same definitions that check the file."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

from mpcontinuity.config.keys import KEYS, SECTIONS
from mpcontinuity.config.values import Duration
from mpcontinuity.model import durations
from mpcontinuity.model.settings import Settings

_WIDTH = 110
_HEAD = """\
# mpcontinuity: the settings of this server. Domains and users live in the database: `mpcontinuity domain --help`.
# A key that is commented out has its default, the value shown. Relative paths are relative to this file's folder.
# Durations are "90s", "15m", "1h", "5d" or a number of seconds.
"""


def example(given: Mapping[str, Any] | None = None) -> str:
    """Returns the text of the file.

    Keys in ``given`` (by path) are set; all others are comments with their defaults.
    """
    given = given or {}
    lines = [_HEAD]
    for section, about in SECTIONS.items():
        if section:
            lines += [*_comment(about), f"[{section}]"]
        for path in KEYS:
            if path.rpartition(".")[0] == section:
                lines += _key(path, given)
        lines.append("")
    return "\n".join(lines)


def default(path: str) -> Any:
    """Returns the default of the key with this path, such as ``retry.first``."""
    value: Any = Settings()
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _key(path: str, given: Mapping[str, Any]) -> list[str]:
    key = KEYS[path]
    about = f"{key.about} Example: {key.example}" if key.example else key.about
    value = given.get(path, default(path))
    shown = f"{path.rpartition('.')[2]} = {toml(value, duration=isinstance(key.kind, Duration))}"
    return [*_comment(about), shown if path in given else f"#{shown}"]


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def toml(value: Any, *, duration: bool = False) -> str:
    """Returns a value as TOML writes it. Where ``duration``, the value is a number of seconds."""
    if duration:
        return f"{value:g}" if value <= 60 and value % 30 else f'"{durations.show(value)}"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml(element) for element in value)}]"
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{name} = {toml(element)}" for name, element in value.items()) + " }" if value else "{}"
        )
    # JSON's strings, numbers and booleans are TOML's
    return json.dumps(value, ensure_ascii=False)
