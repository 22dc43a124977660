"""What a client asks for: one class for each command, whose objects hold its arguments."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mpcontinuity.model.search import Key
from mpcontinuity.model.uidset import Range
from mpcontinuity.protocols.imap.items import Item

Ranges = tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Capability:
    """CAPABILITY: asks what can be done now."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP: does nothing, but gives the server an occasion to tell news."""


@dataclass(frozen=True, slots=True)
class Logout:
    """LOGOUT: ends the session."""


@dataclass(frozen=True, slots=True)
class Id:
    """ID (RFC 2971): what the client says of itself, for the log."""

    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS: begins TLS."""


@dataclass(frozen=True, slots=True)
class Login:
    """LOGIN: logs in by name and password."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTHENTICATE: begins an exchange of SASL.

    ``initial`` is the decoded initial response (RFC 4959), None if there is none.
    """

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Enable:
    """ENABLE (RFC 5161): turns extensions on."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Namespace:
    """NAMESPACE (RFC 2342): asks where mailboxes are."""


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT: opens a mailbox. With ``read_only`` it is EXAMINE."""

    mailbox: str
    read_only: bool  # EXAMINE


@dataclass(frozen=True, slots=True)
class Create:
    """CREATE: creates a mailbox."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE: deletes a mailbox."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RENAME: gives a mailbox another name."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """SUBSCRIBE: adds a name to those that LSUB lists."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """UNSUBSCRIBE: takes a name from those that LSUB lists."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class List:
    """LIST with the options of RFC 5258, RFC 5819 and RFC 6154, or LSUB."""

    reference: str
    patterns: tuple[str, ...]
    selected: frozenset[bytes] = frozenset()  # of SUBSCRIBED, SPECIAL-USE, REMOTE, RECURSIVEMATCH
    returned: frozenset[bytes] = frozenset()  # of SUBSCRIBED, CHILDREN, SPECIAL-USE
    status: tuple[bytes, ...] = ()
    lsub: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS: asks for numbers of a mailbox that is not open."""

    mailbox: str
    items: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class GetQuota:
    """GETQUOTA (RFC 9208): asks for the limits of a root."""

    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    """GETQUOTAROOT (RFC 9208): asks for the roots of a mailbox."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota:
    """SETQUOTA (RFC 9208). Nobody may do that, so its arguments are not kept."""


@dataclass(frozen=True, slots=True)
class Idle:
    """IDLE (RFC 2177): asks to be told news until DONE."""


@dataclass(frozen=True, slots=True)
class Check:
    """CHECK: asks for a checkpoint of the mailbox."""


@dataclass(frozen=True, slots=True)
class Close:
    """CLOSE, which expunges, or UNSELECT (RFC 3691), which does not."""

    expunge: bool  # UNSELECT does not


@dataclass(frozen=True, slots=True)
class Expunge:
    r"""EXPUNGE, or UID EXPUNGE (RFC 4315) of ``uids``; None stands for all that are flagged ``\Deleted``."""

    uids: Ranges | None  # None: all that are marked \Deleted


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH, or UID SEARCH where ``uid``."""

    key: Key
    returned: frozenset[bytes] | None  # of RFC 4731; None: the plain answer
    uid: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """THREAD (RFC 5256), or UID THREAD where ``uid``. ``algorithm`` is one of searching.ALGORITHMS."""

    algorithm: bytes
    key: Key
    uid: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH, or UID FETCH where ``uid``."""

    numbers: Ranges
    items: tuple[Item, ...]
    uid: bool


class How(enum.Enum):
    """What STORE does with flags. The values are the words of mailbox/change.py."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Store:
    """STORE, or UID STORE where ``uid``: changes flags. ``silent`` asks not to be told the result."""

    numbers: Ranges
    how: How
    flags: int
    keywords: tuple[str, ...]
    silent: bool
    uid: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY, or MOVE (RFC 6851) where ``move``; the UID form of it where ``uid``."""

    numbers: Ranges
    mailbox: str
    uid: bool
    move: bool


@dataclass(frozen=True, slots=True)
class Append:
    """APPEND of a message of ``size`` octets, which follows as events once the door takes it.

    ``date`` is in µs since 1970, None for now.
    """

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
    | Thread
    | Fetch
    | Store
    | Copy
    | Append
)
