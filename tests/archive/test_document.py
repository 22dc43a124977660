"""What the index has of one message, of those too that are made to do harm."""

from __future__ import annotations

import base64

import pytest

from mpcontinuity.archive import document
from mpcontinuity.archive.document import (
    ADDRESSEE,
    ATTACHMENT,
    BODY,
    HAS,
    MOST_WORDS,
    NAME,
    OWNER,
    PARTLY,
    RECIPIENT,
    SENDER,
    SUBJECT,
    Source,
    size_class,
    term,
    terms,
)
from mpcontinuity.archive.record import INBOUND, OUTBOUND

HEADER = b"From: a@x.example\r\nTo: b@example.org\r\nSubject: s\r\n"


def source(content: bytes = b"", **more: object) -> Source:
    given = {
        "direction": INBOUND,
        "sender": "a@x.example",
        "recipients": ("b@example.org",),
        "subject": "",
        "message_id": "<i@x>",
    }
    size = len(content)
    return Source(id=1, time=1, domain=1, size=size, length=size, **{**given, **more})  # type: ignore[arg-type]


def words_of(content: bytes, letter: bytes) -> set[bytes]:
    """The words of a message in that place."""
    return {one[:-2] for one in terms(source(content), content) if one[-1:] == letter}


def test_all_that_people_read_is_indexed_by_its_place() -> None:
    inner = b"Subject: forwarded\r\nFrom: Eve <eve@z.example>\r\n\r\ninside"
    content = (
        b"From: =?utf-8?q?J=C3=B6rg?= Berg <a@x.example>\r\nTo: b@example.org\r\nCc: Carol <c@y.example>\r\n"
        b"Bcc: hidden@example.org\r\nSubject: =?utf-8?b?w4Rwc2U=?=\r\nX-Other: nothing\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(b"plain text") + b"\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<h1>Head</h1><p>un<b>bro</b>ken<br>line</p><!-- no -->\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n"
        b"--b\r\nContent-Type: image/png; name=shot.png\r\nContent-Disposition: inline\r\n\r\npixels\r\n--b--\r\n"
    )
    assert words_of(content, SUBJECT) == {"äpse".encode()}
    assert {"jörg".encode(), b"berg", b"a@x.example"} <= words_of(content, SENDER)
    assert {b"carol", b"c@y.example"} <= words_of(content, ADDRESSEE)
    found = words_of(content, BODY)
    assert {b"plain", b"text", b"head", b"unbroken", b"line", b"inside", b"forwarded", b"eve"} <= found
    assert found.isdisjoint({b"no", b"pixels", b"b", b"br", b"nothing"})
    assert words_of(content, NAME) == {b"shot", b"png"}
    everything = terms(source(content), content)
    assert not any(b"hidden" in one for one in everything)
    assert term(HAS, ATTACHMENT) not in everything


def test_a_message_belongs_to_its_recipients_or_to_its_sender() -> None:
    inbound = terms(source(recipients=("B+tag@Example.org", "c@example.org")), None)
    assert {one[:-2] for one in inbound if one[-1:] == OWNER} == {
        b"b+tag@example.org",
        b"b@example.org",
        b"c@example.org",
    }
    outbound = terms(source(direction=OUTBOUND), None)
    assert {one[:-2] for one in outbound if one[-1:] == OWNER} == {b"a@x.example"}
    assert term(b"b@example.org", RECIPIENT) in outbound


def test_what_cannot_be_read_is_indexed_by_its_row_and_marked() -> None:
    found = terms(source(subject="Of the row"), None)
    assert {term(b"row", SUBJECT), term(HAS, PARTLY), term(b"<i@x", document.ID)} <= found


@pytest.mark.parametrize(
    ("content", "cut"),
    [
        (b"a" * 3_000_000, True),
        (b"word " * 500_000, True),
        (b" ".join(b"w%d" % number for number in range(MOST_WORDS + 1)), True),
        (b"\0" * 100_000, False),
        (b"Content-Type: message/rfc822\r\n\r\n" * 2_000, False),
        (b"<" * 10_000, False),
    ],
    ids=["one long word", "much text", "many words", "NULs", "deep", "signs"],
)
def test_what_one_message_puts_into_the_index_is_bounded(content: bytes, cut: bool) -> None:
    found = terms(source(content), HEADER + b"\r\n" + content)
    assert len(found) < MOST_WORDS + 100
    assert max(map(len, found)) < 300
    assert (term(HAS, PARTLY) in found) is cut


def test_a_word_and_a_pair_at_the_end_of_a_piece_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_PIECE", 300)
    spaced = " ".join(f"word{number}" for number in range(400))
    content = HEADER + b"\r\n" + spaced.encode()
    assert {f"word{number}".encode() for number in range(400)} == words_of(content, BODY)
    unspaced = "".join(chr(0x4E00 + number) for number in range(1_000))
    content = HEADER + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + unspaced.encode()
    pairs = {unspaced[at : at + 2].encode() for at in range(999)}
    assert pairs <= words_of(content, BODY)


def test_classes_of_sizes_rise_with_them() -> None:
    sizes = [0, 1, 8, 9, 100, 1000, 1001, 1024, 1 << 20, (1 << 31) + 5, 1 << 40]
    classes = [size_class(size) for size in sizes]
    assert classes == sorted(classes)
    assert 24 <= min(classes) <= max(classes) <= 255
