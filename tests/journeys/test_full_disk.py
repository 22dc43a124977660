"""A full disk, of the database or of the packs: mail waits at its senders, and nothing that was accepted is lost."""

from __future__ import annotations

import os
import smtplib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.app.running import Server, command
from tests.fakes.home import ScriptedHome
from tests.fakes.mounts import SmallDisk
from tests.journeys.world import CONFIGURATION, SENDER, World, message

FLOOR = 8 << 20
LIMITS = f"\n[limits]\nfree_space = {FLOOR}\n"
LARGE = "x" * 70 + "\r\n"
LARGE *= (3 << 20) // len(LARGE)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "data") as disk:
        yield disk


@pytest.fixture
def packs(database: SmallDisk) -> Iterator[SmallDisk]:
    """A disk of their own: an administrator may have moved them to a larger one."""
    with SmallDisk(database.path / "packs") as disk:
        yield disk


@pytest.fixture
def world(tmp_path: Path, packs: SmallDisk, home: ScriptedHome) -> Iterator[World]:
    with Server(tmp_path, CONFIGURATION + LIMITS) as server:
        yield World(server, home)
        assert "Traceback" not in server.log.read_text()


def _said(world: World, *words: str) -> list[str]:
    """Lines of the log with all these words."""
    return [line for line in world.server.log.read_text().splitlines() if all(word in line for word in words)]


def _code(world: World, subject: str, body: str) -> int:
    """What is answered to a large message, at DATA or behind it."""
    try:
        return world.send(subject, body=body).code
    except smtplib.SMTPDataError as error:
        return int(error.smtp_code)


def _flood(world: World, count: int) -> list[int]:
    """The codes of messages that are sent by ten senders."""
    with ThreadPoolExecutor(10) as pool:
        return list(pool.map(lambda number: world.send(f"flood {number}").code, range(count)))


def _goes_on(world: World) -> None:
    """Mail flows and users work, without a restart; what was accepted comes home."""
    world.wait_for(lambda: world.send("afterwards").code == 250)
    assert "afterwards" in world.subjects()
    with world.imap() as session:
        assert session.uid("STORE", world.uids(session, "before"), "+FLAGS", r"(\Flagged)")[0] == "OK"
    world.home.start()
    world.wait_for(lambda: world.report()["owed"] == 0, 60)
    taken = world.report()["taken_in"]
    assert world.report()["delivered"] == taken
    assert len(world.home.messages) == taken


def test_below_the_floor_senders_keep_their_mail_and_users_go_on(world: World, packs: SmallDisk) -> None:
    world.home.stop()
    assert world.send("before").code == 250
    packs.fill(left=FLOOR // 1024 - 100)
    time.sleep(1.1)  # free space is measured once a second
    assert set(_flood(world, 300)) == {452}
    assert world.subjects() == ["before"]
    with world.imap() as session:  # there is room in the database, and some for drafts is not worth the risk
        assert session.uid("STORE", "1:*", "+FLAGS", r"(\Seen)")[0] == "OK"
        assert session.uid("MOVE", world.uids(session, "before"), "Archive")[0] == "OK"
        assert session.append("Drafts", "", "", message("draft"))[0] == "NO"
    with world.imap(folder="Archive") as session:
        assert session.uid("MOVE", "1:*", "INBOX")[0] == "OK"
    assert 1 <= len(_said(world, "free")) <= 3, _said(world, "free")
    packs.make_room()
    _goes_on(world)


def test_many_large_messages_at_a_time_stop_at_the_floor_and_the_flush_needs_no_room(
    tmp_path: Path, database: SmallDisk, home: ScriptedHome
) -> None:
    """Database and packs on one disk, and messages of 1 MB as fast as ten senders can."""
    with Server(tmp_path, CONFIGURATION + LIMITS) as server:
        world = World(server, home)
        world.home.stop()
        assert world.send("before").code == 250
        database.fill(left=(FLOOR + (24 << 20)) // 1024)
        time.sleep(1.1)  # what others take of the disk is measured once a second
        body = LARGE[: 1 << 20]
        with ThreadPoolExecutor(10) as pool:
            codes = list(pool.map(lambda number: _code(world, f"large {number}", body), range(60)))
        assert set(codes) == {250, 452}
        assert codes.count(250) >= 8
        status = os.statvfs(database.path)
        assert status.f_bavail * status.f_frsize > FLOOR - (2 << 20)
        world.home.start()
        taken = codes.count(250) + 1
        world.wait_for_ledger(taken_in=taken, delivered=taken)
        assert len(world.home.messages) == taken
        assert "Traceback" not in server.log.read_text()


def test_packs_that_cannot_grow_cost_a_message_that_is_under_way_nothing(world: World, packs: SmallDisk) -> None:
    world.home.stop()
    assert world.send("before").code == 250
    with world.smtp() as small, world.smtp() as large:
        for client in (small, large):
            client.ehlo()
            client.mail(SENDER)
            client.rcpt(world.anna)
            client.putcmd("DATA")
            assert client.getreply()[0] == 354
        half = message("large", body=LARGE)[: len(LARGE) // 2]
        large.send(half)
        time.sleep(0.3)  # it is in its spool by now
        packs.fill()
        # One after the other: what the large one gives back would be room for the small one.
        for client, rest in (
            (small, message("small", body="y" * 20_000)),
            (large, message("large", body=LARGE)[len(half) :]),
        ):
            client.send(rest + b".\r\n")
            code, text = client.getreply()
            assert (code, text[:5]) == (452, b"4.3.1"), (code, text)
    assert world.subjects() == ["before"]
    packs.make_room()
    _goes_on(world)
    assert sorted(set(world.subjects())) == ["afterwards", "before"]
    assert not list(packs.path.glob("*.spool"))


def test_a_database_that_cannot_grow_is_answered_for_with_452(world: World, database: SmallDisk) -> None:
    world.home.stop()
    assert world.send("before").code == 250
    database.fill()
    codes = _flood(world, 300)
    accepted = codes.count(250)  # what still fits into the write-ahead log
    assert set(codes) <= {250, 452}
    assert codes.count(452) > 100
    assert world.subjects().count("before") == 1
    assert len(world.subjects()) == 1 + accepted
    with world.imap() as session:
        _, [(_, content), _] = session.uid("FETCH", world.uids(session, "before"), "(BODY.PEEK[])")
        assert content.endswith(message("before"))
    database.make_room()
    _goes_on(world)
    lines = world.server.log.read_text().count("\n")
    assert lines < 1000, lines


def test_what_home_took_while_the_database_was_full_is_not_sent_again(world: World, database: SmallDisk) -> None:
    world.home.stop()
    for number in range(20):
        assert world.send(f"owed {number}").code == 250
    database.fill()
    world.home.start()
    time.sleep(3)
    passed = [world.send(f"passed {number}").code for number in range(5)]
    database.make_room()
    world.wait_for(lambda: world.report()["owed"] == 0, 60)
    for number in range(20):
        copies = world.home.received(f"owed {number}")
        assert len(copies) == 1, copies
    for number, code in enumerate(passed):
        assert code in (250, 452)
        if code == 250:
            assert len(world.at_home(f"passed {number}")) == 1


def test_a_flood_through_filling_and_emptying_loses_nothing(
    world: World, packs: SmallDisk, database: SmallDisk
) -> None:
    world.home.stop()
    assert world.send("before").code == 250
    accepted: list[str] = []
    refused: set[int] = set()
    ended = threading.Event()

    def send(sender: int) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            subject = f"flood {sender} {number}"
            try:
                if world.send(subject, body="z" * 5000).code == 250:
                    accepted.append(subject)
            except smtplib.SMTPDataError as error:
                refused.add(error.smtp_code)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for disk in (packs, database, packs, database):
        time.sleep(0.4)
        disk.fill()
        time.sleep(0.4)
        disk.make_room()
    time.sleep(0.4)
    ended.set()
    for thread in threads:
        thread.join()
    assert refused <= {452}
    assert set(accepted) <= set(world.subjects())
    _goes_on(world)
    for subject in accepted:
        assert len(world.home.received(subject)) == 1, subject


def test_a_backup_is_made_while_the_database_cannot_grow(
    world: World, database: SmallDisk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world.home.stop()
    for number in range(5):
        assert world.send(f"kept {number}").code == 250
    database.fill()
    world.wait_for(lambda: world.send("too much").code == 452, 60)
    kept = tmp_path_factory.mktemp("backup") / "kept"
    made = world.server.run("backup", str(kept))
    assert made.returncode == 0, made.stderr
    assert "cannot be written to" in made.stderr
    database.make_room()
    new = tmp_path_factory.mktemp("new")
    config = new / "mpcontinuity.toml"
    config.write_text(CONFIGURATION)
    restored = command("restore", str(kept), config=config)
    assert restored.returncode == 0, restored.stderr
    with Server(new, CONFIGURATION) as server:
        world.server = server
        assert {f"kept {number}" for number in range(5)} <= set(world.subjects())
