"""Bits of a pack that have flipped: who asks for the message is told so, everybody else is served."""

from __future__ import annotations

import imaplib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import CONFIGURATION, World, message

pytestmark = pytest.mark.sqlite  # packs are files there

LARGE = ("x" * 70 + "\r\n") * 8000  # above what is read as a whole
BODIES = {"before": "Hello.", "small": "y" * 3000, "large": LARGE, "after": "Hello."}


@pytest.fixture
def world(tmp_path: Path, home: ScriptedHome, server: Server) -> World:
    world = World(server, home)
    home.stop()
    for subject, body in BODIES.items():
        assert world.send(subject, body=body).code == 250
    return world


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Packs are files: on SQLite, whatever the run has chosen."""
    with Server(tmp_path_factory.mktemp("server"), CONFIGURATION) as running:
        yield running
        assert "Traceback" not in running.log.read_text()


def _damage(world: World, subject: str) -> None:
    """Flips a bit in the middle of the message, wherever it is."""
    body = message(subject, body=BODIES[subject])
    for pack in (world.server.folder / "data" / "packs").glob("*.pack"):
        content = bytearray(pack.read_bytes())
        start = content.rfind(body)
        if start >= 0:
            with pack.open("r+b") as file:
                place = start + len(body) - 40
                file.seek(place)
                file.write(bytes([content[place] ^ 0x10]))
            return
    raise AssertionError(f"{subject} is in no pack")


def _whole(session: imaplib.IMAP4, uid: str) -> bytes:
    status, data = session.uid("FETCH", uid, "(BODY.PEEK[])")
    assert status == "OK", data
    return b"".join(part[1] for part in data if isinstance(part, tuple))


@pytest.mark.parametrize("subject", ["small", "large"])
def test_a_damaged_message_is_named_as_such_and_the_others_are_served(world: World, subject: str) -> None:
    _damage(world, subject)
    with world.imap() as session:
        assert world.subjects() == list(BODIES)  # what is rendered is in the database
        for other in BODIES.keys() - {subject}:
            assert _whole(session, world.uids(session, other)).endswith(message(other, body=BODIES[other]))
    if subject == "small":  # read as a whole, before anything is said
        with world.imap() as session:
            status, data = session.uid("FETCH", world.uids(session, subject), "(BODY.PEEK[])")
            assert status == "NO"
            assert data[-1].startswith(b"[CORRUPTION] 1 of the messages cannot be read")
            assert session.noop()[0] == "OK"
    else:  # streamed: the connection ends before its last octet, so that nobody takes it for whole
        with pytest.raises((imaplib.IMAP4.error, OSError)), world.imap() as session:
            session.uid("FETCH", world.uids(session, subject), "(BODY.PEEK[])")
    assert "does not match its checksum" in world.server.log.read_text()


@pytest.mark.parametrize("subject", ["small", "large"])
def test_a_damaged_message_is_not_redelivered_and_stays_owed(world: World, subject: str) -> None:
    _damage(world, subject)
    world.home.start()
    world.wait_for(lambda: world.report()["delivered"] == 3)
    world.wait_for(lambda: world.state() == "up")  # one that cannot be sent holds up no recovery
    time.sleep(1)
    assert sorted(copy.subject for copy in world.home.messages) == sorted(BODIES.keys() - {subject})
    assert world.ledger(taken_in=4, delivered=3, owed=1)
    (row,) = world.cli("queue", "list", "--domain", world.domain)
    assert row["subject"] == subject
    assert "does not match its checksum" in json.dumps(world.cli("track", "--recipient", world.anna))
    lines = [line for line in world.server.log.read_text().splitlines() if "not redelivered" in line]
    tries = [line for line in lines if row["id"] in line]
    assert 1 <= len(tries) < 20  # again after `retry.longest`, half a second here, and not at once
    assert world.send("new").code == 250  # mail passes through
    assert len(world.at_home("new")) == 1
    world.cli("queue", "remove", row["id"])  # closed by the administrator
    assert world.ledger(taken_in=4, delivered=3, released=1)
