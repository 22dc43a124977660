"""A disk that loses power and fills up: what was not synced is dropped, torn or reordered (design 15).

It serves packs (store.disk.Disk) and, through vfs.py, SQLite. Every file is one `Inode`: what the process sees, what
is durable, and the writes in between. Names are durable once their folder is synced.
"""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

from mpcontinuity.store.disk import Mapped
from tests.simulation.world import Life, World

SECTOR = 512  # what a disk writes whole or not at all


class PowerFailure(OSError):
    """The machine is off: what was going on ends here."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, "power failure")


class Inode:
    """``pending``: (offset, data) of writes that are not durable, or (length, None) of truncations."""

    __slots__ = ("durable", "number", "pending", "seen")

    def __init__(self, number: int, content: bytes = b"") -> None:
        self.number = number
        self.seen = bytearray(content)
        self.durable = bytearray(content)
        self.pending: list[tuple[int, bytes | None]] = []

    def write(self, data: bytes, offset: int) -> None:
        _put(self.seen, data, offset)
        self.pending.append((offset, data))

    def truncate(self, length: int) -> None:
        _resize(self.seen, length)
        self.pending.append((length, None))

    def sync(self) -> None:
        for offset, data in self.pending:
            if data is None:
                _resize(self.durable, offset)
            else:
                _put(self.durable, data, offset)
        self.pending.clear()

    def lose_power(self, chance: random.Random) -> None:
        """Some of the pending writes reached the disk, in any order, some of them torn."""
        if not self.pending:
            return
        fate = chance.random()
        pending = self.pending[: chance.randint(0, len(self.pending))] if fate < 0.5 else list(self.pending)
        if fate < 0.25:
            chance.shuffle(pending)
        for offset, data in pending:
            if data is None:
                _resize(self.durable, offset)
            elif chance.random() < 0.5:
                _put(self.durable, data, offset)
            else:
                self._tear(data, offset, chance)
        self.seen = bytearray(self.durable)
        self.pending.clear()

    def _tear(self, data: bytes, offset: int, chance: random.Random) -> None:
        start = 0
        while start < len(data):
            stop = min(len(data), (offset + start) // SECTOR * SECTOR + SECTOR - offset)
            if chance.random() < 0.5:
                _put(self.durable, data[start:stop], offset + start)
            start = stop


def _put(content: bytearray, data: bytes, offset: int) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _resize(content: bytearray, length: int) -> None:
    del content[length:]
    content.extend(bytes(length - len(content)))


class SimulatedFile:
    def __init__(self, disk: SimulatedDisk, inode: Inode) -> None:
        self._disk = disk
        self._inode = inode
        self._life = disk.life

    def read(self, length: int, offset: int) -> bytes:
        self._alive()
        return bytes(self._inode.seen[offset : offset + length])

    def write(self, data: bytes, offset: int) -> None:
        self._alive()
        data, inode = bytes(data), self._inode
        room = self._disk.begin_write(inode, len(data), offset)
        if room < len(data):
            inode.write(data[:room], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        inode.write(data, offset)
        self._disk.end_write()

    def truncate(self, length: int) -> None:
        self._alive()
        self._disk.step("truncate", self._inode.number, length)
        self._inode.truncate(length)

    def sync(self) -> None:
        self._alive()
        self._disk.step("sync", self._inode.number)
        self._inode.sync()

    def size(self) -> int:
        self._alive()
        return len(self._inode.seen)

    def map(self, offset: int, length: int) -> Mapped:
        return self.read(length, offset)

    def close(self) -> None:
        pass

    def _alive(self) -> None:
        if self._life.dead:
            raise PowerFailure


class SimulatedDisk:
    """Power fails by ``fail_after``, and with it ``life``, the process that writes. While ``room`` is a number the disk
    is full after so many octets more.
    """

    def __init__(self, world: World) -> None:
        self.life = Life()
        self.room: int | None = None
        self.refused = 0  # writes for which there was no room
        self.operations = 0
        self._world = world
        self._until_failure = -1
        self._failing = False
        self._inodes = 0
        self._names: dict[str, Inode] = {}
        self._durable: dict[str, Inode] = {}
        self._renamed: list[tuple[str, str | None, Inode | None]] = []  # (name, former name, None: unlinked)

    def fail_after(self, operations: int) -> None:
        """Power fails in the middle of one of the next operations."""
        self._until_failure = operations

    def switch_off(self) -> None:
        self._world.note("power fails")
        self.life.dead = True

    def begin_write(self, inode: Inode, length: int, offset: int) -> int:
        """How many octets of it can be written."""
        self._world.detail("write", inode.number, offset, length)
        self._failing = self._counted()
        if self.room is None:
            return length
        grows = max(offset + length - len(inode.seen), 0)
        if grows <= self.room:
            self.room -= grows
            return length
        self.refused += 1
        written = length - grows + self.room
        self.room = 0
        return max(written, 0)

    def end_write(self) -> None:
        if self._failing:  # in the middle of it: any part of it may have reached the disk
            self.switch_off()
            raise PowerFailure

    def step(self, *what: object) -> None:
        """An operation begins, unless power fails before it."""
        if self.life.dead:
            raise PowerFailure
        self._world.detail(*what)
        if self._counted():
            self.switch_off()
            raise PowerFailure

    def _counted(self) -> bool:
        self.operations += 1
        if self._until_failure > 0:
            self._until_failure -= 1
            return self._until_failure == 0
        return False

    def restart(self, chance: random.Random, life: Life) -> None:
        """The machine comes up again with what its disk has."""
        for name, former, inode in self._renamed:
            if chance.random() < 0.5:
                self._rename(self._durable, name, former, inode)
        self._renamed.clear()
        for inode in {inode.number: inode for inode in (*self._durable.values(), *self._names.values())}.values():
            inode.lose_power(chance)
        self._names = dict(self._durable)
        self.life = life
        self._until_failure = -1

    def hand_over(self, life: Life) -> None:
        """The process has ended and another begins: the machine, and what it has not synced, goes on."""
        self.life.dead = True
        self.life = life
        self._until_failure = -1

    def put(self, name: str, content: bytes) -> None:
        """A file that was always there."""
        self._names[name] = self._durable[name] = self._new(content)

    def inode(self, name: str, *, create: bool = False) -> Inode:
        inode = self._names.get(name)
        if inode is None:
            if not create:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
            self.step("create", name)
            if self.room is not None and self.room <= 0:
                self.refused += 1
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
            inode = self._new()
            self._change(name, None, inode)
        return inode

    def exists(self, name: str) -> bool:
        return name in self._names

    def sync_names(self, folder: str) -> None:
        self.step("sync folder", folder)
        prefix = f"{folder}/"
        for name, former, inode in self._renamed:
            if name.startswith(prefix):
                self._rename(self._durable, name, former, inode)
        self._renamed = [each for each in self._renamed if not each[0].startswith(prefix)]

    def remove(self, name: str) -> None:
        self.step("unlink", name)
        self.inode(name)
        self._change(name, None, None)

    def rename(self, old: str, new: str) -> None:
        self.step("rename", old, new)
        self._change(new, old, self.inode(old))

    def names(self, prefix: str) -> list[str]:
        return sorted(name.removeprefix(prefix) for name in self._names if name.startswith(prefix))

    def octets(self) -> int:
        return sum(len(inode.seen) for inode in self._names.values())

    def _new(self, content: bytes = b"") -> Inode:
        self._inodes += 1
        return Inode(self._inodes, content)

    def _change(self, name: str, former: str | None, inode: Inode | None) -> None:
        self._rename(self._names, name, former, inode)
        self._renamed.append((name, former, inode))

    @staticmethod
    def _rename(names: dict[str, Inode], name: str, former: str | None, inode: Inode | None) -> None:
        if former is not None:
            names.pop(former, None)
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


class Mounted:
    """The disk as one life of the process sees it (store.disk.Disk): what a dead process still does changes nothing."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self._disk = disk
        self._life = disk.life

    def make_folder(self, folder: Path) -> None:
        pass

    def create(self, path: Path) -> SimulatedFile:
        disk = self._alive()
        if disk.exists(str(path)):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        return SimulatedFile(disk, disk.inode(str(path), create=True))

    def open(self, path: Path, *, writes: bool = False) -> SimulatedFile:
        disk = self._alive()
        return SimulatedFile(disk, disk.inode(str(path)))

    def rename(self, old: Path, new: Path) -> None:
        self._alive().rename(str(old), str(new))

    def unlink(self, path: Path) -> None:
        self._alive().remove(str(path))

    def list(self, folder: Path) -> list[str]:
        return self._alive().names(f"{folder}/")

    def sync_folder(self, folder: Path) -> None:
        self._alive().sync_names(str(folder))

    def free(self, folder: Path) -> int:
        room = self._alive().room
        return 1 << 40 if room is None else room

    def _alive(self) -> SimulatedDisk:
        if self._life.dead:
            raise PowerFailure
        return self._disk
