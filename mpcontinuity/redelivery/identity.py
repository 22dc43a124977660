"""Whether a message that home has is the one that is owed to it.

A Message-ID alone does not tell: some senders use one twice, and a message that a list sends on has that of the first.
What counts as the same is never brought, so in doubt two messages are two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mpcontinuity.message import fields
from mpcontinuity.model.body import Content
from mpcontinuity.protocols.imap.answer import Fetched
from mpcontinuity.protocols.imap.client import HEADER_PART

ID = "X-MPContinuity-Id"
_ID, _MESSAGE_ID = ID.lower().encode(), b"message-id"
_COMPARED = (b"date", b"from", b"subject")
# A Message-ID that can be searched for; what is longer, or not of ASCII, is no use in a SEARCH.
_SEARCHABLE = re.compile(rb"[\x21-\x7e]{1,900}")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a message is known by. ``id`` is our own, in X-MPContinuity-Id. ``alone``: the Message-ID is enough, as the
    user's own client has made it."""

    id: str
    message_id: bytes
    compared: tuple[bytes, ...]
    body: int  # its octets; -1: unknown
    alone: bool = False

    @property
    def search(self) -> tuple[str, bytes]:
        """The header field to search by, and its value."""
        if _SEARCHABLE.fullmatch(self.message_id):
            return "Message-ID", self.message_id
        return ID, self.id.encode()

    def has_id(self, found: Fetched) -> bool:
        """Returns whether the message that was found has our id: then we have brought it."""
        return found.header is not None and _values(found.header).get(_ID) == self.id.encode()

    def same(self, found: Fetched) -> bool:
        """Returns whether the message that was found is this one: by our id, or by all that both have in common."""
        if found.header is None:
            return False
        values = _values(found.header)
        if values.get(_ID) == self.id.encode():
            return True
        if not self.message_id or values.get(_MESSAGE_ID) != self.message_id:
            return False
        if self.alone:
            return True
        body = found.size - len(found.header) if found.size is not None and len(found.header) < HEADER_PART else -1
        return body == self.body and body >= 0 and _compared(values) == self.compared


async def identify(content: Content, id_: str, *, alone: bool = False) -> Identity:
    """Returns the identity of a message whose id at home is ``id_``. Raises Corrupt."""
    start = content.whole if content.whole is not None else await content.read(0, min(content.length, HEADER_PART))
    header = fields.block(start, HEADER_PART)
    values = _values(header)
    body = content.length - len(header) if len(header) < HEADER_PART else -1
    return Identity(id_, values.get(_MESSAGE_ID, b""), _compared(values), body, alone)


def _values(header: bytes) -> dict[bytes, bytes]:
    """Of each field the first, without the ways in which it may be folded."""
    values: dict[bytes, bytes] = {}
    for name, value in fields.read(header):
        values.setdefault(name.lower(), b" ".join(value.split()))
    return values


def _compared(values: dict[bytes, bytes]) -> tuple[bytes, ...]:
    return tuple(values.get(name, b"") for name in _COMPARED)
