"""Delivery status notifications, read back by the standard library."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.report import RecipientReport, Report, compose, status_of

ORIGINAL = b"From: joe@example.org\r\nTo: x@far.example\r\nSubject: hello\r\nMessage-ID: <m@x>\r\n\r\nbody\r\n"
FAILURE = RecipientReport(
    "x@far.example", "failed", "5.1.1", "refused", "550 5.1.1 No such user", "mx.far.example:25", "rfc822;X@far.example"
)


def report(*about: RecipientReport, **more: Any) -> Report:
    return Report(
        hostname="mx.example",
        identifier="0abcdefghjkmn",
        time=1_800_000_000_000_000,
        sender="joe@example.org",
        arrived=1_799_990_000_000_000,
        about=about or (FAILURE,),
        **more,
    )


def read(content: bytes) -> tuple[EmailMessage, list[Any]]:
    """The message and its parts; those of email.message are not typed as far as this looks into them."""
    message: Any = message_from_bytes(content, policy=policy.SMTP)
    assert not message.defects
    return message, list(message.iter_parts())


def test_a_failure_has_what_rfc_3464_asks_for() -> None:
    message, (text, status, original) = read(compose(report(envelope="abc"), ORIGINAL))
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["To"] == "joe@example.org"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Message-ID"] == "<0abcdefghjkmn@mx.example>"
    assert "550 5.1.1 No such user" in text.get_content().replace("\n    ", " ")
    general, recipient = status.get_payload()
    assert general["Reporting-MTA"] == "dns; mx.example"
    assert general["Original-Envelope-Id"] == "abc"
    assert recipient["Original-Recipient"] == "rfc822; X@far.example"
    assert recipient["Final-Recipient"] == "rfc822; x@far.example"
    assert recipient["Action"] == "failed"
    assert recipient["Status"] == "5.1.1"
    assert recipient["Remote-MTA"] == "dns; mx.far.example"
    assert recipient["Diagnostic-Code"] == "smtp; 550 5.1.1 No such user"
    assert original.get_content_type() == "message/rfc822"
    assert original.get_payload()[0]["Subject"] == "hello"


def test_what_no_server_said_is_not_put_into_ones_mouth() -> None:
    about = RecipientReport("x@far.example", "failed", "5.1.2", "", "550 5.1.2 far.example does not exist")
    _, (text, _, _) = read(compose(report(about), ORIGINAL))
    assert "    550 5.1.2 far.example does not exist" in text.get_content()
    assert " said: " not in text.get_content()


def test_a_delay_says_until_when_it_is_tried_and_returns_the_header_only() -> None:
    delay = RecipientReport("x@far.example", "delayed", "4.4.1", "no connection", until=1_800_300_000_000_000)
    message, (text, status, header) = read(compose(report(delay), ORIGINAL))
    assert message["Subject"].startswith("Delayed")
    assert "need not send it again" in text.get_content()
    assert status.get_payload()[1]["Will-Retry-Until"]
    assert "Diagnostic-Code" not in status.get_payload()[1]
    assert header.get_content_type() == "text/rfc822-headers"
    assert "body" not in header.get_content()


@pytest.mark.parametrize(
    ("full", "size", "kind"),
    [
        (True, 10, "message/rfc822"),
        (None, 10, "message/rfc822"),
        (False, 10, "text/rfc822-headers"),
        (None, 100_000, "text/rfc822-headers"),
        (True, 100_000, "text/rfc822-headers"),
    ],
)
def test_what_is_returned(full: bool | None, size: int, kind: str) -> None:
    _, parts = read(compose(report(full=full), ORIGINAL + b"x" * size))
    assert parts[2].get_content_type() == kind


@pytest.mark.parametrize("full", [True, False, None])
@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed"])
def test_what_has_not_failed_is_not_returned_whole(full: bool | None, action: Literal["delayed"]) -> None:
    """RFC 3461 §4.3."""
    _, parts = read(compose(report(RecipientReport("a@far.example", action, "2.0.0", ""), full=full), ORIGINAL))
    assert parts[2].get_content_type() == "text/rfc822-headers"
    assert "body" not in parts[2].get_content()


def test_addresses_that_are_not_ascii_have_a_type_of_their_own() -> None:
    about = RecipientReport("jörg@far.example", "failed", "5.1.1", "refused", "550 5.1.1 Ungültig")
    content = compose(report(about), ORIGINAL)
    assert b"Content-Type: message/global-delivery-status\r\n" in content
    assert "Final-Recipient: utf-8; jörg@far.example\r\n".encode() in content
    assert "Diagnostic-Code: smtp; 550 5.1.1 Ungültig\r\n".encode() in content


@given(st.text(max_size=200), st.text(max_size=50), st.binary(max_size=300))
def test_what_others_say_cannot_add_a_field_or_a_part(said: str, host: str, original: bytes) -> None:
    about = RecipientReport("x@far.example", "failed", "5.0.0", "refused", said, host)
    content = compose(report(about), ORIGINAL + original.replace(b"\r", b"").replace(b"\n", b""))
    message, parts = read(content)
    assert len(parts) == 3
    assert len(message.keys()) == 9
    (_, recipient) = parts[1].get_payload()
    assert set(recipient.keys()) <= {
        "Final-Recipient",
        "Action",
        "Status",
        "Remote-MTA",
        "Diagnostic-Code",
        "Last-Attempt-Date",
    }
    assert content.count(b"\n") == content.count(b"\r\n")


def test_a_boundary_is_not_found_in_what_is_returned() -> None:
    content = compose(report(), ORIGINAL + b"--=_0abcdefghjkmn\r\n--=_0abcdefghjkmn_\r\n")
    _, parts = read(content)
    assert len(parts) == 3


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [(550, "5.7.1 no", "5.7.1"), (550, "no", "5.0.0"), (451, "4.7.500 busy", "4.7.500"), (550, "4.1.1 odd", "5.0.0")],
)
def test_the_status_is_the_replys_where_it_has_one(code: int, text: str, status: str) -> None:
    assert status_of(code, text) == status


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"Subject: x", b"a", b"\r\n\r\n"])).map(b"".join),
    st.booleans(),
)
def test_a_report_has_whole_lines_whatever_it_returns(original: bytes, full: bool) -> None:
    content = compose(report(full=full), original)
    assert content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n")
