"""The same message again: from a client that vanished, that goes on, or in two sessions at a time."""

import copy

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.delivery import answered
from mpcontinuity.model.reply import Outcome, Stage
from mpcontinuity.routing.health import Gate
from tests.delivery.conftest import CONTENT, Post
from tests.delivery.homes import accepted, temporary
from tests.fakes.nodes import Cluster
from tests.fakes.stores import result

ANN, BOB = "ann@example.org", "bob@example.org"


def vanish(post: Post, *recipients: str) -> None:
    """Sends, and is gone before the answer was read."""
    incoming = post.begin()
    for recipient in recipients:
        post.rcpt(incoming, recipient)
    assert result(post.data(incoming)).code == 250
    incoming.lost()


def sweep(post: Post) -> None:
    result(Deferred.fromCoroutine(answered.sweep(post.store)))


@pytest.mark.parametrize("away", [True, False])
@pytest.mark.parametrize("restarted", [True, False])
def test_a_client_that_vanished_and_sends_again_makes_no_second_copy(post: Post, away: bool, restarted: bool) -> None:
    post.home.decision = Gate.SHUT if away else Gate.OPEN
    vanish(post, ANN)
    if restarted:
        post.start()
    assert post.send(ANN).code == 250
    assert post.count("body") == 1
    assert len(post.home.received) == (0 if away else 1)
    assert len(post.inbox(ANN)) == (1 if away else 0)
    assert len(post.track()) == 1


@pytest.mark.parametrize("away", [True, False])
def test_only_the_recipients_that_are_new_are_treated(post: Post, away: bool) -> None:
    post.home.decision = Gate.SHUT if away else Gate.OPEN
    vanish(post, ANN)
    assert post.send(ANN, BOB).code == 250
    if away:
        assert (len(post.inbox(ANN)), len(post.inbox(BOB))) == (1, 1)
        assert [row[0] for row in post.owed()] == [ANN, BOB]
    else:
        assert [recipients for _, _, recipients in post.home.received] == [[ANN], [BOB]]
    assert sorted(row.recipient for row in post.track()) == [ANN, BOB]


@pytest.mark.parametrize("away", [True, False])
def test_a_client_that_goes_on_may_send_the_very_same_message_again(post: Post, away: bool) -> None:
    post.home.decision = Gate.SHUT if away else Gate.OPEN
    for _ in range(2):
        assert post.send(ANN).code == 250
    assert post.count("body") == 2
    assert len(post.track()) == 2
    assert post.count("answered") == 0


def test_the_memory_of_an_answer_ends_after_a_day(post: Post) -> None:
    post.home.decision = Gate.SHUT
    vanish(post, ANN)
    post.clock.advance(86400 - 1)
    sweep(post)
    assert post.send(ANN).code == 250
    assert len(post.inbox(ANN)) == 1
    post.clock.advance(2)
    sweep(post)
    assert post.send(ANN).code == 250
    assert len(post.inbox(ANN)) == 2
    assert answered.REMEMBERED == 86400 * 1_000_000


def test_an_answer_is_not_forgotten_by_its_age_but_by_the_sweep_which_waits_for_a_clock_it_can_trust(
    post: Post,
) -> None:
    post.home.decision = Gate.SHUT
    vanish(post, ANN)
    post.clock.advance(10 * 86400)  # as a jump does that is believed
    assert post.send(ANN).code == 250
    assert len(post.inbox(ANN)) == 1


def test_the_sweep_forgets_all_that_is_old_however_many(post: Post) -> None:
    rows = [number.to_bytes(16, "big") for number in range(answered.STEP + 1)]
    assert len(result(post.store.run(lambda tx: answered.note(tx, rows)))) == len(rows)
    post.clock.advance(86400 + 1)
    sweep(post)
    assert post.count("answered") == 0


def test_another_sender_recipient_or_content_is_another_message(post: Post) -> None:
    post.home.decision = Gate.SHUT
    vanish(post, ANN)
    assert post.send(BOB).code == 250
    assert post.send(ANN, sender="").code == 250
    assert post.send(ANN, content=CONTENT + b"more\r\n").code == 250
    assert (len(post.inbox(ANN)), len(post.inbox(BOB))) == (3, 1)


def test_the_same_message_in_two_sessions_waits_for_the_first_ones_client(post: Post) -> None:
    answer: Deferred[Outcome] = Deferred()
    post.home.answer = answer
    first, second = post.begin(), post.begin()
    for incoming in (first, second):
        post.rcpt(incoming, ANN)
    first_reply, second_reply = post.data(first), post.data(second)
    assert len(post.home.received) == 1
    answer.callback(temporary(Stage.MESSAGE))
    assert result(first_reply).code == 250
    assert not second_reply.called
    first.lost()
    if not post.store.election.alone:  # what this process knows another one cannot
        post.clock.advance(answered.PATIENCE)
    assert result(second_reply).code == 250
    assert len(post.inbox(ANN)) == 1


def test_the_same_message_in_two_sessions_is_two_where_both_clients_go_on(post: Post) -> None:
    post.home.decision = Gate.SHUT
    first, second = post.begin(), post.begin()
    for incoming in (first, second):
        post.rcpt(incoming, ANN)
    assert result(post.data(first)).code == 250
    second_reply = post.data(second)
    assert not second_reply.called
    first.went_on()
    post.clock.advance(1)
    assert result(second_reply).code == 250
    assert len(post.inbox(ANN)) == 2


def test_a_client_that_no_answer_reaches_is_not_waited_for(post: Post) -> None:
    post.home.decision = Gate.SHUT
    first, second = post.begin(), post.begin()
    for incoming in (first, second):
        post.rcpt(incoming, ANN)
    assert result(post.data(first)).code == 250
    second_reply = post.data(second)
    post.clock.advance(6)
    assert result(second_reply).code == 250
    assert len(post.inbox(ANN)) == 1


def test_a_client_that_keeps_silent_but_has_the_answer_keeps_nobody_from_sending_the_same(post: Post) -> None:
    post.home.decision = Gate.SHUT
    first, second = post.begin(), post.begin()
    for incoming in (first, second):
        post.rcpt(incoming, ANN)
    assert result(post.data(first)).code == 250
    arrived = False
    first.on_its_way(lambda: first.went_on() if arrived else None)
    second_reply = post.data(second)
    post.clock.advance(1)
    assert not second_reply.called
    arrived = True
    post.clock.advance(1)
    assert result(second_reply).code == 250
    assert len(post.inbox(ANN)) == 2


def test_a_client_that_went_on_after_a_long_silence_frees_the_message_too(post: Post) -> None:
    post.home.decision = Gate.SHUT
    first = post.begin()
    post.rcpt(first, ANN)
    assert result(post.data(first)).code == 250
    post.clock.advance(60)
    first.went_on()
    assert post.send(ANN).code == 250
    assert len(post.inbox(ANN)) == 2


def test_a_message_in_hand_elsewhere_for_long_is_sent_again_later(post: Post) -> None:
    post.home.answer = Deferred()
    first, second = post.begin(), post.begin()
    for incoming in (first, second):
        post.rcpt(incoming, ANN)
    post.data(first)
    second_reply = post.data(second)
    post.clock.advance(61)
    assert str(result(second_reply)).startswith("451 4.3.2")
    post.home.answer.callback(accepted(Stage.MESSAGE))


@pytest.fixture
def nodes(post: Post) -> tuple[Post, Post]:
    """The same mail system by way of two processes."""
    cluster = Cluster(post.store)
    both = []
    for _ in range(2):
        one = copy.copy(post)
        one.store = cluster.node()
        one.start()
        both.append(one)
    return both[0], both[1]


@pytest.mark.parametrize("away", [True, False])
def test_a_repeat_at_another_node_is_known_once_its_client_is_long_gone(nodes: tuple[Post, Post], away: bool) -> None:
    here, there = nodes
    here.home.decision = Gate.SHUT if away else Gate.OPEN
    vanish(here, ANN)
    incoming = there.begin()
    there.rcpt(incoming, ANN)
    answer = there.data(incoming)
    here.clock.advance(answered.PATIENCE - 1)
    assert not answer.called
    here.clock.advance(1)
    assert result(answer).code == 250
    assert here.count("body") == 1


@pytest.mark.parametrize("away", [True, False])
def test_the_same_message_of_another_client_at_another_node_is_not_swallowed(
    nodes: tuple[Post, Post], away: bool
) -> None:
    here, there = nodes
    here.home.decision = Gate.SHUT if away else Gate.OPEN
    incoming = here.begin()
    here.rcpt(incoming, ANN)
    assert result(here.data(incoming)).code == 250
    other = there.begin()
    there.rcpt(other, ANN)
    answer = there.data(other)
    incoming.went_on()
    here.clock.advance(1)
    assert result(answer).code == 250
    assert here.count("body") == 2


@pytest.mark.parametrize("away", [True, False])
@pytest.mark.parametrize("octets", [10, 3 << 20])
def test_it_is_not_swallowed_either_while_the_first_client_only_keeps_silent(
    nodes: tuple[Post, Post], away: bool, octets: int
) -> None:
    here, there = nodes
    here.home.decision = Gate.SHUT if away else Gate.OPEN
    content = CONTENT + b"x" * octets + b"\r\n"
    incoming = here.begin()
    here.rcpt(incoming, ANN)
    assert result(here.data(incoming, content)).code == 250
    incoming.on_its_way(incoming.went_on)  # the door sees that the answer has arrived
    other = there.begin()
    there.rcpt(other, ANN)
    answer = there.data(other, content)
    assert not answer.called
    here.store.hear()  # type: ignore[attr-defined]
    here.clock.advance(1)
    assert result(answer).code == 250
    assert here.count("body") == 2
    stored = here.inbox(ANN) if away else here.home.received
    assert len(stored) == 2
