"""Home comes back with an empty recipient table while it is owed 10,000 messages: nothing fails until it is mended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from mpcontinuity.accounts import domains, users
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.model import address, settings
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.events import DEFERRED
from mpcontinuity.model.owed import OWED
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.queue.owed import NewOwed, take_in
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.runner import Inline
from mpcontinuity.store.store import Store, open_store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import record
from tests.app.running import Server
from tests.fakes.home import ScriptedHome, say
from tests.fakes.stores import at_once, result
from tests.journeys.world import SENDER, World, configuration, message

USERS, EACH = 100, 100


class Office(World):
    """One with USERS users, to each of whom home is owed EACH messages."""

    @property
    def people(self) -> list[str]:
        return [f"user{number}@{self.domain}" for number in range(USERS)]

    def owe(self) -> None:
        """By the functions of the store, while the server does not run: by SMTP it would take minutes."""
        csv = self.server.folder / "people.csv"
        csv.write_text("address,name,aliases,password\n" + "".join(f"{each},,,\n" for each in self.people))
        self.cli("user", "import", str(csv))
        self.server.stop()
        store = open_store(
            self.server.folder / "data",
            settings.Store(),
            clock=SystemClock(),
            randomness=SystemRandomness(),
            runner=Inline(),
            disk=RealDisk(),
            reactor_call=at_once,
        )
        for number in range(EACH):
            self._redirect(store, f"owed {number:03}")
        result(store.close())

    def _redirect(self, store: Store, subject: str) -> None:
        """One message to everybody."""
        draft = store.bodies.draft()
        return_path = f"Return-Path: <{SENDER}>\r\n".encode()
        draft.write(return_path + message(subject))
        ids = [store.identifiers.next() for _ in range(USERS)]
        head = Head(id=ids[0], time=store.clock.now(), direction="inbound", prefix=len(return_path))
        result(store.keep(draft, head, partial(self._take_in, ids=ids, subject=subject)))

    def _take_in(self, tx: Transaction, body: Body, ids: list[int], subject: str) -> None:
        domain = domains.known(tx, self.domain)
        owed, rows = [], []
        for owed_id, recipient in zip(ids, self.people, strict=True):
            user = users.find(tx, address.parse(recipient))
            assert user is not None
            append(tx, mailboxes.inbox(tx, user.id), [NewEntry(body.id, body.length, tx.now, 0, (), b"")])
            owed.append(
                NewOwed(owed_id, domain.id, user.id, body.id, recipient, SENDER, tx.now, body.length, subject=subject)
            )
            rows.append(
                record.NewRow(domain.id, tx.now, "inbound", DEFERRED, recipient=recipient, outcome=OWED, owed=owed_id)
            )
        take_in(tx, owed)
        record.record_all(tx, rows)

    def paused(self) -> bool:
        """Whether administrators are told that, and why."""
        return str(self.cli("status", self.domain)[0]["reason"]).startswith("redelivery is paused: 550 5.1.1")

    def alerted(self) -> bool:
        """Whether a mail to those who hear of the domain is on its way."""
        rows = self.cli("track", "--recipient", "oncall@elsewhere.example")
        return any(row["direction"] == "alert" and "paused" in row["subject"] for row in rows)


@pytest.fixture
def office(tmp_path: Path, home: ScriptedHome) -> Iterator[Office]:
    with Server(tmp_path, configuration()) as server:
        yield Office(server, home)
        assert "Traceback" not in server.log.read_text(), server.log.read_text()[-6000:]


@pytest.mark.long
def test_a_home_that_knows_nobody_makes_ten_thousand_messages_wait_and_then_gets_each_once(office: Office) -> None:
    rule = office.home.on("rcpt", say("550 5.1.1 user unknown"))
    office.cli("alert", "add", office.domain, "oncall@elsewhere.example")
    office.owe()
    office.server.start()
    office.wait_for(office.paused)
    office.wait_for(office.alerted)
    tried = rule.hits
    office.wait_for(lambda: rule.hits > tried + 2)  # it goes on trying, with one at a time
    assert office.ledger(taken_in=USERS * EACH, owed=USERS * EACH), office.report()
    assert office.home.messages == []
    (row,) = office.cli("status", office.domain)
    assert (row["state"], row["redelivery_backlog"], row["outbound_backlog"]) == ("up", USERS * EACH, 0)  # no DSN
    assert row["recovery"]["waiting"] == "550 5.1.1 user unknown"
    office.home.clear()
    office.cli("queue", "retry", "--domain", office.domain)
    office.home.wait_for(lambda: len(office.home.messages) >= USERS * EACH)
    office.wait_for_ledger(taken_in=USERS * EACH, delivered=USERS * EACH)
    assert len({copy.id for copy in office.home.messages}) == len(office.home.messages) == USERS * EACH
    subjects: defaultdict[str, list[str]] = defaultdict(list)
    for copy in office.home.messages:
        subjects[copy.recipients[0]].append(copy.subject)
    assert subjects == {each: [f"owed {number:03}" for number in range(EACH)] for each in office.people}
    assert not office.paused()
    assert office.cli("queue", "list", "--domain", office.domain) == []
