"""What becomes of a message: where it is afterwards, and what the client is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import msgspec
import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import users
from mpcontinuity.delivery import relay
from mpcontinuity.delivery.handover import because
from mpcontinuity.model.address import parse as parse_address
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.identifier import parse as parse_id
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage
from mpcontinuity.model.settings import Limits
from mpcontinuity.protocols.smtp.client import Offers
from mpcontinuity.queue.ledger import report
from mpcontinuity.routing.health import Gate
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.references import find, insert_body
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep.reconcile import reconcile
from mpcontinuity.verdicts.service import Arrived
from tests.delivery.conftest import CONTENT, Post
from tests.delivery.homes import DOUBTFUL, failed, refused, temporary
from tests.fakes.stores import open_memory_like_store, result

OPT_IN = Statement("UPDATE account SET opt_in = 1 WHERE address = 'ann@example.org'")
PACK = Statement("INSERT INTO pack (id, kind) VALUES (1, 'mail')")
ANN, BOB, LIST = "ann@example.org", "bob@example.org", "list@example.org"

T = TypeVar("T")


def stored(post: Post, address: str) -> bytes:
    ((body, _),) = post.inbox(address)
    return result(post.store.bodies.read(result(post.store.read(lambda tx: find(tx, int(str(body)))))))  # type: ignore[arg-type]


def remove(post: Post, address: str) -> None:
    ((account, domain),) = post.rows("SELECT id, domain FROM account WHERE address = :address", address=address)
    result(post.store.run(lambda tx: users.forget(tx, int(str(account)), int(str(domain)))))


# Home takes it


def test_what_home_takes_passes_through_and_is_archived_and_tracked(post: Post) -> None:
    assert str(post.send(ANN)) == "250 2.0.0 fine"
    ((head, content, recipients),) = post.home.received
    assert recipients == [ANN]
    assert head.startswith(b"X-MPContinuity-Id: ")
    assert head.endswith(b"\r\n")
    assert content.endswith(CONTENT)
    assert content.startswith(b"Received: from client.example.net ([192.0.2.1])\r\n\tby mx.example.org")
    assert b"for <ann@example.org>;" in content
    assert (post.inbox(ANN), post.owed(), post.count("archive")) == ([], [], 1)
    (row,) = post.track()
    assert (row.status, row.continuity, row.outcome, row.code, row.subject) == (
        "delivered",
        False,
        None,
        250,
        "Hello",
    )
    assert [(event.host, event.text) for event in row.events] == [("home.example:25", "2.0.0 fine")]


def test_the_body_is_durable_before_home_gets_the_final_dot(post: Post) -> None:
    bodies: list[int] = []
    keep = post.store.bodies.keep

    def noted(body: Body) -> Body:
        bodies.append(body.id)
        return body

    post.store.bodies.keep = lambda draft, head: keep(draft, head).addCallback(noted)  # type: ignore[method-assign]
    post.home.before_dot = lambda: bodies.append(0)
    assert post.send(ANN).code == 250
    assert len(bodies) == 2
    assert bodies[1] == 0


def test_several_recipients_share_a_body_and_nobody_is_shown_how_many(post: Post) -> None:
    assert post.send(ANN, BOB).code == 250
    ((head, content, _),) = post.home.received
    assert head.count(b"X-MPContinuity-Id: ") == 1
    assert b"\tfor <" not in content
    assert (post.count("body"), post.count("archive"), len(post.track())) == (1, 1, 2)


def test_retention_0_archives_nothing_and_tracks_all_the_same(post: Post) -> None:
    post.set(retention_days=0)
    assert post.send(ANN).code == 250
    assert (post.count("archive"), len(post.track())) == (0, 1)
    assert post.rows("SELECT keep_until FROM body") == [(post.store.clock.now() - 1_000_000,)]


def test_who_opted_in_finds_a_copy_that_is_not_owed(post: Post) -> None:
    post.set(mode="optional")
    result(post.store.run(lambda tx: tx.run(OPT_IN)))
    post.start()
    assert post.send(ANN, BOB).code == 250
    assert len(post.inbox(ANN)) == 1
    assert (post.inbox(BOB), post.owed()) == ([], [])
    assert post.rows("SELECT keep_until FROM body") == [(0,)]


@pytest.mark.parametrize("away", [True, False])
def test_domains_of_one_home_server_share_a_message_and_keep_their_records_apart(post: Post, away: bool) -> None:
    post.domain("example.com")
    post.user("eve@example.com")
    post.home.decision = Gate.SHUT if away else Gate.OPEN
    assert post.send(ANN, "eve@example.com").code == 250
    if away:
        assert len(post.inbox(ANN)) == len(post.inbox("eve@example.com")) == 1
    else:
        assert [recipients for _, _, recipients in post.home.received] == [[ANN, "eve@example.com"]]
    for table in ("owed", "tracking", "archive") if away else ("tracking", "archive"):
        rows = post.rows(f"SELECT name FROM {table} JOIN domain ON domain.id = {table}.domain ORDER BY name")
        assert rows == [("example.com",), ("example.org",)], table
    assert post.rows("SELECT recipients FROM archive ORDER BY recipients") == [
        (f'["{ANN}"]',),
        ('["eve@example.com"]',),
    ]
    assert post.count("body") == 1


def test_messages_that_wait_together_are_recorded_in_one_transaction(post: Post) -> None:
    """Of two senders, one to an unregistered address and to a user who has opted in."""
    post.set(mode="optional")
    result(post.store.run(lambda tx: tx.run(OPT_IN)))
    post.start()
    committed: list[int] = []
    together = post.store.run_grouped

    def counted(work: Any, item: Any) -> Any:
        def all_twice(tx: Transaction, items: list[Any]) -> list[Any]:
            assert work is relay.commit
            other = msgspec.structs.replace(items[0][0], id=tx.identifier())
            message = msgspec.structs.replace(items[0][1].message, id=other.id)
            committed.append(len(items) + 1)
            return work(tx, [*items, (other, replace(items[0][1], message=message))])[:1]

        return together(all_twice, item)

    post.store.run_grouped = counted  # type: ignore[method-assign]
    assert post.send(ANN, "stranger@example.org").code == 250
    assert committed == [2]
    assert [len(post.inbox(ANN)), post.count("archive"), post.count("tracking"), post.count("taken")] == [2, 2, 4, 1]


def test_a_commit_that_fails_after_homes_250_is_still_a_250_and_is_made_good(post: Post, tmp_path: Path) -> None:
    together = post.store.run_grouped

    def fails(work: object, item: object) -> Deferred[object]:
        assert work is relay.commit
        raise Temporary("disk on fire")

    post.store.run_grouped = fails  # type: ignore[assignment, method-assign]
    reply = post.send(ANN, BOB)
    post.store.run_grouped = together  # type: ignore[method-assign]
    assert reply.code == 250
    assert post.delivery.unrecorded == 1
    assert post.track() == []
    result(post.delivery.stop())
    result(post.store.close())
    post.store = open_memory_like_store(tmp_path, clock=post.clock)
    post.start()
    assert result(reconcile(post.store, relay.repair)) == 1
    assert [(row.recipient, row.status) for row in post.track()] == [(ANN, "delivered"), (BOB, "delivered")]
    assert post.count("archive") == 1
    result(post.delivery.stop())
    result(post.store.close())


def test_the_repair_gives_a_message_its_rows(post: Post) -> None:
    def work(tx: Transaction) -> None:
        tx.run(PACK)
        body = Body(9, 1, 0, 40, 10, 0)
        insert_body(tx, body, tx.now)
        head = Head(id=9, time=tx.now, direction="inbound", reverse_path="eve@example.net", subject="Hello")
        relay.repair(tx, head, body, {ANN: "relay", BOB: "relay"})

    result(post.store.run(work))
    assert post.rows("SELECT recipients, subject FROM archive") == [(f'["{ANN}","{BOB}"]', "Hello")]
    assert [(row.recipient, row.status) for row in post.track()] == [(ANN, "delivered"), (BOB, "delivered")]
    (keep_until,) = post.rows("SELECT keep_until FROM body")[0]
    assert int(str(keep_until)) > post.clock.now()


# Home refuses it


def test_homes_refusal_of_the_message_goes_to_the_client_and_nothing_is_stored(post: Post) -> None:
    post.home.answer = refused(Stage.MESSAGE, 554, "5.7.1")
    assert str(post.send(ANN, BOB)) == "554 5.7.1 no"
    assert (post.count("body"), post.count("archive"), post.owed(), post.inbox(ANN)) == (0, 0, [], [])
    assert [(row.recipient, row.status, row.code) for row in post.track()] == [
        (ANN, "rejected", 554),
        (BOB, "rejected", 554),
    ]


def test_a_large_message_that_home_refuses_gives_its_room_back(post: Post) -> None:
    packs = post.store.packs
    assert post.send(ANN).code == 250
    kept = packs.numbers()
    post.home.answer = refused(Stage.MESSAGE)
    assert post.send(ANN, content=b"Subject: large\r\n\r\n" + b"x" * 60 * 50_000 + b"\r\n").code >= 500
    assert packs.numbers() == kept


# Home does not serve


@pytest.mark.parametrize(
    "outcome",
    [
        temporary(Stage.DATA),
        temporary(Stage.MESSAGE),
        failed(Stage.DATA, "connection lost"),
        temporary(Stage.MESSAGE, 530, "5.7.0"),
    ],
)
def test_a_message_that_home_takes_not_is_in_inbox_at_once_and_owed(post: Post, outcome: Outcome) -> None:
    post.home.answer = outcome
    assert post.send(ANN).code == 250
    assert stored(post, ANN).startswith(b"Return-Path: <eve@example.net>\r\nReceived: ")
    assert stored(post, ANN).endswith(CONTENT)
    assert post.owed() == [(ANN, 1, "owed")]
    assert post.count("archive") == 1
    (row,) = post.track()
    assert (row.status, row.continuity, row.outcome, row.code) == ("deferred", True, "owed", 444)
    assert [event.host for event in row.events] == ["home.example:25", "continuityservice"]
    assert row.events[-1].code == 444
    assert row.events[-1].text == f"Redirect because: {because('home.example:25', outcome)}"
    assert post.rows("SELECT keep_until FROM body") == [(0,)]


@pytest.mark.parametrize("way", [Gate.SHUT, Gate.OPEN])
def test_a_message_that_takes_long_to_render_is_rendered_in_a_thread(
    post: Post, way: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.home.decision, post.home.answer = way, temporary(Stage.MESSAGE)
    in_threads: list[Callable[[], object]] = []
    background = post.store.bodies.background

    def noted(work: Callable[[], T]) -> Deferred[T]:
        in_threads.append(work)
        return background(work)

    monkeypatch.setattr(post.store.bodies, "background", noted)
    hostile = b"To: " + b"<>," * 5000 + b"\r\n" + CONTENT
    assert post.send(ANN, content=hostile).positive
    assert len(in_threads) == 1
    assert len(post.inbox(ANN)) == 1


def test_redirected_without_asking_says_why(post: Post) -> None:
    post.home.decision = Gate.SHUT
    assert post.send(ANN).code == 250
    (row,) = post.track()
    assert row.text == "Redirect because: the home server is away: it does not answer"
    assert len(post.inbox(ANN)) == 1
    assert post.home.transactions == []


def test_the_id_that_home_was_shown_is_that_of_the_owed_row(post: Post) -> None:
    post.home.answer = temporary(Stage.MESSAGE)
    assert post.send(ANN).code == 250
    shown = post.home.received[0][0].removeprefix(b"X-MPContinuity-Id: ").strip().decode()
    assert post.rows("SELECT id FROM owed") == [(parse_id(shown),)]


def test_two_addresses_of_one_user_are_one_entry_and_two_owed_rows(post: Post) -> None:
    post.home.decision = Gate.SHUT
    assert post.send(ANN, "ann+news@example.org", BOB).code == 250
    assert (len(post.inbox(ANN)), len(post.inbox(BOB))) == (1, 1)
    assert [row[0] for row in post.owed()] == [ANN, "ann+news@example.org", BOB]
    domain = int(str(post.rows("SELECT id FROM domain")[0][0]))
    rows = result(post.store.read(lambda tx: report(tx, domain)))
    assert sum(row.taken_in for row in rows if row.user != "total") == 3


def test_an_unregistered_recipient_beside_a_registered_one_is_owed_without_a_mailbox(post: Post) -> None:
    post.home.answer = temporary(Stage.MESSAGE)
    assert post.send(ANN, LIST).code == 250
    assert post.owed() == [(ANN, 1, "owed"), (LIST, 0, "owed")]


@pytest.mark.parametrize("outcome", [temporary(Stage.MESSAGE), failed(Stage.DATA), DOUBTFUL])
def test_without_a_registered_recipient_the_sender_tries_again(post: Post, outcome: Outcome) -> None:
    post.home.answer = outcome
    assert str(post.send(LIST)).startswith("451 4.4.1")
    assert (post.count("body"), post.owed(), post.count("archive")) == (0, [], 0)


def test_continuity_off_gives_homes_4xx_to_the_client(post: Post) -> None:
    post.set(continuity=False)
    post.home.answer = temporary(Stage.MESSAGE, 452, "4.3.1")
    assert str(post.send(ANN)) == "452 4.3.1 not now"
    assert post.owed() == []


def test_postmaster_is_owed_where_home_is_away_and_archived_where_it_refuses(post: Post) -> None:
    post.set(retention_days=0)
    post.home.recipients["abuse@example.org"] = refused(Stage.RCPT)
    assert post.send("abuse@example.org").code == 250
    assert (post.count("archive"), post.owed()) == (1, [])
    assert post.send("postmaster@mx.example.org").code == 250
    assert (post.count("archive"), post.owed()) == (2, [])
    post.home.decision = Gate.SHUT
    assert post.send("postmaster@example.org").code == 250
    assert post.owed() == [("postmaster@example.org", 0, "owed")]
    assert [row.status for row in post.track()] == ["delivered", "delivered", "deferred"]


@pytest.mark.parametrize("away", [False, True])
def test_mail_to_postmaster_is_rationed_by_octets_where_home_does_not_take_it(post: Post, away: bool) -> None:
    post.delivery.rations.adopt(Limits(postmaster_octets_per_hour=3000, message_size=2000))
    post.home.recipients["abuse@example.org"] = refused(Stage.RCPT)
    if away:
        post.home.decision = Gate.SHUT
    large = CONTENT + b"x" * 1900 + b"\r\n"
    for _ in range(2):
        assert post.send("abuse@example.org", content=large).code == 250
    assert post.rcpt(post.begin(), "abuse@example.org").code == 450
    assert post.count("archive") == 2
    assert post.send("ann@example.org", content=large).code == 250  # a user's own mail is not
    post.clock.advance(3 * 3600)
    assert post.send("abuse@example.org", content=large).code == 250


def test_a_message_for_postmaster_that_goes_beyond_is_put_off_as_a_whole(post: Post) -> None:
    post.delivery.rations.adopt(Limits(postmaster_octets_per_hour=1000, message_size=2000))
    incoming = post.begin()
    assert post.rcpt(incoming, "postmaster@mx.example.org").code == 250
    assert incoming.begin().code == 354
    for _ in range(100):
        incoming.write(CONTENT)
    assert result(incoming.end(None)).code == 450
    assert post.count("archive") == 0
    assert post.store.bodies.spooled == 0


def test_parameters_are_owed_as_they_were_given(post: Post) -> None:
    post.home.decision = Gate.SHUT
    incoming = post.begin(parameters=MailParameters(body="8BITMIME", size=7))
    post.rcpt(incoming, ANN)
    assert result(post.data(incoming)).code == 250
    ((parameters,),) = post.rows("SELECT parameters FROM owed")
    assert "8BITMIME" in str(parameters)


# No reply to the message


def test_a_user_who_is_removed_while_the_message_is_under_way_is_looked_up_again(post: Post) -> None:
    """Found by the simulation: the client was told of a fault of ours."""
    post.home.decision = Gate.SHUT
    incoming = post.begin()
    post.rcpt(incoming, ANN)
    remove(post, ANN)
    assert result(post.data(incoming)).code == 452
    assert post.count("owed") == 0
    assert post.rcpt(post.begin(), ANN).code == 451


def test_what_home_takes_is_archived_though_a_user_who_wanted_a_copy_is_removed_meanwhile(post: Post) -> None:
    post.set(mode="optional")
    result(post.store.run(lambda tx: tx.run(OPT_IN)))
    incoming = post.begin()
    post.rcpt(incoming, ANN)
    remove(post, ANN)
    assert result(post.data(incoming)).code == 250
    assert post.count("archive") == 1
    assert post.count("entry") == 0


# Refused by us


def test_a_loop_is_refused(post: Post) -> None:
    ours = b"Received: from a ([192.0.2.9])\r\n\tby mx.example.org (mpcontinuity) with ESMTP id 0123456789abc"
    thrice = (ours + b"\r\n\tfor <ann@example.org>; Mon, 1 Jan 2024 00:00:00 +0000\r\n") * 3
    assert str(post.send(ANN, content=thrice + CONTENT)).startswith("554 5.4.6")
    assert post.send(BOB, content=thrice + CONTENT).code == 250
    many = b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 51
    assert str(post.send(ANN, content=many + CONTENT)).startswith("554 5.4.6")


def test_a_fault_of_the_data_refuses_the_message_for_all(post: Post) -> None:
    incoming = post.begin()
    post.rcpt(incoming, ANN)
    incoming.begin()
    assert result(incoming.end(Reply(550, "5.6.11", "bare LF"))).code == 550
    assert [row.code for row in post.track()] == [550]
    assert post.home.transactions[0].abandoned


def test_fields_that_claim_to_be_ours_are_marked(post: Post) -> None:
    post.home.decision = Gate.SHUT
    assert post.send(ANN, content=b"X-MPContinuity-Id: forged\r\n" + CONTENT).code == 250
    assert b"\r\nX-Untrusted-X-MPContinuity-Id: forged\r\n" in stored(post, ANN)


def test_a_message_larger_than_homes_last_offer_is_refused_in_an_outage(post: Post) -> None:
    post.home.decision = Gate.SHUT
    post.home.offers = Offers(size=500)
    assert str(post.send(ANN, content=CONTENT + b"x" * 600)).startswith("552 5.3.4")


# The store fails


def test_a_large_message_goes_to_home_and_to_inbox_in_pieces(post: Post) -> None:
    content = CONTENT + b"x" * 70 + b"\r\n" * 700_000
    assert post.send(ANN, content=content).code == 250
    assert post.home.received[0][1].endswith(content)
    post.home.answer = temporary(Stage.MESSAGE)
    assert post.send(ANN, content=content + b"again").code == 250
    assert stored(post, ANN).endswith(content + b"again")


def test_who_asked_to_hear_of_success_is_told_where_home_does_not_report(post: Post) -> None:
    for dsn, notify, told in ((False, "SUCCESS,FAILURE", 1), (False, "FAILURE", 0), (True, "SUCCESS", 0)):
        post.home.offers = Offers(smtputf8=True, dsn=dsn)
        incoming = post.begin()
        assert result(incoming.recipient(parse_address(ANN), RcptParameters(notify))).code == 250
        assert result(post.data(incoming, CONTENT + f"{dsn} {notify}".encode())).code == 250
        rows = post.rows("SELECT state, reverse_path, recipient, unreported FROM outgoing")
        assert rows == [("relayed", "eve@example.net", "ann@example.org", 1)] * told
        result(post.store.run(lambda tx: tx.run(Statement("DELETE FROM outgoing"))))


def test_who_asked_is_looked_into_when_home_has_it_and_does_not_report(post: Post) -> None:
    looked_into: list[Arrived] = []
    post.delivery.verdicts = SimpleNamespace(arrived=looked_into.append)  # type: ignore[assignment]
    for dsn, notify in ((True, "SUCCESS"), (False, "FAILURE"), (False, "SUCCESS")):
        post.home.offers = Offers(smtputf8=True, dsn=dsn)
        assert not looked_into
        incoming = post.begin()
        assert result(incoming.recipient(parse_address(ANN), RcptParameters(notify))).code == 250
        assert result(post.data(incoming, CONTENT + f"{dsn} {notify}".encode())).code == 250
    (body,) = post.rows("SELECT body FROM outgoing")
    assert [(one.message, one.peer, one.reverse_path) for one in looked_into] == [
        (body[0], "192.0.2.1", "eve@example.net")
    ]
