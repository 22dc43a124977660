"""What an entry of a pack says about its message, so that an index can be built again from packs alone."""

from __future__ import annotations

import msgspec

TAKEN = "relay"  # a decision (routing/decision.py): home took it
OUTGOING = "outgoing"  # a decision: it is to be sent


class Head(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What a message in a pack says of itself.

    New fields go to the end and have a default: packs of older versions are read with the same struct.
    """

    id: int  # of the message, and of its row in `body`
    time: int  # µs, when it was received
    direction: str  # inbound | outbound | append
    reverse_path: str = ""
    recipients: tuple[str, ...] = ()
    decisions: dict[str, str] = {}  # recipient -> redirect | relay | append …; empty where not yet known
    prefix: int = 0  # octets of Return-Path at the beginning, which home is not sent
    fingerprint: bytes = b""
    subject: str = ""
    message_id: str = ""
    # Per recipient: the id that home is shown, and of the owed row if there is one; of what is outgoing, its row's.
    owed: tuple[int, ...] = ()
    parameters: tuple[str, ...] = ()  # per recipient: as in the column owed.parameters; () where all are plain
    mailbox: str = ""  # where an APPEND put it; of what is outgoing, the user whose Sent folder has a copy


class Decided(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """An outcome record: what became of a body in this pack or an earlier one, written before the index has it."""

    id: int
    pack: int
    offset: int
    length: int
    prefix: int
    crc: int
    decisions: dict[str, str]
