"""What may take long is done in a thread."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred, succeed

from mpcontinuity.mailbox.rendering import LARGE, rendered, takes_long
from mpcontinuity.message import addresses
from mpcontinuity.message.envelope import envelope
from mpcontinuity.message.render import render
from mpcontinuity.message.summary import MAX_TEXT, summarise
from mpcontinuity.store.store import Store
from tests.corpus.messages import ALTERNATIVE_WITH_ATTACHMENT, DIGEST, FORWARDED, PLAIN
from tests.fakes.stores import result

ORDINARY = b"From: A <a@b.example>\r\nTo: c@d.example\r\nSubject: x\r\n\r\n" + b"Dear c, this is a text. " * 100


@pytest.mark.parametrize("sign", [b",", b";", b"<>", b"(", b'"', b":", b"@", b"[", b"=?u?q?a?=", b"a@b,"])
def test_a_header_made_of_signs_takes_long(sign: bytes) -> None:
    assert takes_long(b"To: " + sign * 2000 + b"\r\n\r\nbody")


def test_many_parts_and_large_messages_take_long_and_ordinary_ones_do_not() -> None:
    assert takes_long(ORDINARY + b"\r\n--a\r\n\r\n" * 100)
    assert takes_long(b"x" * (LARGE + 1))
    for message in (ORDINARY, PLAIN, ALTERNATIVE_WITH_ATTACHMENT, FORWARDED, DIGEST):
        assert not takes_long(message)


def test_what_takes_long_is_done_by_the_threads_that_may_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def background(work: Callable[[], bytes]) -> Deferred[bytes]:
        asked.append(work)
        return succeed(work())

    monkeypatch.setattr(store.bodies, "background", background)
    assert result(rendered(store, ORDINARY)) == render(ORDINARY)
    assert asked == []
    assert result(rendered(store, b"x" * (LARGE + 1))) == render(b"x" * (LARGE + 1))
    assert len(asked) == 1


def test_an_envelope_looks_at_64_kib_of_a_list_of_addresses() -> None:
    one = b"a@b.example, "
    value = one * (addresses.LONGEST // len(one) + 1000)
    assert envelope({b"to": value}) == envelope({b"to": value[: addresses.LONGEST]})
    assert len(envelope({b"to": value})) < 2 * len(value)


def test_a_subject_is_decoded_only_as_far_as_it_is_shown() -> None:
    assert len(summarise(b"Subject: " + b"=?utf-8?q?=41?= " * 60_000 + b"\r\n\r\n").subject) <= MAX_TEXT
    assert summarise(b"Subject: " + b"word " * 60_000 + b"\r\n\r\n").subject == ("word " * MAX_TEXT)[:MAX_TEXT]
