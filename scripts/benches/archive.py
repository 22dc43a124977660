"""Searches in an archive of a million messages, on SQLite and PostgreSQL, and what its index costs to make and keep.

The rows of the archive are written, and the index is made of them by the product's own code and child process. Only the
contents are not stored: they are made when the index asks for them, from a seed, so that a million messages need no
disk. Words are as frequent as those of a language are (Zipf's law over 300,000 words, 80 to 400 of them in a message),
and each message has three that no other has, as numbers of orders are. The index is the same octets on both databases;
it is made on SQLite, and copied to PostgreSQL, whose own time to make it is not measured.

A million messages take an hour to make. With --keep they stay, and the next run on that folder only searches.
PostgreSQL has a server of its own there, which each run starts and stops.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from bisect import bisect
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed

from mpcontinuity.archive import index
from mpcontinuity.archive.indexing import Indexing
from mpcontinuity.archive.matching import Whose
from mpcontinuity.archive.query import parse
from mpcontinuity.archive.search import search
from mpcontinuity.children import blocking
from mpcontinuity.children.blocking import Blocking
from mpcontinuity.model import settings
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY, SystemClock
from mpcontinuity.model.identifier import first_at
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.runner import Inline
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.store import Store, open_store
from mpcontinuity.store.transaction import Transaction

DAYS = 90
VOCABULARY = 300_000
PEOPLE = 2_000  # of ours
STRANGERS = 20_000
DOMAINS = 5
_NAMES = ("invoice", "report", "minutes", "offer", "scan", "photo", "contract", "plan")
_STEP = 1_000
_PATIENCE = 600.0  # s for an answer of the child, where the archive is made beside others that need the machine

_PACK = Statement("INSERT INTO pack (id, kind) VALUES (1, 'mail')")
_DOMAIN = Rows("INSERT INTO domain (id, name) VALUES [2]")
_BODY = Rows('INSERT INTO body (id, pack, "offset", length, prefix, crc, keep_until) VALUES [7]')
_ARCHIVE = Rows(
    """INSERT INTO archive (id, domain, body, time, direction, sender, recipients, subject, message_id, size, expires)
    VALUES [11]"""
)
_TABLES = ("archive_segment", "archive_block", "archive_place")
_SIZES = Statement("SELECT " + " + ".join(f"pg_total_relation_size('{table}')" for table in _TABLES))
_PAGES = Statement("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")


class Mail:
    """Messages by their number: the same at each call."""

    def __init__(self, messages: int, until: int) -> None:
        chance = random.Random(1)
        syllables = [a + b for a in "bdfghklmnprstvwz" for b in ("a", "e", "i", "o", "u", "en", "er", "an")]
        words: dict[str, None] = {}
        while len(words) < VOCABULARY:
            words["".join(chance.choices(syllables, k=chance.choice((1, 2, 2, 3, 3, 4))))] = None
        self.words = list(words)
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(VOCABULARY)))
        self.messages = messages
        self._begin = until - DAYS * DAY
        self._apart = DAYS * DAY // messages

    def text(self, chance: random.Random, count: int) -> str:
        total = self._weights[-1]
        return " ".join(self.words[bisect(self._weights, chance.random() * total)] for _ in range(count))

    def time(self, number: int) -> int:
        return self._begin + number * self._apart

    def envelope(self, number: int) -> tuple[random.Random, int, str, str, str]:
        """What decides the rest, the domain, the direction, the sender and the recipient."""
        chance = random.Random(number)
        domain = chance.randrange(DOMAINS) + 1
        ours = f"user{int(chance.paretovariate(0.8) * 7) % PEOPLE}@example{domain}.org"
        theirs = f"name{chance.randrange(STRANGERS)}@stranger{chance.randrange(500)}.example"
        if chance.random() < 0.3:
            return chance, domain, "outbound", ours, theirs
        return chance, domain, "inbound", theirs, ours

    def row(self, number: int) -> tuple[Any, ...]:
        chance, domain, direction, sender, recipient = self.envelope(number)
        subject = self.text(chance, 6)
        size = int(chance.lognormvariate(9, 1.5)) + 500
        time_ = self.time(number)
        id_ = first_at(time_) | 1
        recipients = json.dumps([recipient])
        return id_, domain, number + 1, time_, direction, sender, recipients, subject, f"<{number}@bench>", size, time_

    def content(self, number: int) -> bytes:
        chance, _, _, sender, recipient = self.envelope(number)
        subject = self.text(chance, 6)
        chance.lognormvariate(9, 1.5)
        numbers = " ".join(f"{chance.getrandbits(40):x}" for _ in range(3))
        body = f"{self.text(chance, chance.randrange(80, 400))} {numbers}"
        header = f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\nMessage-ID: <{number}@bench>\r\n"
        if chance.random() < 0.8:
            return f"{header}\r\n{body}\r\n".encode()
        name = f"{chance.choice(_NAMES)} {number}.pdf"
        return (
            f"{header}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{body}\r\n--b\r\n"
            f'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\nx\r\n--b--\r\n'
        ).encode()


class _Contents:
    """Takes the place of the store's bodies: contents are made, not read."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self.seconds = 0.0  # spent on making them

    def read_many(self, bodies: Sequence[Body]) -> Deferred[list[bytes]]:
        begun = time.perf_counter()
        made = [self._mail.content(body.id - 1) for body in bodies]
        self.seconds += time.perf_counter() - begun
        return succeed(made)


def opened(folder: Path, database: str) -> Store:
    return open_store(
        folder,
        settings.Store(database=database),
        clock=SystemClock(),
        randomness=SystemRandomness(),
        runner=Inline(),
        disk=RealDisk(),
        reactor_call=lambda call, *arguments: call(*arguments),
    )


def result(deferred: Any) -> Any:
    """Of what has fired, since all is done in this thread."""
    if not isinstance(deferred, Deferred):
        deferred = Deferred.fromCoroutine(deferred)
    found: list[Any] = []
    failed: list[Any] = []
    deferred.addCallbacks(found.append, failed.append)
    if failed:
        failed[0].raiseException()
    return found[0]


def fill(store: Store, mail: Mail) -> None:
    """Writes the rows of the archive."""

    def begin(tx: Transaction) -> None:
        tx.run(_PACK)
        tx.run_rows(_DOMAIN, [(number + 1, f"example{number + 1}.org") for number in range(DOMAINS)])

    def step(tx: Transaction, first: int) -> None:
        numbers = range(first, min(first + _STEP, mail.messages))
        tx.run_rows(_BODY, [(number + 1, 1, 0, 1_000, 0, 0, 0) for number in numbers])
        tx.run_rows(_ARCHIVE, [(*row[:-1], row[-1] + DAYS * DAY) for row in map(mail.row, numbers)])

    result(store.run(begin))
    for first in range(0, mail.messages, _STEP):
        result(store.run(partial(step, first=first)))


def make(store: Store, jobs: Blocking, mail: Mail, say: Callable[[str], None]) -> float:
    """Makes the index and returns the seconds that it took, without those of making contents."""
    contents, bodies = _Contents(mail), store.bodies
    store.bodies = contents  # type: ignore[assignment]
    indexing = Indexing(store, jobs)
    begun = time.perf_counter()
    told = 0

    def said(count: int) -> None:
        nonlocal told
        if count >= told + 50_000:
            told = count
            say(f"  {count} indexed after {time.perf_counter() - begun:.0f} s")

    result(indexing.bring_up(0, said))
    while result(indexing.join()):
        pass
    took = time.perf_counter() - begun - contents.seconds
    store.bodies = bodies
    return took


def copy(source: Store, target: Store) -> None:
    """Copies the index, and how far it goes."""
    for one in result(source.read(index.all_segments)):
        after = b""
        while some := result(source.read(partial(index.blocks, of=one.id, after=after, limit=500))):
            after = some[-1][0]
            result(target.run(partial(index.add_blocks, of=one.id, blocks=some)))
        places = result(source.read(partial(index.places, of=one.id)))
        result(target.run(partial(index.add, new=one, places=places)))
    mark = result(source.read(index.watermark))
    result(target.run(partial(index.raise_watermark, looked_from=0, to=mark)))


def queries(mail: Mail, count: int) -> dict[str, list[tuple[str, Whose]]]:
    """What people look for, by kind."""
    chance = random.Random(7)
    everybody = Whose()

    def word(first: int, last: int) -> str:
        return mail.words[chance.randrange(first, last)]

    def ours() -> str:
        _, _, direction, sender, recipient = mail.envelope(chance.randrange(mail.messages))
        return sender if direction == "outbound" else recipient

    def day() -> str:
        return time.strftime("%Y-%m-%d", time.gmtime(mail.time(chance.randrange(mail.messages)) // 1_000_000))

    def number() -> str:
        return mail.content(chance.randrange(mail.messages)).split(b"\r\n\r\n")[-1].split()[-1].decode()

    kinds: dict[str, Callable[[], tuple[str, Whose]]] = {
        "a sender": lambda: (f"from:{ours()}", everybody),
        "a recipient": lambda: (f"to:{ours()}", everybody),
        "a rare word": lambda: (word(20_000, VOCABULARY), everybody),
        "a frequent word": lambda: (word(0, 100), everybody),
        "two words": lambda: (f"{word(50, 5_000)} {word(50, 5_000)}", everybody),
        "three words, one rare": lambda: (f"{word(0, 50)} {word(100, 2_000)} {word(30_000, VOCABULARY)}", everybody),
        "two rare words, no hit": lambda: (f"{word(9_000, 90_000)} {word(90_000, VOCABULARY)}", everybody),
        "a word, three days": lambda: (f"{word(100, 10_000)} since:{day()}", everybody),
        "a word on a day": lambda: (f"{word(100, 10_000)} on:{day()}", everybody),
        "an attachment": lambda: (f"attachment:{chance.choice(_NAMES)}", everybody),
        "an attachment by number": lambda: (f"attachment:{chance.randrange(mail.messages)}.pdf", everybody),
        "large ones with a word": lambda: (f"larger:100k {word(100, 3_000)}", everybody),
        "not a word": lambda: (f"{word(0, 100)} -{word(0, 100)}", everybody),
        "a domain and a word": lambda: (word(1_000, 20_000), Whose(chance.randrange(DOMAINS) + 1)),
        "nothing but a user": lambda: ("", Whose(0, frozenset([ours()]))),
        "a user and a word": lambda: (word(100, 20_000), Whose(0, frozenset([ours()]))),
        "nothing at all": lambda: ("", everybody),
    }
    return {kind: [made() for _ in range(count)] for kind, made in kinds.items()}


def measure(store: Store, jobs: Blocking, asked: dict[str, list[tuple[str, Whose]]]) -> dict[str, list[float]]:
    """Returns the milliseconds of each search, by kind."""
    took: dict[str, list[float]] = {}
    for kind, some in asked.items():
        for text, whose in some:
            begun = time.perf_counter()
            found = result(search(store, jobs, parse(text, store.clock.now()), whose, 100))
            took.setdefault(kind, []).append((time.perf_counter() - begun) * 1_000)
            assert not found.unsearched
    return took


def shown(database: str, took: dict[str, list[float]]) -> None:
    print(f"\n{database}: ms per search of up to 100 rows\n")
    print("| search | p50 | p95 | longest |\n| --- | ---: | ---: | ---: |")
    all_of_them = [each for times in took.values() for each in times]
    for kind, those in [*took.items(), ("**all**", all_of_them)]:
        some = sorted(those)
        p50, p95 = some[len(some) // 2], some[len(some) * 95 // 100]
        print(f"| {kind} | {p50:.1f} | {p95:.1f} | {some[-1]:.1f} |")


class Made:
    """What is in the folder, written down there as each database is complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "made.json"
        self._facts: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def until(self, messages: int, now: int) -> int:
        """Returns the time up to which the messages go, in µs, which is now where nothing is made yet.

        Raises SystemExit when the folder has another number of messages.
        """
        known = self._facts.setdefault("messages", messages)
        if known != messages:
            raise SystemExit(f"{self.folder} has {known} messages: give --messages {known}, or another folder")
        return int(self._facts.setdefault("until", now))

    def said(self, database: str) -> str:
        """Returns what was said of the database when it was complete, and nothing when it is not."""
        return str(self._facts.get(database, ""))

    def note(self, database: str, said: str) -> None:
        self._facts[database] = said
        self._file.write_text(json.dumps(self._facts, indent=1))

    def begin(self, database: str) -> Path:
        """Returns an empty folder for the database, of which an earlier run may have made a part."""
        shutil.rmtree(self.folder / database, ignore_errors=True)
        return self.folder / database


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench archive", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="in the archive (1000000)")
    parser.add_argument("--searches", type=int, default=40, help="of each kind (40); 0: the archive is only made")
    parser.add_argument("--without-postgresql", action="store_true", help="on SQLite alone")
    parser.add_argument("--folder", help="where the databases are made (the system's for such)")
    parser.add_argument("--keep", metavar="FOLDER", help="the databases are made there, stay, and are used again")
    options = parser.parse_args()
    blocking.WITHIN = _PATIENCE  # type: ignore[attr-defined]
    jobs = Blocking()
    with ExitStack() as held:
        held.callback(jobs.stop)
        if options.keep:
            folder = Path(options.keep).absolute()
            folder.mkdir(parents=True, exist_ok=True)
        else:
            prefix = "mpcontinuity-archive-"
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix=prefix, dir=options.folder)))
        made = Made(folder)
        mail = Mail(options.messages, made.until(options.messages, SystemClock().now()))
        asked = queries(mail, options.searches)
        store = on_sqlite(made, mail, jobs)
        held.callback(lambda: result(store.close()))
        searched("SQLite", store, jobs, asked)
        if not options.without_postgresql:
            other, stop = on_postgresql(made, store, mail)
            held.callback(stop)
            held.callback(lambda: result(other.close()))
            searched("PostgreSQL", other, jobs, asked)
    return 0


def on_sqlite(made: Made, mail: Mail, jobs: Blocking) -> Store:
    """The archive and its index on SQLite, made here or by an earlier run."""
    if not made.said("sqlite"):
        store = opened(made.begin("sqlite"), "sqlite")
        fill(store, mail)
        before = result(store.read(lambda tx: tx.value(_PAGES)))
        print(f"{mail.messages} messages are archived: their rows take {before / 1e6:.0f} MB", flush=True)
        took = make(store, jobs, mail, partial(print, flush=True))
        octets = result(store.read(lambda tx: tx.value(_PAGES))) - before
        segments = result(store.read(index.all_segments))
        data = sum(one.octets for one in segments)
        made.note(
            "sqlite",
            f"indexed in {took:.0f} s ({mail.messages / took:.0f} messages/s): {len(segments)} segments,"
            f" {octets / 1e6:.0f} MB of SQLite ({data / 1e6:.0f} MB of blocks),"
            f" {octets / mail.messages:.0f} octets a message",
        )
        result(store.close())
    print(made.said("sqlite"), flush=True)
    return opened(made.folder / "sqlite", "sqlite")


def on_postgresql(made: Made, source: Store, mail: Mail) -> tuple[Store, Callable[[], None]]:
    """The same on PostgreSQL, of a server of its own in the folder, and what stops that."""
    from tests.fakes import postgresql

    if not made.said("postgresql"):
        made.begin("postgresql")
        made.begin("cluster")
    cluster = postgresql.Cluster(durable=True, folder=made.folder / "cluster")
    if not made.said("postgresql"):
        made.note("database", postgresql.name(cluster.fresh_database()))
        store = opened(made.folder / "postgresql", cluster.url(made.said("database")))
        fill(store, mail)
        copy(source, store)
        octets = result(store.read(lambda tx: tx.value(_SIZES)))
        result(store.close())
        with cluster.connect(made.said("database")) as connection:
            connection.execute("VACUUM ANALYZE")  # else autovacuum does so during the searches
        made.note(
            "postgresql",
            f"\nPostgreSQL: the index takes {octets / 1e6:.0f} MB, {octets / mail.messages:.0f} octets a message",
        )
    print(made.said("postgresql"), flush=True)

    def stop() -> None:
        cluster.shut_down()
        cluster.stop()

    return opened(made.folder / "postgresql", cluster.url(made.said("database"))), stop


def searched(database: str, store: Store, jobs: Blocking, asked: dict[str, list[tuple[str, Whose]]]) -> None:
    """Prints how long the searches take, once a few of each kind were done."""
    if any(asked.values()):
        measure(store, jobs, {kind: some[:2] for kind, some in asked.items()})
        shown(database, measure(store, jobs, asked))


if __name__ == "__main__":
    sys.exit(main())
