"""Notices come over the wire as they were, on whatever database, and need no driver for that."""

from __future__ import annotations

import subprocess
import sys

from mpcontinuity.model.events import DomainsChanged, Everything, MailboxChanged, Notice, SameMessage
from mpcontinuity.store.notices import decode, encode

NOTICES: list[Notice] = [
    MailboxChanged(1, 2, 2**62, ((1, 3), (7, 7))),
    DomainsChanged(),
    SameMessage(("00ff", "é")),
]


def test_notices_come_back_as_they_were_with_their_sender() -> None:
    [payload] = encode(7, NOTICES)
    assert decode(payload) == (7, NOTICES)


def test_many_notices_take_several_payloads_below_the_limit() -> None:
    many = [MailboxChanged(mailbox, 1, 1) for mailbox in range(1000)]
    payloads = encode(7, many)
    assert all(len(payload.encode()) < 8000 for payload in payloads)
    assert [notice for payload in payloads for notice in decode(payload)[1]] == many


def test_what_is_too_much_becomes_anything_may_have_changed() -> None:
    flood = [MailboxChanged(mailbox, 1, 1) for mailbox in range(100_000)]
    long = [SameMessage(("0" * 10_000,))]
    assert [decode(payload) for payload in encode(7, flood)] == [(7, [Everything()])]
    assert [decode(payload) for payload in encode(7, long)] == [(7, [Everything()])]


def test_a_payload_that_is_not_understood_is_anything_may_have_changed() -> None:
    for payload in ("", "[]", '[7, ["NotYetKnown", 1]]', '[7, ["DomainsChanged", 1]]', '{"a": 1}', "7"):
        assert decode(payload) == (0, [Everything()])


def test_the_wire_form_and_a_store_on_sqlite_need_no_psycopg() -> None:
    program = "import sys, mpcontinuity.store.notices, mpcontinuity.store.store; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
