"""What holds for the doors that there are: SMTP, IMAP and POP3."""

from __future__ import annotations

from types import UnionType
from typing import Any, get_args

import pytest

from mpcontinuity.access.imap.connection import ImapConnection
from mpcontinuity.access.pop3.connection import Pop3Connection
from mpcontinuity.door.connection import Connection
from mpcontinuity.inbound.connection import SmtpConnection
from mpcontinuity.protocols.imap import engine as imap
from mpcontinuity.protocols.pop3 import events as pop3
from mpcontinuity.protocols.smtp import events as smtp

DOORS: list[tuple[type[Connection[Any, Any]], UnionType]] = [
    (SmtpConnection, smtp.Event),
    (ImapConnection, imap.Event),
    (Pop3Connection, pop3.Event),
]
# What of the loop, of time and of the end is the same for all: a door that needs it otherwise asks for a decision.
ONCE = (
    "connectionMade",
    "dataReceived",
    "connectionLost",
    "_turn",
    "_step",
    "_go_on",
    "_end_turn",
    "_look",
    "_enter",
    "flush",
    "let_others",
    "part",
    "read_on",
    "stop",
)


@pytest.mark.parametrize(("door", "events"), DOORS, ids=lambda each: getattr(each, "DOOR", ""))
def test_every_event_of_an_engine_is_handled_by_its_door(door: type[Connection[Any, Any]], events: UnionType) -> None:
    assert set(door.handlers) == set(get_args(events))


@pytest.mark.parametrize("door", [door for door, _ in DOORS], ids=lambda each: each.DOOR)
def test_what_every_door_does_alike_is_written_once(door: type[Connection[Any, Any]]) -> None:
    assert [name for name in ONCE if getattr(door, name) is not getattr(Connection, name)] == []
