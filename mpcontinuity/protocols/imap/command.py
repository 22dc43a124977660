"""What a client asks for: one value per command."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mpcontinuity.model.search import Key
from mpcontinuity.model.uidset import Range
from mpcontinuity.protocols.imap.items import Item

Ranges = tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Capability:
    pass


@dataclass(frozen=True, slots=True)
class Noop:
    pass


@dataclass(frozen=True, slots=True)
class Logout:
    pass


@dataclass(frozen=True, slots=True)
class Id:
    """RFC 2971: what the client says of itself, for the log."""

    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StartTls:
    pass


@dataclass(frozen=True, slots=True)
class Login:
    name: str
    password: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """``initial``: the decoded initial response of RFC 4959, None without one."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Enable:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Namespace:
    pass


@dataclass(frozen=True, slots=True)
class Select:
    mailbox: str
    read_only: bool  # EXAMINE


@dataclass(frozen=True, slots=True)
class Create:
    mailbox: str


@dataclass(frozen=True, slots=True)
class Delete:
    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename:
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    mailbox: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    mailbox: str


@dataclass(frozen=True, slots=True)
class List:
    """LIST, with the options of RFC 5258, RFC 5819 and RFC 6154, and LSUB."""

    reference: str
    patterns: tuple[str, ...]
    selected: frozenset[bytes] = frozenset()  # of SUBSCRIBED, SPECIAL-USE, REMOTE, RECURSIVEMATCH
    returned: frozenset[bytes] = frozenset()  # of SUBSCRIBED, CHILDREN, SPECIAL-USE
    status: tuple[bytes, ...] = ()
    lsub: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    mailbox: str
    items: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class GetQuota:
    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota:
    """Nobody may; what was asked for is not kept."""


@dataclass(frozen=True, slots=True)
class Idle:
    pass


@dataclass(frozen=True, slots=True)
class Check:
    pass


@dataclass(frozen=True, slots=True)
class Close:
    expunge: bool  # UNSELECT does not


@dataclass(frozen=True, slots=True)
class Expunge:
    uids: Ranges | None  # None: all that are marked \Deleted


@dataclass(frozen=True, slots=True)
class Search:
    key: Key
    returned: frozenset[bytes] | None  # of RFC 4731; None: the plain answer
    uid: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    numbers: Ranges
    items: tuple[Item, ...]
    uid: bool


class How(enum.Enum):
    """STORE's data items; the values are the words of mailbox/change.py."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Store:
    numbers: Ranges
    how: How
    flags: int
    keywords: tuple[str, ...]
    silent: bool
    uid: bool


@dataclass(frozen=True, slots=True)
class Copy:
    numbers: Ranges
    mailbox: str
    uid: bool
    move: bool


@dataclass(frozen=True, slots=True)
class Append:
    """Its literal follows as events, once the door takes it. ``date``: µs, None for now."""

    mailbox: str
    flags: int
    keywords: tuple[str, ...]
    date: int | None
    size: int


Command = (
    Capability
    | Noop
    | Logout
    | Id
    | StartTls
    | Login
    | Authenticate
    | Enable
    | Namespace
    | Select
    | Create
    | Delete
    | Rename
    | Subscribe
    | Unsubscribe
    | List
    | Status
    | GetQuota
    | GetQuotaRoot
    | SetQuota
    | Idle
    | Check
    | Close
    | Expunge
    | Search
    | Fetch
    | Store
    | Copy
    | Append
)
