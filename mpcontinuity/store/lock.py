"""One process at a time opens the store on SQLite: the server, or a command when no server runs (design 5)."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mpcontinuity.model.errors import Refused

LOCK = "lock"  # in the data folder


class Lock:
    """A lock of a data folder by flock(2), which the kernel lets go when the process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Lets the lock go. It may be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def lock(folder: Path) -> Lock:
    """Takes the lock of a data folder. Raises Refused where another process has it."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        by = f" (process {owner})" if owner else ""
        raise Refused(
            f"{folder} is in use by another mpcontinuity{by}: stop it first; other commands work while it runs",
            "conflict",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return Lock(descriptor)


def held(folder: Path) -> bool:
    """Returns whether a process has the lock of the data folder."""
    try:
        lock(folder).release()
    except Refused:
        return True
    except FileNotFoundError:
        return False
    return False
