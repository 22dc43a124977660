"""After an outage mail goes home into its folders, by IMAP: a real Dovecot, opened by a master user."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from email.message import EmailMessage
from smtplib import SMTP

import pytest

from tests.app.running import Server
from tests.fakes.dovecot import Dovecot, Kept
from tests.fakes.home import HANG_UP, TAKEN_THEN_HANG_UP, ScriptedHome
from tests.journeys.world import PATIENCE, World, message

FOLDERS = {"Gesendet": "\\Sent", "Entwürfe": "\\Drafts", "Trash": "\\Trash", "Kunden": ""}


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with Dovecot(denied=["carl"], folders=FOLDERS) as running:
        yield running


class Filed(World):
    """A domain whose home has its mailboxes in Dovecot."""

    def opens(self, dovecot: Dovecot) -> None:
        self.dovecot = dovecot
        self.cli("domain", "set", self.domain, f"home-imap={dovecot.url}")

    def at(self, subject: str, user: str = "") -> list[Kept]:
        """What home has of that subject."""
        return [one for one in self.dovecot.messages(user or self.anna) if one.subject == subject]

    def one(self, subject: str, user: str = "") -> Kept:
        found = self.at(subject, user)
        assert len(found) == 1, [(one.folder, one.subject) for one in self.dovecot.messages(user or self.anna)]
        return found[0]

    def submit(self, subject: str, *recipients: str) -> bytes:
        """As anna, who writes to these; what she has written."""
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = self.anna, ", ".join(recipients), subject
        letter["Message-ID"] = f"<{subject}@{self.domain}>"
        letter["Date"] = "Sun, 22 Nov 2026 04:03:00 +0000"
        letter.set_content("Hello.")
        with SMTP("127.0.0.1", self.server.ports["smtp"], timeout=PATIENCE) as client:
            client.login(self.anna, "secret")
            client.send_message(letter)
        return letter.as_bytes()


@pytest.fixture
def world(server: Server, home: ScriptedHome, dovecot: Dovecot) -> Filed:
    world = Filed(server, home)
    world.opens(dovecot)
    return world


def move(session: imaplib.IMAP4, uid: str, folder: str) -> None:
    session.create(f'"{folder}"')
    assert session.uid("MOVE", uid, f'"{folder}"')[0] == "OK"


def test_home_has_each_message_once_in_the_folder_and_with_the_flags_it_has_here(world: Filed) -> None:
    world.home.stop()
    for subject in ("plain", "read", "answered", "moved", "new folder", "copied", "dropped", "trashed"):
        assert world.send(subject).code == 250
    assert world.send("to ben", world.ben).code == 250
    with world.imap() as session:
        session.uid("STORE", world.uids(session, "read"), "+FLAGS", "(\\Seen)")
        session.uid("STORE", world.uids(session, "answered"), "+FLAGS", "(\\Answered \\Flagged \\Seen $Forwarded Rot)")
        move(session, world.uids(session, "moved"), "Kunden")
        move(session, world.uids(session, "new folder"), "Projekte/&- S&APw-d")
        session.create("Kopien")
        session.uid("COPY", world.uids(session, "copied"), "Kopien")
        session.uid("STORE", world.uids(session, "dropped"), "+FLAGS", "(\\Deleted)")
        move(session, world.uids(session, "trashed"), "Trash")
        draft = message("draft", sender=world.anna)
        session.append("Drafts", "(\\Draft \\Seen)", '"22-Nov-2026 04:03:00 +0000"', draft)
        session.append("Drafts", "(\\Draft)", '"22-Nov-2026 04:03:00 +0000"', message("given up", sender=world.anna))
        session.select("Drafts")
        session.uid("STORE", world.uids(session, "given up"), "+FLAGS", "(\\Deleted)")
        session.expunge()
    world.submit("sent", world.ben)
    dates = {}
    for folder in ("INBOX", "Kunden", "Sent"):
        with world.imap(folder=folder) as session:
            for line in session.uid("FETCH", "1:*", "(INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
                if isinstance(line, tuple):
                    subject = line[1].decode().partition(":")[2].strip()
                    dates[subject] = line[0].decode().partition('INTERNALDATE "')[2].partition('"')[0].strip()
    world.home.start()
    world.wait_for_ledger(taken_in=12, delivered=10, deleted=2)

    placed = {(one.subject, one.folder): one for one in world.dovecot.messages(world.anna)}
    assert {key: set(one.flags) for key, one in placed.items()} == {
        ("plain", "INBOX"): set(),
        ("read", "INBOX"): {"\\Seen"},
        ("answered", "INBOX"): {"\\Answered", "\\Flagged", "\\Seen", "$Forwarded", "Rot"},
        ("moved", "Kunden"): set(),
        ("new folder", "Projekte/&- S&APw-d"): set(),
        ("copied", "INBOX"): set(),
        ("copied", "Kopien"): set(),
        ("draft", "Entw&APw-rfe"): {"\\Draft", "\\Seen"},
        ("sent", "Gesendet"): {"\\Seen"},
    }
    assert len(placed) == len(world.dovecot.messages(world.anna))
    for subject, folder in (("plain", "INBOX"), ("moved", "Kunden"), ("sent", "Gesendet")):
        assert placed[subject, folder].date == dates[subject]
        assert placed[subject, folder].data.endswith(b"\r\n\r\nHello.\r\n")
    assert [one.folder for one in world.at("to ben", world.ben)] == ["INBOX"]
    assert set(world.dovecot.subscribed(world.anna)) >= {"Projekte/&- S&APw-d", "Kopien"}
    assert all(one.id for one in placed.values())
    assert [one.subject for one in world.home.messages] == []  # nothing of it by SMTP
    (row,) = world.cli("track", "--recipient", world.ben, "--limit", "1")
    event = row["events"][-1]
    assert (row["outcome"], event["code"], event["host"]) == ("delivered", 250, f"127.0.0.1:{world.dovecot.port}")
    assert " OK [APPENDUID " in event["text"]


def test_what_changes_after_it_went_home_does_not_travel(world: Filed) -> None:
    world.home.stop()
    world.send("gone home")
    world.home.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    with world.imap() as session:
        session.uid("STORE", world.uids(session, "gone home"), "+FLAGS", "(\\Seen)")
        move(session, world.uids(session, "gone home"), "Kunden")
    world.home.stop()
    world.send("the next")
    world.home.start()
    world.wait_for_ledger(taken_in=2, delivered=2)
    kept = world.one("gone home")
    assert (kept.folder, kept.flags) == ("INBOX", frozenset())


def test_a_message_that_home_has_already_is_not_doubled(world: Filed) -> None:
    world.home.stop()
    world.send("twice")
    world.dovecot.put(world.anna, "INBOX", message("twice"))  # by another way: a client carried it over
    world.home.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert world.one("twice").id == ""
    world.track(recipient=world.anna, outcome="delivered")


def test_another_message_with_the_same_message_id_is_another_message(world: Filed) -> None:
    world.home.stop()
    world.send("machine")
    world.dovecot.put(world.anna, "INBOX", message("machine", body="Another report."))
    world.home.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert len(world.at("machine")) == 2


def test_what_is_in_doubt_by_smtp_is_found_by_imap_and_put_where_it_belongs(world: Filed) -> None:
    # Until its mailboxes show what home took by SMTP nothing is looked for there: a row in doubt is due 0.2 s later.
    world.cli("domain", "set", world.domain, f"home-imap={world.dovecot.url_of_nobody}")
    world.home.on("message", TAKEN_THEN_HANG_UP, times=1)
    assert world.send("in doubt").code == 250
    (taken,) = world.at_home("in doubt")
    with world.imap() as session:
        session.uid("STORE", world.uids(session, "in doubt"), "+FLAGS", "(\\Seen)")
        move(session, world.uids(session, "in doubt"), "Kunden")
    world.dovecot.put(world.anna, "INBOX", taken.data)
    world.opens(world.dovecot)
    world.wait_for_ledger(taken_in=1, delivered=1)
    kept = world.one("in doubt")
    assert (kept.folder, kept.flags) == ("Kunden", frozenset({"\\Seen"}))
    assert len(world.home.received("in doubt")) == 1


def test_what_is_in_doubt_by_smtp_and_not_found_is_brought(world: Filed) -> None:
    world.home.on("message", HANG_UP, times=1)
    assert world.send("lost").code == 250
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert world.one("lost").folder == "INBOX"


def test_a_user_without_a_mailbox_by_imap_gets_mail_by_smtp(world: Filed) -> None:
    carl = f"carl@{world.domain}"
    world.cli("user", "add", carl)
    world.cli("user", "activate", carl)
    world.home.stop()
    for number in range(3):
        world.send(f"anna {number}")
        world.send(f"carl {number}", carl)
    world.home.start()
    world.wait_for_ledger(taken_in=6, delivered=6)
    assert sorted(one.subject for one in world.dovecot.messages(world.anna)) == ["anna 0", "anna 1", "anna 2"]
    assert sorted(one.subject for one in world.home.messages) == ["carl 0", "carl 1", "carl 2"]


def test_a_login_is_tried_and_tells_which_folders_answer_to_ours(world: Filed) -> None:
    row = world.cli("domain", "test-imap", world.domain, world.anna)
    assert (row["logged_in"], row["host"]) == (True, f"127.0.0.1:{world.dovecot.port}")
    assert [(each["folder"], each["home"], each["missing"]) for each in row["folders"]] == [
        ("INBOX", "INBOX", False),
        ("Sent", "Gesendet", False),
        ("Drafts", "Entwürfe", False),
        ("Junk", "Junk", True),
        ("Archive", "Archive", True),
    ]
    refused = world.server.run("domain", "test-imap", world.domain, f"carl@{world.domain}")
    assert refused.returncode == 1
    assert "refuses the login" in refused.stdout


def test_a_wrong_master_password_sends_nothing_and_is_told(world: Filed) -> None:
    world.home.stop()
    world.send("patience")
    world.cli("domain", "set", world.domain, f"home-imap={world.dovecot.url.replace('mailboxes', 'ge:heim')}")
    world.home.start()
    world.wait_for(lambda: any(row["last_text"] for row in world.cli("queue", "list", "--domain", world.domain)))
    (row,) = world.cli("queue", "list", "--domain", world.domain)
    assert "refuses the login" in row["last_text"]
    assert "heim" not in world.server.log.read_text() + str(world.cli("domain", "show", world.domain)) + str(row)
    assert world.ledger(taken_in=1, owed=1)
    world.cli("domain", "set", world.domain, f"home-imap={world.dovecot.url}")
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert world.one("patience").folder == "INBOX"
    assert world.home.messages == []


def test_home_s_imap_may_be_back_later_than_its_smtp(world: Filed) -> None:
    world.home.stop()
    world.send("later")
    world.dovecot.stop()
    try:
        world.home.start()
        world.wait_for(lambda: any(row["last_text"] for row in world.cli("queue", "list", "--domain", world.domain)))
        assert world.ledger(taken_in=1, owed=1)
    finally:
        world.dovecot.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert world.one("later").folder == "INBOX"
