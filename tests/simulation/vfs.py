"""SQLite on the simulated disk: a VFS by apsw, and the store's Driver over it.

``locking_mode = EXCLUSIVE`` and one connection: the WAL index is then in memory, and no shared memory is simulated.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import apsw

from mpcontinuity.store.driver import Connection, Cursor
from mpcontinuity.store.sqlite.driver import translate
from mpcontinuity.store.transaction import Transaction
from tests.simulation.disk import SimulatedDisk, SimulatedFile

T = TypeVar("T")

_CREATE = apsw.SQLITE_OPEN_CREATE
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_NO_IDENTIFIERS: Any = None  # who only looks needs none
_numbers = itertools.count()


class _File(apsw.VFSFile):
    def __init__(self, disk: SimulatedDisk, name: str, flags: int) -> None:
        self._disk = disk
        # As SQLite's own VFS for Unix, the first sync of a journal that may be new makes its name durable too.
        self._unnamed = name.rpartition("/")[0] if flags & _CREATE and flags & _JOURNALS else ""
        self._file = SimulatedFile(disk, _io(disk.inode, name, create=True))

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(_io(self._file.read, amount, offset))

    def xWrite(self, data: bytes, offset: int) -> None:
        _io(self._file.write, data, offset)

    def xTruncate(self, newsize: int) -> None:
        _io(self._file.truncate, newsize)

    def xSync(self, flags: int) -> None:
        _io(self._file.sync)
        if self._unnamed:
            _io(self._disk.sync_names, self._unnamed)
            self._unnamed = ""

    def xFileSize(self) -> int:
        return int(_io(self._file.size))

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 512

    def xDeviceCharacteristics(self) -> int:
        return 0  # no promise about atomic or ordered writes

    def xClose(self) -> None:
        pass


class _Vfs(apsw.VFS):
    def __init__(self, name: str, disk: SimulatedDisk, chance: random.Random) -> None:
        super().__init__(name, base="")
        self.name = name
        self._disk = disk
        self._chance = chance

    def xOpen(self, name: Any, flags: list[int]) -> _File:
        flags[1] = flags[0]
        return _File(self._disk, name.filename() if isinstance(name, apsw.URIFilename) else str(name), flags[0])

    def xDelete(self, filename: str, syncdir: bool) -> None:
        if not self._disk.exists(filename):
            raise apsw.IOError
        _io(self._disk.remove, filename)
        if syncdir:
            _io(self._disk.sync_names, filename.rpartition("/")[0])

    def xAccess(self, pathname: str, flags: int) -> bool:
        return self._disk.exists(pathname)

    def xFullPathname(self, name: str) -> str:
        return name

    def xRandomness(self, numbytes: int) -> bytes:
        return self._chance.randbytes(numbytes)


def _io(call: Any, *args: Any, **kw: Any) -> Any:
    try:
        return call(*args, **kw)
    except OSError as error:
        failed = apsw.FullError if error.errno == errno.ENOSPC else apsw.IOError
        raise failed(str(error)) from error


class _Cursor:
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    @property
    def rowcount(self) -> int:
        return self._connection.changes()

    def execute(self, text: str, parameters: Mapping[str, Any] | Sequence[Any] = {}, /) -> Any:
        return self._cursor.execute(text, dict(parameters) if isinstance(parameters, Mapping) else parameters)

    def executemany(self, text: str, rows: Iterable[Mapping[str, Any]], /) -> Any:
        return self._cursor.executemany(text, [dict(row) for row in rows])

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._cursor.fetchall())


class _Connection:
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes()

    def cursor(self) -> Cursor:
        return _Cursor(self._connection)

    def close(self) -> None:
        # It copies the WAL into the database. Where the disk is full the WAL stays: sqlite3_close_v2 is content with
        # that, and so is pysqlite3. apsw tells what its VFS has raised.
        with contextlib.suppress(apsw.FullError):
            self._connection.close()


class SimulatedDriver:
    """The database ``name`` on the simulated disk."""

    dialect = "sqlite"
    errors: tuple[type[Exception], ...] = (apsw.Error,)
    shared = True
    synchronous = "FULL"

    def __init__(self, disk: SimulatedDisk, name: str, chance: random.Random) -> None:
        self._name = name
        self._vfs = _Vfs(f"simulated-{next(_numbers)}", disk, chance)
        self._opened: apsw.Connection | None = None

    def connect(self, *, writes: bool) -> Connection:
        assert self._opened is None, "one connection, shared by all"
        self._opened = apsw.Connection(self._name, vfs=self._vfs.name, statementcachesize=512)
        for pragma in (
            "locking_mode = EXCLUSIVE",
            f"synchronous = {self.synchronous}",
            "foreign_keys = ON",
            "wal_autocheckpoint = 0",
            "temp_store = MEMORY",
        ):
            self._opened.execute(f"PRAGMA {pragma}").fetchall()
        return _Connection(self._opened)

    def translate(self, error: Exception) -> Exception:
        return translate(error)

    def look(self, work: Callable[[Transaction], T], now: int) -> T:
        """Read between two turns, when no transaction is open."""
        assert self._opened is not None
        assert not self._opened.in_transaction
        return work(Transaction(self, _Cursor(self._opened), now, _NO_IDENTIFIERS))

    def changes(self) -> int:
        """Rows changed since it was opened."""
        assert self._opened is not None
        return self._opened.total_changes()

    def check(self) -> list[str]:
        """What SQLite itself finds wrong."""
        assert self._opened is not None
        found = [str(row[0]) for row in self._opened.execute("PRAGMA integrity_check").fetchall() if row != ("ok",)]
        return found + [f"foreign key: {row}" for row in self._opened.execute("PRAGMA foreign_key_check").fetchall()]

    def abandon(self) -> None:
        """After a power failure: lets go of what the process had in memory."""
        if self._opened is not None:
            with contextlib.suppress(apsw.Error):  # it tries to tidy up a disk that is off
                self._opened.close(True)
            self._opened = None
        self._vfs.unregister()
