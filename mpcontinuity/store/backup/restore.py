"""Putting a backup back. What comes after is the same as for any older database: mpcontinuity/check/."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.backup import manifest
from mpcontinuity.store.backup.manifest import MANIFEST, Manifest
from mpcontinuity.store.bodies.packs import FOLDER
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.lock import LOCK, lock
from mpcontinuity.store.revision import HEAD
from mpcontinuity.store.sqlite.driver import DATABASE, SQLITE
from mpcontinuity.store.upkeep import generation

_BESIDE = ("", "-wal", "-shm")
_COPY = 4 << 20

Say = Callable[[str], None]


@dataclass(slots=True)
class Restored:
    """What a restore put where."""

    time: str
    database: str
    packs: int = 0
    packs_kept: int = 0  # they were there, and at least as long
    octets: int = 0
    set_aside: list[str] | None = None
    configuration: list[str] | None = None


def verify(folder: Path, say: Say) -> Manifest:
    """Returns the manifest, after every file was read and found as it says. Raises Refused."""
    found = manifest.read(folder)
    if found is None:
        raise Refused(f"{folder}: has no {MANIFEST}: it is no backup, or one whose making did not end")
    if found.schema > HEAD:
        raise Refused(f"{folder}: is of schema {found.schema}, and this version knows {HEAD}: install a newer one")
    say(f"reading the backup of {found.time}: {len(found.files)} files, {found.size} octets")
    for file in found.files:
        try:
            crc = manifest.checksum(folder / file.path, file.size)
        except FileNotFoundError:
            raise Refused(f"{folder / file.path}: is missing; the backup is not whole") from None
        if crc != file.crc:
            what = "is cut short" if crc is None else "does not match its checksum"
            raise Refused(f"{folder / file.path}: {what}; the backup is not whole, nothing was restored")
    return found


def restore(
    folder: Path,
    database: str,
    data: Path,
    configuration: Mapping[str, Path],
    now: int,
    say: Say,
    *,
    force: bool,
) -> Restored:
    """Restores a backup. Nothing that is there is deleted.

    ``database`` is as in the settings; ``configuration`` says where files of the backup go, if nothing is there. With
    ``force`` the present database is set aside, and the present packs stay. Raises Refused, OSError.
    """
    _refuse_other(folder, data, force=force)
    found = verify(folder, say)
    if (found.dialect == SQLITE) != (database == SQLITE):
        raise Refused(f"{folder}: is of a {found.dialect} database, and [store] database names another kind")
    if database != SQLITE:
        from mpcontinuity.store.backup import tables  # with psycopg, which most installations do without

        tables.refuse_other(database, force=force)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = lock(data)
    try:
        stamp = _stamp(data, now)
        done = Restored(found.time, str(data / DATABASE), set_aside=[], configuration=[])
        (data / FOLDER).mkdir(mode=0o700, exist_ok=True)
        # Above any number of a database: those count starts, hours and backups. Where a database is in place, it goes
        # on being the one until it is set aside.
        in_place = force and (database != SQLITE or (data / DATABASE).exists())
        if not in_place:
            generation.outdate(RealDisk(), data / FOLDER, now)
        _packs(folder, data / FOLDER, found, done, stamp, say)
        if in_place:
            generation.outdate(RealDisk(), data / FOLDER, now)
        if database == SQLITE:
            _database(folder, data, found, done, stamp, say)
        else:
            _tables(folder, database, found, done, stamp, say)
        _configuration(folder, found, configuration, done)
        return done
    finally:
        held.release()


def _stamp(data: Path, now: int) -> str:
    """For the names of what is set aside: one that nothing has yet."""
    stamp = f"{datetime.fromtimestamp(now / SECOND, UTC):%Y%m%dT%H%M%SZ}"
    there = [path.name for folder in (data, data / FOLDER) if folder.exists() for path in folder.iterdir()]
    used = sum(stamp in name for name in there)
    return f"{stamp}-{used}" if used else stamp


def _refuse_other(folder: Path, data: Path, *, force: bool) -> None:
    if folder == data or folder in data.parents:
        raise Refused(f"{data}: is in the backup; restore to another folder")
    there = {path.name for path in data.iterdir()} if data.exists() else set()
    if there - {LOCK} and not force:
        raise Refused(
            f"{data}: is not empty; restore into another folder",
            "conflict",
            Hint("restore", "sets its database aside and takes in what only its packs know", {"force": True}),
        )


def _packs(folder: Path, target: Path, found: Manifest, done: Restored, stamp: str, say: Say) -> None:
    for file in found.packs:
        path = target / Path(file.path).name
        done.packs += 1
        with contextlib.suppress(FileNotFoundError):
            if manifest.checksum(path, file.size) == file.crc:
                done.packs_kept += 1
                continue
            aside = path.with_name(f"{path.name}.damaged-{stamp}")
            path.rename(aside)
            assert done.set_aside is not None
            done.set_aside.append(str(aside))
        say(f"restoring {path.name}: {file.size} octets")
        _copy(folder / file.path, path, file.size)
        done.octets += file.size
    RealDisk().sync_folder(target)


def _database(folder: Path, data: Path, found: Manifest, done: Restored, stamp: str, say: Say) -> None:
    say("restoring the database")
    [file] = found.database
    new = data / f"{DATABASE}.restored"
    new.unlink(missing_ok=True)
    _copy(folder / file.path, new, file.size)
    for beside in _BESIDE:
        there = data / (DATABASE + beside)
        if there.exists():
            aside = data / f"{DATABASE}.before-restore-{stamp}{beside}"
            there.rename(aside)
            assert done.set_aside is not None
            done.set_aside.append(str(aside))
    new.rename(data / DATABASE)
    done.octets += file.size
    RealDisk().sync_folder(data)


def _tables(folder: Path, url: str, found: Manifest, done: Restored, stamp: str, say: Say) -> None:
    from mpcontinuity.store.backup import tables
    from mpcontinuity.store.postgresql.url import shown

    done.database = shown(url)
    aside = tables.load(url, folder, found.database, found.schema, f"before_restore_{stamp.lower()}", say)
    done.octets += sum(file.size for file in found.database)
    if aside and done.set_aside is not None:
        done.set_aside.append(f"{done.database}, schema {aside}")


def _configuration(folder: Path, found: Manifest, wanted: Mapping[str, Path], done: Restored) -> None:
    for file in found.configuration:
        path = wanted.get(Path(file.path).name)
        if path is None or path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy(folder / file.path, path, file.size)
        assert done.configuration is not None
        done.configuration.append(str(path))


def _copy(source: Path, target: Path, size: int) -> None:
    """The first ``size`` octets, durable, for its owner's eyes."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as file, os.fdopen(descriptor, "wb") as copy:
        shutil.copyfileobj(file, copy, _COPY)
        copy.truncate(size)
        copy.flush()
        os.fsync(copy.fileno())
