"""What IMAP's SEARCH asks for, as a tree (RFC 9051 §6.4.4).

The IMAP engine builds it, and `mailbox/search.py` answers it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date

from mpcontinuity.model.uidset import Range


class When(enum.Enum):
    """On which side of a day a date must lie."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class All:
    """Every message (ALL)."""


@dataclass(frozen=True, slots=True)
class HasFlag:
    """Messages with a flag: ``mask`` is the bit of a system flag, or 0, and then ``keyword`` names it."""

    mask: int
    keyword: str = ""


@dataclass(frozen=True, slots=True)
class Recent:
    """Messages that are new to this session (RFC 3501 §2.3.2)."""


@dataclass(frozen=True, slots=True)
class HeaderContains:
    """Messages with a field that contains ``text``, whatever the case; an empty text asks for the field alone."""

    field: str  # lower case
    text: str


@dataclass(frozen=True, slots=True)
class BodyContains:
    """Messages whose decoded text contains ``text`` (BODY); with ``headers`` their header fields count too (TEXT)."""

    text: str
    headers: bool


@dataclass(frozen=True, slots=True)
class InternalDate:
    """Messages that came on, before or since a day."""

    when: When
    day: date


@dataclass(frozen=True, slots=True)
class SentDate:
    """Messages whose Date field is on, before or since a day. Time and zone of the field are disregarded."""

    when: When
    day: date


@dataclass(frozen=True, slots=True)
class Size:
    """Messages of more octets than ``than``, where ``larger``, or of fewer."""

    larger: bool
    than: int


@dataclass(frozen=True, slots=True)
class HasAttachment:
    """Messages with a part that is offered as a file. IMAP cannot ask for it; webmail does."""


@dataclass(frozen=True, slots=True)
class HasBody:
    """Messages with this id in the table ``body``: the same content (EMAILID of RFC 8474 §5.1)."""

    body: int


@dataclass(frozen=True, slots=True)
class InConversation:
    """Messages of a conversation, by its id (THREADID of RFC 8474 §5.2)."""

    conversation: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """Messages with these message numbers, or with these UIDs where ``uid``. STAR is not resolved yet."""

    ranges: tuple[Range, ...]
    uid: bool


@dataclass(frozen=True, slots=True)
class Not:
    """Messages that the key does not find."""

    key: Key


@dataclass(frozen=True, slots=True)
class Or:
    """Messages that one of the keys finds, or both."""

    left: Key
    right: Key


@dataclass(frozen=True, slots=True)
class And:
    """Messages that all of the keys find."""

    keys: tuple[Key, ...]


Key = (
    All
    | HasFlag
    | Recent
    | HeaderContains
    | BodyContains
    | InternalDate
    | SentDate
    | Size
    | HasAttachment
    | HasBody
    | InConversation
    | Numbers
    | Not
    | Or
    | And
)
