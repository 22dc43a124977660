"""What counts as the message that is owed, and what as another."""

from __future__ import annotations

from mpcontinuity.model.body import InMemory
from mpcontinuity.protocols.imap.answer import Fetched
from mpcontinuity.protocols.imap.client import PART
from mpcontinuity.redelivery.identity import Identity, identify
from tests.fakes.stores import result

HEADER = b"From: a@b.example\r\nDate: Sun, 22 Nov 2026 04:03:00 +0000\r\nSubject: x\r\nMessage-ID: <1@b.example>\r\n"


def owed(data: bytes = HEADER + b"\r\nHello.\r\n", *ids: str, alone: bool = False) -> Identity:
    return result(identify(InMemory(data), ids or ("mine",), alone=alone))


def found(text: bytes = b"Hello.\r\n", header: bytes = HEADER, size: int = 0) -> Fetched:
    header += b"\r\n"
    return Fetched(1, size or len(header) + len(text), header, text[:PART])


def test_it_is_known_by_our_id_whatever_else_has_changed() -> None:
    assert owed().same(found(b"Disclaimer.\r\n", b"X-MPContinuity-Id: mine\r\nSubject: [list] x\r\n"))
    assert owed().has_id(found(header=b"x-mpcontinuity-id:  mine\r\n"))


def test_it_is_known_by_the_id_of_another_address_of_its_user() -> None:
    assert owed(HEADER + b"\r\nHello.\r\n", "mine", "other").same(
        found(header=b"X-MPContinuity-Id: other\r\n" + HEADER)
    )


def test_what_came_by_us_with_another_id_is_another_message_however_like_it_is() -> None:
    assert not owed().same(found(header=b"X-MPContinuity-Id: forged\r\n" + HEADER))


def test_without_an_id_all_must_be_the_same() -> None:
    assert owed().same(found())
    assert owed().same(found(header=HEADER.replace(b"Subject: x", b"subject:\r\n x")))
    assert not owed().same(found(b"Bye....\r\n"))
    assert not owed().same(found(b"Jello.\r\n"))
    assert not owed().same(found(size=10_000))
    for there, instead in ((b"x\r\n", b"y\r\n"), (b"a@b", b"c@b"), (b"22 Nov", b"23 Nov"), (b"<1@", b"<2@")):
        assert not owed().same(found(header=HEADER.replace(there, instead, 1)))


def test_without_a_message_id_only_our_id_counts() -> None:
    data = HEADER.replace(b"Message-ID: <1@b.example>\r\n", b"")
    assert not owed(data + b"\r\nHello.\r\n").same(found(header=data))
    assert owed(data + b"\r\nHello.\r\n").search == ("X-MPContinuity-Id", b"mine")


def test_a_message_id_that_cannot_be_searched_for_is_not() -> None:
    for odd in (b"<\xc3\xa4@b>", b"<" + b"1" * 2000 + b"@b>", b"<a b@c>"):
        assert owed(b"Message-ID: " + odd + b"\r\n\r\n").search[0] == "X-MPContinuity-Id"


def test_of_what_a_user_sent_the_message_id_is_enough() -> None:
    copy = found(b"Another rendering.\r\n", b"Bcc: secret@b.example\r\nMessage-ID: <1@b.example>\r\n")
    assert owed(alone=True).same(copy)
    assert not owed().same(copy)


def test_a_header_that_is_not_told_is_no_message() -> None:
    assert not owed().same(Fetched(1, 10))
    assert not owed().has_id(Fetched(1, 10))


def test_a_header_longer_than_is_read_says_nothing_of_the_body() -> None:
    long = HEADER + b"X: " + b"y" * PART + b"\r\n"
    assert not owed(long + b"\r\nHello.\r\n").same(found(header=long))
