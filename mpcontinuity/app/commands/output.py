"""How results are shown: tables and ``key: value`` lines for people, JSON for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from mpcontinuity.model.visible import json_visible, visible

_WIDEST = 60
_TIME = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{6})?\+00:00(?!\d)")  # as clock.iso makes it


def say(line: str, *, err: bool = False) -> None:
    """Prints one line, with whatever came from outside into it made harmless and times to the second; ``err`` prints it
    on standard error."""
    click.echo(visible(_seconds(line)), err=err)


def _seconds(text: str) -> str:
    """Times as people read them, which every argument that takes a time reads too."""
    return _TIME.sub(r"\1Z", text)


def span(seconds: float | None) -> str:
    """Returns a time span as people read it, with its units."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def text(value: Any) -> str:
    """Returns a value as people read it: ``on`` or ``off``, a list with commas, ``-`` for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(text, value)) or "-"
    return visible(_seconds(" ".join(str(value).split()))) if value != "" else "-"


def as_json(value: Any) -> None:
    """Prints the very value as JSON; what would act on a terminal is escaped."""
    click.echo(json_visible(json.dumps(value, ensure_ascii=False, indent=2)))


def table(pages: Iterable[Sequence[Mapping[str, Any]]], columns: Sequence[str], empty: str) -> None:
    """Prints rows below each other, each page as it comes, in columns as wide as they need so far.

    ``empty`` says what it means if there are none.
    """
    widths: list[int] = []
    for rows in filter(None, pages):
        cells = [] if widths else [[column.replace("_", " ") for column in columns]]
        cells += [[_short(text(row[column])) for column in columns] for row in rows]
        needed = [max(len(line[place]) for line in cells) for place in range(len(columns))]
        widths = [max(pair) for pair in zip(needed, widths or needed, strict=True)]
        for line in cells:
            say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if not widths:
        say(empty)


def fields(row: Mapping[str, Any]) -> None:
    """Prints one object, a line for each key."""
    width = max(len(key) for key in row) + 1
    for key, value in row.items():
        say(f"{key + ':':<{width}} {text(value)}")


def result(row: Mapping[str, Any], json_wanted: bool, *lines: str) -> None:
    """Shows one object as JSON, in ``lines`` that say what was done, or in full."""
    if json_wanted:
        as_json(row)
    elif not lines:
        fields(row)
    for line in () if json_wanted else lines:
        say(line)


def listing(
    pages: Iterable[Sequence[Mapping[str, Any]]], columns: Sequence[str], json_wanted: bool, empty: str
) -> None:
    """Shows the rows of all pages as one array of JSON, or as a table; ``empty`` says what no rows mean."""
    if json_wanted:
        as_json([row for rows in pages for row in rows])
    else:
        table(pages, columns, empty)


def _short(cell: str) -> str:
    return cell if len(cell) <= _WIDEST else cell[: _WIDEST - 1] + "…"
