"""Two servers on one PostgreSQL: mail in at one is read at the other, and either goes on without the other."""

from __future__ import annotations

import contextlib
import imaplib
import random
import re
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.fakes.home import ScriptedHome, say
from tests.fakes.postgresql import cluster
from tests.journeys.nodes import Idler, Nodes, Pair, say_latency
from tests.journeys.world import SENDER, TIMEOUT, message, same_message


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with Nodes(tmp_path_factory.mktemp("nodes"), cluster()) as running:
        yield running
        for server in running.servers:
            log = server.log.read_text()
            assert "Traceback" not in log, log[-6000:]


@pytest.fixture
def pair(nodes: Nodes) -> Iterator[Pair]:
    with ScriptedHome() as home:
        yield Pair(nodes, home)


def test_mail_in_at_one_node_is_pushed_at_the_other_and_read_there_in_order(pair: Pair) -> None:
    pair.home.stop()
    subjects = [f"pushed {number}" for number in range(40)]
    late = []
    with Idler(pair.other) as idler, pair.one.smtp() as client:
        idler.begin()
        for number, subject in enumerate(subjects, 1):
            client.sendmail(SENDER, [pair.one.anna], message(subject))
            answered = time.monotonic()
            line, told = idler.told()
            assert line == b"* %d EXISTS" % number
            assert idler.told()[0] == b"* %d RECENT" % number
            late.append(max(told - answered, 0.0))
        idler.end()
    say_latency("From 250 at one node to EXISTS at the other", late)
    assert pair.other.subjects() == subjects
    assert pair.one.subjects() == subjects
    assert pair.other.ledger(taken_in=40, owed=40)


def test_flags_and_expunges_at_one_node_are_pushed_at_the_other(pair: Pair) -> None:
    pair.home.stop()
    for number in range(3):
        assert pair.one.send(f"marked {number}").code == 250
    with Idler(pair.one) as idler, pair.other.imap() as session:
        idler.begin()
        session.store("2", "+FLAGS", r"(\Seen \Deleted)")
        assert idler.told()[0] == rb"* 2 FETCH (UID 2 FLAGS (\Seen \Deleted \Recent))"
        session.expunge()
        assert idler.told()[0] == b"* 2 EXPUNGE"
        idler.end()
    assert pair.one.subjects() == ["marked 0", "marked 2"]


class Follower:
    """A client that keeps the UIDs of a mailbox by what it is told, as RFC 9051 §7.5 has it. 0: not fetched yet."""

    def __init__(self, session: imaplib.IMAP4) -> None:
        self.session = session
        self.uids: list[int] = []
        self.look()

    def command(self, *words: str) -> None:
        tag = self.session._new_tag()
        self.session.send(b"%s %s\r\n" % (tag, " ".join(words).encode()))
        while not (line := self.session.readline()).startswith(tag):
            self._follow(line)
        # RFC 5530 §3: some of what was asked for is expunged, as will be told at the next command that may tell it.
        assert line.startswith((tag + b" OK", tag + b" NO [EXPUNGEISSUED]")), line

    def _follow(self, line: bytes) -> None:
        if found := re.match(rb"\* (\d+) EXISTS", line):
            assert int(found[1]) >= len(self.uids), "EXISTS takes no message away"
            self.uids += [0] * (int(found[1]) - len(self.uids))
        elif found := re.match(rb"\* (\d+) EXPUNGE", line):
            del self.uids[int(found[1]) - 1]
        elif found := re.match(rb"\* (\d+) FETCH \(UID (\d+)", line):
            number, uid = int(found[1]), int(found[2])
            assert self.uids[number - 1] in (0, uid), f"message {number} was {self.uids[number - 1]}, and is {uid}"
            self.uids[number - 1] = uid

    def look(self) -> None:
        """What it did not know it learns; what it knew is as it was."""
        self.command("NOOP")
        if self.uids:
            self.command("FETCH", "1:*", "(UID)")


def test_message_numbers_are_right_whatever_the_other_node_does(pair: Pair) -> None:
    pair.home.stop()
    chance = random.Random(7)
    with pair.one.imap() as first, pair.other.imap() as second:
        followers = [Follower(session) for session in (first, second)]
        for step in range(120):
            world, follower = chance.choice(list(zip(pair.both, followers, strict=True)))
            what = chance.random()
            if what < 0.45:
                assert world.send(f"step {step}").code == 250
            elif what < 0.75 and any(follower.uids):
                uid = chance.choice([uid for uid in follower.uids if uid])
                follower.command("UID", "STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
                follower.command("EXPUNGE")
            else:
                follower.look()
        time.sleep(0.3)
        for follower in followers:
            follower.look()
        assert followers[0].uids == followers[1].uids
        assert followers[0].uids == sorted(set(followers[0].uids))
        assert 0 not in followers[0].uids


def test_what_is_set_at_one_node_holds_at_the_other(pair: Pair) -> None:
    carl = f"carl@{pair.one.domain}"
    pair.home.stop()
    assert pair.other.send("early", carl).code in (450, 451)
    pair.one.cli("user", "add", carl)
    pair.other.wait_for(lambda: pair.other.send("hello", carl).code == 250)
    pair.one.cli("user", "deactivate", pair.one.ben)

    def is_out() -> bool:
        with imaplib.IMAP4("127.0.0.1", pair.other.server.ports["imap"], timeout=60) as session:
            try:
                session.login(pair.other.ben, "secret")
            except imaplib.IMAP4.error:
                return True
            return False

    pair.other.wait_for(is_out)
    pair.other.cli("domain", "set", pair.one.domain, "mode=enabled")
    pair.home.start()
    pair.one.wait_for(lambda: pair.one.send("declared").text.startswith("2.0.0 Message accepted"))
    assert pair.home.received("declared") == []


def test_a_state_that_one_node_sees_holds_for_both(pair: Pair) -> None:
    pair.home.stop()
    assert pair.one.send("found out").code == 250
    pair.other.wait_for(lambda: "is down" in pair.other.server.log.read_text())
    assert pair.other.send("known").seconds < TIMEOUT
    pair.home.start()
    for world in pair.both:
        world.wait_for_ledger(taken_in=2, delivered=2)
        world.wait_for(lambda world=world: "is up" in world.server.log.read_text())  # type: ignore[misc]
    assert len(pair.home.messages) == 2


def test_the_other_node_probes_when_the_prober_was_killed(pair: Pair) -> None:
    prober = pair.holder("prober")
    assert prober is not None
    rest = pair.not_(prober)
    pair.home.stop()
    assert rest.send("owed").code == 250
    prober.server.stop(signal.SIGKILL)
    pair.home.start()
    rest.wait_for_ledger(taken_in=1, delivered=1)
    assert pair.holder("prober") is rest
    prober.server.start(40)
    assert prober.send("again").code == 250
    assert len(pair.home.messages) == 2


def test_the_other_node_goes_on_when_the_one_that_redelivers_was_killed(pair: Pair) -> None:
    pair.home.stop()
    subjects = [f"owed {number}" for number in range(60)]
    for place, world in enumerate(pair.both):
        with world.smtp() as client:
            for number, subject in list(enumerate(subjects))[place::2]:
                client.sendmail(SENDER, [world.anna if number % 4 < 2 else world.ben], message(subject))
    pair.home.on("message", say("250 2.0.0 taken", wait=0.05))
    pair.home.start()
    assert pair.home.wait_for(lambda: len(pair.home.messages) >= 10, 60)
    flusher = pair.holder("flush")
    assert flusher is not None
    rest = pair.not_(flusher)
    flusher.server.stop(signal.SIGKILL)
    under_way = pair.leased()
    rest.wait_for(lambda: pair.holder("flush") is rest, 60)
    rest.wait_for(lambda: rest.report()["owed"] == 0, 60)  # also what the dead one had claimed: not after three minutes
    flusher.server.start(40)
    rest.wait_for_ledger(90, taken_in=60, delivered=60)
    by_subject = {subject: pair.home.received(subject) for subject in subjects}
    assert all(by_subject.values())
    doubled = [copies for copies in by_subject.values() if len(copies) > 1]
    assert all(same_message(copies) for copies in doubled)
    assert len(doubled) <= under_way


def test_a_repeat_that_comes_to_the_other_node_is_known(pair: Pair) -> None:
    pair.home.stop()
    pair.one.send("first")  # so that home is known to be down
    with contextlib.closing(pair.one.smtp()) as client:
        client.ehlo("sender.example")
        client.mail(SENDER)
        client.rcpt(pair.one.anna)
        client.putcmd("DATA")
        assert client.getreply()[0] == 354
        client.send(message("again") + b".\r\n")
        assert client.sock is not None
        client.sock.shutdown(socket.SHUT_RDWR)
    pair.other.wait_for(lambda: pair.other.subjects() == ["first", "again"])
    assert pair.other.send("again").code == 250
    assert pair.other.subjects() == ["first", "again"]
    assert pair.one.ledger(taken_in=2, owed=2)
