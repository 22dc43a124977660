"""Disks for tests: one that tells what is done to it and fails on order."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from mpcontinuity.store.disk import Disk, File, Mapped, RealDisk


class HookedFile:
    def __init__(self, file: File, name: str, hook: Callable[[str, str], None]) -> None:
        self._file = file
        self._name = name
        self._hook = hook

    def read(self, length: int, offset: int) -> bytes:
        return self._file.read(length, offset)

    def write(self, data: bytes, offset: int) -> None:
        self._hook("write", self._name)
        self._file.write(data, offset)

    def truncate(self, length: int) -> None:
        self._hook("truncate", self._name)
        self._file.truncate(length)

    def sync(self) -> None:
        self._hook("sync", self._name)
        self._file.sync()

    def size(self) -> int:
        return self._file.size()

    def map(self, offset: int, length: int) -> Mapped:
        return self._file.map(offset, length)

    def close(self) -> None:
        self._file.close()


class HookedDisk:
    """The real disk, with ``hook(operation, name)`` called before each operation that writes; it may raise OSError."""

    def __init__(self, hook: Callable[[str, str], None], disk: Disk | None = None) -> None:
        self._hook = hook
        self._disk = disk or RealDisk()
        self.free_octets: int | None = None  # what `free` says instead of the truth

    def make_folder(self, folder: Path) -> None:
        self._disk.make_folder(folder)

    def create(self, path: Path) -> File:
        self._hook("create", path.name)
        return HookedFile(self._disk.create(path), path.name, self._hook)

    def open(self, path: Path, *, writes: bool = False) -> File:
        return HookedFile(self._disk.open(path, writes=writes), path.name, self._hook)

    def rename(self, old: Path, new: Path) -> None:
        self._hook("rename", new.name)
        self._disk.rename(old, new)

    def unlink(self, path: Path) -> None:
        self._hook("unlink", path.name)
        self._disk.unlink(path)

    def list(self, folder: Path) -> list[str]:
        return self._disk.list(folder)

    def sync_folder(self, folder: Path) -> None:
        self._hook("sync folder", folder.name)
        self._disk.sync_folder(folder)

    def free(self, folder: Path) -> int:
        return self._disk.free(folder) if self.free_octets is None else self.free_octets


class FullDisk(HookedDisk):
    """A disk that has no room while ``full`` is set."""

    def __init__(self) -> None:
        super().__init__(self._refuse)
        self.full = False

    def _refuse(self, operation: str, name: str) -> None:
        if self.full and operation in ("create", "write"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
