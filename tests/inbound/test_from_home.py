"""What home servers send through us to the world."""

from __future__ import annotations

import base64

import pytest

from mpcontinuity.accounts import users
from mpcontinuity.model.address import parse
from mpcontinuity.store.transaction import Transaction
from tests.delivery.conftest import Post
from tests.fakes.stores import result
from tests.inbound.desk import Desk, transaction
from tests.inbound.dialogues import Connection

HOME, ELSEWHERE = "192.0.2.50", "192.0.2.7"
WORLD, BOSS = "eve@world.example", "boss@example.org"
LINES = [f"From: {BOSS}", "Subject: From home", "Message-ID: <1@home.example>", "", "Text"]


@pytest.fixture
def desk(post: Post) -> Desk:
    post.set(home_networks=("192.0.2.48/29",))
    return Desk(post)


def home(desk: Desk, peer: str = HOME) -> Connection:
    return desk.connect(desk.port25, peer)


def test_home_sends_in_the_name_of_anybody_of_its_domain_archived_and_without_a_copy_in_sent(desk: Desk) -> None:
    assert transaction(home(desk), BOSS, WORLD, lines=LINES).startswith("250")
    assert desk.outgoing() == [(BOSS, WORLD, "world.example", "queued")]
    assert desk.post.rows("SELECT direction, sender, subject FROM archive") == [("outbound", BOSS, "From home")]
    assert [(row.direction, row.status) for row in desk.post.track()] == [("outbound", "queued")]
    assert [desk.post.count(table) for table in ("entry", "owed", "sent")] == [0, 0, 0]


def test_what_home_sends_is_left_as_it_is(desk: Desk) -> None:
    transaction(home(desk), BOSS, WORLD, lines=["Subject: no date", "Bcc: seen@x.example", "", "Text"])
    ((body,),) = desk.post.rows("SELECT body FROM outgoing")
    received, _, content = desk.content(int(str(body)), leaving=True).partition(b"Subject:")
    assert received.startswith(b"Received: from pc.example ([192.0.2.50])")
    assert content == b" no date\r\n\r\nText\r\n"


def test_home_reports_with_the_null_sender(desk: Desk) -> None:
    assert transaction(home(desk), "", WORLD, lines=LINES).startswith("250")
    assert desk.outgoing() == [("", WORLD, "world.example", "queued")]


def test_another_sender_from_there_is_refused_and_tracked(desk: Desk) -> None:
    answer = home(desk).say(f"MAIL FROM:<{WORLD}>")
    assert answer == "550 5.7.1 The home server of example.org sends in the name of its own domain only\r\n"
    row = desk.post.track()[-1]
    assert (row.direction, row.status, row.sender, row.code) == ("outbound", "rejected", WORLD, 550)


def test_from_elsewhere_nothing_is_relayed(desk: Desk) -> None:
    assert transaction(home(desk, ELSEWHERE), BOSS, WORLD, lines=LINES).startswith("550 5.7.1")
    assert transaction(home(desk, ELSEWHERE), WORLD, "ann@example.org", lines=LINES).startswith("250")


def test_bare_line_ends_from_home_are_refused_as_from_anybody(desk: Desk) -> None:
    client = home(desk)
    client.say(f"MAIL FROM:<{BOSS}>", f"RCPT TO:<{WORLD}>", "DATA")
    client.send(b"Subject: x\n\r\nText\r\n.\r\n")
    assert client.read().startswith("550 5.6.11")


def test_networks_that_are_changed_count_at_once(desk: Desk) -> None:
    assert transaction(home(desk), BOSS, WORLD, lines=LINES).startswith("250")
    desk.post.set(home_networks=())
    assert transaction(home(desk), BOSS, WORLD, lines=LINES).startswith("550 5.7.1")
    assert desk.origins.none


def test_a_home_server_that_logs_in(desk: Desk) -> None:
    def stand_for_home(tx: Transaction) -> None:
        ann = users.find(tx, parse("ann@example.org"))
        assert ann is not None
        users.set_relay(tx, ann, True)

    result(desk.post.store.run(stand_for_home))
    client = desk.logged_in()
    assert transaction(client, BOSS, WORLD, lines=LINES).startswith("250")
    assert client.say(f"MAIL FROM:<{WORLD}>").startswith("550 5.7.1")
    assert len(desk.outgoing()) == 1
    assert [desk.post.count(table) for table in ("entry", "owed", "sent")] == [0, 0, 0]


# A home server that many tenants share

TENANT = [*LINES[:1], "X-OriginatorOrg: tenant.example", *LINES[1:]]


@pytest.fixture
def certified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = ["mail.protection.outlook.com"]
    monkeypatch.setattr("mpcontinuity.inbound.connection.names", lambda transport: tuple(names))
    return names


@pytest.fixture
def shared(desk: Desk) -> Desk:
    desk.post.set(home_tenant="Tenant.example")
    return desk


def test_the_tenant_with_its_certificate_sends(shared: Desk, certified: list[str]) -> None:
    assert transaction(home(shared), BOSS, WORLD, lines=TENANT).startswith("250")
    assert shared.outgoing() == [(BOSS, WORLD, "world.example", "queued")]
    assert shared.origins.shared


@pytest.mark.parametrize(
    "lines",
    [
        LINES,
        [LINES[0], "X-OriginatorOrg: other.example", *LINES[1:]],
        ["X-OriginatorOrg: a.example", *TENANT],
        [
            *TENANT[:2],
            *[f"X-{number}: {'x' * 900}" for number in range(200)],
            "X-OriginatorOrg: a.example",
            *TENANT[2:],
        ],
    ],
)
def test_another_tenant_does_not(shared: Desk, certified: list[str], lines: list[str]) -> None:
    assert transaction(home(shared), BOSS, WORLD, lines=lines).startswith("550 5.7.1")
    assert shared.outgoing() == []


@pytest.mark.parametrize("names", [[], ["outlook.com"], ["evilprotection.outlook.com"]])
def test_without_the_certificate_nobody_does(shared: Desk, certified: list[str], names: list[str]) -> None:
    certified[:] = names
    assert transaction(home(shared), BOSS, WORLD, lines=TENANT).startswith("550 5.7.1 Relaying denied")


def test_strangers_mail_from_there_to_our_users_is_mail_as_any_other(shared: Desk, certified: list[str]) -> None:
    assert transaction(home(shared), WORLD, "ann@example.org", lines=LINES).startswith("250")
    assert transaction(home(shared), "", "ann@example.org", lines=LINES).startswith("250")
    assert transaction(home(shared), BOSS, "ann@example.org", lines=LINES).startswith("250")
    assert [row.direction for row in shared.post.track()] == ["inbound"] * 3


def test_a_login_needs_no_tenant(shared: Desk) -> None:
    shared.password("ann@example.org")
    client = shared.connect()
    secret = base64.b64encode(b"\0ann@example.org\0secret").decode()
    client.say(f"AUTH PLAIN {secret}")
    assert transaction(client, "ann@example.org", WORLD, lines=LINES[1:]).startswith("250")
