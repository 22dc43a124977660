"""What tracking and the archive show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.summary import Summary, summarise
from tests.corpus import messages


def test_a_summary_is_decoded_and_in_one_line() -> None:
    assert summarise(messages.ALTERNATIVE_WITH_ATTACHMENT) == Summary("Überweisung heute", "<2@example.org>")
    assert summarise(b"Subject: a\0b\r\n\tc\rd\r\n\r\nMessage-ID: in the body").subject == "a b c d"


def test_a_summary_of_nothing_is_empty() -> None:
    assert summarise(b"") == summarise(messages.NO_HEADER) == Summary("", "")


def test_a_summary_reads_the_header_to_its_end_and_shows_no_more_than_a_line() -> None:
    assert summarise(b"X: " + b"y" * 700_000 + b"\r\nSubject: late\r\n\r\nMessage-ID: <1>").subject == "late"
    assert len(summarise(b"Subject: " + b"y" * 70_000).subject) == 1000


@given(st.binary(max_size=300))
def test_any_bytes_have_a_summary_without_control_characters(data: bytes) -> None:
    for member in summarise(b"Subject: " + data):
        assert member.isprintable() or not any(character < " " for character in member)
