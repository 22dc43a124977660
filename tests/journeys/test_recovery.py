"""Home is back: what it is given, in what order, and what happens when it does not want it."""

from __future__ import annotations

import time

import pytest

from tests.fakes.home import THROTTLE, ScriptedHome, say
from tests.journeys.world import TIMEOUT, World


def _users(world: World, count: int) -> list[str]:
    names = [f"user{number}@{world.domain}" for number in range(count)]
    csv = world.server.folder / "more.csv"
    csv.write_text("address,name,aliases,password\n" + "".join(f"{name},,,\n" for name in names))
    world.cli("user", "import", str(csv))
    return names


def test_what_is_owed_comes_oldest_first_per_user_and_new_mail_does_not_wait_for_it(world: World) -> None:
    world.home.stop()
    for number in range(20):
        assert world.send(f"{number:02}", (world.anna, world.ben)[number % 2]).code == 250
    world.home.on("message", say("250 2.0.0 taken", wait=0.05), sender="bob@sender.example")
    world.home.start()
    world.wait_for(lambda: world.state() != "down")
    assert world.send("new", sender="carla@sender.example").code == 250
    assert len(world.home.received("new")) == 1
    assert "new" not in world.subjects()
    world.wait_for_ledger(taken_in=20, delivered=20)
    for user in (world.anna, world.ben):
        subjects = [copy.subject for copy in world.home.messages if copy.recipients == [user] and copy.subject != "new"]
        assert subjects == sorted(subjects)
    world.wait_for(lambda: world.state() == "up")


def test_a_declared_outage_keeps_all_mail_here_until_it_is_over(world: World) -> None:
    world.cli("domain", "set", world.domain, "mode=enabled")
    sessions = world.home.sessions
    assert world.send("declared").code == 250
    assert world.subjects() == ["declared"]
    assert world.cli("status", world.domain)[0]["errors_hour"] == 0  # nobody asked home
    time.sleep(4 * TIMEOUT)
    assert world.home.messages == []
    assert world.home.sessions <= sessions + 10  # probes
    world.cli("domain", "set", world.domain, "mode=disabled")
    world.wait_for_ledger(taken_in=1, delivered=1)


def test_a_declared_outage_ends_by_itself(world: World) -> None:
    world.cli("domain", "set", world.domain, "mode=enabled", "--until", "2s")
    assert world.send("for two seconds").code == 250
    assert world.home.messages == []
    world.wait_for_ledger(taken_in=1, delivered=1)


def test_a_refusal_at_redelivery_is_a_failure_and_the_user_still_has_the_message(world: World) -> None:
    world.home.stop()
    for subject in ("fine", "unwanted", "fine too"):
        assert world.send(subject).code == 250
    world.home.on("message", say("554 5.7.1 looks like spam"), times=1)
    world.home.start()
    world.wait_for_ledger(taken_in=3, delivered=2, failed=1)
    assert world.subjects() == ["fine", "unwanted", "fine too"]
    failed = next(row for row in world.cli("track", "--recipient", world.anna) if row["outcome"] == "failed")
    assert failed["status"] == "deferred"
    assert (554, "5.7.1 looks like spam") in [(event["code"], event["text"]) for event in failed["events"]]


def test_live_sessions_see_what_home_has_got_and_that_it_leaves(world: World) -> None:
    world.home.stop()
    assert world.send("away and back").code == 250
    with world.imap() as session:

        def flags() -> str:
            session.noop()
            return " ".join(str(line) for line in session.fetch("1", "(FLAGS)")[1])

        assert "$Redelivered" not in flags()
        world.home.start()
        world.wait_for_ledger(taken_in=1, delivered=1)
        world.wait_for(lambda: "$Redelivered" in flags())
    world.cli("domain", "set", world.domain, "kept-days=0")
    world.server.stop()
    world.server.start()  # the first round of chores
    world.wait_for(lambda: world.subjects() == [])
    assert world.ledger(taken_in=1, delivered=1)
    assert world.track(status="deferred", outcome="delivered")["continuity"]


def test_three_refusals_in_a_row_pause_the_flush_and_a_retry_resumes_it(world: World) -> None:
    users = _users(world, 6)
    world.home.stop()
    for user in users:
        assert world.send(f"for {user}", user).code == 250
    rule = world.home.on("rcpt", say("550 5.1.1 who is that"))
    world.home.start()
    world.wait_for(lambda: rule.hits >= 3)
    time.sleep(4 * TIMEOUT)
    assert world.ledger(taken_in=6, owed=6), world.report()
    assert len(world.cli("queue", "list", "--domain", world.domain)) == 6
    world.home.clear()
    world.cli("queue", "retry")
    world.wait_for_ledger(taken_in=6, delivered=6)
    assert len(world.home.messages) == 6


def test_a_home_that_throttles_gets_everything_in_the_end(world: World) -> None:
    world.home.stop()
    users = _users(world, 12)
    for user in users:
        assert world.send("throttled", user).code == 250
    world.home.max_sessions = 2
    world.home.on("mail", THROTTLE, times=3)
    world.home.on("message", say("250 2.0.0 taken", wait=0.05))
    world.home.start()
    world.wait_for_ledger(taken_in=12, delivered=12, seconds=25)
    assert sorted(copy.recipients[0] for copy in world.home.messages) == sorted(users)


def test_the_second_home_serves_while_the_first_is_away(world: World) -> None:
    with ScriptedHome() as second:
        world.cli("domain", "set", world.domain, f"home={world.home.address},{second.address}")
        world.home.stop()
        assert world.send("to the second").code == 250
        assert len(second.received("to the second")) == 1
        assert world.state() == "up"
        second.stop()
        assert world.send("to none").code == 250
        assert world.subjects() == ["to none"]
        world.wait_for(lambda: world.state() == "down")
        second.start()
        world.wait_for_ledger(taken_in=1, delivered=1)
        assert len(second.received("to none")) == 1


def test_what_is_owed_goes_to_the_present_home(world: World) -> None:
    world.home.stop()
    assert world.send("moved house").code == 250
    with ScriptedHome() as other:
        world.cli("domain", "set", world.domain, f"home={other.address}")
        world.wait_for_ledger(taken_in=1, delivered=1)
        assert len(other.received("moved house")) == 1


def test_without_continuity_a_domain_is_a_plain_relay(world: World) -> None:
    world.cli("domain", "set", world.domain, "continuity=off")
    world.home.on("rcpt", say("451 4.3.0 not now"))
    answer = world.send("plain")
    assert (answer.code, answer.text) == (451, "4.3.0 not now")
    assert world.subjects() == []
    assert world.ledger()


def test_with_redirect_on_outage_a_4xx_about_the_message_is_the_senders(world: World) -> None:
    world.cli("domain", "set", world.domain, "redirect-on=outage")
    world.home.on("rcpt", say("452 4.2.2 mailbox full"))
    answer = world.send("full")
    assert (answer.code, answer.text) == (452, "4.2.2 mailbox full")
    world.home.on("rcpt", say("451 4.3.2 system not accepting"))
    assert world.send("outage").code == 250
    assert world.subjects() == ["outage"]


def test_relay_check_registers_who_home_takes(world: World) -> None:
    world.cli("domain", "set", world.domain, "relay-check=on")
    newcomer = f"newcomer@{world.domain}"
    world.home.on("rcpt", say("550 5.1.1 unknown"))
    for known in (newcomer, world.anna, world.ben):
        world.home.on("rcpt", say("250 2.1.5 fine"), recipient=known)
    assert world.send("first", newcomer).code == 250
    world.wait_for(lambda: any(row["address"] == newcomer for row in world.cli("user", "list")))
    row = next(row for row in world.cli("user", "list") if row["address"] == newcomer)
    assert (row["status"], row["source"]) == ("pending", "relay-check")
    world.home.stop()
    assert world.send("second", newcomer).code == 250
    world.server.run("user", "password", newcomer, "--stdin", stdin="secret\n")
    assert world.subjects(newcomer) == ["second"]


def test_unregistered_addresses_that_home_took_are_owed_where_the_domain_wants_it(world: World) -> None:
    world.cli("domain", "set", world.domain, "unregistered=hold")
    known, unknown = f"known@{world.domain}", f"unknown@{world.domain}"
    assert world.send("first", known).code == 250
    world.home.stop()
    assert world.send("held", known).code == 250
    assert world.send("not held", unknown).code == 451
    assert world.report()["owed"] == 1
    world.home.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert len(world.home.received("held")) == 1


def test_a_user_who_opted_in_gets_a_copy_that_is_not_owed(world: World) -> None:
    world.cli("domain", "set", world.domain, "mode=optional")
    world.cli("user", "continuity", world.anna, "on")
    assert world.send("for both", world.anna).code == 250
    assert world.send("for both", world.ben).code == 250
    assert len(world.home.received("for both")) == 2
    assert world.subjects(world.anna) == ["for both"]
    assert world.subjects(world.ben) == []
    assert world.ledger()


def test_what_an_administrator_removes_is_released(world: World) -> None:
    world.home.stop()
    assert world.send("given up").code == 250
    assert world.send("kept").code == 250
    rows = world.cli("queue", "list", "--domain", world.domain)
    assert {row["subject"] for row in rows} == {"given up", "kept"}
    assert {row["kind"] for row in rows} == {"redelivery"}
    world.cli("queue", "remove", next(row["id"] for row in rows if row["subject"] == "given up"))
    assert world.ledger(taken_in=2, released=1, owed=1)
    assert world.server.run("domain", "remove", world.domain).returncode == 1
    world.home.start()
    world.wait_for_ledger(taken_in=2, released=1, delivered=1)
    assert [copy.subject for copy in world.home.messages] == ["kept"]


@pytest.mark.parametrize("kind", ["tag", "case", "alias"])
def test_a_user_is_reached_by_tag_case_and_alias_and_home_gets_the_address_as_given(world: World, kind: str) -> None:
    world.cli("user", "alias", "add", world.anna, f"ann@{world.domain}")
    local = {"tag": "anna+list", "case": "ANNA", "alias": "ann"}[kind]
    address = f"{local}@{world.domain}"
    world.home.stop()
    assert world.send("hello", address).code == 250
    assert world.subjects(world.anna) == ["hello"]
    world.home.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert world.home.received("hello")[0].recipients == [address]


def test_a_retry_says_for_what_mail_waits_that_was_never_put_off(world: World) -> None:
    world.home.stop()
    assert world.send("owed").code == 250
    world.wait_for(lambda: world.state() == "down", 60)
    said = world.server.run("queue", "retry").stdout
    assert f"{world.domain}: 1 owed to its home server: they go home as soon as that is back (no connection" in said
    world.cli("domain", "set", world.domain, "mode=enabled")
    said = world.server.run("queue", "retry").stdout
    assert f"{world.domain}: 1 owed to its home server: they go home when its mode is no longer enabled" in said
