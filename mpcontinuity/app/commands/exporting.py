"""Writes exported messages into a file: mbox, Maildir or zip. What is not complete has another name."""

from __future__ import annotations

import os
import shutil
import zipfile
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Protocol

from mpcontinuity.app.commands import output
from mpcontinuity.message import mbox
from mpcontinuity.model.errors import Refused

PART = ".part"  # behind the name of what is being written
_IN_MEMORY = 1 << 20  # octets of one message; a larger one is spooled to the disk
_EVERY = 500  # messages


class Format(Protocol):
    """A kind of file, which is written message by message."""

    def add(self, row: Mapping[str, Any], content: IO[bytes]) -> None:
        """Adds a message, the next in the order of time."""
        ...

    def close(self) -> None:
        """Makes the file durable, and gives it its name."""
        ...

    def abandon(self) -> None:
        """Removes what was written."""
        ...


class Export:
    """Takes what the operation says, and gives each whole message to a format."""

    def __init__(self, format_: Format) -> None:
        self._format = format_
        self._spool = _spool()
        self._found = self._done = 0

    def take(self, said: Mapping[str, Any]) -> None:
        """Takes one piece of progress (control/exporting.py)."""
        if "data" in said:
            self._spool.write(b64decode(said["data"]))
        elif "found" in said:
            self._found = said["found"]
        else:
            if "message" in said:
                self._spool.seek(0)
                self._format.add(said["message"], self._spool)
            else:
                output.say(f"mpcontinuity: {said['damaged']['id']} is damaged, and left out", err=True)
            self._spool.close()
            self._spool = _spool()
            self._done += 1
            if self._done % _EVERY == 0:
                output.say(f"{self._done} of {self._found}", err=True)

    def end(self) -> None:
        """Drops what was begun of a message."""
        self._spool.close()


def _spool() -> IO[bytes]:
    return SpooledTemporaryFile(max_size=_IN_MEMORY)


class Mbox:
    """One file in the format mboxrd: lines that begin with From are quoted so that it can be undone (RFC 4155)."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = _new(path)
        self._file = _create(self._part)

    def add(self, row: Mapping[str, Any], content: IO[bytes]) -> None:
        """Lines end with LF, as everywhere on the systems that read this format."""
        self._file.writelines(mbox.separated(row["sender"], row["time"], content))

    def close(self) -> None:
        _finish(self._file)
        self._part.rename(self._path)
        _sync(self._path.parent)

    def abandon(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


class Maildir:
    """A folder of files, one for each message. Lines end with LF."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = _new(path)
        for name in ("tmp", "new", "cur"):
            (self._part / name).mkdir(mode=0o700, parents=True)

    def add(self, row: Mapping[str, Any], content: IO[bytes]) -> None:
        seconds = int(datetime.fromisoformat(row["time"]).timestamp())
        name = f"{seconds}.{row['id']}.mpcontinuity"
        file = _create(self._part / "tmp" / name)
        for lines in mbox.unix_lines(content):
            file.write(lines)
        _finish(file)
        os.utime(self._part / "tmp" / name, (seconds, seconds))
        (self._part / "tmp" / name).rename(self._part / "new" / name)

    def close(self) -> None:
        _sync(self._part / "new")
        self._part.rename(self._path)
        _sync(self._path.parent)

    def abandon(self) -> None:
        shutil.rmtree(self._part, ignore_errors=True)


class Zip:
    """A zip with a file .eml for each message, octet by octet as it is stored."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = _new(path)
        self._file = _create(self._part)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)

    def add(self, row: Mapping[str, Any], content: IO[bytes]) -> None:
        time = datetime.fromisoformat(row["time"]).astimezone(UTC)
        name = f"{time:%Y-%m-%dT%H%M%SZ}-{row['id']}.eml"
        info = zipfile.ZipInfo(name, (max(time.year, 1980), time.month, time.day, time.hour, time.minute, time.second))
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as entry:
            shutil.copyfileobj(content, entry)

    def close(self) -> None:
        self._zip.close()
        _finish(self._file)
        self._part.rename(self._path)
        _sync(self._path.parent)

    def abandon(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


FORMATS: Mapping[str, Callable[[Path], Format]] = {"mbox": Mbox, "maildir": Maildir, "zip": Zip}


def _new(path: Path) -> tuple[Path, Path]:
    """The path, and that of what is being written. Raises Refused where one of them is there."""
    part = path.with_name(path.name + PART)
    if os.path.lexists(path):
        raise Refused(f"{path}: exists; choose another name", "conflict")
    if os.path.lexists(part):
        raise Refused(f"{part}: is left of an export that was cut off; remove it", "conflict")
    return path, part


def _create(path: Path) -> IO[bytes]:
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "r+b")


def _finish(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
