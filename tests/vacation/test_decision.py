"""Which mail a vacation text answers: a table, row by row."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mpcontinuity.message.automatic import Circumstances
from mpcontinuity.model.address import parse
from mpcontinuity.vacation.decision import Ruling, SenderFacts, address_of, by_message, by_sender

OWN = frozenset({"anna@example.org", "sales@example.org"})
FACTS = SenderFacts("Eve@far.example", OWN, proven=True)


@pytest.mark.parametrize(
    ("changed", "ruling"),
    [
        ({}, Ruling.ANSWER),
        ({"reverse_path": ""}, Ruling.NO_SENDER),
        ({"reverse_path": "eve"}, Ruling.NO_SENDER),
        ({"reverse_path": "Anna@Example.org"}, Ruling.OWN),
        ({"reverse_path": "sales+x@example.org"}, Ruling.OWN),
        ({"proven": None}, Ruling.WAIT),
        ({"proven": False}, Ruling.UNPROVEN),
        ({"junk": True}, Ruling.JUNK),
        ({"junk": True, "proven": None}, Ruling.WAIT),
        ({"answered": True}, Ruling.AGAIN),
        ({"answered": True, "proven": None}, Ruling.AGAIN),
        ({"today": 200, "most": 200}, Ruling.RATIONED),
        ({"today": 199, "most": 200}, Ruling.ANSWER),
        ({"today": 200, "most": 200, "proven": False}, Ruling.UNPROVEN),
        ({"on": False}, Ruling.OFF),
        ({"on": False, "proven": None}, Ruling.OFF),
    ],
)
def test_it_is_decided_by_what_is_known_of_the_sender(changed: dict[str, Any], ruling: Ruling) -> None:
    assert by_sender(msgspec.structs.replace(FACTS, **changed)) is ruling


@pytest.mark.parametrize(
    "local",
    [
        *("MAILER-DAEMON", "mailerdaemon", "postmaster", "listserv", "majordomo", "noreply", "no-reply", "NO_REPLY"),
        *("no.reply", "donotreply", "do-not-reply", "noreply+1234", "no-reply-56", "auto-reply", "owner-list"),
        *("list-owner", "list-request", "list-bounces", "bounce", "bounces", "bounce-1-2", "bounces+a=b.example"),
        *("bounce=x", "news-errors", "x" * 65),
    ],
)
def test_nobody_reads_what_is_sent_to_a_program(local: str) -> None:
    assert by_sender(msgspec.structs.replace(FACTS, reverse_path=f"{local}@far.example")) is Ruling.PROGRAM


@pytest.mark.parametrize("local", ["eve", "bouncer", "norely", "noreen", "owner", "request", "postmasters", "x" * 64])
def test_a_person_may_have_a_name_that_is_like_it(local: str) -> None:
    assert by_sender(msgspec.structs.replace(FACTS, reverse_path=f"{local}@far.example")) is Ruling.ANSWER


@pytest.mark.parametrize(
    ("circumstances", "ruling"),
    [
        (Circumstances(recipients=frozenset({"anna@example.org"})), Ruling.ANSWER),
        (Circumstances(recipients=frozenset({"bert@example.org", "anna+x@example.org"})), Ruling.NOT_PERSONAL),
        (Circumstances(recipients=frozenset({"bert@example.org", "anna@example.org"})), Ruling.ANSWER),
        (Circumstances(recipients=frozenset({"sales@example.org"})), Ruling.NOT_PERSONAL),
        (Circumstances(recipients=frozenset({"bert@example.org"})), Ruling.NOT_PERSONAL),
        (Circumstances(), Ruling.NOT_PERSONAL),
        (Circumstances("it is of a mailing list", frozenset({"anna@example.org"})), Ruling.AUTOMATIC),
    ],
)
def test_it_is_decided_by_the_message(circumstances: Circumstances, ruling: Ruling) -> None:
    assert by_message(circumstances, parse("Anna@example.org")) is ruling
    tagged = by_message(circumstances, parse("anna+y@example.org"))
    assert tagged is ruling


def test_the_answer_goes_to_the_reverse_path() -> None:
    address = address_of("Eve+x@Far.example")
    assert address is not None
    assert address.text == "Eve+x@Far.example"
