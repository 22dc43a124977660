"""Two servers on one PostgreSQL, with messages in the database: what a load balancer in front of them would see."""

from __future__ import annotations

import copy
import imaplib
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mpcontinuity.store.postgresql.listener import advisory
from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.fakes.postgresql import Cluster, name
from tests.fakes.proxy import Proxy
from tests.journeys.world import CONFIGURATION, World

_PATIENCE = 40.0  # s, for two of them to start at a time


class Nodes:
    """A context manager: the servers. ``through``: their connections to the database can be cut."""

    def __init__(self, folder: Path, cluster: Cluster, *, through: bool = False, configuration: str = "") -> None:
        self.cluster = cluster
        self.database = name(cluster.fresh_database())
        self._stack = ExitStack()
        self.proxy: Proxy | None = None
        if through:
            self.proxy = self._stack.enter_context(Proxy(cluster.folder / ".s.PGSQL.5432"))
        for number in (1, 2):  # by their roles pg_stat_activity tells them apart
            self.sql(f"DO $$ BEGIN CREATE ROLE node{number} SUPERUSER LOGIN; EXCEPTION WHEN OTHERS THEN NULL; END $$")
        self.servers = [self._server(folder / f"node{number}", number, configuration) for number in (1, 2)]

    def __enter__(self) -> Self:
        for server in self.servers:
            self._stack.callback(_stop, server)
        with ThreadPoolExecutor(2) as starts:
            list(starts.map(partial(Server.start, within=_PATIENCE), self.servers))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, tb)
        self.cluster.drop(self.cluster.url(self.database))

    def _server(self, folder: Path, number: int, configuration: str) -> Server:
        folder.mkdir()
        url = self.cluster.url(self.database).replace("mpcontinuity@", f"node{number}@")
        if self.proxy is not None:
            url = f"postgresql+psycopg://node{number}@127.0.0.1:{self.proxy.port}/{self.database}"
        store = f'[store]\ndatabase = "{url}"\nmessages = "database"\n'
        return Server(folder, f"{configuration or CONFIGURATION}\n{store}")

    def sql(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.cluster.connect(self.database) as connection:
            cursor = connection.execute(text.encode(), parameters)
            return list(cursor.fetchall()) if cursor.description else []


def _stop(server: Server) -> None:
    if server.running:
        server.stop()


class Pair:
    """A new domain on the servers: ``one`` and ``other`` are the same world, seen through one of them."""

    def __init__(self, nodes: Nodes, home: ScriptedHome) -> None:
        self.nodes = nodes
        self.home = home
        for server in nodes.servers:
            if not server.running:
                server.start(_PATIENCE)
        self.one = World(nodes.servers[0], home)
        self.other = copy.copy(self.one)
        self.other.server = nodes.servers[1]
        (self.domain,) = nodes.sql("SELECT id FROM domain WHERE name = %s", self.one.domain)[0]
        self.other.wait_for(lambda: self.holder("prober") is not None)

    @property
    def both(self) -> tuple[World, World]:
        return self.one, self.other

    def leased(self) -> int:
        (count,) = self.nodes.sql("SELECT count(*) FROM owed WHERE token <> 0 AND domain = %s", self.domain)[0]
        return int(count)

    def holder(self, kind: str) -> World | None:
        """The node that is elected for the domain."""
        key = advisory(kind, int(self.domain)) & (1 << 64) - 1
        found = self.nodes.sql(
            "SELECT usename FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"
            " AND classid::bigint = %s AND objid::bigint = %s AND datname = current_database()",
            key >> 32,
            key & 0xFFFFFFFF,
        )
        assert len(found) <= 1, found
        return {"node1": self.one, "node2": self.other}[found[0][0]] if found else None

    def not_(self, world: World | None) -> World:
        """The other one."""
        assert world is not None
        return self.other if world is self.one else self.one


class Idler:
    """A session that idles in a mailbox and notes when it is told what."""

    def __init__(self, world: World, user: str = "") -> None:
        self._client = imaplib.IMAP4("127.0.0.1", world.server.ports["imap"], timeout=60)
        self._client.login(user or world.anna, "secret")
        assert self._client.select("INBOX")[0] == "OK"

    def begin(self) -> None:
        self._client.send(b"i IDLE\r\n")
        while not self._client.readline().startswith(b"+"):
            pass

    def told(self, seconds: float = 10) -> tuple[bytes, float]:
        """The next line, and when it came."""
        assert self._client.sock is not None
        self._client.sock.settimeout(seconds)
        line = self._client.readline().strip()
        return line, time.monotonic()

    def end(self) -> None:
        self._client.send(b"DONE\r\n")
        while not self._client.readline().startswith(b"i OK"):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._client.shutdown()


def say_latency(what: str, seconds: list[float]) -> None:
    """For whoever reads the output of the tests."""
    cuts = statistics.quantiles(seconds, n=20)
    print(
        f"{what}: median {statistics.median(seconds) * 1000:.1f} ms, 95 % within {cuts[18] * 1000:.1f} ms, "
        f"longest {max(seconds) * 1000:.1f} ms of {len(seconds)}"
    )
