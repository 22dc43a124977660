"""What the server writes to people, read back by the standard library."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.announcement import LONGEST_SUBJECT, LONGEST_TEXT, Announcement, compose


def read(subject: str = "x", text: str = "y\n", recipient: str = "it@far.example") -> Any:
    content = compose(Announcement("mx.example", "0abcdefghjkmn", 1_800_000_000_000_000, recipient, subject, text))
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")
    message = message_from_bytes(content, policy=policy.SMTP)
    assert not message.defects
    return message


FIELDS = "From To Subject Date Message-ID Auto-Submitted X-Auto-Response-Suppress MIME-Version Content-Type"


@given(st.text(), st.text())
def test_nothing_that_came_from_outside_makes_another_field_or_another_line_end(subject: str, text: str) -> None:
    message = read(subject, text)
    assert " ".join(message.keys()) == f"{FIELDS} Content-Transfer-Encoding"
    assert message.get_content_type() == "text/plain"


def test_text_beyond_ascii_is_read_as_it_was_written() -> None:
    message = read(
        "Störung bei müller.example: 451 überlastet, und das schon seit einer ganzen Weile", "Grüße\n.\nEnde"
    )
    assert message["Subject"] == "Störung bei müller.example: 451 überlastet, und das schon seit einer ganzen Weile"
    assert message.get_content() == "Grüße\r\n.\r\nEnde\r\n"


def test_subject_and_text_are_bounded() -> None:
    message = read("s" * 1000, "t" * 200_000)
    assert message["Subject"] == "s" * LONGEST_SUBJECT
    assert len(message.get_content()) == LONGEST_TEXT + len("\r\n")


def test_an_encoded_word_from_outside_is_shown_and_not_decoded() -> None:
    assert read("=?utf-8?q?evil?=")["Subject"] == "=?utf-8?q?evil?="


def test_an_address_beyond_ascii_stands_as_it_is() -> None:
    content = compose(Announcement("mx.example", "0abcdefghjkmn", 0, "jörg@far.example", "x", "y"))
    assert "To: jörg@far.example\r\n".encode() in content
