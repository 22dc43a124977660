"""Two stores on one PostgreSQL: nothing stalls, nothing is lost, and each hears what the other did."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import NewEntry, append, append_all
from mpcontinuity.message.render import render
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Refused, Stopping, Temporary
from mpcontinuity.model.events import Everything, MailboxChanged, MailboxListChanged, Notice
from mpcontinuity.store.bodies.references import insert_body
from mpcontinuity.store.driver import Again
from mpcontinuity.store.nodes import everybody
from mpcontinuity.store.postgresql.upgrade import revision
from mpcontinuity.store.revision import HEAD
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.contracts.threads import Loop, threaded_store
from tests.fakes.postgresql import cluster, fresh_database, name

DOMAIN = Statement("INSERT INTO domain (id, name) VALUES (1, 'example.org')")
ACCOUNT = Statement("INSERT INTO account (id, domain, address) VALUES (:id, 1, :address)")
PACK = Statement("INSERT INTO pack (id, kind) VALUES (1, 'mail')")
INBOXES = Statement("SELECT id FROM mailbox WHERE name = 'INBOX' ORDER BY id")
FOLDERS = Statement("SELECT id FROM mailbox WHERE account = 1 ORDER BY id")
CONVERSATIONS = Statement("SELECT conversation FROM conversation_entry")
ENTRIES = Statement("SELECT id & 4294967295, body FROM entry WHERE id >> 32 = :mailbox ORDER BY id")
COUNTERS = Statement("SELECT uidnext, messages FROM mailbox WHERE id = :mailbox")
COUNT = Statement("UPDATE domain SET uptime = uptime + 1 WHERE id = 1")
UPTIME = Statement("SELECT uptime FROM domain WHERE id = 1")
SET_UPTIME = Statement("UPDATE domain SET uptime = :uptime WHERE id = 1")
RELAPSES = Statement("UPDATE domain SET relapses = relapses + 1 WHERE id = :id")
TOTAL = Statement("SELECT SUM(relapses) FROM domain")
PAUSE = Statement("SELECT pg_sleep(0.05)")
ADD = Statement("INSERT INTO meta (key, value) VALUES (:key, '')")
KEYS = Statement("SELECT key FROM meta ORDER BY key")

USERS = 6


class Nodes:
    """Two processes, as far as the database can tell."""

    def __init__(self, folder: Path) -> None:
        self.url = fresh_database()
        self.loop = Loop()
        self.stores = [threaded_store(folder / str(number), self.url, self.loop) for number in range(2)]
        self.one, self.other = self.stores
        self.loop.result(self.one.run(_users))
        self.inboxes: list[int] = [row[0] for row in self.loop.result(self.one.read(lambda tx: tx.all(INBOXES)))]

    def close(self) -> None:
        for store in self.stores:
            self.loop.result(store.close())
        cluster().give_back(self.url)

    def entries(self, mailbox: int) -> list[tuple[int, int]]:
        entries: list[tuple[int, int]] = self.loop.result(self.one.read(lambda tx: tx.all(ENTRIES, mailbox=mailbox)))
        return entries


def _users(tx: Transaction) -> None:
    tx.run(DOMAIN)
    tx.run(PACK)
    for number in range(1, USERS + 1):
        tx.run(ACCOUNT, id=number, address=f"u{number}@example.org")
        mailboxes.create_standard(tx, number)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    running = Nodes(tmp_path)
    yield running
    running.close()


def counters(tx: Transaction, inbox: int) -> tuple[int, int] | None:
    """Its next UID and its number of messages."""
    row = tx.one(COUNTERS, mailbox=inbox)
    return None if row is None else (row[0], row[1])


def add(tx: Transaction, key: str) -> int:
    return tx.run(ADD, key=key)


def deliver(tx: Transaction, items: Sequence[tuple[int, Sequence[int]]]) -> list[bool]:
    """A message (its number, the mailboxes that it goes to) each."""
    entries: dict[int, list[NewEntry]] = {}
    for number, places in items:
        insert_body(tx, Body(number, 1, 0, 100, 0, 0), 0)
        for place in places:
            entries.setdefault(place, []).append(NewEntry(number, 100, tx.now, 0, (), b"rendered"))
    append_all(tx, entries)
    return [True] * len(items)


def answer(tx: Transaction, number: int, folder: int, name: str, *answered: str, named: str = "") -> None:
    """Puts a message into a folder that answers these; its body is there."""
    references = " ".join(f"<{one}@x>" for one in answered or (named,))
    content = f"Message-ID: <{name}@x>\r\nReferences: {references}\r\n\r\ntext".encode()
    append(tx, folder, [NewEntry(number, 100, tx.now, 0, (), render(content))])


def deliver_one(tx: Transaction, item: tuple[int, Sequence[int]]) -> bool:
    return deliver(tx, [item]) == [True]


def test_answers_to_one_message_that_come_at_both_at_once_are_one_conversation(nodes: Nodes) -> None:
    """Into two folders: nothing else makes one wait for the other."""
    folders = nodes.loop.result(nodes.one.read(lambda tx: tx.all(FOLDERS)))
    for number in range(1, 5):  # before: it locks the pack
        nodes.loop.result(nodes.one.run(partial(insert_body, body=Body(number, 1, 0, 100, 0, 0), keep_until=0)))
    found, begun = threading.Event(), threading.Event()

    def first(tx: Transaction) -> None:
        answer(tx, 1, folders[0][0], "a", "top")
        found.set()
        assert begun.wait(10)
        time.sleep(0.02)  # until the other waits for a row of this one; after longer it would begin again

    def second(tx: Transaction) -> None:
        assert found.wait(10)
        begun.set()
        answer(tx, 2, folders[1][0], "b", "top", "middle")

    nodes.loop.outcomes([nodes.one.run(first), nodes.other.run(second)])
    nodes.loop.result(nodes.one.run(partial(answer, number=3, folder=folders[0][0], name="c", named="b")))
    nodes.loop.result(nodes.one.run(partial(answer, number=4, folder=folders[0][0], name="d", named="middle")))
    joined = nodes.loop.result(nodes.one.read(lambda tx: tx.all(CONVERSATIONS)))
    assert len(joined) == 4
    assert len({conversation for (conversation,) in joined}) == 1


def test_groups_of_both_that_cross_in_their_mailboxes_neither_stall_nor_lose_anything(nodes: Nodes) -> None:
    """Design 6: batches of two nodes in the order of their arrival deadlocked to a standstill."""
    inboxes = nodes.inboxes
    sent: dict[int, list[int]] = {inbox: [] for inbox in inboxes}
    waiting = []
    for number in range(1, 601):
        store = nodes.stores[number % 2]
        places = [inboxes[(number + step * (1 if number % 2 else USERS - 1)) % USERS] for step in range(number % 3 + 1)]
        for place in places:
            sent[place].append(number)
        waiting.append(store.run_grouped(deliver, (number, places)))
    assert nodes.loop.outcomes(waiting) == [True] * 600
    for inbox, numbers in sent.items():
        entries = nodes.entries(inbox)
        assert sorted(body for _, body in entries) == sorted(numbers)
        assert [uid for uid, _ in entries] == list(range(1, len(numbers) + 1))
        assert nodes.loop.result(nodes.one.read(partial(counters, inbox=inbox))) == (
            len(numbers) + 1,
            len(numbers),
        )


def test_a_uid_is_never_seen_before_a_lower_one(nodes: Nodes) -> None:
    inbox = nodes.inboxes[0]
    ended = threading.Event()
    seen: list[list[int]] = []

    def watch() -> None:
        with cluster().connect(name(nodes.url)) as connection:
            while not ended.is_set():
                rows = connection.execute("SELECT id & 4294967295 FROM entry WHERE id >> 32 = %s ORDER BY id", (inbox,))
                seen.append([int(str(row[0])) for row in rows])

    watcher = threading.Thread(target=watch)
    watcher.start()
    waiting = []
    for number in range(1, 301):
        store = nodes.stores[number % 2]
        item = (number, [inbox])
        if number % 3:
            waiting.append(store.run_grouped(deliver, item))
        else:
            waiting.append(store.run(partial(deliver_one, item=item)))
    nodes.loop.outcomes(waiting)
    ended.set()
    watcher.join()
    assert all(uids == list(range(1, len(uids) + 1)) for uids in seen)
    assert len(seen) > 1
    assert len(nodes.entries(inbox)) == 300


def _read_and_write(tx: Transaction) -> None:
    tx.run(SET_UPTIME, uptime=tx.value(UPTIME) + 1)


def test_work_that_reads_and_then_writes_is_as_if_it_were_alone(nodes: Nodes) -> None:
    waiting = [nodes.stores[number % 2].run(_read_and_write) for number in range(60)]
    assert nodes.loop.outcomes(waiting) == [None] * 60
    assert nodes.loop.result(nodes.one.read(lambda tx: tx.value(UPTIME))) == 60
    assert nodes.one.figures.conflicts + nodes.other.figures.conflicts > 0


def _crossed(first: int, second: int, tx: Transaction, items: Sequence[int]) -> list[None]:
    """Rows in the order given, which is what work must not do."""
    tx.run(RELAPSES, id=first)
    tx.run(PAUSE)
    tx.run(RELAPSES, id=second)
    return [None] * len(items)


def test_a_deadlock_is_repeated_until_both_are_through(nodes: Nodes) -> None:
    nodes.loop.result(nodes.one.run(lambda tx: tx.run(Statement("INSERT INTO domain (id, name) VALUES (2, 'b')"))))
    waiting = []
    for number in range(2):
        waiting.append(nodes.one.run_grouped(partial(_crossed, 1, 2), number))
        waiting.append(nodes.other.run_grouped(partial(_crossed, 2, 1), number))
    assert nodes.loop.outcomes(waiting) == [None] * 4
    assert nodes.loop.result(nodes.one.read(lambda tx: tx.value(TOTAL))) == 8


def test_work_that_meets_others_again_and_again_fails_for_now(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpcontinuity.store.postgresql.pool._REPEATS", 0.05)
    runs = []

    def work(tx: Transaction) -> None:
        runs.append(tx.run(COUNT))
        raise Again("not now")

    with pytest.raises(Again):
        nodes.loop.result(nodes.one.run(work))
    assert len(runs) > 1
    assert nodes.loop.result(nodes.one.read(lambda tx: tx.value(UPTIME))) == 0


def test_bulk_work_goes_on_beside_interactive_work_and_does_not_hold_it_up(nodes: Nodes) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def long(tx: Transaction) -> str:
        begun.set()
        assert go_on.wait(60)
        return "long"

    bulk = nodes.one.run(long, bulk=True)
    assert begun.wait(60)
    assert nodes.loop.outcomes([nodes.one.run(lambda tx: 1) for _ in range(50)]) == [1] * 50
    go_on.set()
    assert nodes.loop.result(bulk) == "long"


def hear(store: Store) -> list[Notice]:
    """What it hears from now on, but for the lists of mailboxes."""
    heard: list[Notice] = []
    store.listen(lambda notices: heard.extend(one for one in notices if not isinstance(one, MailboxListChanged)))
    return heard


def mailbox_changes(notices: Sequence[Notice]) -> list[int]:
    return [notice.mailbox for notice in notices if isinstance(notice, MailboxChanged)]


def test_what_one_commits_the_other_hears_and_nobody_hears_oneself_twice(nodes: Nodes) -> None:
    heard = [hear(store) for store in nodes.stores]
    first, second = nodes.inboxes[:2]
    nodes.loop.result(nodes.one.run(partial(deliver, items=[(1, [first])])))
    nodes.loop.wait(lambda: len(heard[1]) == 1)
    nodes.loop.result(nodes.other.run(partial(deliver, items=[(2, [second])])))
    nodes.loop.wait(lambda: len(heard[0]) == 2)
    assert [mailbox_changes(notices) for notices in heard] == [[first, second]] * 2
    assert heard[0] == heard[1]


def test_whoever_was_deaf_for_a_while_hears_that_anything_may_have_changed(nodes: Nodes) -> None:
    heard = hear(nodes.other)
    _end_listener(nodes)
    nodes.loop.wait(lambda: heard == [Everything()])
    nodes.loop.result(nodes.one.run(partial(deliver, items=[(1, nodes.inboxes[:1])])))
    nodes.loop.wait(lambda: len(heard) == 2)
    assert mailbox_changes(heard) == nodes.inboxes[:1]


def _end_listener(nodes: Nodes) -> None:
    """The younger one's: the stores were opened in their order."""
    with cluster().connect(name(nodes.url)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'mpcontinuity listener' ORDER BY backend_start DESC LIMIT 1"
        )


def test_one_at_a_time_holds_what_is_elected(nodes: Nodes) -> None:
    one, other = nodes.one.election, nodes.other.election
    assert not one.alone
    assert nodes.loop.result(one.hold("prober", 7)) is True
    assert nodes.loop.result(one.hold("prober", 7)) is True
    assert nodes.loop.result(other.hold("prober", 7)) is False
    assert nodes.loop.result(other.hold("prober", 8)) is True
    one.release("prober", 7)
    assert nodes.loop.result(one.hold("prober", 9)) is True  # the release came before it
    assert nodes.loop.result(other.hold("prober", 7)) is True


def test_whoever_loses_the_connection_loses_what_it_held_and_is_told(nodes: Nodes) -> None:
    lost: list[str] = []
    one, other = nodes.one.election, nodes.other.election
    other.on_lost(lambda: lost.append("lost"))
    assert nodes.loop.result(other.hold("prober", 7)) is True
    _end_listener(nodes)
    nodes.loop.wait(lambda: lost == ["lost"])
    assert nodes.loop.result(one.hold("prober", 7)) is True


def test_a_node_lives_again_when_the_database_was_away_for_a_while(nodes: Nodes) -> None:
    both = {nodes.one.nodes.us, nodes.other.nodes.us}
    for store in nodes.stores:
        nodes.loop.result(store.run(lambda tx: tx.run(COUNT)))
    with cluster().connect() as connection:
        connection.execute(f'ALTER DATABASE "{name(nodes.url)}" ALLOW_CONNECTIONS false'.encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name(nodes.url),)
        )
        time.sleep(1)  # more than one attempt of theirs
        connection.execute(f'ALTER DATABASE "{name(nodes.url)}" ALLOW_CONNECTIONS true'.encode())
    until = time.monotonic() + 60
    while _living(nodes, both) != both:
        assert time.monotonic() < until
        time.sleep(0.1)
    with cluster().connect(name(nodes.url)) as connection:
        connection.execute("DELETE FROM node")  # as who saw them dead might have
    for store in nodes.stores:
        nodes.loop.result(store.run(lambda tx: tx.run(COUNT)))
    assert nodes.loop.result(nodes.one.read(everybody)) == both


def _living(nodes: Nodes, asked: set[int]) -> set[int]:
    """As each sees the other."""
    try:
        seen = [nodes.loop.result(Deferred.fromCoroutine(store.nodes.living(asked))) for store in nodes.stores]
    except Temporary:
        return set()
    return asked.intersection(*seen)


def test_two_that_start_at_once_on_an_empty_database_make_its_schema_once(tmp_path: Path) -> None:
    url = cluster().url(cluster().bare_database())
    loop = Loop()
    opened: list[Store] = []
    threads = [
        threading.Thread(target=lambda number=number: opened.append(threaded_store(tmp_path / str(number), url, loop)))
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 2
    assert revision(url) == HEAD
    for number, store in enumerate(opened):
        loop.result(store.run(partial(add, key=f"node {number}")))
    keys = loop.result(opened[0].read(lambda tx: tx.all(KEYS)))
    assert {("node 0",), ("node 1",)} <= set(keys)
    for store in opened:
        loop.result(store.close())
    cluster().drop(url)


def test_an_older_schema_is_refused_with_the_command_that_helps_and_a_newer_one_too(tmp_path: Path) -> None:
    url = fresh_database()
    for version, words in (("0001", "has schema 0001, and this version needs "), ("9999", "has schema 9999")):
        with cluster().connect(name(url)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = %s", (version,))
        with pytest.raises(Refused, match=words) as caught:
            threaded_store(tmp_path, url, Loop())
        assert "\n" not in str(caught.value)
        hint = caught.value.hint
        assert (hint.operation if hint else "") == ("migrate" if version == "0001" else "")
    cluster().drop(url)


def test_a_server_that_is_not_there_is_refused_in_one_line_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^\[store\] database: postgresql://anna@127.0.0.1:1/mail") as caught:
        threaded_store(tmp_path, "postgresql+psycopg://anna:secret@127.0.0.1:1/mail", Loop())
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_after_the_end_nothing_is_begun(nodes: Nodes, tmp_path: Path) -> None:
    store = threaded_store(tmp_path / "third", nodes.url, nodes.loop)
    waiting = [store.run(lambda tx: tx.run(COUNT)) for _ in range(20)]
    closed = store.close()
    assert nodes.loop.outcomes([*waiting, closed]) == [1] * 20 + [None]
    with pytest.raises(Stopping):
        nodes.loop.result(store.run(lambda tx: 1))
