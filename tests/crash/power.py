"""Loss of power for a real process: what it had not synced when it was killed is undone, kept or torn.

power.c writes down what the process does to its data folder. Writes really happen, and the page cache survives kill -9,
so `Power.cut` undoes them afterwards, as the simulated disk does (tests/simulation/disk.py): some in any order, some
torn at sectors. The same goes for names of files whose folder was not synced.
"""

from __future__ import annotations

import functools
import os
import random
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.disk import Inode

_RECORD = struct.Struct("<c7x6Q")
_SOURCE = Path(__file__).with_name("power.c")


@functools.cache
def library() -> Path | None:
    """power.c, compiled; None where there is no C compiler, or no headers of libc for it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    path = Path(tempfile.mkdtemp(prefix="mpcontinuity-power-")) / "power.so"
    arguments: list[str | Path] = [compiler, "-shared", "-fPIC", "-O2", "-o", path, _SOURCE, "-ldl", "-lpthread"]
    return path if subprocess.run(arguments, check=False).returncode == 0 else None


@dataclass
class _Record:
    kind: str
    seq: int
    inode: int
    offset: int  # of a write; the new length for a truncation; for a sync: the last `seq` that it covers
    size: int  # of the file before
    old: bytes
    new: bytes


class Power:
    """Of the machine that ``folder`` is on. ``lies``: syncs of files with that in their name are not believed."""

    def __init__(self, folder: Path, chance: random.Random, *, lies: str = "") -> None:
        self._folder = folder
        self._chance = chance
        self._log = folder.with_name(folder.name + ".power")
        compiled = library()
        assert compiled is not None, "no C compiler"
        self.environment = {"LD_PRELOAD": str(compiled), "POWER_FOLDER": str(folder), "POWER_LOG": str(self._log)}
        if lies:
            self.environment["POWER_LIES"] = lies

    def cut(self) -> int:
        """After the process was killed. How many writes were not durable yet."""
        records = list(self._records())
        files: dict[int, list[_Record]] = {}
        for record in records:
            if record.kind in "WT":
                files.setdefault(record.inode, []).append(record)
            elif record.kind == "S":
                kept = [one for one in files.get(record.inode, []) if one.seq > record.offset]
                files[record.inode] = kept
        paths = self._undo_names(records)
        pending = 0
        for inode, writes in files.items():
            if writes and inode in paths:
                pending += len(writes)
                self._lose(paths[inode], writes)
        for path in self._folder.rglob("*-shm"):
            path.unlink()
        self.forget()
        return pending

    def forget(self) -> None:
        """The process ended cleanly, or nothing of its life matters any more."""
        for path in self._log.parent.glob(self._log.name + "*"):
            path.unlink()

    def _lose(self, path: Path, writes: list[_Record]) -> None:
        content = bytearray(path.read_bytes())
        for write in reversed(writes):
            if write.kind == "W":
                content[write.offset : write.offset + len(write.old)] = write.old
                del content[write.size :]
            else:
                del content[write.offset :]
                content.extend(write.old)
            content.extend(bytes(write.size - len(content)))
        disk = Inode(0, bytes(content))
        for write in writes:
            if write.kind == "W":
                disk.write(write.new, write.offset)
            else:
                disk.truncate(write.offset)
        disk.lose_power(self._chance)
        path.write_bytes(disk.durable)

    def _undo_names(self, records: list[_Record]) -> dict[int, Path]:
        """Takes back some of what was done to names since their folder was synced. Where each inode then is."""
        unsynced: dict[Path, list[_Record]] = {}
        for record in records:
            if record.kind in "CUR":
                unsynced.setdefault(Path(os.fsdecode(record.old)).parent, []).append(record)
            elif record.kind == "D":
                for folder, changes in unsynced.items():
                    if folder.exists() and folder.stat().st_ino == record.inode:
                        unsynced[folder] = [one for one in changes if one.seq > record.offset]
        for changes in unsynced.values():
            for change in reversed(changes):
                if self._chance.random() < 0.5:
                    self._undo_name(change)
        return {path.stat().st_ino: path for path in self._folder.rglob("*") if path.is_file()}

    def _undo_name(self, change: _Record) -> None:
        path = Path(os.fsdecode(change.old))
        if change.kind == "C":
            path.unlink(missing_ok=True)
        elif change.kind == "R":
            now = Path(os.fsdecode(change.new))
            if now.exists() and now.stat().st_ino == change.inode:
                now.rename(path)
        elif not path.exists():
            grave = Path(f"{self._log}.{change.inode}")
            if grave.exists():
                os.link(grave, path)

    def _records(self) -> Iterator[_Record]:
        if not self._log.exists():
            return
        with self._log.open("rb") as log:
            while len(head := log.read(_RECORD.size)) == _RECORD.size:
                kind, seq, inode, offset, size, old_length, new_length = _RECORD.unpack(head)
                old, new = log.read(old_length), log.read(new_length)
                if len(old) + len(new) < old_length + new_length:
                    return  # killed while it was written down: it was not done
                yield _Record(kind.decode(), seq, inode, offset, size, old, new)
