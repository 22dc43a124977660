"""The file system as an argument: everything that is done to packs goes through it (design 15)."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Protocol

from mpcontinuity.model.errors import Full, Temporary

Mapped = bytes | mmap.mmap


def temporary(error: Exception, what: str) -> Temporary:
    """Returns the error as the store's callers know it: Full where the disk is full, else Temporary."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return (Full if full else Temporary)(f"{what}: {error}")


class File(Protocol):
    """An open file; offsets are explicit, so that readers and the appender may share it."""

    def read(self, length: int, offset: int) -> bytes:
        """Returns the octets from ``offset`` on; fewer than ``length`` at the end of the file."""
        ...

    def write(self, data: bytes, offset: int) -> None:
        """Writes all of ``data``, or raises OSError, and then some of it may be there."""
        ...

    def truncate(self, length: int) -> None:
        """Cuts the file at ``length`` octets."""
        ...

    def sync(self) -> None:
        """Returns when content and length are durable."""
        ...

    def size(self) -> int:
        """Returns the number of octets."""
        ...

    def map(self, offset: int, length: int) -> Mapped:
        """Maps that piece into memory without reading it first. ``offset`` is a multiple of 4096."""
        ...

    def close(self) -> None:
        """Closes the file. It may be called again."""
        ...


class Disk(Protocol):
    """The file system: folders, and files in them. What fails raises OSError."""

    def make_folder(self, folder: Path) -> None:
        """Makes the folder and those above it, as far as they are missing; only its owner may look into it."""
        ...

    def create(self, path: Path) -> File:
        """Makes a new file to be written and read. Its name is durable after ``sync_folder``."""
        ...

    def open(self, path: Path, *, writes: bool = False) -> File:
        """Opens a file that is there, to be read or also written."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Gives a file another name, in place of any that has it."""
        ...

    def unlink(self, path: Path) -> None:
        """Removes a file. Whoever has it open reads on."""
        ...

    def list(self, folder: Path) -> list[str]:
        """Returns the names in a folder, sorted."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Returns when the names in the folder are durable."""
        ...

    def free(self, folder: Path) -> int:
        """Returns the octets that we may still fill."""
        ...


class RealFile:
    """A file of the operating system."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, length: int, offset: int) -> bytes:
        return os.pread(self._descriptor, length, offset)

    def write(self, data: bytes, offset: int) -> None:
        written = os.pwrite(self._descriptor, data, offset)
        while written < len(data):  # the disk fills up: the next call says so
            written += os.pwrite(self._descriptor, memoryview(data)[written:], offset + written)

    def truncate(self, length: int) -> None:
        os.ftruncate(self._descriptor, length)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def map(self, offset: int, length: int) -> Mapped:
        return mmap.mmap(self._descriptor, length, prot=mmap.PROT_READ, offset=offset)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()


class RealDisk:
    """The file system of the operating system."""

    def make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def create(self, path: Path) -> File:
        return RealFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def open(self, path: Path, *, writes: bool = False) -> File:
        return RealFile(os.open(path, (os.O_RDWR if writes else os.O_RDONLY) | os.O_CLOEXEC))

    def rename(self, old: Path, new: Path) -> None:
        os.rename(old, new)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def list(self, folder: Path) -> list[str]:
        return sorted(os.listdir(folder))

    def sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free(self, folder: Path) -> int:
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize
