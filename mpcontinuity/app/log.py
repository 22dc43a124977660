"""The log: a line per event on standard error, what the parts say and warnings of Twisted."""

from __future__ import annotations

import sys
import time
from functools import lru_cache
from typing import Any, cast

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
)


def observer() -> ILogObserver:
    """For the Application component of twistd."""
    predicate = LogLevelFilterPredicate(LogLevel.info)
    for noisy in ("twisted", "log_legacy", "stdout"):
        predicate.setLogLevelForNamespace(noisy, LogLevel.warn)
    # Twisted's classes provide these interfaces, which mypy cannot see
    output: Any = FileLogObserver(sys.stderr, line)
    predicates: list[Any] = [predicate]
    return cast(ILogObserver, FilteringLogObserver(output, predicates))


def line(event: LogEvent) -> str | None:
    """``2026-11-22T04:03:00+0000 warn mpcontinuity.homes text``; a traceback follows a failure."""
    text = _text(event)
    if not text:
        return None
    level = event.get("log_level")
    name = level.name if level is not None else "-"
    body = text.rstrip("\n").replace("\n", "\n\t").replace("\r", "\\r")
    return f"{_second(int(event.get('log_time', 0)))} {name} {event.get('log_namespace', '-')} {body}\n"


def _text(event: LogEvent) -> str:
    """What Twisted makes of the event, the common case of it without Twisted: there is a line per message."""
    template = event.get("log_format")
    if isinstance(template, str) and "log_failure" not in event:
        try:
            return template.format_map(event)
        except Exception:  # Twisted's own extensions of the format, and whatever it says of one that is wrong
            pass
    return eventAsText(event, includeTimestamp=False, includeSystem=False)


@lru_cache(maxsize=1)
def _second(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(moment))
