"""Whether the database is as new as the packs beside it.

A number in the database (`meta`) rises at every start, every hour and with every backup; a file beside the packs
follows it. A file with a higher number than the database shows that the database is an older copy (a backup put back, a
snapshot of the file system), or a new one in the place of one that is lost: UIDs and ids were handed out that it does
not know, and packs hold messages that it does not list. Such a store does not serve before `check --repair`.
"""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store import meta
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.disk import Disk
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

FILE = "generation"  # in the folder of packs
_NEW = "generation.new"

IN_DATABASE = "SELECT value FROM meta WHERE key = 'generation'"
_KEY = "generation"


async def begin(store: Store) -> None:
    """Raises the number before a server serves. Raises Refused where the database is older than the packs."""
    if await older(store):
        raise Refused(
            "the database is older than the message packs beside it: a backup was put back, or it was lost, or a "
            "restore was interrupted, which is to be done again",
            "conflict",
            Hint("check", "takes into it what the packs know", {"repair": True}),
        )
    await advance(store)


async def older(store: Store) -> bool:
    """Returns whether the packs know of a newer database than this one."""
    number = await store.bodies.background(partial(beside, store.packs))  # first: another process may raise both
    return number > await store.read(known)


async def advance(store: Store, least: int = 0) -> int:
    """Raises the number above ``least``, so that an earlier copy of the database is an older one, and returns it."""
    number = await store.run(partial(_raise, least))
    await store.bodies.background(partial(_write, store.packs, number))
    return number


def known(tx: Transaction) -> int:
    """Returns the number in the database; 0 where there is none."""
    return meta.number(tx, _KEY)


def _raise(least: int, tx: Transaction) -> int:
    return meta.raise_number(tx, _KEY, least=least)


def beside(packs: Packs) -> int:
    """Returns the number in the file beside the packs; 0 where there is none."""
    return in_file(packs.disk, packs.folder)


def outdate(disk: Disk, folder: Path, number: int) -> None:
    """Makes what stands beside these packs an older database: a restore begins, and may be interrupted.

    ``number`` is above what the database of the backup can have.
    """
    _replace(disk, folder, max(in_file(disk, folder) + 1, number))


def in_file(disk: Disk, folder: Path) -> int:
    """Returns the number beside the packs in that folder; 0 where there is none."""
    try:
        file = disk.open(folder / FILE)
        return int(file.read(32, 0).strip() or b"0")
    except (FileNotFoundError, ValueError):
        return 0


def _write(packs: Packs, number: int) -> None:
    """After the commit: a crash in between leaves a file that says too little, which does no harm."""
    if beside(packs) >= number:  # another process was faster
        return
    _replace(packs.disk, packs.folder, number)


def _replace(disk: Disk, folder: Path, number: int) -> None:
    new = folder / _NEW
    with contextlib.suppress(FileNotFoundError):
        disk.unlink(new)
    file = disk.create(new)
    try:
        file.write(b"%d\n" % number, 0)
        file.sync()
    finally:
        file.close()
    disk.rename(new, folder / FILE)
    disk.sync_folder(folder)
