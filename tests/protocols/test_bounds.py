"""Every number and every time that a stranger sends is bounded where it is read: refused, or of a size that fits."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Any

import pytest

from mpcontinuity.config.keys import KEYS
from mpcontinuity.config.values import Duration, Integer
from mpcontinuity.message import dates, dkim
from mpcontinuity.model import uidset
from mpcontinuity.protocols.imap.cursor import BadSyntax, Cursor
from mpcontinuity.protocols.imap.dates import parse_date_time
from mpcontinuity.protocols.imap.parse import State, parse_command
from mpcontinuity.protocols.smtp import client, command
from mpcontinuity.protocols.smtp.command import BadCommand

DIGITS = ["0", "1", "4294967295", "4294967296", "9" * 20, "9" * 21, "9" * 100, "9" * 5000, "-1", "1e9", "٩"]
FITS = 1 << 63  # what a database and our arithmetic of times hold
_COLUMNS = 10**20  # RFC 1870 §3, RFC 3030 §2: what is compared with a limit and goes nowhere else


@pytest.mark.parametrize("digits", DIGITS)
def test_of_smtp(digits: str) -> None:
    offers = frozenset({"SIZE", "8BITMIME", "DSN"})
    more: dict[str, Any] = {"offers": offers, "message_size": 1 << 20, "authenticates": False}
    with suppress(BadCommand):
        _, parameters = command.mail(f"FROM:<a@b.example> SIZE={digits}", **more)
        assert 0 <= parameters.size <= 1 << 20
    for unknown in (f"BY={digits}", f"MT-PRIORITY={digits}", f"HOLDFOR={digits}"):
        with pytest.raises(BadCommand):
            command.mail(f"FROM:<a@b.example> {unknown}", **more)
    announced = command.bdat(digits)
    assert announced is None or 0 <= announced[0] < _COLUMNS
    engine = client.ClientEngine()
    engine.receive(b"220 home\r\n")
    engine.ehlo("us.example")
    engine.receive(f"250-home\r\n250-SIZE {digits}\r\n250 LIMITS RCPTMAX={digits}\r\n".encode())
    while engine.next_answer():
        pass
    assert engine.broken or engine.offers.size_offered
    assert 0 <= engine.offers.size < _COLUMNS
    assert 0 <= engine.offers.recipients < 10**6


IMAP = [
    "FETCH {} FLAGS",
    "FETCH {}:{} FLAGS",
    "UID FETCH {} FLAGS",
    "FETCH 1 BODY[{}]",
    "FETCH 1 BODY[]<{}.{}>",
    "SEARCH LARGER {}",
    "SEARCH SMALLER {}",
    "SEARCH UID {}",
    "SEARCH SINCE 1-Jan-{}",
    "SEARCH ON {}-Jan-2026",
    "STORE {} FLAGS ()",
    "COPY {} x",
    'APPEND x "{}-Jan-2026 00:00:00 +0000" ',
    'APPEND x " 1-Jan-{} 00:00:00 +0000" ',
    'APPEND x " 1-Jan-2026 00:00:00 +{}" ',
]


@pytest.mark.parametrize("digits", DIGITS)
@pytest.mark.parametrize("text", IMAP)
def test_of_imap(text: str, digits: str) -> None:
    with suppress(BadSyntax):
        parse_command(Cursor(text.replace("{}", digits).encode(), ()), State.SELECTED)


@pytest.mark.parametrize("moment", ["31-Dec-9999 23:59:59 -2359", "01-Jan-0001 00:00:00 +2359", "1-Jan-0000 0:0:0 +0"])
def test_of_internal_dates(moment: str) -> None:
    with suppress(ValueError):
        assert -FITS < parse_date_time(moment.encode()) < FITS


@pytest.mark.parametrize("digits", DIGITS)
def test_of_sets_and_dates_and_signatures(digits: str) -> None:
    with suppress(ValueError):
        for first, last in uidset.parse(f"{digits}:*,{digits}".encode()):
            assert first < 1 << 32
            assert last < 1 << 32
    sent = dates.day(f"Mon, {digits} Jan {digits} 00:00:00 +{digits}".encode())
    assert sent is None or isinstance(sent, date)
    for tag in ("x", "t", "l"):
        text = f"v=1; a=rsa-sha256; d=b.example; s=s; h=from; bh=AA==; b=AA==; {tag}={digits}"
        (field,) = dkim.fields(f"DKIM-Signature: {text}\r\n".encode())
        with suppress(dkim.BadSignature):
            dkim.read(field, 1_790_000_000)


WRONG: list[Any] = [10**30, -(10**30), 1e308, float("inf"), float("-inf"), float("nan"), "999999999d", "9" * 5000, True]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: str(value)[:12])
def test_of_the_configuration(value: Any) -> None:
    numbers = {path: key.kind for path, key in KEYS.items() if isinstance(key.kind, Integer | Duration)}
    assert len(numbers) > 20
    for kind in numbers.values():
        with pytest.raises(ValueError):
            kind.read(value)
