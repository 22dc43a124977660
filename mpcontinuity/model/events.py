"""Names of what happens: what the store tells its listeners after a commit, and the steps that tracking shows."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mpcontinuity.model.uidset import Range


@dataclass(frozen=True, slots=True)
class MailboxChanged:
    """Entries were added, changed or expunged; ``modseq`` is the mailbox's new highest.

    ``changed`` are the UIDs whose flags changed, which nothing but a scan of the mailbox would find; new messages are
    found by their UIDs, expunged ones in the table ``expunged``.
    """

    mailbox: int
    account: int
    modseq: int
    changed: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class MailboxListChanged:
    """A mailbox was made, renamed, deleted or subscribed."""

    account: int


@dataclass(frozen=True, slots=True)
class AccountsChanged:
    """Users, aliases or passwords of a domain changed. ``account`` 0: more than one."""

    domain: int
    account: int = 0


@dataclass(frozen=True, slots=True)
class DomainsChanged:
    """A domain was added, removed or set."""


@dataclass(frozen=True, slots=True)
class OwedChanged:
    """Something is owed to the home server of this domain, or was reopened."""

    domain: int


@dataclass(frozen=True, slots=True)
class OutgoingChanged:
    """Something waits to be sent to the world, or was reopened."""


@dataclass(frozen=True, slots=True)
class OutgoingWanted:
    """An administrator wants what waits to be tried now, whatever is known of the hosts it goes to."""


@dataclass(frozen=True, slots=True)
class ReportDue:
    """Something has ended that its sender is to hear of."""


@dataclass(frozen=True, slots=True)
class HomeChanged:
    """What the table `domain` says of the state of its home server."""

    domain: int


@dataclass(frozen=True, slots=True)
class SameMessage:
    """A message came that was answered already, says the table `answered`: has that answer arrived? ``fingerprints``
    in hexadecimal."""

    fingerprints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Everything:
    """Anything may have changed: other processes were not heard for a while. Whatever is remembered is read again."""


Notice = (
    MailboxChanged
    | MailboxListChanged
    | AccountsChanged
    | DomainsChanged
    | OwedChanged
    | OutgoingChanged
    | OutgoingWanted
    | ReportDue
    | HomeChanged
    | SameMessage
    | Everything
)

# What `track` shows in `status`; a row keeps 'deferred' for what continuity handled, for good.
DELIVERED, DEFERRED, REJECTED, BOUNCED, QUEUED, FAILED = (
    "delivered",
    "deferred",
    "rejected",
    "bounced",
    "queued",
    "failed",
)

REDIRECTED_CODE = 444  # the event 'Redirect because: …', host 'continuityservice'
REDIRECTED_HOST = "continuityservice"
# Why home was not asked where its administrators said so: no failure of home's, and no error that alerts count.
DECLARED = "continuity is declared by the administrator"


def redirect_text(because: str) -> str:
    """Of the event and the row."""
    return f"Redirect because: {because}"


class TrackingEvent(msgspec.Struct, frozen=True, array_like=True):
    time: int  # µs
    host: str
    code: int
    text: str
