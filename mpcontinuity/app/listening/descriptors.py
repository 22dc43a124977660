"""File descriptors: how many connections they leave room for, and a few that only those who watch the server get."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.logger import Logger

from mpcontinuity.model.settings import Limits

OWN_FILES = 512  # for packs, database, connections to home servers
SPARE = 64  # above the limit that holds for everything else: 32 connections of monitors, and what a page opens
LEAST_ROOM = 16  # connections, however few files a process may have

_log = Logger()


class Descriptors:
    """Raises the process's limit of open files as far as ``limits`` ask for and the system permits. ``room`` is how
    many connections that leaves.
    """

    def __init__(self, limits: Limits) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = limits.connections + OWN_FILES + SPARE
        everything = max(soft, wanted if hard == resource.RLIM_INFINITY else min(hard, wanted))
        self._everything = everything
        files = everything - SPARE
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        self.room = max(files - OWN_FILES, LEAST_ROOM)  # connections
        if self.room < limits.connections:
            _log.info(
                "room for {room} connections: the limit of open files is {files}", room=self.room, files=everything
            )

    @contextmanager
    def spare(self) -> Iterator[None]:
        """Permits meanwhile to open files above the limit that holds for everything else. It must not be held over a
        turn of the reactor.

        The system looks at the limit where something is opened, and at nothing that is open already.
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, self._everything), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
