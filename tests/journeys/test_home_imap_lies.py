"""A home whose IMAP server fails and lies while mail is brought into its folders: nothing is lost, nothing doubled."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.running import Server
from tests.fakes.home import HANG_UP as SMTP_HANGS_UP
from tests.fakes.home import ScriptedHome
from tests.fakes.imap_home import (
    HANG_UP,
    SILENCE,
    TAKEN_THEN_HANG_UP,
    TAKEN_THEN_SILENCE,
    Behaviour,
    Kept,
    ScriptedImap,
    answer,
)
from tests.journeys.world import World, message


@pytest.fixture
def imap() -> Iterator[ScriptedImap]:
    with ScriptedImap(password="geheim", uses={"Sent": "\\Sent"}) as running:
        yield running


class Filed(World):
    """A domain whose home has its mailboxes in a scripted server."""

    mailboxes: ScriptedImap

    def outage(self, *subjects: str) -> None:
        """Messages to anna while home is down."""
        self.home.stop()
        for subject in subjects:
            assert self.send(subject).code == 250

    def goes_home(self, **expected: int) -> None:
        self.home.start()
        self.wait_for_ledger(**expected)

    def one(self, subject: str) -> Kept:
        found = self.mailboxes.kept(self.anna, subject)
        assert len(found) == 1, found
        return found[0]

    def said(self) -> str:
        """What `queue list` shows of the one message that waits, as soon as it was tried."""
        rows: list[dict[str, str]] = []

        def tried() -> bool:
            rows[:] = [row for row in self.cli("queue", "list", "--domain", self.domain) if row["last_text"]]
            return bool(rows)

        self.wait_for(tried)
        return rows[0]["last_text"]


@pytest.fixture
def world(server: Server, home: ScriptedHome, imap: ScriptedImap) -> Iterator[Filed]:
    world = Filed(server, home)
    world.mailboxes = imap
    world.cli("domain", "set", world.domain, f"home-imap={imap.url}")
    yield world
    assert "geheim" not in server.log.read_text()


@pytest.mark.parametrize("size", [10, 300_000])
@pytest.mark.parametrize(
    "behaviour", [HANG_UP, TAKEN_THEN_HANG_UP, answer("NO [OVERQUOTA] full"), answer("NO [UNAVAILABLE] later")]
)
def test_a_connection_that_is_lost_at_the_end_of_a_message_doubles_and_loses_nothing(
    world: Filed, behaviour: Behaviour, size: int
) -> None:
    world.mailboxes.on("MESSAGE", behaviour, times=1)
    world.home.stop()
    world.send("once", body="x" * size)
    world.goes_home(taken_in=1, delivered=1)
    assert world.one("once").data.endswith(b"\r\n" + b"x" * size + b"\r\n")
    assert world.home.messages == []


def test_an_answer_that_does_not_come_is_waited_for_and_nothing_else_is_tried_meanwhile(world: Filed) -> None:
    world.mailboxes.on("MESSAGE", TAKEN_THEN_SILENCE, times=1)
    world.outage("silent")
    world.home.start()
    assert "did not answer within 1 s" in world.said()
    assert world.ledger(taken_in=1, owed=1)
    world.mailboxes.stop()
    world.mailboxes.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    world.one("silent")


def test_an_answer_that_comes_late_ends_the_doubt(world: Filed) -> None:
    world.mailboxes.on("MESSAGE", Behaviour("OK [APPENDUID 1 7] at last", wait=2.5, take=True), times=1)
    world.outage("slow")
    world.goes_home(taken_in=1, delivered=1)
    world.one("slow")
    assert "at last" in world.track(recipient=world.anna)["events"][-1]["text"]


def test_what_is_in_doubt_is_found_though_its_user_has_moved_it_meanwhile(world: Filed) -> None:
    world.mailboxes.on("MESSAGE", TAKEN_THEN_HANG_UP, times=1)
    world.outage("moved in doubt")
    world.home.start()
    world.wait_for(lambda: bool(world.mailboxes.kept(world.anna)))
    world.mailboxes.stop()
    with world.imap() as session:
        session.create("Kunden")
        session.uid("MOVE", world.uids(session, "moved in doubt"), "Kunden")
    world.mailboxes.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    world.one("moved in doubt")


def test_a_folder_that_is_gone_again_is_made(world: Filed) -> None:
    world.mailboxes.on("APPEND", answer("NO [TRYCREATE] what folder?"), times=1)
    world.outage("made")
    world.goes_home(taken_in=1, delivered=1)
    assert world.one("made").folder == "INBOX"
    assert 'CREATE "INBOX"' in world.mailboxes.commands


@pytest.mark.long
def test_a_folder_that_home_refuses_to_make_is_inbox(world: Filed) -> None:
    world.mailboxes.on("CREATE", answer("NO [CANNOT] no folders here"))
    world.outage("homeless")
    with world.imap() as session:
        session.create("Kunden")
        session.uid("MOVE", world.uids(session, "homeless"), "Kunden")
    world.goes_home(taken_in=1, delivered=1)
    assert world.one("homeless").folder == "INBOX"


def test_a_full_mailbox_is_waited_for(world: Filed) -> None:
    world.mailboxes.on("APPEND", answer("NO [OVERQUOTA] mailbox full"), times=4)
    world.outage("full")
    world.home.start()
    assert "[OVERQUOTA] mailbox full" in world.said()
    world.wait_for_ledger(taken_in=1, delivered=1)
    world.one("full")
    assert world.home.messages == []


@pytest.mark.parametrize("refusal", ["NO [TOOBIG] too large", "BAD what is this", "NO computer says no"])
@pytest.mark.long
def test_what_imap_does_not_take_goes_by_smtp(world: Filed, refusal: str) -> None:
    world.mailboxes.on("APPEND", answer(refusal))
    world.outage("refused")
    world.goes_home(taken_in=1, delivered=1)
    assert [one.subject for one in world.home.messages] == ["refused"]
    assert world.mailboxes.kept(world.anna) == []


@pytest.mark.parametrize("command", ["MESSAGE", "APPEND"])
@pytest.mark.long
def test_what_imap_refused_goes_by_smtp_though_it_was_in_flight(world: Filed, command: str) -> None:
    world.mailboxes.on(command, answer("NO [TOOBIG] too large after all"))
    world.outage("in flight")
    world.goes_home(taken_in=1, delivered=1)
    assert [one.subject for one in world.home.messages] == ["in flight"]


def test_what_is_in_doubt_by_imap_never_goes_by_smtp(world: Filed) -> None:
    world.mailboxes.on("MESSAGE", TAKEN_THEN_HANG_UP, times=1)
    world.outage("doubtful")
    world.home.start()
    world.wait_for(lambda: bool(world.mailboxes.kept(world.anna)))
    world.mailboxes.users = {world.ben}  # anna is not let in any more
    world.wait_for(lambda: "refuses the login" in world.said())
    world.home.stop()
    world.send("ben's", world.ben)
    world.home.start()
    world.wait_for_ledger(taken_in=2, delivered=1, owed=1)
    world.send("anna's")
    world.mailboxes.users = None
    world.wait_for_ledger(taken_in=2, delivered=2)
    world.one("doubtful")
    assert [one.subject for one in world.home.messages] == ["anna's"]


def test_what_one_of_two_folders_has_never_goes_by_smtp(world: Filed) -> None:
    world.outage("two folders")
    with world.imap() as session:
        session.create("Kopien")
        session.uid("COPY", world.uids(session, "two folders"), "Kopien")
    refused = world.mailboxes.on("CREATE", HANG_UP, times=1)
    world.goes_home(taken_in=1, delivered=1)
    assert refused.hits == 1
    assert sorted(one.folder for one in world.mailboxes.kept(world.anna)) == ["INBOX", "Kopien"]
    assert world.home.messages == []


@pytest.mark.parametrize(
    ("command", "behaviour", "words"),
    [
        ("LIST", Behaviour(raw=b'* LIST () "/" {10995116277760}\r\n'), "announced a string of 10995116277760 octets"),
        ("LIST", Behaviour(endless=b'* LIST () "/" "x"\r\n'), "responses to one command"),
        ("SEARCH", Behaviour(endless=b"* 1 EXISTS\r\n"), "responses to one command"),
        ("SEARCH", Behaviour(raw=b"* SEARCH 99999999999999999999\r\n"), "IMAP does not know"),
        ("APPEND", Behaviour(raw=b"TAG OK [APPENDUID 1 1] taken unseen\r\n"), "agreed to what it has not heard"),
        ("APPEND", Behaviour(raw=b"* BYE shutting down\r\n", hang_up=True), "ended the session: shutting down"),
        ("SELECT", SILENCE, "did not answer within 1 s"),
        ("LOGIN", Behaviour(raw=b"TAG NO geheim is not the password\r\n", hang_up=True), "*** is not the password"),
    ],
)
@pytest.mark.long
def test_a_home_that_lies_is_told_in_one_line_and_gets_the_message_when_it_relents(
    world: Filed, command: str, behaviour: Behaviour, words: str
) -> None:
    world.mailboxes.on(command, behaviour)
    world.home.stop()
    world.send("patience", body="x" * 10_000)  # too large to be sent without leave
    world.home.start()
    said = world.said()
    assert words in said or (behaviour.endless and "did not answer within 1 s" in said)  # on a machine that is busy
    assert said.isprintable()
    assert world.ledger(taken_in=1, owed=1)
    world.mailboxes.relent()
    world.wait_for_ledger(taken_in=1, delivered=1)
    world.one("patience")
    assert world.home.messages == []


@pytest.mark.parametrize("command", ["NAMESPACE", "SEARCH", "SUBSCRIBE", "FETCH", "NOOP"])
@pytest.mark.long
def test_what_home_says_it_can_and_cannot_is_done_without(world: Filed, command: str) -> None:
    world.mailboxes.on(command, answer("BAD unknown command"))
    world.outage("without", "without too")
    world.goes_home(taken_in=2, delivered=2)
    assert sorted(one.subject for one in world.mailboxes.kept(world.anna)) == ["without", "without too"]


@pytest.mark.long
def test_special_uses_are_asked_for_twice_where_home_does_not_know_the_question(
    server: Server, home: ScriptedHome
) -> None:
    offers = "IMAP4rev1 LIST-EXTENDED SPECIAL-USE"
    with ScriptedImap(capabilities=offers, uses={"Ausgang": "\\Sent"}) as imap:
        world = Filed(server, home)
        world.mailboxes = imap
        world.cli("domain", "set", world.domain, f"home-imap={imap.url}")
        imap.on("LIST", answer("BAD what is RETURN"), times=1)
        world.outage("plain list")
        world.goes_home(taken_in=1, delivered=1)
        world.one("plain list")


@pytest.mark.long
def test_flags_that_home_does_not_know_do_not_keep_a_message_here(world: Filed) -> None:
    world.mailboxes.on("APPEND", answer("NO [CANNOT] no keywords"), times=1)
    world.outage("keyword")
    with world.imap() as session:
        session.uid("STORE", world.uids(session, "keyword"), "+FLAGS", "(\\Seen Rot)")
    world.goes_home(taken_in=1, delivered=1)
    assert world.one("keyword").flags == {"\\Seen"}


def test_a_home_that_refuses_everybody_pauses_the_flush_and_nothing_fails(world: Filed) -> None:
    carl = f"carl@{world.domain}"
    world.cli("user", "add", carl)
    world.cli("user", "activate", carl)
    world.mailboxes.users = set()
    world.outage("a")
    world.send("b", world.ben)
    world.send("c", carl)
    world.home.start()
    world.wait_for(lambda: "refuses the login" in str(world.cli("status", world.domain)))
    assert world.ledger(taken_in=3, owed=3)
    assert world.home.messages == []
    world.mailboxes.users = None
    world.wait_for_ledger(taken_in=3, delivered=3)


def test_a_message_in_doubt_by_smtp_waits_for_imap_where_that_is_not_back(world: Filed) -> None:
    world.mailboxes.stop()
    world.home.on("message", SMTP_HANGS_UP, times=1)
    assert world.send("both").code == 250
    assert "no connection to" in world.said()
    assert world.ledger(taken_in=1, owed=1)
    world.mailboxes.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    world.one("both")
    assert world.home.messages == []


@pytest.mark.parametrize(
    ("said", "by_smtp"),
    [
        ("NO [INUSE] mailbox is locked", False),
        ("NO [CONTACTADMIN] account is locked", True),
        ("NO [EXPIRED] the password has expired", True),
    ],
)
@pytest.mark.long
def test_a_user_whose_mailbox_is_locked_slows_down_nobody_else(world: Filed, said: str, by_smtp: bool) -> None:
    world.mailboxes.locked[world.anna] = said
    world.home.stop()
    for number in range(6):
        world.send(f"anna {number}")
        world.send(f"ben {number}", world.ben)
    if by_smtp:
        world.goes_home(taken_in=12, delivered=12)
        assert len(world.home.messages) == 6
        return
    world.goes_home(taken_in=12, delivered=6, owed=6)
    assert "mailbox is locked" in world.said()
    assert world.cli("status", world.domain)[0]["recovery"]["waiting"] == ""
    world.mailboxes.locked.clear()
    world.wait_for_ledger(taken_in=12, delivered=12)
    assert world.home.messages == []


@pytest.mark.parametrize("local", ["anna*root", '"ben root"', "../ben"])
@pytest.mark.long
def test_an_address_that_reads_as_somebody_elses_login_goes_by_smtp(world: Filed, local: str) -> None:
    address = f"{local}@{world.domain}"
    world.cli("user", "add", address)
    world.cli("user", "activate", address)
    world.home.stop()
    world.send("trick", address)
    world.goes_home(taken_in=1, delivered=1)
    assert [one.subject for one in world.home.messages] == ["trick"]
    assert world.mailboxes.logins == []


def test_the_same_message_to_two_addresses_of_a_user_is_in_home_s_folder_once(world: Filed) -> None:
    alias = f"a@{world.domain}"
    world.cli("user", "alias", "add", world.anna, alias)
    world.home.stop()
    assert world.send("both addresses", world.anna, alias).code == 250
    world.goes_home(taken_in=2, delivered=2)
    world.one("both addresses")


@pytest.mark.long
def test_a_message_that_home_has_in_another_folder_is_another_copy(world: Filed) -> None:
    world.mailboxes.put(world.anna, "Sent", message("to myself"))
    world.outage("to myself")
    world.goes_home(taken_in=1, delivered=1)
    assert sorted(one.folder for one in world.mailboxes.kept(world.anna)) == ["INBOX", "Sent"]


def test_a_server_that_dies_while_home_takes_a_message_finds_it_there(configured: str, tmp_path: Path) -> None:
    with Server(tmp_path, configured) as server, ScriptedHome() as home, ScriptedImap() as imap:
        world = Filed(server, home)
        world.mailboxes = imap
        world.cli("domain", "set", world.domain, f"home-imap={imap.url}")
        imap.on("MESSAGE", TAKEN_THEN_SILENCE, times=1)
        world.outage("in flight")
        world.home.start()
        world.wait_for(lambda: bool(imap.kept(world.anna)))
        server.stop(signal.SIGKILL)
        server.start()
        world.wait_for_ledger(taken_in=1, delivered=1)
        world.one("in flight")
        assert world.home.messages == []
