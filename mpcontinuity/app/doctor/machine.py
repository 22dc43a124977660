"""Files and who may read them, the disk, descriptors, the clock."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.app.listening.descriptors import LEAST_ROOM, OWN_FILES, SPARE
from mpcontinuity.model.settings import Settings

_SPACE_WARNING = 2 << 30
_INODES_WARNING = 10_000  # a pack is a file, and so is a large message
_BEHIND = 120.0  # s
_MOST_FILES = 20_000  # looked at: some tenths of a second
_WRITTEN_IN = 1_767_225_600  # 2026: a clock before it was never set


def examine(path: Path, settings: Settings) -> Iterator[Finding]:
    """Gives findings about the machine. ``path`` is that of the configuration file."""
    yield from _configuration(path, settings)
    yield from _files(settings)
    yield from _disk(settings)
    yield _descriptors(settings)
    yield _clock(settings)


def _configuration(path: Path, settings: Settings) -> Iterator[Finding]:
    mode = path.stat().st_mode
    if mode & stat.S_IWOTH:
        yield Finding("configuration", "wrong", f"{path} can be written by everybody", f"chmod o-w {path}")
    secrets = [
        key
        for key, url in (("outbound.route", settings.outbound.route), ("store.database", settings.store.database))
        if urlsplit(url).password
    ]
    if secrets and mode & stat.S_IROTH:
        text = f"{path} has a password in {' and '.join(secrets)}, and everybody can read it"
        yield Finding("configuration", "wrong", text, f"chmod 640 {path}, its group that of the server's user")


def _files(settings: Settings) -> Iterator[Finding]:
    folder = Path(settings.data_dir)
    if not folder.exists():
        yield Finding("data folder", "warning", f"{folder} is not there yet", "run `mpcontinuity init`")
    else:
        yield _private(folder, "data folder", 0o700)
        yield from _kept(folder)
    key = Path(settings.tls.private_key)
    if key.exists():
        yield _private(key, "private key", 0o600)


def _kept(folder: Path) -> Iterator[Finding]:
    """What lies in the data folder: mail and hashes of passwords, which a folder made by others leaves open."""
    looked = 0
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            looked += 1
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # a spool whose message is complete
                continue
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                text = f"{path} is open to others (mode {stat.S_IMODE(mode):o})"
                yield Finding("data folder", "wrong", text, f"chmod -R go-rwx {folder}")
                return
            if looked >= _MOST_FILES:
                yield Finding("data folder", "good", f"the first {looked} files in {folder} are private")
                return
    yield Finding("data folder", "good", f"all {looked} files in {folder} are private")


def _private(path: Path, check: str, mode: int) -> Finding:
    facts = path.stat()
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        now = stat.S_IMODE(facts.st_mode)
        return Finding(check, "wrong", f"{path} is open to others (mode {now:o})", f"chmod {mode:o} {path}")
    if not os.access(path, os.R_OK):
        return Finding(check, "wrong", f"{path} cannot be read", "run this as the user that the server runs as")
    return Finding(check, "good", f"{path} is private")


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = Path(settings.data_dir)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    shown = f"{free / (1 << 30):.1f} GiB" if free >= 1 << 30 else f"{free / (1 << 20):.1f} MiB"
    text = f"{shown} free below {folder}"
    if free < settings.limits.free_space:
        yield Finding("disk", "wrong", text, "make room: new mail is put off, below limits.free_space")
    elif free < _SPACE_WARNING:
        yield Finding("disk", "warning", text, "an outage of some days may need more")
    else:
        yield Finding("disk", "good", text)
    facts = os.statvfs(folder)
    if facts.f_files and facts.f_favail < _INODES_WARNING:
        yield Finding("disk", "warning", f"room for {facts.f_favail} more files below {folder}", "free some inodes")


def _descriptors(settings: Settings) -> Finding:
    """Of this shell; a unit of systemd has a limit of its own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.limits.connections + OWN_FILES + SPARE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        room = max(hard - OWN_FILES - SPARE, LEAST_ROOM)
        text = f"room for {room} connections of {settings.limits.connections}: {hard} files may be open"
        return Finding("open files", "warning", text, f"LimitNOFILE={wanted} in the unit, or ulimit -n")
    return Finding("open files", "good", f"room for {settings.limits.connections} connections")


def _clock(settings: Settings) -> Finding:
    """Ids, expiry and TLS go by it. What was written last must not lie ahead."""
    now = time.time()
    if now < _WRITTEN_IN:
        return Finding(
            "clock", "wrong", f"it is {time.strftime('%Y-%m-%d', time.gmtime(now))}", "set it; run an NTP client"
        )
    folder = Path(settings.data_dir)
    newest = max((each.stat().st_mtime for each in folder.glob("*.sqlite*")), default=0.0)
    if newest > now + _BEHIND:
        text = f"is {newest - now:.0f} s behind what the store was written at last"
        return Finding("clock", "wrong", text, "set it; run an NTP client")
    return Finding("clock", "good", "agrees with the store")
