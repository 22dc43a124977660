"""Which messages a message answers (RFC 5322 §3.6.4), as digests: what conversations are put together by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

# Of a long chain the first message counts and the last ones: clients that shorten References leave out the middle
# (RFC 5322 §3.6.4 does not say how), and a sender may forge any number of them. Each is a row for each recipient, in
# the transaction that takes the message in, and a node of THREAD; what is further up is known from what is nearer.
MOST: Final = 5

_LONGEST = 1000  # octets of a Message-ID, a line's worth (RFC 5322 §2.1.1)
_AT_END = MOST * _LONGEST  # octets of a field that are looked at for the last ones
_ID = re.compile(rb"<([^<>]+)>")
_LEFT_OUT = b' \t\r\n"'  # folded lines; and quotes, since `<"a"@b>` is the same as `<a@b>` (RFC 5256 §2.2)


def digests(found: Mapping[bytes, bytes]) -> tuple[int, ...]:
    """Returns the digest of the message's own Message-ID, 0 where it has none, and those of the messages that it
    answers, the oldest first, each once and at most MOST. They have 64 bits.

    ``found`` has the values of header fields, by name in lower case (fields.index). Where References names nothing, the
    first message in In-Reply-To counts (RFC 5256 §4).
    """
    own = digest(found.get(b"message-id", b""))
    answered = _ends(found.get(b"references", b"")) or _ends(found.get(b"in-reply-to", b""))[:1]
    return own, *(one for one in dict.fromkeys(map(_digest, answered)) if one != own)


def digest(message_id: bytes) -> int:
    """Returns the digest of the first Message-ID in the value of a field, or 0 where there is none."""
    found = _ID.search(message_id[:_AT_END])
    return _digest(found[1]) if found else 0


def _ends(value: bytes) -> Sequence[bytes]:
    """The first Message-ID and the last ones."""
    if len(value) <= _AT_END:
        every = _ID.findall(value)
        return every if len(every) <= MOST else [every[0], *every[1 - MOST :]]
    return [*_ID.findall(value[:_LONGEST])[:1], *_ID.findall(value[-_AT_END:])[1 - MOST :]]


def _digest(message_id: bytes) -> int:
    plain = message_id.translate(None, _LEFT_OUT)
    return int.from_bytes(blake2b(plain, digest_size=8).digest(), "little") or 1
