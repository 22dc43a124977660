"""Trace fields of ours, and those that pretend."""

from __future__ import annotations

import itertools
import re
from email.parser import BytesHeaderParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.trace import MAX_FIELD, Untrusted, origin, received, return_path
from mpcontinuity.model import identifier

_TIME = 1_795_320_183_000_000  # Sun, 22 Nov 2026 04:03:03 +0000


def _received(recipient: str | None = None, helo: str = "client.example", peer: str = "192.0.2.1") -> bytes:
    return received(
        helo=helo,
        peer=peer,
        hostname="mx.example.org",
        protocol="ESMTPS",
        identifier=identifier.show(1 << 62),
        time=_TIME,
        recipient=recipient,
    )


def _filtered(data: bytes, *cuts: int) -> bytes:
    untrusted = Untrusted("mx.example.org")
    edges = [0, *sorted(cuts), len(data)]
    return b"".join(untrusted.feed(data[a:b]) for a, b in itertools.pairwise(edges)) + untrusted.finish()


def test_received_has_the_form_of_rfc_5321() -> None:
    assert _received("ben@example.net") == (
        b"Received: from client.example ([192.0.2.1])\r\n"
        b"\tby mx.example.org (mpcontinuity) with ESMTPS id 4000000000000\r\n"
        b"\tfor <ben@example.net>; Sun, 22 Nov 2026 04:03:03 +0000\r\n"
    )
    assert b"for" not in _received()
    assert b"4000000000000; Sun" in _received()


@pytest.mark.parametrize("helo", ["", "a b", "x)\r\nX-Evil: 1", "ünïcode", "<>"])
def test_a_helo_that_is_no_name_is_replaced_by_the_address(helo: str) -> None:
    assert _received(helo=helo, peer="2001:db8::1").startswith(
        b"Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby "
    )


def test_return_path_shows_the_null_sender() -> None:
    assert return_path("") == b"Return-Path: <>\r\n"
    assert return_path("a@b.org") == b"Return-Path: <a@b.org>\r\n"


@pytest.mark.parametrize(
    "field",
    [
        b"X-MPContinuity-Id: 4000000000000\r\n",
        b"x-mpcontinuity-copy:\r\n sent\r\n",
        b"X-MPCONTINUITY-ID : folded\r\n\tX-MPContinuity-Id: no field\r\n",
        b"Authentication-Results: mx.example.org; spf=pass\r\n",
        b"Authentication-Results:\r\n (a (nested) comment;) MX.Example.ORG 1; none\r\n",
        b'authentication-results: "mx.example.org"; none\r\n',
        b"Authentication-Results : mx.example.org.\r\n",
        b"Authentication-Results: (" + b"x" * 2 * MAX_FIELD + b"\r\n",
    ],
)
def test_fields_that_claim_to_be_ours_are_renamed(field: bytes) -> None:
    message = b"From: a@b\r\n" + field + b"To: c@d\r\n\r\n" + field
    assert _filtered(message) == b"From: a@b\r\nX-Untrusted-" + field + b"To: c@d\r\n\r\n" + field


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\r\nX-MPContinuity-Id: in the body\r\n",
        b"Subject: x\r\n X-MPContinuity-Id: folded\r\n\r\n",
        b"Authentication-Results: other.example; by=mx.example.org\r\n\r\n",
        b"Authentication-Results: mx.example.org.evil; x\r\n\r\n",
        b"Authentication-Results: (mx.example.org) other; x\r\n\r\n",
        b"Authentication-Results\r\n\r\n",
        b"X-MPContinuity\r\nMy-X-MPContinuity-Id: x\r\n\r\n",
        b"no header at all",
        b"\r",
    ],
)
def test_nothing_else_is_touched(message: bytes) -> None:
    assert _filtered(message) == message


_PIECES = st.lists(
    st.sampled_from(
        [
            b"X-MPContinuity-Id: x",
            b"Authentication-Results:",
            b" mx.example.org; y",
            b"Received: from a by b",
            b"Subject",
            b": z",
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b"a" * 5000,
            b"(",
            b"\\",
        ]
    ),
    max_size=12,
).map(b"".join)


@given(_PIECES, st.lists(st.integers(0, 20_000), max_size=6), st.booleans())
def test_any_cut_of_the_stream_gives_the_same(message: bytes, cuts: list[int], bytewise: bool) -> None:
    edges = range(min(len(message), 400)) if bytewise else cuts
    whole = _filtered(message)
    assert _filtered(message, *edges) == whole
    assert whole.replace(b"X-Untrusted-", b"") == message


_LINE_ENDS = (rb"\r\n", rb"\n", rb"\r\n|\n", rb"\r\n|\r|\n", rb"\r|\n")


@given(_PIECES)
def test_whatever_somebody_takes_for_a_line_end_no_field_claims_to_be_ours(message: bytes) -> None:
    for line_end in _LINE_ENDS:
        for line in re.split(line_end, _filtered(message)):
            if line in (b"", b"\r"):  # a line of CR alone is blank to those who end lines at LF, too
                break  # the body, to this reader
            assert not line.startswith(b"X-MPContinuity-")


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: x\rX-MPContinuity-Id: 1\r\n\r\n",
        b"Subject: x\nX-MPContinuity-Id: 1\r\n\r\n",
        b"Subject: x\n\nno body for the strict\r\nX-MPContinuity-Id: 1\r\n\r\n",
        b"Subject: x\n\r\nX-MPContinuity-Id: 1\r\n\r\n",
        b"\nX-MPContinuity-Id: 1\r\n\r\n",
        b"Subject: x\r\rX-MPContinuity-Id: 1\r\n\r\n",
    ],
)
def test_a_bare_line_end_hides_no_field(header: bytes) -> None:
    message = header + b"X-MPContinuity-Id: in the body\r\n"
    assert _filtered(message) == header.replace(b"X-MPC", b"X-Untrusted-X-MPC") + b"X-MPContinuity-Id: in the body\r\n"


def test_received_fields_behind_what_some_take_for_the_header_are_no_loop() -> None:
    untrusted = Untrusted("mx.example.org")
    untrusted.feed(b"Received: a\nSubject: forwarded\n\n" + b"Received: from a by b\n" * 60)
    assert untrusted.received == 1


def test_no_more_than_one_field_is_held_back() -> None:
    untrusted = Untrusted("mx.example.org")
    given_, passed = 0, 0
    for _ in range(1000):
        passed += len(untrusted.feed(b"x" * 1000))
        given_ += 1000
        assert given_ - passed <= MAX_FIELD + 1000


def test_received_fields_are_counted_all_and_ours_for_a_recipient() -> None:
    foreign = b"Received: from mx.example.org by other.example id 4000000000000 for <ben@example.net>; x\r\n"
    untrusted = Untrusted("mx.example.org")
    message = _received("Ben@example.net") * 2 + _received() + _received("carla@example.net") + foreign + b"\r\n"
    untrusted.feed(message + b"Received: in the body\r\n")
    assert untrusted.received == 5
    assert untrusted.ours("ben@example.NET") == 3
    assert untrusted.ours("carla@example.net") == 2
    assert untrusted.ours("other@example.net") == 1


def test_our_received_is_a_field_to_the_standard_library() -> None:
    parsed = BytesHeaderParser().parsebytes(return_path("a@b") + _received("c@d") + b"Subject: s\r\n\r\n")
    assert parsed.keys() == ["Return-Path", "Received", "Subject"]
    assert not parsed.defects


def test_a_message_that_was_ours_is_known_again_below_what_a_client_put_above_it() -> None:
    field = received(
        helo="x",
        peer="192.0.2.1",
        hostname="mx.example",
        protocol="ESMTP",
        identifier="0rq6wj2by456p",
        time=0,
        recipient="a@b.example",
    )
    message = b"X-TUID: abcdefghijkl\r\nReturn-Path: <>\r\n" + field + b"Received: from elsewhere\r\n\r\ntext\r\n"
    assert origin(message, "MX.example") == "0rq6wj2by456p"
    assert origin(message, "other.example") is None
    assert origin(b"Subject: x\r\n\r\nby mx.example\r\n", "mx.example") is None


def test_a_report_of_ours_is_known_by_its_message_id_and_not_by_the_message_that_it_returns() -> None:
    returned = b"Received: by mx.example (mpcontinuity) with ESMTP id 0rq6wj2by456p; x\r\nSubject: x\r\n"
    report = b"X-TUID: 1\r\nMessage-ID: <0r3v1kycm6j6d@mx.example>\r\n\r\n" + returned
    assert origin(report, "mx.example") == "0r3v1kycm6j6d"
    assert origin(report, "other.example") is None
    assert origin(b"Message-ID: <1@mx.example>\r\n\r\n" + returned, "mx.example") is None


@pytest.mark.parametrize(
    "header",
    [
        b"Received: from a by mx.example.org (mpcontinuity) with ESMTP id 0123456789abc\r\n\tfor <u@d.test>; now\r\n",
        b"RECEIVED : from b\r\nReceived: c\r\n\tby mx.example.org (mpcontinuity) with SMTP id 0123456789abc; x\r\n",
        b"Subject: received: not\r\n received: a line folded\r\nX-MPContinuity-Id: 1\r\nReceived: from d\r\n",
        b"Authentication-Results: mx.example.org; spf=pass\r\n",
        b"authentication-results: other.example; spf=pass\r\n",
        b"x-other: 1\r\n",
    ],
)
def test_a_header_in_one_piece_is_read_as_one_that_comes_in_octets(header: bytes) -> None:
    message = header + b"\r\nReceived: in the body\r\n"
    whole, cut = Untrusted("mx.example.org"), Untrusted("mx.example.org")
    once = whole.feed(message) + whole.finish()
    assert once == b"".join(cut.feed(bytes([octet])) for octet in message) + cut.finish()
    assert whole.received == cut.received
    assert whole.ours("u@d.test") == cut.ours("u@d.test")
