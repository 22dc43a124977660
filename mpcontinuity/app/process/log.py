"""The log: a line for each event on standard error, of what the parts say and of Twisted's warnings.

Who logs gives the ids it knows as fields: ``session`` (of a connection), ``message`` (of a message, from the door to
redelivery) and ``owed`` (of a row owed to a home server: X-MPContinuity-Id). They stand at the same place in every
line. What a fault brings about for every message, such as a full disk, has the field ``often``: it is said once a
minute, with how often it was true meanwhile.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TextIO, cast

import msgspec
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    eventAsText,
)

from mpcontinuity.model.visible import json_visible, visible

IDS = ("session", "message", "owed")

_OFTEN_AGAIN = 60.0  # s

# Of what others say, an administrator wants to see what it is, and nobody shall fill the disk by it.
LONGEST_VALUE = 500  # characters
LONGEST_LINE = 4000  # characters; a traceback has several lines
_LINES = 200  # of a traceback


class Output:
    """The stream that lines go to: standard error, or a file that ``reopen`` opens anew when somebody has moved it
    away.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._stream: TextIO = sys.stderr if path is None else _append(path)

    def write(self, text: str) -> None:
        """Writes text, as Twisted's observer asks for it."""
        self._stream.write(text)

    def flush(self) -> None:
        """Flushes the stream."""
        self._stream.flush()

    def reopen(self) -> None:
        """Opens the file anew. Raises OSError, and then goes on with the file that it has."""
        if self._path is not None:
            before, self._stream = self._stream, _append(self._path)
            before.close()


def _append(path: Path) -> TextIO:
    return path.open("a", encoding="utf-8", errors="backslashreplace")


def observer(form: Literal["text", "json"] = "text", output: Output | None = None) -> ILogObserver:
    """Returns the log as twistd's Application takes it, in lines of this form."""
    predicate = LogLevelFilterPredicate(LogLevel.info)
    for noisy in ("twisted", "log_legacy", "stdout"):
        predicate.setLogLevelForNamespace(noisy, LogLevel.warn)
    # Twisted's classes provide these interfaces, which mypy cannot see
    stream: Any = output or Output()
    writing: Any = FileLogObserver(stream, json_line if form == "json" else line)
    predicates: list[Any] = [predicate, OncePerMinute()]
    return cast(ILogObserver, FilteringLogObserver(writing, predicates))


class OncePerMinute:
    """A filter that lets events of the same format through once a minute, if they have the field ``often``. How many it
    held back meanwhile is then the value of that field.
    """

    def __init__(self) -> None:
        self._said: dict[Hashable, tuple[float, int]] = {}  # when, and how often it was held back since

    def __call__(self, event: LogEvent) -> Any:
        if "often" not in event:
            return PredicateResult.maybe
        key, now = (event.get("log_namespace"), event.get("log_format")), event.get("log_time", 0.0)
        said, held = self._said.get(key, (-_OFTEN_AGAIN, 0))
        if 0 <= now - said < _OFTEN_AGAIN:
            self._said[key] = (said, held + 1)
            return PredicateResult.no
        self._said[key] = (now, 0)
        event["often"] = held
        return PredicateResult.maybe


def line(event: LogEvent) -> str | None:
    """Returns an event as a line of text; a traceback follows a failure. None where there is nothing to say.

    It looks like ``2026-11-22T04:03:00+0000 warn mpcontinuity.homes session=… message=… text``.
    """
    text = _text(event)
    if not text:
        return None
    level = event.get("log_level")
    name = level.name if level is not None else "-"
    ids = "".join([f"{field}={event[field]} " for field in IDS if event.get(field)])
    if (held := event.get("often", True)) is not True and held:
        text += f" (and {held} times more since the last such line)"
    if not text.isprintable():
        first, *rest = text.rstrip("\n").split("\n") if "log_failure" in event else [text]
        text = "\n\t".join([visible(first), *(visible(each) for each in rest)])
    return f"{_second(int(event.get('log_time', 0)))} {name} {event.get('log_namespace', '-')} {ids}{text}\n"


def json_line(event: LogEvent) -> str | None:
    """Returns an event as a line of JSON: time, level, part, the ids, text, and all other fields below ``fields``. None
    where there is nothing to say.
    """
    text = _text(event)
    if not text:
        return None
    level = event.get("log_level")
    row: dict[str, Any] = {
        "time": _second(int(event.get("log_time", 0))),
        "level": level.name if level is not None else "-",
        "part": event.get("log_namespace", "-"),
    }
    row.update((field, _cut(str(event[field]))) for field in IDS if event.get(field))
    row["text"] = text
    fields = {
        name: value if isinstance(value, int | float | bool) or value is None else _shown(value)
        for name, value in event.items()
        if not name.startswith("log_") and name not in IDS and name not in _TWISTED
    }
    if fields:
        row["fields"] = fields
    return json_visible(msgspec.json.encode(row).decode()) + "\n"


_TWISTED = frozenset({"format", "time", "system", "message", "isError", "failure", "why", "text"})


def _shown(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_cut(str(each)) for each in value[: LONGEST_LINE // LONGEST_VALUE]]
    return _cut(str(value))


def _cut(text: str, longest: int = LONGEST_VALUE) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


class _Cut:
    """The fields of an event, as they are shown."""

    __slots__ = ("_event",)

    def __init__(self, event: LogEvent) -> None:
        self._event = event

    def __getitem__(self, name: str) -> Any:
        value = self._event[name]
        if type(value) is not str:
            return value
        # Twisted's older log has all it says in this one, tracebacks too.
        return _cut(value, LONGEST_LINE if name == "log_text" else LONGEST_VALUE)


def _text(event: LogEvent) -> str:
    """What Twisted makes of the event, the common case of it without Twisted: there is a line per message."""
    template = event.get("log_format")
    if isinstance(template, str) and "log_failure" not in event:
        try:
            return _cut(template.format_map(_Cut(event)), LONGEST_LINE)
        except Exception:  # Twisted's own extensions of the format, and whatever it says of one that is wrong
            pass
    text = eventAsText(event, includeTimestamp=False, includeSystem=False)
    return "\n".join([_cut(each, LONGEST_LINE) for each in text.split("\n", _LINES)[:_LINES]])


@lru_cache(maxsize=1)
def _second(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(moment))
