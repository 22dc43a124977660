"""SEARCH finds what the reader sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.matching import Needle
from tests.corpus import messages


@pytest.mark.parametrize("text", ["überweisung HEUTE", "ÜBERWEISUNG", "g h", ""])
def test_a_header_is_searched_decoded_and_without_case(text: str) -> None:
    assert Needle(text).in_header(messages.ALTERNATIVE_WITH_ATTACHMENT, "subject")


def test_every_field_of_the_name_is_searched_and_no_other() -> None:
    message = b"To: a\r\nTO: b\r\n\r\nTo: c\r\n"
    assert Needle("b").in_header(message, "to")
    assert not Needle("c").in_header(message, "to")
    assert not Needle("").in_header(message, "cc")
    assert Needle("").in_header(message[:8], "to")


@pytest.mark.parametrize("text", ["GRÜSSE, die", "grüße", "anbei.", "<p>gruß"])
def test_the_body_is_searched_with_its_encodings_undone(text: str) -> None:
    assert Needle(text).in_text(messages.ALTERNATIVE_WITH_ATTACHMENT, headers=False)


def test_headers_are_searched_for_text_only() -> None:
    message = messages.ALTERNATIVE_WITH_ATTACHMENT
    for text in ("anna@example.org", "Müller", "Überweisung.pdf", "subject: über", "the invoice"):
        assert Needle(text).in_text(message, headers=True)
        assert not Needle(text).in_text(message, headers=False)


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


@given(st.binary(max_size=300), st.text(max_size=3), st.booleans())
def test_any_bytes_can_be_searched(data: bytes, text: str, headers: bool) -> None:
    Needle(text).in_text(data, headers)
    Needle(text).in_header(data, "subject")
