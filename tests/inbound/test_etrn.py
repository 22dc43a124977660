"""A home server that is back asks for what it is owed (ETRN, RFC 1985)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest

from mpcontinuity.accounts import users
from mpcontinuity.delivery import calling
from mpcontinuity.delivery.calling import AGAIN
from mpcontinuity.model.address import parse
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.events import HomeWanted, Notice, OwedChanged
from mpcontinuity.routing.health import Gate
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.delivery.conftest import Post
from tests.fakes.stores import result
from tests.inbound.desk import TRUSTED, Desk
from tests.inbound.dialogues import Connection

HOME, STRANGER = "192.0.2.50", "192.0.2.7"
NOBODY_ELSE = "459 4.7.1 Node {} not allowed\r\n"


@pytest.fixture
def desk(post: Post) -> Desk:
    post.set(home_networks=("192.0.2.48/29",))
    post.home.decision = Gate.SHUT
    post.send("ann@example.org", "bob@example.org")
    return Desk(post)


def wanted(desk: Desk) -> list[Notice]:
    """What is announced from now on of a flush that is to begin."""
    told: list[Notice] = []

    def heard(notices: Sequence[Notice]) -> None:
        told.extend(notice for notice in notices if isinstance(notice, HomeWanted | OwedChanged))

    desk.post.store.listen(heard)
    return told


def home(desk: Desk, peer: str = HOME) -> Connection:
    return desk.connect(desk.port25, peer)


def put_off(desk: Desk) -> None:
    later = Statement("UPDATE owed SET next_attempt = 9000000000000000")
    result(desk.post.store.run(lambda tx: tx.run(later)))


def due(desk: Desk) -> list[tuple[object, ...]]:
    return desk.post.rows("SELECT next_attempt FROM owed")


def domain_id(desk: Desk, name: str = "example.org") -> int:
    return int(desk.post.rows("SELECT id FROM domain WHERE name = :name", name=name)[0][0])


def test_home_asks_and_what_it_is_owed_is_due_and_it_is_probed(desk: Desk) -> None:
    told = wanted(desk)
    put_off(desk)
    assert home(desk).say("ETRN Example.ORG") == "253 2.0.0 OK, 2 pending messages for node example.org started\r\n"
    assert due(desk) == [(0,), (0,)]
    assert told == [HomeWanted(domain_id(desk)), OwedChanged(domain_id(desk))]


def test_it_is_offered_at_port_25_and_nowhere_else(desk: Desk) -> None:
    for port, offered in ((desk.port25, True), (desk.port587, False)):
        client = desk.connect(port, HOME)
        assert ("250-ETRN\r\n" in client.say("EHLO home.example.org")) is offered
        assert client.say("ETRN example.org").startswith("502 5.5.1 ") is not offered


def test_nothing_waits(desk: Desk) -> None:
    desk.post.domain("empty.example")
    desk.post.set("empty.example", home_networks=("192.0.2.48/29",))
    told = wanted(desk)
    assert home(desk).say("ETRN empty.example") == "251 2.0.0 OK, no messages waiting for node empty.example\r\n"
    assert told == []


def test_more_than_is_counted_is_not_told_as_a_number(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "MOST_COUNTED", 2)
    assert home(desk).say("ETRN example.org") == "252 2.0.0 OK, pending messages for node example.org started\r\n"


def test_who_asks_again_at_once_begins_nothing_new(desk: Desk) -> None:
    client = home(desk)
    assert client.say("ETRN example.org").startswith("253 ")
    told = wanted(desk)
    again = "250 2.0.0 OK, queuing for node example.org started\r\n"
    assert [home(desk).say("ETRN example.org") for _ in range(3)] == [again] * 3
    assert told == []
    desk.post.clock.advance(AGAIN)
    assert home(desk).say("ETRN example.org").startswith("253 ")


def test_a_stranger_hears_the_same_of_a_domain_that_is_here_and_of_one_that_is_not(desk: Desk) -> None:
    told = wanted(desk)
    put_off(desk)
    client = home(desk, STRANGER)
    for node in ("example.org", "nowhere.example", "org"):
        assert client.say(f"ETRN {node}") == NOBODY_ELSE.format(node)
        assert client.say(f"ETRN @{node}") == NOBODY_ELSE.format(node)
    assert told == []
    assert due(desk) == [(9000000000000000,)] * 2


def test_a_home_server_asks_for_its_own_domain_only(desk: Desk) -> None:
    desk.post.domain("other.example")
    assert home(desk).say("ETRN other.example") == NOBODY_ELSE.format("other.example")


def test_where_home_was_reached_it_is_believed(desk: Desk) -> None:
    assert home(desk, STRANGER).say("ETRN example.org").startswith("459 ")
    desk.post.home.addresses = ["2001:db8::1", STRANGER]
    assert home(desk, STRANGER).say("ETRN example.org").startswith("253 ")


def test_from_a_network_that_tenants_share_nobody_is_believed(desk: Desk) -> None:
    desk.post.set(home_tenant="example.onmicrosoft.com")
    assert home(desk).say("ETRN example.org").startswith("459 ")


@pytest.mark.parametrize(("relay", "code"), [(True, "253"), (False, "459")])
def test_a_home_server_that_logs_in_is_believed_and_a_user_is_not(desk: Desk, relay: bool, code: str) -> None:
    def stand_for_home(tx: Transaction) -> None:
        user = users.find(tx, parse("ann@example.org"))
        assert user is not None
        users.set_relay(tx, user, relay)

    result(desk.post.store.run(stand_for_home))
    client = home(desk, TRUSTED)
    secret = base64.b64encode(b"\0ann@example.org\0secret").decode()
    assert client.say(f"AUTH PLAIN {secret}").startswith("235 ")
    desk.post.domain("other.example")
    assert client.say("ETRN other.example").startswith("459 ")
    assert client.say("ETRN example.org").startswith(code)


def test_subdomains_are_meant_where_it_says_so(desk: Desk) -> None:
    for name in ("sales.example.org", "notexample.org"):
        desk.post.domain(name)
        desk.post.set(name, home_networks=("192.0.2.48/29",))
    desk.post.user("eva@sales.example.org")
    desk.post.homes.homes["sales.example.org"] = desk.post.home
    desk.post.send("eva@sales.example.org")
    told = wanted(desk)
    assert home(desk).say("ETRN @example.org").startswith("253 2.0.0 OK, 3 pending messages")
    both = {HomeWanted(domain_id(desk, name)) for name in ("example.org", "sales.example.org")}
    assert {notice for notice in told if isinstance(notice, HomeWanted)} == both


def test_while_an_outage_is_declared_nothing_goes_home(desk: Desk) -> None:
    desk.post.set(mode="enabled")
    told = wanted(desk)
    assert home(desk).say("ETRN example.org").startswith("458 4.3.2 Unable to queue messages for node example.org")
    assert told == []


def test_a_store_that_cannot_be_asked_is_458_and_home_may_ask_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Temporary("the database is away")

    client = home(desk)
    with monkeypatch.context() as broken:
        broken.setattr(calling, "want", fail)
        assert client.say("ETRN example.org").startswith("458 4.3.0 Unable to queue messages for node example.org")
    assert client.say("ETRN example.org").startswith("253 ")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("ETRN", "501 5.5.4"),
        ("ETRN @", "501 5.5.4"),
        ("ETRN a b", "501 5.5.4"),
        ("ETRN [192.0.2.1]", "501 5.5.4"),
        ("ETRN b\u00fccher.example", "501 5.5.4"),
        (f"ETRN {'a' * 300}", "501 5.5.4"),
        ("ETRN #queue", "459 4.7.1"),  # there are no named queues
    ],
)
def test_what_is_no_domain_is_refused(desk: Desk, line: str, code: str) -> None:
    assert home(desk).say(line).startswith(f"{code} ")


def test_it_waits_for_ehlo_and_not_within_a_transaction(desk: Desk) -> None:
    client = home(desk)
    client.say("MAIL FROM:<boss@example.org>")
    assert client.say("ETRN example.org").startswith("503 5.5.1 ")
    client.say("RSET")
    assert client.say("ETRN example.org").startswith("253 ")


def test_who_guesses_domains_is_let_go(desk: Desk) -> None:
    client = home(desk, STRANGER)
    said = [client.say(f"ETRN {number}.example") for number in range(20)]
    assert [each[:3] for each in said[:19]] == ["459"] * 19
    assert said[19].endswith("421 4.7.0 Too many errors\r\n")
