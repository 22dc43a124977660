"""Messages that are read to their end and refused."""

from __future__ import annotations

import pytest

from mpcontinuity.message.header_limits import LONGEST, MOST_FIELDS
from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.smtp.terms import Limits
from tests.protocols.smtp.door import Door


def test_a_message_that_is_too_large_is_read_to_its_end_and_refused() -> None:
    door = Door(Limits(message_size=1000))
    door.engine.greet()
    door.hear(b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n")
    for _ in range(100):
        door.hear(b"NOOP\r\n" * 10)
    assert len(door.content) <= 1000
    assert door.hear(b".\r\nNOOP\r\n") == (b"552 5.3.4 Message is larger than 1000 octets\r\n250 2.0.0 OK\r\n")


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize(
    "header", [(b"X: " + b"x" * 995 + b"\r\n") * (LONGEST // 1000 + 1), b"X:\r\n" * (MOST_FIELDS + 2)]
)
def test_a_header_above_its_limits_is_refused_by_data_and_by_bdat(normalise: bool, header: bytes) -> None:
    message = header + b"\r\nbody\r\n"
    door = Door(Limits(message_size=10 << 20))
    door.engine.normalise_line_ends = normalise
    door.engine.greet()
    begin = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\n"
    refusal = b"552 5.3.4 Not taken: a header has 1048576 octets and 2000 fields at most\r\n"
    door.hear(b"HELO c\r\n" + begin + b"DATA\r\n")
    assert door.hear(message + b".\r\n") == refusal
    door.hear(begin)
    assert door.hear(b"BDAT %d LAST\r\n" % len(message) + message) == refusal
    door.hear(begin + b"DATA\r\n")
    assert door.hear(b"\r\n" + message + b".\r\n") == b"250 2.0.0 OK\r\n"  # all of it is body


def test_an_over_long_line_in_a_message_is_refused_and_the_rest_is_not_run_as_commands() -> None:
    door = Door(Limits(line_length=1000))
    door.engine.greet()
    door.hear(b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n")
    assert door.hear(b"x" * 70_000 + b"\r\nQUIT\r\nRSET\r\n") == b""
    assert door.hear(b".\r\n") == b"554 5.6.0 Message has a line longer than 1000 octets\r\n"
    assert not door.engine.closed


def test_a_bare_line_end_in_a_message_is_refused_after_its_true_end() -> None:
    door = Door()
    door.engine.greet()
    door.hear(b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n")
    assert door.hear(b"hello\n.\nMAIL FROM:<mallory@evil.example>\r\n") == b""
    assert door.hear(b".\r\n").startswith(b"550 5.6.11 ")


def test_a_message_sent_behind_a_refused_data_is_not_run_as_commands() -> None:
    door = Door(Data=Reply(451, "4.3.0", "Not now"))
    door.engine.greet()
    said = door.hear(
        b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\nMAIL FROM:<mallory@evil.example>\r\n"
    )
    assert b"451 4.3.0 Not now\r\n421 4.5.0 " in said
    assert door.engine.closed
