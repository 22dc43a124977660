"""The folder of packs: new files made durable, old ones opened to be read."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from mpcontinuity.model import identifier
from mpcontinuity.model.clock import MINUTE, Clock
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.store.bodies import layout
from mpcontinuity.store.bodies.layout import FileHeader, Kind
from mpcontinuity.store.disk import Disk, File
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

FOLDER = "packs"  # in the data folder
PACK = ".pack"
SPOOL = ".spool"  # a large message still being received

_RECORD = Statement(
    "INSERT INTO pack (id, kind, day, created, sealed, node) VALUES (:id, :kind, :day, :created, :sealed, :node)"
    " ON CONFLICT (id) DO NOTHING"
)
_INSERT_LOST = Statement(
    "INSERT INTO pack (id, kind, day, created, sealed) VALUES (:id, 'lost', 2147483647, :now, 1)"
    " ON CONFLICT (id) DO NOTHING"
)
_FORGET_UNUSED = Statement(
    "DELETE FROM pack WHERE id = :id AND NOT EXISTS (SELECT 1 FROM body WHERE body.pack = pack.id)"
)

# Where a row of `body` says that its message is, when no pack has it: reading it says that it is missing.
LOST = 1

# After a pack is full, the commits that follow its last entries are through long before this.
_SETTLED = 10 * MINUTE

# Files kept open to be read: well below any limit of descriptors, and more than a busy day's packs.
_OPEN = 64


class Pack:
    """A file that entries are appended to. The appender alone uses it."""

    __slots__ = ("day", "end", "file", "id", "kind")

    def __init__(self, pack: int, kind: Kind, day: int, file: File, end: int) -> None:
        self.id = pack
        self.kind = kind
        self.day = day
        self.file = file
        self.end = end  # octets that are synced; what lies behind is overwritten


class Packs:
    """The folder of packs. It is thread-safe: the appender, the readers and the reactor use it."""

    def __init__(self, folder: Path, disk: Disk, identifiers: Identifiers, clock: Clock) -> None:
        self.folder = folder
        self.disk = disk
        self.node = 0  # which appends to the packs that are made here (store/nodes.py)
        self._identifiers = identifiers
        self._clock = clock
        self._busy: dict[int, int] = {}  # appended to: 0, or since when no longer
        self._open: OrderedDict[int, File] = OrderedDict()
        self._unrecorded: list[Pack] = []
        self._lock = threading.Lock()
        disk.make_folder(folder)

    def path(self, pack: int) -> Path:
        """Returns where the file of a pack is, or would be."""
        return self.folder / (identifier.show(pack) + PACK)

    def create(self, kind: Kind, day: int) -> Pack:
        """Makes a new pack, whose name is durable before anything in it is."""
        number = self._identifiers.next()
        with self._lock:
            # Before there is a file: whoever lists the folder must not take it for one that somebody left empty.
            self._busy[number] = 0
        try:
            file = self._create(number, kind, day)
        except OSError:
            with self._lock:
                del self._busy[number]
            raise
        pack = Pack(number, kind, day, file, layout.FILE_LENGTH)
        self.record(pack)
        return pack

    def _create(self, number: int, kind: Kind, day: int) -> File:
        file = self.disk.create(self.path(number))
        try:
            file.write(layout.file_header(kind, number, day), 0)
            file.sync()
            self.disk.sync_folder(self.folder)
        except OSError:
            file.close()
            self.unlink(number)
            raise
        return file

    def record(self, pack: Pack) -> None:
        """Has the next commit insert its row: it comes before any that names one of its entries."""
        with self._lock:
            self._unrecorded.append(pack)

    def full(self, pack: Pack) -> None:
        """Says that nothing more is appended to it."""
        with self._lock:
            self._busy[pack.id] = self._clock.now()

    def busy(self, now: int) -> set[int]:
        """Returns the packs that entries are, or were a moment ago, appended to. ``now`` is in µs."""
        with self._lock:
            for pack, since in list(self._busy.items()):
                if since and now - since >= _SETTLED:
                    del self._busy[pack]
            return set(self._busy)

    def header(self, pack: int) -> FileHeader | None:
        """Returns kind, id and day of expiry of a pack; None where its header cannot be read."""
        return layout.read_file_header(self.file(pack))

    def forget(self, pack: Pack) -> None:
        """Drops a pack in which nothing was written, after all."""
        self._recorded([pack])
        with self._lock:
            self._busy.pop(pack.id, None)
        pack.file.close()
        self.unlink(pack.id)

    def _recorded(self, packs: list[Pack]) -> None:
        with self._lock:
            self._unrecorded = [pack for pack in self._unrecorded if pack not in packs]

    def new_spool(self) -> tuple[int, Path, File]:
        """Returns the number of a solo pack to be, and the file it is written to meanwhile."""
        number = self._identifiers.next()
        owner = "." + identifier.show(self.node) if self.node else ""
        path = self.folder / (identifier.show(number) + owner + SPOOL)
        return number, path, self.disk.create(path)

    def file(self, pack: int) -> File:
        """Returns the pack's file, opened for reading. Raises FileNotFoundError."""
        with self._lock:
            file = self._open.get(pack)
            if file is not None:
                self._open.move_to_end(pack)
                return file
        file = self.disk.open(self.path(pack))
        with self._lock:
            self._open[pack] = file
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)  # closed with its last reader
        return file

    def unlink(self, pack: int) -> None:
        """Removes the file of a pack, if it is there."""
        with self._lock:
            self._open.pop(pack, None)
        with contextlib.suppress(FileNotFoundError):
            self.disk.unlink(self.path(pack))

    def unlink_solo(self, pack: int) -> None:
        """Removes the file of a pack if it holds but one message."""
        header = self.header(pack)
        if header is not None and header.kind is Kind.SOLO:
            self.unlink(pack)

    def numbers(self) -> list[int]:
        """Returns the packs that are there, oldest first."""
        numbers = []
        for name in self.disk.list(self.folder):
            with contextlib.suppress(ValueError):  # no file of ours
                if name.endswith(PACK):
                    numbers.append(identifier.parse(name.removesuffix(PACK)))
        return numbers

    def spoolers(self) -> set[int]:
        """Returns the nodes that have files of messages that are, or were, being received."""
        return {_spooler(name) for name in self.disk.list(self.folder) if name.endswith(SPOOL)}

    def drop_spools(self, of: Collection[int] = (0,)) -> None:
        """Removes the files of messages that nodes, which are dead, were receiving when they ended."""
        for name in self.disk.list(self.folder):
            if name.endswith(SPOOL) and _spooler(name) in of:
                with contextlib.suppress(FileNotFoundError):
                    self.disk.unlink(self.folder / name)

    def leave_gone(self) -> None:
        """Closes files that another process unlinked: their room would not come back."""
        with self._lock:
            opened = list(self._open)
        there = set(self.numbers()) if opened else set()
        with self._lock:
            for pack in opened:
                if pack not in there:
                    self._open.pop(pack, None)

    def record_new(self, tx: Transaction) -> Callable[[], None] | None:
        """Inserts the rows of new packs at the beginning of a transaction.

        Returns what the caller calls after the commit, or None where there was no new pack.
        """
        packs = self._unrecorded.copy()
        if not packs:
            return None
        for pack in packs:
            insert_pack(pack.id, pack.kind, pack.day, tx, self.node)
        return partial(self._recorded, packs)

    def close(self) -> None:
        """Closes all files."""
        with self._lock:
            for file in self._open.values():
                file.close()
            self._open.clear()


def insert_pack(pack: int, kind: Kind, day: int, tx: Transaction, node: int = 0) -> None:
    """Inserts the row of a pack. A solo pack is sealed from the beginning: nothing is ever appended to it."""
    sealed = int(kind is Kind.SOLO)
    tx.run(_RECORD, id=pack, kind=kind.name.lower(), day=day, created=tx.now, sealed=sealed, node=node)


def insert_lost_pack(tx: Transaction) -> None:
    """Inserts the row of the pack LOST, which has no file, unless it is there."""
    tx.run(_INSERT_LOST, id=LOST, now=tx.now)


def forget_unused_pack(pack: int, tx: Transaction) -> bool:
    """Drops the row of a pack that no body is in. Returns whether it was dropped."""
    return tx.run(_FORGET_UNUSED, id=pack) > 0


def _spooler(name: str) -> int:
    """The node that a spool file's name tells; 0 where it tells none."""
    _, _, owner = name.removesuffix(SPOOL).partition(".")
    try:
        return identifier.parse(owner) if owner else 0
    except ValueError:
        return 0
