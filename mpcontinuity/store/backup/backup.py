"""Making a backup beside a store that goes on being used: the database first, then the packs that it names.

Packs are append-only, so that what the snapshot names is still there when their turn comes; none is unlinked meanwhile
(`hold`), and those of an earlier backup are only made longer. The manifest is written last: until then the backup
before is the backup.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import crc32c

from mpcontinuity.model import identifier
from mpcontinuity.model.clock import HOUR, MINUTE, SECOND, iso
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.store.backup import manifest, snapshot
from mpcontinuity.store.backup.manifest import MANIFEST, PACKS, PIECE, Exported, Manifest
from mpcontinuity.store.bodies import layout
from mpcontinuity.store.bodies.layout import HEADER_LENGTH
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.disk import File, RealDisk
from mpcontinuity.store.lock import LOCK, lock
from mpcontinuity.store.sqlite.driver import DATABASE, SQLITE
from mpcontinuity.store.sqlite.upgrade import revision
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep import generation, retention

_HELD = HOUR  # a process that dies keeps packs from being unlinked for as long
_RENEWED = 10 * MINUTE

Say = Callable[[str], None]


@dataclass(slots=True)
class Made:
    """What a backup did. Sizes are in octets."""

    time: str = ""
    database: int = 0
    packs: int = 0
    packs_copied: int = 0  # new ones, and such as have grown
    copied: int = 0
    total: int = 0
    seconds: float = 0.0
    missing: list[str] = field(default_factory=list)  # packs that the index names and that are not there


async def backup(store: Store, database: str, folder: Path, configuration: Mapping[str, Path], say: Say) -> Made:
    """Makes a backup in the folder, beside a store that goes on being used.

    ``database`` is as in the settings. ``configuration`` names files that are kept beside, by the name that they get.
    Raises Refused, OSError.
    """
    with _ours(folder, store.packs.folder.parent):
        return await _Backup(store, database, folder, say).make(configuration)


@contextlib.contextmanager
def _ours(folder: Path, data: Path) -> Iterator[None]:
    if folder == data or data in folder.parents:
        raise Refused(f"{folder}: is in the data folder; a backup belongs on another disk, or at least elsewhere")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    if there and not there & {MANIFEST, LOCK}:
        raise Refused(f"{folder}: is not empty, and has no backup in it; choose an empty folder", "conflict")
    try:
        held = lock(folder)
    except Refused:
        raise Refused(f"{folder}: another backup is being made there; wait for its end", "conflict") from None
    try:
        yield
    finally:
        held.release()


class _Backup:
    def __init__(self, store: Store, database: str, folder: Path, say: Say) -> None:
        self._store = store
        self._url = database
        self._background = store.bodies.background
        self._folder = folder
        self._say = say
        self._began = store.clock.now()
        self._held_until = 0
        self._said = False  # that the database cannot be written to
        self._before = manifest.read(folder)
        self._known = {file.path: file for file in self._before.packs} if self._before else {}
        stamp = datetime.fromtimestamp(self._began / SECOND, UTC)
        self._name = f"{stamp:%Y%m%dT%H%M%SZ}-{identifier.show(store.identifiers.next())}"
        self._made = Made(time=iso(self._began))

    async def make(self, configuration: Mapping[str, Path]) -> Made:
        own = self._folder / self._name
        await self._background(partial(self._begin_folder, own))
        await self._hold()
        try:
            made = await self._copy(own, configuration)
        finally:
            await self._note(self._store.run(retention.release))
        await self._background(partial(manifest.write, self._folder, made))
        await self._background(partial(self._tidy_up, made))
        self._made.total = made.size
        self._made.seconds = (self._store.clock.now() - self._began) / SECOND
        return self._made

    def _begin_folder(self, own: Path) -> None:
        self._tidy_up(self._before)
        own.mkdir(mode=0o700)
        (self._folder / PACKS).mkdir(mode=0o700, exist_ok=True)

    async def _copy(self, own: Path, configuration: Mapping[str, Path]) -> Manifest:
        self._say("copying the database")
        exported = await self._background(partial(self._export, own))
        # From here on the copy is older than the store: put back beside today's packs, it shows.
        await self._note(generation.advance(self._store))
        kept = await self._background(partial(self._configuration, own, configuration))
        packs = []
        for pack, last in exported.packs:
            await self._hold()
            copied = await self._pack(pack, last)
            if copied is not None:
                packs.append(copied)
        disk = RealDisk()
        for folder in (own, self._folder / PACKS, self._folder):
            await self._background(partial(disk.sync_folder, folder))
        return Manifest(
            time=self._made.time,
            schema=exported.schema,
            dialect="sqlite" if self._url == SQLITE else "postgresql",
            folder=self._name,
            database=exported.files,
            configuration=tuple(kept),
            packs=tuple(packs),
        )

    def _export(self, own: Path) -> Exported:
        """In a reader's thread, for as long as it takes."""
        if self._url == SQLITE:
            snapshot.copy(self._store.packs.folder.parent / DATABASE, own / DATABASE)
            file = _described(f"{self._name}/{DATABASE}", own / DATABASE)
            exported = Exported(revision(own / DATABASE), (file,), snapshot.packs(own / DATABASE))
        else:
            from mpcontinuity.store.backup import tables  # with psycopg, which most installations do without

            exported = tables.export(self._url, own, self._name)
        self._made.database = sum(file.size for file in exported.files)
        self._made.copied += self._made.database
        return exported

    def _configuration(self, own: Path, configuration: Mapping[str, Path]) -> list[manifest.File]:
        kept = []
        for name, path in configuration.items():
            if path.exists():
                data = path.read_bytes()
                manifest.write_file(own / name, data)
                self._made.copied += len(data)
                kept.append(manifest.File(f"{self._name}/{name}", len(data), crc32c.crc32c(data)))
        return kept

    async def _pack(self, pack: int, last: int) -> manifest.File | None:
        packs = self._store.packs
        path = packs.path(pack)
        name = f"{PACKS}/{path.name}"
        try:
            file, end = await self._background(partial(_end, packs, pack, last))
        except FileNotFoundError:
            self._made.missing.append(path.name)
            return None
        self._made.packs += 1
        begin, crc = await self._background(partial(self._begin, name))
        end = max(begin, end)  # what was named last, and is no longer needed, stays in the backup with its pack
        if begin < end:
            self._say(f"copying {path.name}: {end - begin} octets")
            self._made.packs_copied += 1
            self._made.copied += end - begin
            crc = await self._append(file, self._folder / name, begin, end, crc)
        return manifest.File(name, end, crc)

    def _begin(self, name: str) -> tuple[int, int]:
        """How much of the pack the last backup has, and the checksum of that."""
        known = self._known.get(name)
        if known is None:
            return 0, 0
        try:
            there = (self._folder / name).stat().st_size
        except FileNotFoundError:
            return 0, 0
        return (known.size, known.crc) if there >= known.size else (0, 0)

    async def _append(self, file: File, target: Path, begin: int, end: int, crc: int) -> int:
        """The pack's octets from ``begin`` to ``end``; the checksum of all of it."""
        disk = RealDisk()
        if begin == 0:
            await self._background(partial(_empty, disk, target))
        copy = disk.open(target, writes=True)
        try:
            for start in range(begin, end, PIECE):
                crc = await self._background(partial(_piece, file, copy, start, min(start + PIECE, end), crc))
        finally:
            copy.close()
        return crc

    async def _hold(self) -> None:
        now = self._store.clock.now()
        if self._held_until - now < _HELD - _RENEWED:
            until = now + _HELD
            if await self._note(self._store.run(partial(_hold, until))):
                self._held_until = until

    async def _note(self, writing: Awaitable[object]) -> bool:
        """Whether the database took it. Where its disk is full a backup is wanted most, and is made all the same.

        No pack is emptied then, which takes writes, too; where there is room again, the next pack's turn writes it.
        """
        try:
            await writing
        except Temporary as error:
            if not self._said:
                self._say(f"the database cannot be written to, and is only read: {error}")
            self._said = True
            return False
        return True

    def _tidy_up(self, kept: Manifest | None) -> None:
        """What no manifest names: of backups before, or of one that did not end."""
        named = {Path(file.path).name for file in kept.packs} if kept is not None else set()
        for path in self._folder.iterdir():
            if path.is_dir() and path.name != PACKS and (kept is None or path.name != kept.folder):
                shutil.rmtree(path)
        if kept is None or not (self._folder / PACKS).exists():
            return
        for path in (self._folder / PACKS).iterdir():
            if path.name not in named:
                path.unlink()


def _hold(until: int, tx: Transaction) -> None:
    retention.hold(tx, until)


def _end(packs: Packs, pack: int, last: int) -> tuple[File, int]:
    """The pack, and the end of its entry at ``last``: all before that was synced. Raises FileNotFoundError."""
    file = packs.file(pack)
    entry = layout.read_entry(file, last - HEADER_LENGTH)
    return file, entry.end if entry is not None else file.size()


def _empty(disk: RealDisk, target: Path) -> None:
    target.unlink(missing_ok=True)
    disk.create(target).close()


def _described(name: str, path: Path) -> manifest.File:
    size = path.stat().st_size
    crc = manifest.checksum(path, size)
    assert crc is not None
    return manifest.File(name, size, crc)


def _piece(file: File, copy: File, start: int, stop: int, crc: int) -> int:
    data = file.read(stop - start, start)
    if len(data) < stop - start:
        raise OSError(f"a pack became shorter while it was copied, at {start + len(data)}")
    copy.write(data, start)
    copy.sync()  # in pieces: a sync of a gigabyte at the end would hold up those of mail
    return crc32c.crc32c(data, crc)
