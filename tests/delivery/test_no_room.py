"""Messages that cannot be kept: no room, no store, no client any more."""

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.model.errors import Full, Temporary
from mpcontinuity.routing.health import Gate
from tests.delivery.conftest import CONTENT, Post
from tests.delivery.test_message import ANN
from tests.fakes.stores import result


def test_no_room_is_452_and_leaves_nothing(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise Full("nothing left")

    incoming = post.begin()
    post.rcpt(incoming, ANN)
    monkeypatch.setattr(post.store.bodies, "draft", full)
    assert str(incoming.begin()).startswith("452 4.3.1")


@pytest.mark.parametrize("away", [True, False])
def test_a_store_that_fails_is_452_and_the_message_can_be_sent_again(
    post: Post, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.home.decision = Gate.SHUT if away else Gate.OPEN

    def fails(*_: object, **__: object) -> Deferred[object]:
        raise Temporary("disk on fire")

    with monkeypatch.context() as patch:
        patch.setattr(post.store, "keep_grouped", fails)
        patch.setattr(post.store.bodies, "keep", fails)
        assert str(post.send(ANN)).startswith("452 4.3.1")
    assert post.home.received == []
    assert post.send(ANN).code == 250
    assert post.count("archive") == 1


def test_a_disk_that_fills_up_within_data_is_452(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    incoming = post.begin()
    post.rcpt(incoming, ANN)
    incoming.begin()
    draft = incoming._draft
    assert draft is not None

    def full(data: bytes) -> None:
        raise Full("nothing left")

    with monkeypatch.context() as patch:
        patch.setattr(type(draft), "write", lambda self, data: full(data))
        incoming.write(CONTENT)
    assert str(result(incoming.end(None))).startswith("452 4.3.1")
    assert post.store.bodies.spooled == 0


def test_a_client_that_goes_within_data_leaves_nothing(post: Post) -> None:
    incoming = post.begin()
    post.rcpt(incoming, ANN)
    incoming.begin()
    incoming.write(CONTENT * 50_000)
    incoming.abandon()
    assert post.store.bodies.spooled == 0
    assert post.home.transactions[0].abandoned
    assert (post.count("body"), post.track()) == (0, [])
