"""Shows the header of a message as IMAP's ENVELOPE (RFC 9051 §7.5.2)."""

from __future__ import annotations

from collections.abc import Mapping

from mpcontinuity.message import addresses
from mpcontinuity.message.fields import line
from mpcontinuity.message.imap_string import NIL, words


def envelope(fields: Mapping[bytes, bytes]) -> bytes:
    """Returns ENVELOPE, given the fields as fields.index returns them.

    A missing field is NIL, and an empty one an empty string. Sender and Reply-To that are missing or empty are what
    From is.
    """
    get = fields.get
    from_ = addresses.structure(get(b"from"))
    sender = addresses.structure(get(b"sender"))
    reply_to = addresses.structure(get(b"reply-to"))
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _text(get(b"date")),
        _text(get(b"subject")),
        from_,
        from_ if sender is NIL else sender,
        from_ if reply_to is NIL else reply_to,
        addresses.structure(get(b"to")),
        addresses.structure(get(b"cc")),
        addresses.structure(get(b"bcc")),
        _text(get(b"in-reply-to")),
        _text(get(b"message-id")),
    )


def _text(value: bytes | None) -> bytes:
    return NIL if value is None else words(line(value))
