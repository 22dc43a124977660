"""Several nodes with messages in files: whether our folder of packs is that of the others.

A file in the folder has the number that the database has in `meta`. Without it a folder that is not shared would be
noticed by users only: some of their messages could not be read.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial

from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Refused
from mpcontinuity.store import meta, nodes
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

FILE = "folder"  # in the folder of packs
_NEW = "folder.new"
_KEY = "packs"  # in meta
_PATIENCE = 3.0  # s

_PACKS = Statement("SELECT id FROM pack WHERE id > 0 AND gone = 0 ORDER BY id DESC LIMIT 3")


async def begin(store: Store, messages: str) -> None:
    """Sees to it that the folder of packs is that of the other nodes, before a server serves.

    Raises Refused where it is another one.
    """
    if store.election.alone:
        return
    packs = [row[0] for row in await store.read(lambda tx: tx.all(_PACKS))]
    if messages == "database" and not packs:
        return  # no node needs a folder
    number = identifier.show(store.identifiers.next())
    found = await store.bodies.background(partial(_read, store.packs))
    known = await store.run(partial(_claim, found or number))
    if known == number:  # ours is the first node
        await store.bodies.background(partial(_write, store.packs, number))
        return
    if known == (found or await store.bodies.background(partial(_wait_for, store.packs))):
        return
    there = set(await store.bodies.background(store.packs.numbers))
    restored = packs and there.issuperset(packs)
    if found or not (restored or (not packs and await _nobody_else(store))):
        hint = "" if messages == "files" else " (some messages are in that folder still)"
        raise Refused(
            f"{store.packs.folder} is not the folder that messages of this database are in{hint}: share that folder "
            'between all servers (data_dir on a shared file system), or set [store] messages = "database"',
            "conflict",
        )
    await store.bodies.background(partial(_write, store.packs, known))


async def _nobody_else(store: Store) -> bool:
    return await store.nodes.living(await store.read(nodes.everybody)) == {store.nodes.us}


def _claim(number: str, tx: Transaction) -> str:
    """The number that the database has: this one, unless it had one."""
    return meta.put_new(tx, _KEY, number)


def _read(packs: Packs) -> str:
    try:
        return packs.disk.open(packs.folder / FILE).read(64, 0).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return ""


def _wait_for(packs: Packs) -> str:
    """Another node was the first a moment ago, perhaps."""
    until = time.monotonic() + _PATIENCE
    while not (found := _read(packs)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _write(packs: Packs, number: str) -> None:
    disk, new = packs.disk, packs.folder / _NEW
    with contextlib.suppress(FileNotFoundError):
        disk.unlink(new)
    file = disk.create(new)
    try:
        file.write(f"{number}\n".encode(), 0)
        file.sync()
    finally:
        file.close()
    disk.rename(new, packs.folder / FILE)
    disk.sync_folder(packs.folder)
