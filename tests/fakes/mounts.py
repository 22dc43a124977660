"""Small disks: a tmpfs that is full, or has room again, at a word. Only root may mount one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

_ROOMY = 1 << 20  # KiB
_PAGE = 4  # KiB


class SmallDisk:
    """Mounted at ``path`` while its context lasts, for whoever owns the folder. Skips the test where it must not be."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, left: int = 0) -> None:
        """So that not more than ``left`` KiB are free."""
        for _ in range(100):  # somebody may be writing
            status = os.statvfs(self.path)
            used = (status.f_blocks - status.f_bfree) * status.f_frsize // 1024
            if _mount("-o", f"remount,size={max(used + left, _PAGE)}k", str(self.path)) == "":
                return
        raise AssertionError(f"{self.path} cannot be filled")

    def make_room(self) -> None:
        assert _mount("-o", f"remount,size={_ROOMY}k", str(self.path)) == ""

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        refused = _mount("-t", "tmpfs", "-o", f"size={_ROOMY}k,mode=700", "tmpfs", str(self.path))
        if refused:
            pytest.skip(f"a small disk cannot be mounted here: {refused}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(["umount", "--lazy", str(self.path)], check=False)


def _mount(*arguments: str) -> str:
    """What mount says against it; empty where it was done."""
    if os.geteuid() != 0:
        return "not root"
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "no mount command"
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit {done.returncode}"
