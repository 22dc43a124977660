"""The folder Email Archive: last week's mail, for any client, to be read and not changed."""

from __future__ import annotations

import imaplib
import time
from typing import Any

from tests.journeys.world import World, message

FOLDER = '"Email Archive"'


def archived(world: World, user: str = "") -> list[str]:
    """What the folder shows, in its order."""
    with select(world, user) as session:
        return subjects(session)


def subjects(session: imaplib.IMAP4) -> list[str]:
    _, data = session.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return [part[1].decode().partition(":")[2].strip() for part in data if isinstance(part, tuple)]


def select(world: World, user: str = "") -> imaplib.IMAP4:
    """By SELECT, and not by EXAMINE; imaplib takes that it is read-only all the same for an error."""
    session = imaplib.IMAP4("127.0.0.1", world.server.ports["imap"], timeout=60)
    session.login(user or world.anna, "secret")
    session.is_readonly = True
    typ, said = session._simple_command("SELECT", FOLDER)
    assert typ == "OK", said
    assert session.untagged_responses["READ-ONLY"]
    session.state = "SELECTED"
    return session


def test_it_is_listed_without_a_special_use_and_subscribed(world: World) -> None:
    with imaplib.IMAP4("127.0.0.1", world.server.ports["imap"], timeout=60) as session:
        session.login(world.anna, "secret")
        for command in (session.list, session.lsub):
            rows: list[Any] = command()[1]
            (line,) = [row for row in rows if b"Email Archive" in row]
            assert b"\\Archive" not in line
            assert b"\\All" not in line
        assert session.status(FOLDER, "(MESSAGES UIDNEXT)")[0] == "OK"


def test_passed_redirected_and_sent_mail_is_in_it_each_once_and_nobody_elses(world: World) -> None:
    assert world.send("passed").code == 250
    assert world.send("to both", world.anna, world.ben).code == 250
    assert world.send("for ben", world.ben).code == 250
    world.cli("user", "alias", "add", world.anna, f"a@{world.domain}")
    assert world.send("to her alias", f"A@{world.domain}").code == 250
    world.home.stop()
    assert world.send("redirected").code == 250
    expected = ["passed", "to both", "to her alias", "redirected"]
    assert archived(world) == expected
    assert archived(world) == expected
    assert archived(world, world.ben) == ["to both", "for ben"]
    assert world.subjects() == ["redirected"]


def test_what_it_shows_is_the_message_with_its_structure_and_date(world: World) -> None:
    assert world.send("whole", body="needle").code == 250
    with select(world) as session:
        data: list[Any] = session.fetch("1", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])")[
            1
        ]
        fetched = b"".join(part if isinstance(part, bytes) else b"".join(part) for part in data)
        assert b'"whole"' in fetched
        assert b"\\Seen" in fetched
        assert message("whole", body="needle") in fetched
        for key, found in (("BODY needle", b"1"), ("BODY nothing", b""), ('SUBJECT "whole"', b"1")):
            assert session.search(None, *key.split(" ", 1))[1] == [found]


def test_nothing_in_it_can_be_changed_and_what_is_in_it_can_be_copied_out(world: World) -> None:
    assert world.send("kept").code == 250
    with select(world) as session:
        for command in (
            lambda: session.store("1", "+FLAGS", "\\Deleted"),
            lambda: session.expunge(),
            lambda: session.append(FOLDER, "", None, message("mine")),
            lambda: session.copy("1", FOLDER),
            lambda: session.rename(FOLDER, "Mine"),
            lambda: session.create('"Email Archive/below"'),
            lambda: session.rename("Junk", '"Email Archive/below"'),
            lambda: session.delete(FOLDER),
            lambda: session._simple_command("MOVE", "1", "INBOX"),
        ):
            assert command()[0] == "NO"
        assert session.copy("1", "INBOX")[0] == "OK"
        assert session.fetch("1", "(BODY[])")[0] == "OK"
        assert session.select("INBOX")[0] == "OK"
        assert subjects(session) == ["kept"]
        assert session.copy("1", FOLDER)[0] == "NO"
    assert archived(world) == ["kept"]


def test_what_passes_while_it_is_open_appears_and_uids_stay(world: World) -> None:
    assert world.send("first").code == 250
    with select(world) as session:
        before = session.uid("FETCH", "1:*", "(UID)")[1]
        validity = session.response("UIDVALIDITY")[1]
        assert world.send("second").code == 250
        until = time.monotonic() + 60
        while subjects(session) != ["first", "second"]:
            assert time.monotonic() < until
            session.noop()
            time.sleep(0.2)
        assert session.uid("FETCH", "1", "(UID)")[1] == before
    with select(world) as session:
        assert session.response("UIDVALIDITY")[1] == validity
        assert session.uid("FETCH", "1", "(UID)")[1] == before


def test_what_is_in_it_is_nothing_that_the_user_has_or_deleted(world: World) -> None:
    """What the user deletes of INBOX is deleted, though the archive shows it; what they leave goes home."""
    world.home.stop()
    for subject in ("deleted", "left"):
        assert world.send(subject).code == 250
    assert archived(world) == ["deleted", "left"]
    with world.imap() as session:
        session.uid("STORE", world.uids(session, "deleted"), "+FLAGS", "\\Deleted")
        session.expunge()
    world.home.start()
    world.wait_for_ledger(taken_in=2, delivered=1, deleted=1)
    assert [copy.subject for copy in world.home.messages] == ["left"]
    assert archived(world) == ["deleted", "left"]
    (row,) = [row for row in world.cli("user", "list", "--domain", world.domain) if row["address"] == world.anna]
    assert row["messages"] <= 1


def test_what_retention_drops_leaves_it_and_its_file(world: World) -> None:
    for subject in ("old", "older"):
        assert world.send(subject).code == 250
    with select(world) as session:
        assert subjects(session) == ["old", "older"]
        world.cli("domain", "set", world.domain, "retention-days=0")
        assert world.cli("archive", "purge", "--domain", world.domain)["dropped"] == 2
        session.noop()
        assert session.response("EXPUNGE")[1] != [None]
        assert subjects(session) == []
    world.cli("domain", "set", world.domain, "retention-days=90")
