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
from mpcontinuity.protocols.imap.client import PART

ID = "X-MPContinuity-Id"
_ID, _MESSAGE_ID = ID.lower().encode(), b"message-id"
_COMPARED = (b"date", b"from", b"subject")
# A Message-ID that can be searched for; what is longer, or not of ASCII, is no use in a SEARCH.
_SEARCHABLE = re.compile(rb"[\x21-\x7e]{1,900}")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a message is known by. ``ids`` are our own, in X-MPContinuity-Id: that by which it goes home, and those by
    which it goes to other addresses of its user. ``alone``: the Message-ID is enough, as the user's own client has made
    it. ``body`` are its octets behind the header, -1 where they are unknown, and ``text`` the first of them."""

    ids: tuple[str, ...]
    message_id: bytes
    compared: tuple[bytes, ...]
    body: int
    text: bytes
    alone: bool = False

    @property
    def search(self) -> tuple[str, bytes]:
        """The header field to search by, and its value."""
        if _SEARCHABLE.fullmatch(self.message_id):
            return "Message-ID", self.message_id
        return ID, self.ids[0].encode()

    def has_id(self, found: Fetched) -> bool:
        """Returns whether the message that was found has an id of ours: then we have brought it."""
        return found.header is not None and self._is_ours(_values(found.header).get(_ID))

    def _is_ours(self, id_: bytes | None) -> bool:
        return id_ is not None and id_.decode("ascii", "replace") in self.ids

    def same(self, found: Fetched) -> bool:
        """Returns whether the message that was found is this one: by our id, or by all that both have in common.

        What has another id of ours is another message, whatever it says of itself: whoever knows a message could forge
        one like it, so that this one would not be brought.
        """
        if found.header is None:
            return False
        values = _values(found.header)
        if _ID in values and not (self.alone and values.get(_MESSAGE_ID) == self.message_id):
            return self._is_ours(values[_ID])
        if not self.message_id or values.get(_MESSAGE_ID) != self.message_id:
            return False
        if self.alone:
            return True
        body = found.size - len(found.header) if found.size is not None and len(found.header) < PART else -1
        return body == self.body >= 0 and _compared(values) == self.compared and found.text == self.text


async def identify(content: Content, ids: tuple[str, ...], *, alone: bool = False) -> Identity:
    """Returns the identity of a message whose ids at home are ``ids``, its own the first. Raises Corrupt."""
    start = content.whole if content.whole is not None else await content.read(0, min(content.length, 2 * PART))
    header = fields.block(start, PART)
    values = _values(header)
    body = content.length - len(header) if len(header) < PART else -1
    text = start[len(header) : len(header) + PART]
    return Identity(ids, values.get(_MESSAGE_ID, b""), _compared(values), body, text, alone)


def _values(header: bytes) -> dict[bytes, bytes]:
    """Of each field the first, without the ways in which it may be folded."""
    values: dict[bytes, bytes] = {}
    for name, value in fields.read(header):
        values.setdefault(name.lower(), b" ".join(value.split()))
    return values


def _compared(values: dict[bytes, bytes]) -> tuple[bytes, ...]:
    return tuple(values.get(name, b"") for name in _COMPARED)
