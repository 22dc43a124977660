"""``manifest.json``: what a backup consists of. It is written last; what it does not name is no part of the backup.

DIR/manifest.json
DIR/packs/*.pack             as long as the manifest says; what stands behind is of a later backup that did not end
DIR/20261122T051355Z-…/      database, configuration, certificate and key
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import crc32c
import msgspec

from mpcontinuity.model.errors import Refused
from mpcontinuity.store.disk import RealDisk

MANIFEST = "manifest.json"
PACKS = "packs"
VERSION = 1

PIECE = 4 << 20  # octets read at a time


class File(msgspec.Struct, frozen=True):
    """A file of a backup. ``path`` is relative to its folder; ``crc`` is the CRC-32C of the first ``size`` octets."""

    path: str
    size: int
    crc: int
    columns: tuple[str, ...] = ()  # of a table


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup consists of."""

    version: int = VERSION
    time: str  # ISO 8601, of the snapshot
    schema: str  # Alembic revision
    dialect: str  # sqlite | postgresql
    folder: str  # of the files that belong to this backup alone
    database: tuple[File, ...]  # sqlite: one; postgresql: one per table
    configuration: tuple[File, ...] = ()
    packs: tuple[File, ...] = ()

    @property
    def files(self) -> tuple[File, ...]:
        """Is all files, those of the database first."""
        return (*self.database, *self.configuration, *self.packs)

    @property
    def size(self) -> int:
        """Is the octets of all files."""
        return sum(file.size for file in self.files)


class Exported(msgspec.Struct, frozen=True):
    """A snapshot of a database, as files."""

    schema: str
    files: tuple[File, ...]  # in an order in which they can be loaded: what is referred to comes first
    packs: list[tuple[int, int]]  # those that it names, and where the last message in each begins


_decoder = msgspec.json.Decoder(Manifest)


def read(folder: Path) -> Manifest | None:
    """Returns the manifest in the folder, None where there is none. Raises Refused where it is not to be understood."""
    try:
        text = (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        return None
    try:
        manifest = _decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise Refused(f"{folder / MANIFEST}: is damaged ({error})") from None
    if manifest.version > VERSION:
        raise Refused(f"{folder / MANIFEST}: was written by a newer version of mpcontinuity")
    return manifest


def write(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest, durable before it returns. The one before stays in force until then."""
    new = folder / f"{MANIFEST}.new"
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    write_file(new, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    disk = RealDisk()
    disk.rename(new, folder / MANIFEST)
    disk.sync_folder(folder)


def write_file(path: Path, data: bytes) -> None:
    """Writes a new file, for its owner's eyes, and syncs it."""
    file = RealDisk().create(path)
    try:
        file.write(data, 0)
        file.sync()
    finally:
        file.close()


def checksum(path: Path, size: int) -> int | None:
    """Returns the CRC-32C of the first ``size`` octets; None where there are fewer."""
    crc = left = 0
    left = size
    with path.open("rb", buffering=0) as file:
        while left:
            data = file.read(min(PIECE, left))
            if not data:
                return None
            crc = crc32c.crc32c(data, crc)
            left -= len(data)
    return crc


def sync(path: Path) -> None:
    """Makes a file or folder durable that somebody else wrote."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
