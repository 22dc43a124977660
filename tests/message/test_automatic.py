"""What a header says against an automatic answer, field by field."""

from __future__ import annotations

import pytest

from mpcontinuity.message.automatic import read

LETTER = (
    b"From: Eve <eve@far.example>\r\nTo: Anna <anna@example.org>\r\nSubject: Hello\r\nMessage-ID: <1@far.example>\r\n"
)


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("Auto-Submitted: auto-generated", "a program sent it"),
        ("Auto-Submitted: auto-replied; owner=x", "a program sent it"),
        ("AUTO-SUBMITTED:\r\n auto-notified", "a program sent it"),
        ("Auto-Submitted:", "a program sent it"),
        ("Precedence: bulk", "it was sent to many"),
        ("Precedence: List", "it was sent to many"),
        ("Precedence: junk", "it was sent to many"),
        ("List-Id: <all.far.example>", "it is of a mailing list"),
        ("List-Unsubscribe: <mailto:x@far.example>", "it is of a mailing list"),
        ("List-Post: NO", "it is of a mailing list"),
        ("X-Auto-Response-Suppress: DR, OOF, AutoReply", "its sender wants no automatic answer"),
        ("X-Auto-Response-Suppress: All", "its sender wants no automatic answer"),
        ("X-Autoreply: yes", "a program sent it"),
        ("X-Autorespond: Away", "a program sent it"),
        ("X-Loop: anna@example.org", "a program sent it"),
        ("X-Spam-Flag: YES", "it is junk"),
        ("Content-Type: multipart/report; report-type=delivery-status", "it is a report"),
        ("Auto-Submitted: no", ""),
        ("Auto-Submitted: No (a person); x=y", ""),
        ("Precedence: first-class", ""),
        ("X-Auto-Response-Suppress: None", ""),
        ("X-Spam-Flag: NO", ""),
        ("Content-Type: multipart/mixed; boundary=report", ""),
        ("Listen-To: music", ""),
        ("Subject: List-Id: x", ""),
    ],
)
def test_a_field_forbids_an_answer_or_does_not(field: str, why: str) -> None:
    assert read(LETTER + field.encode() + b"\r\n\r\nText\r\n").automatic == why
    assert read(field.encode() + b"\r\n" + LETTER + b"\r\nText\r\n").automatic == why


def test_what_stands_in_the_text_is_no_field() -> None:
    assert read(LETTER + b"\r\nPrecedence: bulk\r\n").automatic == ""


def test_a_header_that_is_not_read_to_its_end_forbids_it() -> None:
    assert read(b"Subject: x\r\n" * 20_000) == read(b"Subject: x\r\n" * 20_000 + b"\r\n")
    assert read(b"Subject: x\r\n" * 20_000).automatic == "its header is too long to be read"


def test_all_that_a_letter_names_are_recipients_with_and_without_their_tags() -> None:
    found = read(
        b'To: "B, C" <B+x@Example.org>, (c) d@example.org\r\nCc: undisclosed:;, <@route:e@example.org>\r\n'
        b'CC: "q q"@example.org\r\nResent-To: f@b\xc3\xbccher.example\r\nBcc: nonsense, g@\r\n\r\n'
    )
    assert found.recipients == {
        "b+x@example.org",
        "b@example.org",
        "d@example.org",
        "e@example.org",
        "q q@example.org",
        "f@xn--bcher-kva.example",
    }


def test_an_answer_belongs_to_the_thread_of_the_message() -> None:
    thread = b"References: <a@x.example>\r\n <b@x.example>\r\nIn-Reply-To: <c@x.example>\r\n\r\n"
    found = read(LETTER + thread)
    assert (found.subject, found.message_id) == ("Hello", "<1@far.example>")
    assert found.references == ("<a@x.example>", "<b@x.example>", "<1@far.example>")
    assert read(LETTER + thread.partition(b"In-")[1] + thread.partition(b"In-")[2]).references[0] == "<c@x.example>"


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\xff" * 100, b"To: " + b"<" * 9000, b"To\r\n: x\r\n\r\n"])
def test_nothing_that_comes_is_an_error(content: bytes) -> None:
    assert read(content).recipients == frozenset()
