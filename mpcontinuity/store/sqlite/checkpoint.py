"""Copying SQLite's WAL into the database: a thread beside the writer, and the writer itself when that falls behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from twisted.logger import Logger

from mpcontinuity.store.driver import Connection, Cursor, Driver
from mpcontinuity.store.figures import Figures
from mpcontinuity.store.runner import Runner

# Rows changed between two checkpoints of the thread: some 8 MiB of WAL, copied in a few hundredths of a second.
_CHANGES = 4096

# Above this the writer stops writing for as long as it takes to copy the rest. Beside a busy writer the thread alone
# never comes to the end, and only at the end can the WAL begin anew (it grew to 2.4 GB in 15 s without this).
LONGEST_WAL = 64 << 20

_PASSIVE = "PRAGMA wal_checkpoint(PASSIVE)"
_RESTART = "PRAGMA wal_checkpoint(RESTART)"

_log = Logger()


class Checkpoints:
    """Copies the WAL into the database: in a thread beside the writer, and in the writer's when that falls behind."""

    def __init__(
        self, driver: Driver, writer: Connection, runner: Runner, figures: Figures, *, longest: int = LONGEST_WAL
    ) -> None:
        """``writer`` is the connection whose thread calls ``committed``."""
        self._driver = driver
        self._writer = writer
        self._connection = writer if driver.shared else driver.connect(writes=True)
        self._seen = writer.total_changes
        self._frames = 0  # in the WAL, when last asked
        self._longest = longest
        self._asked = False  # a copy that the thread has not made yet
        self._file = self._begin()
        self._figures = figures
        self._page = self._page_size()
        self._limit = self._longest_frames(longest)
        self._worker = runner.worker("store-checkpoint", self._copy)

    def committed(self) -> None:
        """Is called between two batches, in the writer's thread."""
        if self._frames > self._limit:
            self._frames = self._checkpoint(self._writer.cursor(), _RESTART)
            return
        changes = self._writer.total_changes
        # Rows may be large: what is shown of a message is as long as strangers made its header.
        if changes - self._seen >= _CHANGES or (not self._asked and self._octets() > self._longest):
            self._seen = changes
            self._asked = True
            self._worker.put(None)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Ends the copy that is under way, then calls ``stopped``."""
        self._worker.stop(stopped)

    def close(self) -> None:
        """Closes the connection, after the thread has stopped."""
        if not self._driver.shared:
            self._connection.close()

    def _copy(self, _: Sequence[None]) -> None:
        self._frames = self._checkpoint(self._connection.cursor(), _PASSIVE)
        self._asked = False

    def _checkpoint(self, cursor: Cursor, pragma: str) -> int:
        """Frames that the WAL has after it; 0 once it begins anew."""
        try:
            cursor.execute(pragma)
            [(busy, frames, copied)] = cursor.fetchall()
        except self._driver.errors as error:
            # A full disk, mostly: commits go on into the WAL, and the next round tries again.
            _log.error("checkpoint failed: {error}", error=error, often=True)
            return 0
        self._figures.checkpoints += 1
        self._figures.restarts += pragma is _RESTART
        self._figures.wal_octets = max(int(frames), 0) * self._page
        return 0 if pragma is _RESTART and not busy and frames == copied else int(frames)

    def _begin(self) -> str:
        """The WAL's name. When it begins anew, what it has beyond its limit is given back to the disk."""
        cursor = self._writer.cursor()
        cursor.execute(f"PRAGMA journal_size_limit = {self._longest}")
        cursor.execute("PRAGMA database_list")
        (_, _, file), *_ = cursor.fetchall()
        return f"{file}-wal"

    def _octets(self) -> int:
        """Of the WAL's file, which is longer than its limit only while the WAL is."""
        try:
            return os.stat(self._file).st_size
        except OSError:
            return 0

    def _longest_frames(self, longest: int) -> int:
        return longest // self._page

    def _page_size(self) -> int:
        cursor = self._writer.cursor()
        cursor.execute("PRAGMA page_size")
        [(page,)] = cursor.fetchall()
        return int(page)
