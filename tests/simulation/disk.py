"""A disk that loses power: what was not synced is dropped, torn or reordered (design 15).

It serves packs (store.disk.Disk) and, through vfs.py, SQLite. Every file is one `Inode`: what the process sees, what
is durable, and the writes in between.
"""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

from mpcontinuity.store.disk import Mapped

SECTOR = 512  # what a disk writes whole or not at all


class PowerFailure(OSError):
    """The machine is off: what was going on ends here."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, "power failure")


class Inode:
    def __init__(self, content: bytes = b"") -> None:
        self.seen = bytearray(content)
        self.durable = bytearray(content)
        self.pending: list[tuple[int, bytes | None]] = []  # (offset, data), or (length, None) for a truncation

    def write(self, data: bytes, offset: int) -> None:
        _put(self.seen, data, offset)
        self.pending.append((offset, bytes(data)))

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
    def __init__(self, disk: SimulatedDisk, inode: Inode, *, lies: bool = False) -> None:
        self._disk = disk
        self._inode = inode
        self._lies = lies
        self._life = disk.life

    def read(self, length: int, offset: int) -> bytes:
        self._alive()
        return bytes(self._inode.seen[offset : offset + length])

    def write(self, data: bytes, offset: int) -> None:
        self._alive()
        if self._disk.fails_now():  # power fails in the middle of it: any part of it may have reached the disk
            self._inode.write(data, offset)
            self._disk.switch_off()
        self._inode.write(data, offset)

    def truncate(self, length: int) -> None:
        self._alive()
        self._disk.step()
        self._inode.truncate(length)

    def sync(self) -> None:
        self._alive()
        self._disk.step()
        if not self._lies:
            self._inode.sync()

    def size(self) -> int:
        self._alive()
        return len(self._inode.seen)

    def map(self, offset: int, length: int) -> Mapped:
        return self.read(length, offset)

    def close(self) -> None:
        pass

    def _alive(self) -> None:
        if self._life != self._disk.life or self._disk.off:
            raise PowerFailure


class SimulatedDisk:
    """``lies`` plants a bug: a sync of a pack that returns before anything is durable."""

    def __init__(self, chance: random.Random, *, lies: bool = False) -> None:
        self._chance = chance
        self.lies = lies
        self.life = 0
        self.off = False
        self._until_failure = -1
        self._names: dict[str, Inode] = {}
        self._durable: dict[str, Inode] = {}
        self._renamed: list[tuple[str, str | None, Inode | None]] = []  # (name, former name, None: unlinked)

    def fail_after(self, operations: int) -> None:
        """Power fails in the middle of one of the next operations."""
        self._until_failure = operations

    def fails_now(self) -> bool:
        if self._until_failure > 0:
            self._until_failure -= 1
            return self._until_failure == 0
        return False

    def step(self) -> None:
        if self.off:
            raise PowerFailure
        if self.fails_now():
            self.switch_off()

    def switch_off(self) -> None:
        self.off = True
        raise PowerFailure

    def restart(self) -> None:
        """The machine comes up again with what its disk has."""
        for name, former, inode in self._renamed:
            if self._chance.random() < 0.5:
                self._rename(self._durable, name, former, inode)
        self._renamed.clear()
        for inode in {id(inode): inode for inode in (*self._durable.values(), *self._names.values())}.values():
            inode.lose_power(self._chance)
        self._names = dict(self._durable)
        self.life += 1
        self.off = False
        self._until_failure = -1

    def put(self, name: str, content: bytes) -> None:
        """A file that was always there."""
        self._names[name] = self._durable[name] = Inode(content)

    def inode(self, name: str, *, create: bool = False) -> Inode:
        inode = self._names.get(name)
        if inode is None:
            if not create:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
            self.step()
            inode = Inode()
            self._change(name, None, inode)
        return inode

    def exists(self, name: str) -> bool:
        return name in self._names

    def sync_names(self) -> None:
        self.step()
        self._durable = dict(self._names)
        self._renamed.clear()

    def remove(self, name: str) -> None:
        self.step()
        self.inode(name)
        self._change(name, None, None)

    def rename(self, old: str, new: str) -> None:
        self.step()
        self._change(new, old, self.inode(old))

    def names(self, prefix: str) -> list[str]:
        return sorted(name.removeprefix(prefix) for name in self._names if name.startswith(prefix))

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
        return SimulatedFile(disk, disk.inode(str(path), create=True), lies=disk.lies)

    def open(self, path: Path, *, writes: bool = False) -> SimulatedFile:
        disk = self._alive()
        return SimulatedFile(disk, disk.inode(str(path)), lies=disk.lies)

    def rename(self, old: Path, new: Path) -> None:
        self._alive().rename(str(old), str(new))

    def unlink(self, path: Path) -> None:
        self._alive().remove(str(path))

    def list(self, folder: Path) -> list[str]:
        return self._alive().names(f"{folder}/")

    def sync_folder(self, folder: Path) -> None:
        self._alive().sync_names()

    def free(self, folder: Path) -> int:
        return 1 << 40

    def _alive(self) -> SimulatedDisk:
        if self._life != self._disk.life or self._disk.off:
            raise PowerFailure
        return self._disk
