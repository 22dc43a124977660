"""SEARCH finds what the reader sees."""

from __future__ import annotations

import base64 as b64
import quopri
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message import text
from mpcontinuity.message.matching import Needle
from tests.corpus import messages


@pytest.mark.parametrize("wanted", ["überweisung HEUTE", "ÜBERWEISUNG", "g h", ""])
def test_a_header_is_searched_decoded_and_without_case(wanted: str) -> None:
    assert Needle(wanted).in_header(messages.ALTERNATIVE_WITH_ATTACHMENT, "subject")


def test_every_field_of_the_name_is_searched_and_no_other() -> None:
    message = b"To: a\r\nTO: b\r\n\r\nTo: c\r\n"
    assert Needle("b").in_header(message, "to")
    assert not Needle("c").in_header(message, "to")
    assert not Needle("").in_header(message, "cc")
    assert Needle("").in_header(message[:8], "to")


@pytest.mark.parametrize("wanted", ["GRÜSSE, die", "grüße", "anbei.", "<p>gruß"])
def test_the_body_is_searched_with_its_encodings_undone(wanted: str) -> None:
    assert Needle(wanted).in_text(messages.ALTERNATIVE_WITH_ATTACHMENT, headers=False)


def test_headers_are_searched_for_text_only() -> None:
    message = messages.ALTERNATIVE_WITH_ATTACHMENT
    for wanted in ("anna@example.org", "Müller", "Überweisung.pdf", "subject: über", "the invoice"):
        assert Needle(wanted).in_text(message, headers=True)
        assert not Needle(wanted).in_text(message, headers=False)


def test_an_enclosed_message_is_part_of_the_body() -> None:
    assert Needle("innermost").in_text(messages.FORWARDED, headers=False)
    assert Needle("deep").in_text(messages.FORWARDED, headers=False)


def test_attachments_are_not_searched() -> None:
    assert not Needle("%PDF").in_text(messages.ALTERNATIVE_WITH_ATTACHMENT, headers=True)


def test_base64_text_in_another_charset_is_found() -> None:
    message = (
        b"Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n8NLJ18XU\r\n8NLJ18XU"
    )
    assert Needle("привет").in_text(message, headers=False)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"Ada\r\n\tExample <ada@x.test>", "ada example"),
        (b"<user (c)@ (c) domain.example>", "user@domain.example"),
        (b"(Ada (the first)) user . name @ domain.example", "user.name@domain.example"),
        (b'=?utf-8?q?J=C3=B6rg?= "von" Xx <j@x>', "Jörg von Xx <j@x>"),
    ],
)
def test_an_address_is_found_as_it_is_used(value: bytes, wanted: str) -> None:
    message = b"From: " + value + b"\r\n\r\n"
    assert Needle(wanted).in_header(message, "from")
    assert Needle(wanted).in_text(message, headers=True)


def test_letters_and_their_marks_are_the_same_composed_or_not() -> None:
    composed, decomposed = "R\u00e9sum\u00e9 \uac01", "Re\u0301sume\u0301 \u1100\u1161\u11a8"
    for wanted, there in ((composed, decomposed), (decomposed, composed), (decomposed.upper(), composed)):
        message = f"Subject: {there}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{there}\r\n".encode()
        assert Needle(wanted).in_header(message, "subject")
        assert Needle(wanted).in_text(message, headers=False)


def test_what_servers_say_is_searched() -> None:
    """The diagnostic text of a bounce (RFC 3464), and the header that it returns."""
    message = (
        b"Content-Type: multipart/report; boundary=r\r\n\r\n--r\r\n\r\nfailed\r\n--r\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.test\r\n\r\n"
        b"Diagnostic-Code: smtp; 550 mailbox unavailable\r\n--r\r\n"
        b"Content-Type: text/rfc822-headers\r\n\r\nSubject: returned words\r\n--r--\r\n"
    )
    for wanted in ("dns; x.test", "550 mailbox", "returned words"):
        assert Needle(wanted).in_text(message, headers=False)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_a_message_enclosed_in_an_encoding_is_part_of_the_body(encoding: str) -> None:
    encode = b64.encodebytes if encoding == "base64" else quopri.encodestring
    inner = "Subject: inner\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße aus dem Inneren\r\n".encode()
    for _ in range(3):
        head = f"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        inner = head.encode() + encode(inner.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    assert Needle("grüße aus").in_text(inner, headers=False)
    assert Needle("subject: inner").in_text(inner, headers=False)


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_a_word_is_found_wherever_a_piece_of_the_text_ends(encoding: str) -> None:
    ways: dict[str, Callable[[bytes], bytes]] = {
        "8bit": bytes,
        "base64": b64.encodebytes,
        "quoted-printable": quopri.encodestring,
    }
    encode = ways[encoding]
    head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    factor = {"8bit": 1, "base64": 3 / 4 * 76 / 77, "quoted-printable": 1}[encoding]
    edge = int(text.PIECE * factor)
    for before in (*range(edge - 24, edge + 6), edge * 2 - 3):
        body = b"x" * before + " Grüße 会議 ".encode() + b"y" * 100
        assert Needle("grüße 会議").in_text(head + encode(body), headers=False)


def test_a_line_without_an_end_is_decoded_in_pieces() -> None:
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    for before in range(text.PIECE - 16, text.PIECE + 4):
        assert Needle("Gr\u00fc\u00dfe").in_text(
            head + b"x" * before + b"Gr=C3=BC=C3=9Fe" + b"y" * 300_000, headers=False
        )


def test_a_field_is_searched_however_far_behind_it_stands() -> None:
    message = b"X-Filler: f\r\n" * 60_000 + b"Subject: behind\r\n\r\n"
    assert Needle("behind").in_header(message, "subject")
    assert Needle("subject: behind").in_text(message, headers=True)


@given(st.binary(max_size=300), st.text(max_size=3), st.booleans())
def test_any_bytes_can_be_searched(data: bytes, wanted: str, headers: bool) -> None:
    Needle(wanted).in_text(data, headers)
    Needle(wanted).in_header(data, "subject")
