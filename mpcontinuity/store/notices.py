"""What a commit announces, on its way to the other processes: NOTIFY and LISTEN (design 6)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, fields
from typing import Any, get_args

import msgspec
import psycopg
from twisted.logger import Logger

from mpcontinuity.model.events import Everything, Notice
from mpcontinuity.store.postgresql import PostgresqlConnection, PostgresqlDriver
from mpcontinuity.store.runner import Runner, Worker

CHANNEL = "mpcontinuity"

# Notices of that many seconds go out together: a NOTIFY takes a lock that all of the server's NOTIFYs wait for.
_GATHER = 0.005

_LONGEST = 7500  # octets of a payload; PostgreSQL allows 8,000
_MOST = 20  # payloads at a time: beyond that, 'anything may have changed' is less to send and less to do

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Notice)}
_NAMES = {kind: [field.name for field in fields(kind)] for kind in _KINDS.values()}

_EVERYTHING: Sequence[Notice] = [Everything()]

_log = Logger()


def encode(sender: int, notices: Iterable[Notice]) -> list[str]:
    """Payloads: JSON ``[sender, [name, field, …], …]``."""
    payloads: list[str] = []
    begin = f"[{sender}"
    parts: list[str] = []
    length = len(begin) + 1
    for notice in notices:
        part = msgspec.json.encode([type(notice).__name__, *astuple(notice)]).decode()
        if len(part) + len(begin) + 2 > _LONGEST:
            return encode(sender, _EVERYTHING)
        if length + len(part) + 1 > _LONGEST:
            payloads.append(",".join([begin, *parts]) + "]")
            parts, length = [], len(begin) + 1
        parts.append(part)
        length += len(part) + 1
    if parts:
        payloads.append(",".join([begin, *parts]) + "]")
    return payloads if len(payloads) <= _MOST else encode(sender, _EVERYTHING)


def decode(payload: str | bytes) -> tuple[int, Sequence[Notice]]:
    """Sender and notices; from a newer version, which knows others, 'anything may have changed'."""
    try:
        sender, *parts = msgspec.json.decode(payload)
        return int(sender), [_notice(*part) for part in parts]
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError, ValueError):
        return 0, _EVERYTHING


def _notice(name: str, *values: Any) -> Notice:
    kind = _KINDS[name]
    notice: Notice = msgspec.convert(dict(zip(_NAMES[kind], values, strict=True)), kind)
    return notice


class Notifier:
    """Sends what was announced, on a connection of its own; nobody waits for it."""

    def __init__(self, driver: PostgresqlDriver, runner: Runner, sender: int, *, threaded: bool) -> None:
        self._connection = PostgresqlConnection(driver, "notices")
        self._sender = sender
        self._gather = _GATHER if threaded else 0.0
        self._waiting: dict[Notice, None] = {}  # in order, each once
        self._lock = threading.Lock()
        self._last = 0.0
        self._failed = False
        self._worker: Worker[None] = runner.worker("store-notices", lambda _: self._send(), most=1000)

    def put(self, notices: Sequence[Notice]) -> None:
        with self._lock:
            first = not self._waiting
            self._waiting.update(dict.fromkeys(notices))
        if first:
            self._worker.put(None)

    def stop(self, stopped: Callable[[], None]) -> None:
        self._worker.stop(stopped)

    def close(self) -> None:
        self._connection.close()

    def _send(self) -> None:
        early = self._last + self._gather - time.monotonic()
        if early > 0:
            time.sleep(early)
        with self._lock:
            notices = list(self._waiting)
            self._waiting.clear()
        if not notices:
            return
        self._last = time.monotonic()
        payloads = encode(self._sender, _EVERYTHING if self._failed else notices)
        for again in (True, False):
            try:
                for payload in payloads:
                    self._connection.cursor().execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))
                self._failed = False
                return
            except psycopg.Error as error:
                self._connection.drop()
                self._failed = True  # the next ones say so
                if not again:
                    _log.warn("other processes are not told of changes: {error}", error=error)
