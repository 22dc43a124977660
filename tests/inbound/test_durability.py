"""250 is a promise: what has happened by then, in order, and what a client hears when the disk does not keep it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite

from mpcontinuity.model.reply import Stage
from mpcontinuity.routing.health import Gate
from mpcontinuity.store.sqlite.driver import DATABASE
from tests.delivery.conftest import Post
from tests.delivery.homes import temporary
from tests.fakes.clock import ManualClock
from tests.fakes.disk import HookedDisk
from tests.fakes.drivers import HookedDriver
from tests.fakes.stores import data_folder, open_memory_like_store, result
from tests.inbound.dialogues import Connection, Door

pytestmark = pytest.mark.sqlite  # whose driver has the hooks

ENVELOPE = ("EHLO client.example.net", "MAIL FROM:<eve@example.net>", "RCPT TO:<ann@example.org>", "DATA")
MESSAGE = ("Subject: Hi", "", "Text", ".")
LARGE = ("Subject: Hi", "", *("x" * 998 for _ in range(1200)), ".")


class Traced:
    """A door whose store says what is written; ``fail`` may raise instead."""

    def __init__(self, tmp_path: Path) -> None:
        self.steps: list[str] = []
        self.fail: Callable[[str], None] = lambda step: None
        clock = ManualClock()
        self.store = open_memory_like_store(
            tmp_path,
            clock=clock,
            disk=HookedDisk(lambda operation, name: self._step(f"{operation} {name.rpartition('.')[2]}")),
            driver=HookedDriver(data_folder(tmp_path) / DATABASE, self._step),
        )
        self.post = Post(self.store, clock)
        self.post.home.before_dot = lambda: self._step("final dot")
        self.door = Door(self.post)

    def _step(self, step: str) -> None:
        if step.startswith(
            ("COMMIT", "sync", "final dot", "INSERT INTO owed", "INSERT INTO entry", "INSERT INTO arch")
        ):
            self.steps.append(" ".join(step.split()[:3]))
        self.fail(step)

    def ready(self) -> Connection:
        """At DATA, with nothing traced yet."""
        connection = self.door.connect()
        connection.say(*ENVELOPE)
        write = connection.wire.write
        connection.wire.write = lambda data: (self.steps.append(data[:3].decode()), write(data))[1]  # type: ignore[method-assign, func-returns-value]
        self.steps.clear()
        return connection


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Traced]:
    one = Traced(tmp_path)
    yield one
    one.fail = lambda step: None
    result(one.post.delivery.stop())
    result(one.store.close())


def test_a_redirect_is_synced_then_committed_as_one_then_answered(traced: Traced) -> None:
    traced.post.home.decision = Gate.SHUT
    traced.ready().say(*MESSAGE)
    steps = traced.steps[traced.steps.index("sync pack") :]
    assert steps[-3:] == ["INSERT INTO archive", "COMMIT", "250"]
    assert steps.count("COMMIT") == 1
    assert steps.index("sync pack") < steps.index("INSERT INTO entry") < steps.index("INSERT INTO owed")


def test_a_large_message_is_synced_before_its_commit_too(traced: Traced) -> None:
    traced.post.home.decision = Gate.SHUT
    connection = traced.ready()
    connection.say(*LARGE)
    steps = traced.steps
    assert steps[-2:] == ["COMMIT", "250"]
    assert steps.index("sync spool") < steps.index("INSERT INTO entry")


def test_home_gets_the_final_dot_after_the_sync_and_the_client_its_250_after_the_commit(traced: Traced) -> None:
    traced.ready().say(*MESSAGE)
    important = [step for step in traced.steps if step in ("sync pack", "final dot", "COMMIT", "250")]
    assert important[-4:] == ["sync pack", "final dot", "COMMIT", "250"]


def test_a_redirect_after_homes_4xx_uses_the_body_that_is_durable_already(traced: Traced) -> None:
    traced.post.home.answer = temporary(Stage.MESSAGE)
    traced.ready().say(*MESSAGE)
    assert traced.steps.count("sync pack") <= 2  # a new pack's header, and the message
    assert traced.steps[-2:] == ["COMMIT", "250"]


def _disk_full(step: str) -> None:
    if step.startswith("sync pack"):
        raise OSError(errno.ENOSPC, "no space left")


def _database_full(step: str) -> None:
    if step == "COMMIT":
        raise sqlite.OperationalError("database or disk is full")


@pytest.mark.parametrize("away", [True, False])
def test_a_full_disk_is_452_and_the_same_message_is_taken_when_there_is_room(traced: Traced, away: bool) -> None:
    traced.post.home.decision = Gate.SHUT if away else Gate.OPEN
    connection = traced.ready()
    traced.fail = _disk_full
    assert connection.codes(*MESSAGE) == ["452"]
    assert traced.post.home.received == []
    traced.fail = lambda step: None
    assert connection.codes(*ENVELOPE[1:]) == ["250", "250", "354"]
    assert connection.codes(*MESSAGE) == ["250"]
    assert len(traced.post.inbox("ann@example.org")) == (1 if away else 0)
    assert traced.post.count("archive") == 1


def test_a_full_database_is_452_for_a_redirect_and_nothing_of_it_remains(traced: Traced) -> None:
    traced.post.home.decision = Gate.SHUT
    connection = traced.ready()
    traced.fail = _database_full
    assert connection.codes(*MESSAGE) == ["452"]
    traced.fail = lambda step: None
    assert (traced.post.inbox("ann@example.org"), traced.post.owed(), traced.post.count("answered")) == ([], [], 0)


def test_a_full_database_is_no_error_for_a_message_that_home_has(traced: Traced) -> None:
    connection = traced.ready()
    traced.fail = _database_full
    assert connection.codes(*MESSAGE) == ["250"]
    traced.fail = lambda step: None
    assert traced.post.delivery.unrecorded == 1
