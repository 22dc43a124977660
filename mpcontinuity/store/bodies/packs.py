"""The folder of packs: new files made durable, old ones opened to be read."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from pathlib import Path

from mpcontinuity.model import identifier
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.store.bodies import layout
from mpcontinuity.store.bodies.layout import Kind
from mpcontinuity.store.disk import Disk, File

FOLDER = "packs"  # in the data folder
PACK = ".pack"
SPOOL = ".spool"  # a large message still being received

# Files kept open to be read: well below any limit of descriptors, and more than a busy day's packs.
_OPEN = 64


class Pack:
    """A file that entries are appended to. Used by the appender alone."""

    __slots__ = ("day", "end", "file", "id", "kind")

    def __init__(self, pack: int, kind: Kind, day: int, file: File, end: int) -> None:
        self.id = pack
        self.kind = kind
        self.day = day
        self.file = file
        self.end = end  # octets that are synced; what lies behind is overwritten


class Packs:
    """Thread-safe: the appender, the readers and the reactor use it."""

    def __init__(self, folder: Path, disk: Disk, identifiers: Identifiers) -> None:
        self.folder = folder
        self.disk = disk
        self._identifiers = identifiers
        self._open: OrderedDict[int, File] = OrderedDict()
        self._unrecorded: list[Pack] = []
        self._lock = threading.Lock()
        disk.make_folder(folder)

    def path(self, pack: int) -> Path:
        return self.folder / (identifier.show(pack) + PACK)

    def create(self, kind: Kind, day: int) -> Pack:
        """A new pack whose name is durable before anything in it is."""
        number = self._identifiers.next()
        file = self.disk.create(self.path(number))
        try:
            file.write(layout.file_header(kind, number, day), 0)
            file.sync()
            self.disk.sync_folder(self.folder)
        except OSError:
            file.close()
            self.unlink(number)
            raise
        pack = Pack(number, kind, day, file, layout.FILE_LENGTH)
        self.record(pack)
        return pack

    def record(self, pack: Pack) -> None:
        """The next commit inserts its row: it comes before any that names one of its entries."""
        with self._lock:
            self._unrecorded.append(pack)

    def forget(self, pack: Pack) -> None:
        """A pack in which nothing was written, after all."""
        self.recorded([pack])
        pack.file.close()
        self.unlink(pack.id)

    @property
    def unrecorded(self) -> list[Pack]:
        return self._unrecorded.copy()

    def recorded(self, packs: list[Pack]) -> None:
        with self._lock:
            self._unrecorded = [pack for pack in self._unrecorded if pack not in packs]

    def new_spool(self) -> tuple[int, Path, File]:
        """The number of a solo pack to be, and the file it is written to meanwhile."""
        number = self._identifiers.next()
        path = self.folder / (identifier.show(number) + SPOOL)
        return number, path, self.disk.create(path)

    def file(self, pack: int) -> File:
        """Opened for reading. Raises FileNotFoundError."""
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
        with self._lock:
            self._open.pop(pack, None)
        with contextlib.suppress(FileNotFoundError):
            self.disk.unlink(self.path(pack))

    def numbers(self) -> list[int]:
        """The packs that are there, oldest first."""
        names = (name for name in self.disk.list(self.folder) if name.endswith(PACK))
        return [identifier.parse(name.removesuffix(PACK)) for name in names]

    def drop_spools(self) -> None:
        """At start: messages that were being received when the process ended."""
        for name in self.disk.list(self.folder):
            if name.endswith(SPOOL):
                self.disk.unlink(self.folder / name)

    def close(self) -> None:
        with self._lock:
            for file in self._open.values():
                file.close()
            self._open.clear()
