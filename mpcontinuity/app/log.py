"""The log: a line per event on standard error, what the parts say and warnings of Twisted."""

from __future__ import annotations

import sys
from typing import Any, cast

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    formatTime,
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
    text = eventAsText(event, includeTimestamp=False, includeSystem=False)
    if not text:
        return None
    level = event.get("log_level")
    name = level.name if level is not None else "-"
    namespace = str(event.get("log_namespace", "-"))
    body = text.rstrip("\n").replace("\n", "\n\t").replace("\r", "\\r")
    return f"{formatTime(event.get('log_time'))} {name} {namespace} {body}\n"
