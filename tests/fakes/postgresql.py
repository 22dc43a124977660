"""A PostgreSQL server of the test run, from Debian's binaries: started when it is first needed, gone at the end.

It runs on a Unix socket in a folder of its own, in memory where there is room, and as an unprivileged user where the
tests run as root. However the run ends, the server does: a watcher stops it when the process that started it is gone.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

import psycopg
import pytest

from mpcontinuity.store.postgresql.upgrade import migrate
from mpcontinuity.store.schema.tables import metadata

_USERS = ("postgres", "nobody")
_ROOM = 2 << 30  # octets in /dev/shm

# Nothing of a test run has to survive a crash of the machine.
_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SETTINGS = (
    "listen_addresses=",
    "max_connections=300",
    "shared_buffers=64MB",
    "autovacuum_naptime=20",
    "max_pred_locks_per_transaction=256",
    "log_min_messages=fatal",
)

# Waits for the end of its standard input, that is of the process that holds the other end, then stops the server.
_WATCHER = """
import os, shutil, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.stdin.read()
folder, kept = sys.argv[1:]
try:
    postmaster = int(open(os.path.join(folder, "data", "postmaster.pid")).readline())
    os.kill(postmaster, signal.SIGINT if kept else signal.SIGQUIT)
    while kept:
        os.kill(postmaster, 0)
        time.sleep(0.05)
except (OSError, ValueError):
    pass
if not kept:
    shutil.rmtree(folder, ignore_errors=True)
"""


def binaries() -> Path | None:
    """The newest version that is installed: Debian keeps it out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


class Cluster:
    """One server. ``durable``: with fsync, as in production. A ``folder`` that is given stays, with what is in it."""

    def __init__(self, *, durable: bool = False, folder: Path | None = None) -> None:
        bin_ = binaries()
        if bin_ is None:
            pytest.skip("no PostgreSQL: its server binaries (Debian: postgresql) are not installed")
        self._bin = bin_
        self._names = count(1)
        self._template = ""
        self._free: list[str] = []
        self._emptying: dict[str, psycopg.Connection[tuple[object, ...]]] = {}  # by the URL
        if folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="mpcontinuity-pg-", dir=None if durable else _memory()))
        else:
            self.folder = folder
            folder.mkdir(parents=True, exist_ok=True)
        self._settings = (*_SETTINGS, *(() if durable else _NOT_DURABLE))
        self._user = _unprivileged()
        if self._user:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, pwd.getpwnam(self._user).pw_gid)
        self.folder.chmod(0o755)
        self._watcher = subprocess.Popen(
            [sys.executable, "-c", _WATCHER, str(self.folder), "kept" if folder else ""],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(self.stop)
        if not (self.folder / "data" / "PG_VERSION").exists():
            self._initialise()
        self.start()

    def _initialise(self) -> None:
        self._run(
            "initdb", "-D", "data", "-U", "mpcontinuity", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"
        )

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in (*self._settings, f"unix_socket_directories={self.folder}"))
        self._run("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", options, "start")

    def shut_down(self, mode: str = "fast") -> None:
        """``immediate`` is a crash."""
        self._run("pg_ctl", "-D", "data", "-w", "-m", mode, "stop")

    def restart(self, mode: str = "fast") -> None:
        self.shut_down(mode)
        self.start()

    def freeze(self) -> None:
        """The server answers nobody, as if the network were cut."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://mpcontinuity@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(self.folder), user="mpcontinuity", dbname=database, autocommit=True)

    def fresh_database(self) -> str:
        """The URL of an empty one, with the schema."""
        if self._free:
            return self._free.pop()
        if not self._template:
            self._template = self.bare_database()
            migrate(self.url(self._template))
        return self.url(self._create(self._template))

    def bare_database(self) -> str:
        """The name of one without anything."""
        return self._create("template0")

    def drop(self, url: str) -> None:
        """With the connections that it still has."""
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name(url)}" WITH (FORCE)'.encode())

    def give_back(self, url: str) -> None:
        """Emptied for the next who wants a fresh one, which is faster by far than to copy and drop databases."""
        try:
            self._empty(url)
        except psycopg.OperationalError:  # somebody ended our connection, or the server, since the last time
            self._emptying.pop(url).close()
            self._empty(url)
        self._free.append(url)

    def _empty(self, url: str) -> None:
        """By a connection that is kept: a new one costs more than all else, as it has to learn of each table."""
        connection = self._emptying.get(url)
        if connection is None:
            connection = self._emptying[url] = self.connect(name(url))
            connection.execute("SET session_replication_role = replica")  # in any order
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"  # waits until it has gone
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        emptying = [f"DELETE FROM {table.name}" for table in metadata.sorted_tables if table.name != "pack"]
        connection.execute("; ".join([*emptying, "DELETE FROM pack WHERE id > 0"]).encode())

    def dump(self, database: str) -> str:
        """What pg_dump makes of it."""
        done = self._run("pg_dump", "-h", str(self.folder), "-U", "mpcontinuity", "--no-owner", "--inserts", database)
        return done.stdout

    def stop(self) -> None:
        while self._emptying:
            self._emptying.popitem()[1].close()
        if self._watcher.poll() is None:
            assert self._watcher.stdin is not None
            self._watcher.stdin.close()
            self._watcher.wait(timeout=20)

    def _create(self, template: str) -> str:
        name = f"t{next(self._names)}"
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return name

    def _signal(self, number: signal.Signals) -> None:
        """To all processes of the server."""
        postmaster = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for process in (postmaster, *map(int, children)):
            os.kill(process, number)

    def _run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(self._bin / command), *arguments],
            cwd=self.folder,
            user=self._user,
            group=self._user and pwd.getpwnam(self._user).pw_gid,
            extra_groups=[] if self._user else None,
            stdout=subprocess.PIPE if command == "pg_dump" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if command != "pg_ctl" else subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}: {done.stderr or (self.folder / 'log').read_text()}"
        return done


@functools.cache
def cluster() -> Cluster:
    """The one that tests share."""
    begun = time.monotonic()
    shared = Cluster()
    print(f"PostgreSQL started in {time.monotonic() - begun:.1f} s")
    return shared


def fresh_database() -> str:
    """The URL of an empty database with the schema, on the shared cluster."""
    return cluster().fresh_database()


def name(url: str) -> str:
    """Of the database."""
    return url.partition("://")[2].partition("/")[2].partition("?")[0]


def _memory() -> str | None:
    shm = Path("/dev/shm")
    return str(shm) if shm.is_dir() and os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > _ROOM else None


def _unprivileged() -> str | None:
    """PostgreSQL will not run as root."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("no PostgreSQL: it does not run as root, and there is no other user")
