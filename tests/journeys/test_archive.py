"""What administrators do with the archive while the server runs: they show and release messages, and that is noted."""

from __future__ import annotations

import imaplib
import mailbox
import zipfile

import pytest

from mpcontinuity.model.identifier import show
from tests.fakes.home import say
from tests.journeys.world import World, message


class Ids:
    """Ids of the archive, by subject."""

    def __init__(self, world: World) -> None:
        self._world = world

    def of(self, subject: str) -> str:
        rows = self._world.cli("archive", "search", f'subject:"{subject}"', "--domain", self._world.domain)
        assert len(rows) == 1, rows
        return str(rows[0]["id"])


@pytest.fixture
def ids(world: World) -> Ids:
    return Ids(world)


def release(world: World, *arguments: str) -> tuple[str, str, str]:
    (row,) = world.cli("archive", "release", *arguments)
    return row["way"], row["recipient"], row["warning"]


def test_a_message_is_shown_octet_by_octet_and_that_is_noted(world: World, ids: Ids) -> None:
    assert world.send("shown", body="Grüße.\r\n" * 20_000).code == 250
    shown = world.server.run("archive", "show", ids.of("shown")).stdout
    assert shown.startswith("Return-Path: <bob@sender.example>\nReceived: ")
    assert shown.count("Grüße.") == 20_000
    assert shown.replace("\n", "\r\n").encode().endswith(message("shown", body="Grüße.\r\n" * 20_000))
    row = world.cli("audit", "--limit", "1")[0]
    assert (row["operation"], row["result"], row["domain"]) == ("archive show", "done", world.domain)
    assert f"of={world.anna}" in row["object"]


def test_a_message_reaches_home_again_and_the_second_time_a_warning_says_what_may_become_of_it(
    world: World, ids: Ids
) -> None:
    assert world.send("again").code == 250
    world.at_home("again")
    assert release(world, ids.of("again")) == ("home", world.anna, "")
    assert len(world.home.received("again")) == 2
    row = world.track(direction="release", status="delivered", recipient=world.anna, outcome=None)
    assert row["subject"] == "again"
    way, _, warning = release(world, ids.of("again"))
    assert way == "home"
    assert "Exchange" in warning
    ids.of("again")  # what was released is archived once
    assert world.ledger()


def test_in_an_outage_it_is_in_inbox_and_not_owed_as_home_had_it(world: World, ids: Ids) -> None:
    assert world.send("had").code == 250
    world.at_home("had")
    world.home.stop()
    assert release(world, ids.of("had")) == ("inbox", world.anna, "")
    assert world.subjects() == ["had"]
    world.track(direction="release", continuity=True, outcome=None)
    assert world.ledger()
    world.home.start()
    world.wait_for(lambda: world.state() == "up")
    assert len(world.home.received("had")) == 1


def test_what_home_never_took_is_owed_again(world: World, ids: Ids) -> None:
    world.home.stop()
    assert world.send("never").code == 250
    (owed,) = world.cli("queue", "list", "--domain", world.domain)
    world.cli("queue", "remove", owed["id"])
    world.wait_for_ledger(taken_in=1, released=1)
    assert release(world, ids.of("never")) == ("inbox", world.anna, "")
    assert world.ledger(taken_in=2, released=1, owed=1)
    world.home.start()
    world.wait_for_ledger(taken_in=2, released=1, delivered=1)
    assert len(world.home.received("never")) == 1


def test_to_another_user_of_the_domain_and_to_nobody_else(world: World, ids: Ids) -> None:
    assert world.send("for ben").code == 250
    assert release(world, ids.of("for ben"), "--to", world.ben) == ("home", world.ben, "")
    assert [copy.recipients for copy in world.home.received("for ben")] == [[world.anna], [world.ben]]
    for to, said in ((f"nobody@{world.domain}", "no such user"), ("eve@elsewhere.example", "is not in")):
        refused = world.server.run("archive", "release", ids.of("for ben"), "--to", to)
        assert refused.returncode == 1
        assert said in refused.stderr
    assert len(world.home.received("for ben")) == 2


def test_what_home_refuses_is_refused_and_may_be_released_without_a_warning_later(world: World, ids: Ids) -> None:
    assert world.send("unwanted").code == 250
    world.home.on("message", say("554 5.7.1 not again"), times=1)
    refused = world.server.run("archive", "release", ids.of("unwanted"))
    assert refused.returncode == 1
    assert "not again" in refused.stdout
    world.wait_for(lambda: world.cli("track", "--recipient", world.anna)[0]["direction"] == "release")
    world.track(direction="release", status="rejected", code=554)
    assert release(world, ids.of("unwanted")) == ("home", world.anna, "")


def test_an_id_that_is_none_releases_nothing(world: World, ids: Ids) -> None:
    assert world.send("first of two").code == 250
    for bad, said in (("x", "not an id"), (show(1), "is not in the archive")):
        refused = world.server.run("archive", "release", ids.of("first of two"), bad)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert world.server.run("archive", "show", bad).returncode == 1
    assert len(world.home.received("first of two")) == 1


def test_all_that_a_search_finds_is_released_oldest_first_and_once(world: World, ids: Ids) -> None:
    subjects = [f"many {number}" for number in range(6)]
    for subject in subjects:
        assert world.send(subject, world.anna if subject != "many 3" else world.ben).code == 250
    world.wait_for(lambda: len(world.cli("archive", "search", "many", "--domain", world.domain)) == 6)
    many = world.cli("archive", "release", "--query", f"many to:{world.anna}")
    assert (many["found"], many["home"], many["before"]) == (5, 5, 0)
    again = world.cli("archive", "release", "--query", "many", "--user", world.anna)
    assert (again["found"], again["home"], again["before"]) == (5, 0, 5)
    assert [len(world.home.received(subject)) for subject in subjects] == [2, 2, 2, 1, 2, 2]
    assert world.server.run("archive", "release", "--query", " ").returncode == 1
    assert world.server.run("archive", "release").returncode == 2


def test_mail_is_exported_in_the_order_of_time_while_the_server_runs(world: World, ids: Ids) -> None:
    for number in range(3):
        assert (
            world.send(f"kept {number}", world.ben if number == 1 else world.anna, body="From here\r\n" * 9000).code
            == 250
        )
    folder = world.server.folder / world.domain
    folder.mkdir()
    everything = ("--domain", world.domain)
    done = world.cli("archive", "export", *everything, str(folder / "x.mbox"))
    assert (done["messages"], done["damaged"], done["gone"]) == (3, 0, 0)
    assert [message["Subject"] for message in mailbox.mbox(folder / "x.mbox")] == [f"kept {n}" for n in range(3)]
    world.cli("archive", "export", "kept", "--user", world.anna, "--maildir", str(folder / "dir"))
    assert len(mailbox.Maildir(folder / "dir", create=False)) == 2
    world.cli("archive", "export", "subject:1", *everything, "--zip", str(folder / "x.zip"))
    with zipfile.ZipFile(folder / "x.zip") as made:
        (name,) = made.namelist()
        assert made.read(name).endswith(message("kept 1", body="From here\r\n" * 9000))
    refused = world.server.run("archive", "export", *everything, str(folder / "x.mbox"))
    assert "exists" in refused.stderr
    assert "query" in world.server.run("archive", "export", "nope:1", str(folder / "y.mbox")).stderr
    assert sorted(path.name for path in folder.iterdir()) == ["dir", "x.mbox", "x.zip"]
    assert world.cli("audit", "--limit", "1")[0]["operation"] == "archive export"


def test_a_purge_drops_what_retention_allows_and_a_hold_keeps_what_it_is_about(world: World, ids: Ids) -> None:
    for subject, user in (("kept for anna", world.anna), ("for ben", world.ben), ("found for ben", world.ben)):
        assert world.send(subject, user).code == 250
    everything = ("--domain", world.domain)
    assert world.cli("archive", "purge", *everything) == {"dropped": 0, "held": 0, "kept": 0}
    assert world.cli("archive", "purge", "--before", "0s", *everything) == {"dropped": 0, "held": 0, "kept": 3}
    of_anna = world.cli("archive", "hold", "--user", world.anna, "--note", "case 7")
    found = world.cli("archive", "hold", "found", *everything)
    assert (found["messages"], found["complete"], found["domain"]) == (1, True, world.domain)
    assert [(row["id"], row["note"]) for row in world.cli("archive", "hold", "--list")][-2:] == [
        (of_anna["id"], "case 7"),
        (found["id"], ""),
    ]
    world.cli("domain", "set", world.domain, "retention-days=0")
    assert world.send("not archived").code == 250
    assert world.cli("archive", "purge", *everything) == {"dropped": 1, "held": 2, "kept": 0}
    rows = world.cli("archive", "search", *everything)
    assert sorted(row["subject"] for row in rows) == ["found for ben", "kept for anna"]
    for hold in (of_anna, found):
        world.cli("archive", "hold", "--lift", hold["id"])
    assert world.cli("archive", "purge", *everything)["dropped"] == 2
    assert world.cli("archive", "search", *everything) == []
    again = world.server.run("archive", "hold", "--lift", found["id"])
    assert "no such hold" in again.stderr
    assert world.server.run("archive", "hold").returncode == 2
    world.cli("domain", "set", world.domain, "retention-days=90")


def test_what_went_out_is_released_to_its_sender_and_shown_in_their_archive(world: World, ids: Ids) -> None:
    world.cli("domain", "set", world.domain, "sent-to-home=off")
    with world.smtp() as client:
        client.login(world.anna, "secret")
        sent = message("went out", sender=world.anna)
        client.sendmail(world.anna, ["somebody@nowhere.invalid"], sent)
    assert release(world, ids.of("went out")) == ("home", world.anna, "")
    (copy,) = world.home.received("went out")
    assert (copy.recipients, copy.sender) == ([world.anna], "")
    with imaplib.IMAP4("127.0.0.1", world.server.ports["imap"], timeout=60) as session:
        session.login(world.anna, "secret")
        session.select('"Email Archive"', readonly=True)
        assert session.search(None, "SUBJECT", '"went out"')[1] == [b"1"]


def test_nothing_is_released_to_a_home_that_is_cut_off(world: World, ids: Ids) -> None:
    assert world.send("before").code == 250
    world.cli("contain", world.domain, "on")
    assert release(world, ids.of("before"))[0] == "inbox"
    assert world.subjects() == ["before"]
    assert len(world.home.received("before")) == 1
    world.cli("contain", world.domain, "off")
    world.cli("contain", world.domain, "release", "--all")
    assert len(world.home.received("before")) == 1


def test_to_an_address_without_a_mailbox_nothing_is_lost_in_an_outage(world: World, ids: Ids) -> None:
    """Home had it once: it is not owed, and there is no mailbox, so nobody takes it now."""
    assert world.send("for nobody", f"nobody@{world.domain}").code == 250
    world.home.stop()
    refused = world.server.run("archive", "release", "--json", ids.of("for nobody"))
    assert refused.returncode == 1
    assert '"deferred"' in refused.stdout
    world.home.start()
    world.wait_for(lambda: world.state() == "up")
    assert release(world, ids.of("for nobody")) == ("home", f"nobody@{world.domain}", "")
