"""What SEARCH asks for (RFC 9051 §6.4.4), as a tree: the IMAP engine builds it, the mailbox answers it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date

from mpcontinuity.model.uidset import Range


class When(enum.Enum):
    BEFORE = "before"
    ON = "on"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class All:
    pass


@dataclass(frozen=True, slots=True)
class HasFlag:
    """``mask`` of a system flag, or 0 and ``keyword``."""

    mask: int
    keyword: str = ""


@dataclass(frozen=True, slots=True)
class Recent:
    """Of this session (RFC 3501 §2.3.2)."""


@dataclass(frozen=True, slots=True)
class HeaderContains:
    """Substring of the decoded field, without case; an empty ``text`` asks only whether the field is there."""

    field: str  # lower case
    text: str


@dataclass(frozen=True, slots=True)
class BodyContains:
    """Substring of the decoded text; ``headers`` too for SEARCH TEXT."""

    text: str
    headers: bool


@dataclass(frozen=True, slots=True)
class InternalDate:
    when: When
    day: date


@dataclass(frozen=True, slots=True)
class SentDate:
    """Of the Date field, time and zone disregarded."""

    when: When
    day: date


@dataclass(frozen=True, slots=True)
class Size:
    larger: bool
    than: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """Message numbers, or UIDs where ``uid``; STAR not yet resolved."""

    ranges: tuple[Range, ...]
    uid: bool


@dataclass(frozen=True, slots=True)
class Not:
    key: Key


@dataclass(frozen=True, slots=True)
class Or:
    left: Key
    right: Key


@dataclass(frozen=True, slots=True)
class And:
    keys: tuple[Key, ...]


Key = All | HasFlag | Recent | HeaderContains | BodyContains | InternalDate | SentDate | Size | Numbers | Not | Or | And
