"""A server that says nothing lets go who waits for it; one that merely takes long does not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from mpcontinuity.store.postgresql.driver import PostgresqlDriver
from mpcontinuity.store.postgresql.url import conninfo
from mpcontinuity.store.postgresql.watchdog import Watchdog
from tests.fakes.postgresql import fresh_database

NOW = 1000.0


class Waiting:
    """A connection on which an answer has been waited for since then."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(0)

    def descriptor(self) -> int:
        return self.ours.fileno()

    @property
    def broken(self) -> bool:
        try:
            return self.theirs.recv(1) == b""
        except BlockingIOError:
            return False


@pytest.fixture
def waiting() -> Iterator[list[Waiting]]:
    """For long; not for long; not at all."""
    made = [Waiting(NOW - 6), Waiting(NOW - 2), Waiting(0.0)]
    yield made
    for one in made:
        one.ours.close()
        one.theirs.close()


def look(waiting: list[Waiting], database: str) -> list[bool]:
    watchdog = Watchdog(database)
    for one in waiting:
        watchdog.watch(one)
    watchdog.look(NOW)
    return [one.broken for one in waiting]


def test_who_has_waited_for_long_is_let_go_where_a_new_connection_is_not_answered(waiting: list[Waiting]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        assert look(waiting, f"host=127.0.0.1 port={port} dbname=x") == [True, False, False]


def test_nobody_is_let_go_where_a_new_connection_is_answered(waiting: list[Waiting]) -> None:
    assert look(waiting, conninfo(fresh_database())) == [False, False, False]


def test_a_refusal_is_an_answer(waiting: list[Waiting]) -> None:
    """Its sockets end by themselves; where they do not, the server goes on and takes no more connections now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert look(waiting, f"host=127.0.0.1 port={port} dbname=x") == [False, False, False]


def test_nobody_is_asked_while_nobody_waits_for_long(waiting: list[Waiting]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        look(waiting[1:], f"host=127.0.0.1 port={server.getsockname()[1]} dbname=x")
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_server_that_answered_one_is_not_away_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """One attempt failed while another was under way, which then succeeded."""
    driver = PostgresqlDriver(fresh_database())
    connect = psycopg.connect
    attempts: list[str] = []

    def attempt(*args: Any, **named: Any) -> Any:
        attempts.append("")
        if len(attempts) == 1:
            with pytest.raises(psycopg.OperationalError, match="not now"):
                driver.open()
        elif len(attempts) == 2:
            raise psycopg.OperationalError("not now")
        return connect(*args, **named)

    monkeypatch.setattr(psycopg, "connect", attempt)
    driver.open().close()
    driver.open().close()
