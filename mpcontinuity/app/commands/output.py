"""How results are shown: tables and ``key: value`` lines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from mpcontinuity.model.visible import json_visible, visible

_WIDEST = 60


def say(line: str, *, err: bool = False) -> None:
    """Prints one line, with whatever came from outside into it made harmless; ``err`` prints it on standard error."""
    click.echo(visible(line), err=err)


def text(value: Any) -> str:
    """Returns a value as people read it: ``on`` or ``off``, a list with commas, ``-`` for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(text, value)) or "-"
    return visible(" ".join(str(value).split())) if value != "" else "-"


def as_json(value: Any) -> None:
    """Prints the very value as JSON; what would act on a terminal is escaped."""
    click.echo(json_visible(json.dumps(value, ensure_ascii=False, indent=2)))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """Prints rows below each other, in columns as wide as they need. ``empty`` says what it means if there are none."""
    if not rows:
        say(empty)
        return
    cells = [[column.replace("_", " ") for column in columns]]
    cells += [[_short(text(row[column])) for column in columns] for row in rows]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    for line in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def fields(row: Mapping[str, Any]) -> None:
    """Prints one object, a line for each key."""
    width = max(len(key) for key in row) + 1
    for key, value in row.items():
        say(f"{key + ':':<{width}} {text(value)}")


def result(row: Mapping[str, Any], json_wanted: bool, line: str | None = None) -> None:
    """Shows one object as JSON, in one ``line`` that says what was done, or in full."""
    if json_wanted:
        as_json(row)
    elif line is not None:
        say(line)
    else:
        fields(row)


def listing(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], json_wanted: bool, empty: str) -> None:
    """Shows many objects as JSON or as a table; ``empty`` says what an empty list means."""
    if json_wanted:
        as_json(rows)
    else:
        table(rows, columns, empty)


def _short(cell: str) -> str:
    return cell if len(cell) <= _WIDEST else cell[: _WIDEST - 1] + "…"
