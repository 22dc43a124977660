"""What users do with their mail in an outage decides what home gets when it is back."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World, message


@pytest.fixture
def outage(world: World) -> World:
    """Home is away; anna has the messages one to four."""
    world.home.stop()
    for subject in ("one", "two", "three", "four"):
        assert world.send(subject).code == 250
    return world


def _subjects_at_home(world: World) -> list[str]:
    return sorted(copy.subject for copy in world.home.messages)


def test_what_was_moved_by_copy_and_expunge_reaches_home_and_what_was_expunged_does_not(outage: World) -> None:
    with outage.imap() as session:
        moved, gone = outage.uids(session, "one"), outage.uids(session, "two")
        assert session.uid("COPY", moved, "Archive")[0] == "OK"
        assert session.uid("STORE", f"{moved},{gone}", "+FLAGS", r"(\Deleted)")[0] == "OK"
        assert session.expunge()[0] == "OK"
    assert outage.subjects(folder="Archive") == ["one"]
    assert outage.subjects() == ["three", "four"]
    outage.home.start()
    outage.wait_for_ledger(taken_in=4, delivered=3, deleted=1)
    assert _subjects_at_home(outage) == ["four", "one", "three"]


def test_move_is_no_deletion_but_a_move_to_trash_is(outage: World) -> None:
    with outage.imap() as session:
        assert session.create("Projects/2026")[0] == "OK"
        assert session.uid("MOVE", outage.uids(session, "one"), "Projects/2026")[0] == "OK"
        assert session.uid("MOVE", outage.uids(session, "two"), "Trash")[0] == "OK"
    outage.home.start()
    outage.wait_for_ledger(taken_in=4, delivered=3, deleted=1)
    assert _subjects_at_home(outage) == ["four", "one", "three"]
    assert outage.subjects(folder="Trash") == ["two"]


def test_trash_and_back_is_no_deletion(outage: World) -> None:
    with outage.imap() as session:
        assert session.uid("MOVE", outage.uids(session, "one"), "Trash")[0] == "OK"
        assert session.select("Trash")[0] == "OK"
        assert session.uid("MOVE", outage.uids(session, "one"), "INBOX")[0] == "OK"
    assert outage.subjects() == ["two", "three", "four", "one"]
    outage.home.start()
    outage.wait_for_ledger(taken_in=4, delivered=4)


def test_deleted_marks_count_when_home_is_back_and_can_be_taken_back_until_then(outage: World) -> None:
    with outage.imap() as session:
        both = outage.uids(session, "one") + "," + outage.uids(session, "two")
        assert session.uid("STORE", both, "+FLAGS", r"(\Deleted)")[0] == "OK"
        assert session.uid("STORE", outage.uids(session, "two"), "-FLAGS", r"(\Deleted)")[0] == "OK"
        outage.home.start()
        outage.wait_for_ledger(taken_in=4, delivered=3, deleted=1)
    assert _subjects_at_home(outage) == ["four", "three", "two"]
    rows = {row["subject"]: row for row in outage.cli("track", "--recipient", outage.anna)}
    assert (rows["one"]["status"], rows["one"]["outcome"]) == ("deferred", "deleted")
    assert (rows["two"]["status"], rows["two"]["outcome"]) == ("deferred", "delivered")


def test_each_user_decides_for_themselves(world: World) -> None:
    world.home.stop()
    assert world.send("for both", world.anna, world.ben).code == 250
    with world.imap(world.anna) as session:
        assert session.uid("STORE", "1:*", "+FLAGS", r"(\Deleted)")[0] == "OK"
        assert session.expunge()[0] == "OK"
    world.home.start()
    world.wait_for_ledger(taken_in=2, delivered=1, deleted=1)
    assert [copy.recipients for copy in world.home.messages] == [[world.ben]]
    assert world.subjects(world.ben) == ["for both"]


def test_what_is_read_answered_or_copied_is_not_touched_by_recovery(outage: World) -> None:
    with outage.imap() as session:
        assert session.uid("STORE", outage.uids(session, "one"), "+FLAGS", r"(\Seen \Answered $Label1)")[0] == "OK"
        assert session.uid("COPY", outage.uids(session, "one"), "Archive")[0] == "OK"
        outage.home.start()
        outage.wait_for_ledger(taken_in=4, delivered=4)
        assert session.noop()[0] == "OK"
        flags = session.uid("FETCH", outage.uids(session, "one"), "(FLAGS)")[1][0]
        for flag in (b"\\Seen", b"\\Answered", b"$Label1"):
            assert flag in flags
    assert len(outage.home.received("one")) == 1


def test_an_open_session_hears_of_new_mail_as_soon_as_250_is_said(world: World) -> None:
    world.home.stop()
    with world.imap() as session:
        tag = session._new_tag()
        session.send(tag + b" IDLE\r\n")
        assert session.readline().startswith(b"+")
        assert world.send("pushed").code == 250
        assert session.readline() == b"* 1 EXISTS\r\n"
        assert session.readline() == b"* 1 RECENT\r\n"
        session.send(b"DONE\r\n")
        while not session.readline().startswith(tag):
            pass


def test_mail_keeps_its_bytes_on_the_way_through_an_outage(world: World) -> None:
    world.home.stop()
    body = "\r\n".join([".", "..dots", "Grüße, 8 bit", "x" * 5000, "", "last line without dots"])
    assert world.send("bytes", body=body).code == 250
    with world.imap() as session:
        (_, kept), _ = session.uid("FETCH", world.uids(session, "bytes"), "(BODY.PEEK[])")[1]
    assert kept.endswith(message("bytes", body=body))
    assert kept.startswith(b"Return-Path: <bob@sender.example>\r\nReceived: from sender.example ([127.0.0.1])\r\n")
    world.home.start()
    (copy,) = world.at_home("bytes")
    as_it_came = kept.partition(b"\r\n")[2]
    assert copy.data.endswith(as_it_came)
    ours = copy.data.removesuffix(as_it_came).splitlines()
    assert ours[0] == f"X-MPContinuity-Id: {copy.id}".encode()
    assert all(line.startswith((b"Authentication-Results: mx.continuity.example;", b" ", b"\t")) for line in ours[1:])


@pytest.fixture
def maildir(tmp_path: Path, world: World) -> Path:
    """What mbsync keeps of anna's mail; the folder of its configuration."""
    if not shutil.which("mbsync"):
        pytest.skip("mbsync is not installed (Debian package isync)")
    (tmp_path / "mail").mkdir()
    (tmp_path / "mbsyncrc").write_text(
        f"""
IMAPAccount anna
Host 127.0.0.1
Port {world.server.ports["imap"]}
User {world.anna}
PassCmd "echo secret"
{_no_tls()}
AuthMechs LOGIN

IMAPStore far
Account anna

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""
    )
    return tmp_path


def _no_tls() -> str:
    """``TLSType`` since isync 1.5, ``SSLType`` before."""
    version = subprocess.run(["mbsync", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    return "TLSType None" if tuple(map(int, version.split(".")[:2])) >= (1, 5) else "SSLType None"


def _mbsync(folder: Path) -> None:
    done = subprocess.run(
        ["mbsync", "-c", str(folder / "mbsyncrc"), "all"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _kept(folder: Path, mailbox: str) -> dict[str, Path]:
    """Subject to file."""
    found = {}
    for path in [*(folder / "mail" / mailbox / "cur").iterdir(), *(folder / "mail" / mailbox / "new").iterdir()]:
        subject = next(line for line in path.read_text().splitlines() if line.startswith("Subject: "))
        found[subject.removeprefix("Subject: ")] = path
    return found


def test_mbsync_sees_an_outage_and_what_it_deletes_or_moves_is_decided_by_it(outage: World, maildir: Path) -> None:
    _mbsync(maildir)
    assert sorted(_kept(maildir, "INBOX")) == ["four", "one", "three", "two"]
    assert {"Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"} <= {
        path.name for path in (maildir / "mail").iterdir()
    }
    inbox = _kept(maildir, "INBOX")
    inbox["one"].unlink()
    inbox["two"].rename(maildir / "mail" / "Archive" / "new" / "moved")
    seen = inbox["three"].with_name(inbox["three"].name.partition(":")[0] + ":2,S")
    inbox["three"].rename(inbox["three"].parent.parent / "cur" / seen.name)
    _mbsync(maildir)
    assert outage.subjects() == ["three", "four"]
    assert outage.subjects(folder="Archive") == ["two"]
    with outage.imap() as session:
        assert session.search(None, "SEEN")[1] == [b"1"]
    assert outage.send("five").code == 250
    _mbsync(maildir)
    assert sorted(_kept(maildir, "INBOX")) == ["five", "four", "three"]
    outage.home.start()
    outage.wait_for_ledger(taken_in=5, delivered=4, deleted=1)


def test_a_new_server_of_the_same_folder_serves_the_same_mailboxes(tmp_path: Path, configured: str) -> None:
    with ScriptedHome() as home, Server(tmp_path, configured) as server:
        world = World(server, home)
        home.stop()
        assert world.send("before").code == 250
        with world.imap() as session:
            before = (session.response("UIDVALIDITY"), session.status("INBOX", "(UIDVALIDITY UIDNEXT MESSAGES)"))
        assert server.stop() == 0
        server.start()
        assert world.send("after").code == 250
        with world.imap() as session:
            assert session.response("UIDVALIDITY") == before[0]
        assert world.subjects() == ["before", "after"]
        home.start()
        world.wait_for_ledger(taken_in=2, delivered=2)
