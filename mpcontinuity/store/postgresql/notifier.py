"""Telling the other processes what commits announce: NOTIFY (design 6)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import psycopg
from twisted.logger import Logger

from mpcontinuity.model.events import Notice
from mpcontinuity.store.notices import EVERYTHING, encode
from mpcontinuity.store.postgresql.driver import PostgresqlConnection, PostgresqlDriver
from mpcontinuity.store.runner import Runner, Worker

CHANNEL = "mpcontinuity"

# Notices of that many seconds go out together: a NOTIFY takes a lock that all of the server's NOTIFYs wait for.
_GATHER = 0.005

_log = Logger()


class Notifier:
    """Tells other processes what was announced, by a connection of its own. Nobody waits for it."""

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
        """Takes notices to be sent soon, from any thread."""
        with self._lock:
            first = not self._waiting
            self._waiting.update(dict.fromkeys(notices))
        if first:
            self._worker.put(None)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Sends what waits, then calls ``stopped``."""
        self._worker.stop(stopped)

    def close(self) -> None:
        """Closes the connection, after it has stopped."""
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
        payloads = encode(self._sender, EVERYTHING if self._failed else notices)
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
