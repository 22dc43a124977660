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
    """The error as the store's callers know it."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return (Full if full else Temporary)(f"{what}: {error}")


class File(Protocol):
    """An open file; offsets are explicit, so that readers and the appender may share it."""

    def read(self, length: int, offset: int) -> bytes:
        """That piece, shorter at the end of the file."""
        ...

    def write(self, data: bytes, offset: int) -> None:
        """All of ``data``, or an OSError (some of it may then be there)."""
        ...

    def truncate(self, length: int) -> None: ...

    def sync(self) -> None:
        """Returns when content and length are durable."""
        ...

    def size(self) -> int: ...

    def map(self, offset: int, length: int) -> Mapped:
        """That piece without reading it first; ``offset`` is a multiple of 4096."""
        ...

    def close(self) -> None: ...


class Disk(Protocol):
    def make_folder(self, folder: Path) -> None: ...

    def create(self, path: Path) -> File:
        """A new file to write and read; its name is durable after ``sync_folder``."""
        ...

    def open(self, path: Path, *, writes: bool = False) -> File: ...

    def rename(self, old: Path, new: Path) -> None: ...

    def unlink(self, path: Path) -> None: ...

    def list(self, folder: Path) -> list[str]: ...

    def sync_folder(self, folder: Path) -> None: ...

    def free(self, folder: Path) -> int:
        """Octets that we may still fill."""
        ...


class RealFile:
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
