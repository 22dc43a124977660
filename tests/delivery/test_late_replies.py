"""No reply of home's to the message: in doubt, until a late one."""

import pytest
from twisted.internet.defer import Deferred, fail

from mpcontinuity.delivery.service import STORE_AGAIN
from mpcontinuity.model.errors import Full
from mpcontinuity.model.owed import IN_DOUBT
from mpcontinuity.model.reply import Outcome, Stage
from mpcontinuity.queue import owed
from mpcontinuity.redelivery import attempt
from mpcontinuity.routing.health import Gate
from tests.delivery.conftest import RETRY_AFTER, Post
from tests.delivery.homes import DOUBTFUL, accepted, refused, temporary
from tests.delivery.test_message import ANN, BOB, LIST
from tests.fakes.stores import result


def test_no_reply_is_a_redirect_in_doubt_that_a_late_250_ends_as_delivered(post: Post) -> None:
    post.home.answer, post.home.late = DOUBTFUL, Deferred()
    assert post.send(ANN, BOB).code == 250
    assert [row[2] for row in post.owed()] == [IN_DOUBT, IN_DOUBT]
    (lease,) = post.rows("SELECT min(lease_until) FROM owed")[0]
    assert int(str(lease)) > post.clock.now() + 590_000_000
    post.home.late.callback(accepted(Stage.MESSAGE))
    assert [row[2] for row in post.owed()] == ["delivered", "delivered"]
    assert {row.outcome for row in post.track()} == {"delivered"}
    assert {row.status for row in post.track()} == {"deferred"}
    assert len(post.inbox(ANN)) == 1


@pytest.mark.parametrize(
    ("late", "state"),
    [
        (refused(Stage.MESSAGE, 554, "5.6.0"), "failed"),
        (refused(Stage.MESSAGE, 554, "5.7.23"), "owed"),
        (temporary(Stage.MESSAGE), "owed"),
        (DOUBTFUL, IN_DOUBT),
    ],
)
def test_other_late_replies_end_the_row_or_leave_it(post: Post, late: Outcome, state: str) -> None:
    post.home.answer, post.home.late = DOUBTFUL, Deferred()
    assert post.send(ANN).code == 250
    post.home.late.callback(late)
    assert [row[2] for row in post.owed()] == [state]
    assert post.rows("SELECT token FROM owed") == [(0,)]


@pytest.mark.parametrize("answer", [DOUBTFUL, temporary(Stage.MESSAGE)])
def test_each_of_several_recipients_is_redelivered_under_the_id_that_home_was_shown(
    post: Post, answer: Outcome
) -> None:
    post.home.answer = answer
    assert post.send(ANN, BOB).code == 250
    ((head, _, _),) = post.home.received
    post.home.decision = Gate.SHUT
    assert post.send(ANN, BOB, content=b"Subject: never shown to home\r\n\r\nx\r\n").code == 250
    post.clock.advance(60)
    ids = [int(str(row[0])) for row in post.rows("SELECT id FROM owed ORDER BY id")]
    claimed = result(post.store.run(lambda tx: owed.claim(tx, ids, give_up=10**15)))
    assert [attempt.head(one) for one in claimed[:2]] == [head, head]
    assert len({attempt.head(one) for one in claimed}) == 3


def test_a_lost_connection_leaves_the_row_in_doubt_until_the_first_retry(post: Post) -> None:
    post.home.answer = DOUBTFUL
    assert post.send(ANN).code == 250
    ((state, token, next_attempt),) = post.rows("SELECT state, token, next_attempt FROM owed")
    assert (state, token) == (IN_DOUBT, 0)
    assert 0 <= post.clock.now() + RETRY_AFTER - int(str(next_attempt)) <= 1_000_000


def test_a_late_250_for_a_message_that_the_client_was_told_to_send_again_answers_the_repeat(post: Post) -> None:
    post.home.answer, post.home.late = DOUBTFUL, Deferred()
    assert post.send(LIST).code == 451
    post.home.late.callback(accepted(Stage.MESSAGE))
    assert post.send(LIST).code == 250
    assert len(post.home.received) == 1
    assert post.count("archive") == 1


def test_a_late_250_that_the_store_cannot_note_is_noted_later(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or home would be sent the message again although it said that it has it. Found by the simulation."""
    post.home.answer, post.home.late = DOUBTFUL, Deferred()
    assert post.send(ANN).code == 250
    run = post.store.run
    monkeypatch.setattr(post.store, "run", lambda work, **kw: fail(Full("no room")))
    post.home.late.callback(accepted(Stage.MESSAGE))
    post.clock.advance(STORE_AGAIN)
    assert [row[2] for row in post.owed()] == [IN_DOUBT]
    monkeypatch.setattr(post.store, "run", run)
    post.clock.advance(STORE_AGAIN)
    assert [row[2] for row in post.owed()] == ["delivered"]


def test_a_stop_ends_the_wait_and_the_message_is_in_doubt(post: Post) -> None:
    answer: Deferred[Outcome] = Deferred()
    post.home.answer = answer
    incoming = post.begin()
    post.rcpt(incoming, ANN)
    reply = post.data(incoming)
    assert not reply.called
    post.delivery.awaited.stop_waiting()
    assert result(reply).code == 250
    assert [row[2] for row in post.owed()] == [IN_DOUBT]
    answer.callback(accepted(Stage.MESSAGE))
    assert [row[2] for row in post.owed()] == ["delivered"]


def test_a_fault_of_ours_while_home_gets_the_message_is_a_doubt(post: Post) -> None:
    post.home.answer = Deferred()
    incoming = post.begin()
    post.rcpt(incoming, ANN)
    reply = post.data(incoming)
    post.home.answer.errback(ValueError("bug"))
    assert result(reply).code == 250
    assert [row[2] for row in post.owed()] == [IN_DOUBT]
