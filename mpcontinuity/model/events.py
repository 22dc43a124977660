"""What the store tells its listeners after a commit, and the words that tracking uses.

A notice is one of the classes below. They are also sent between the processes that share a store.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mpcontinuity.model.uidset import Range


@dataclass(frozen=True, slots=True)
class MailboxChanged:
    """Messages were added to a mailbox, changed or expunged; ``modseq`` is the highest modseq of the mailbox now.

    ``changed`` has the UIDs whose flags changed, because nothing but a scan of the mailbox would find them. Listeners
    find new messages by their UIDs, and expunged ones in the table ``expunged``.
    """

    mailbox: int
    account: int
    modseq: int
    changed: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class MailboxListChanged:
    """A mailbox was created, renamed, deleted or subscribed to."""

    account: int


@dataclass(frozen=True, slots=True)
class AccountsChanged:
    """Users, aliases or passwords of a domain changed. ``account`` is the user's id, or 0 if there were several."""

    domain: int
    account: int = 0


@dataclass(frozen=True, slots=True)
class DomainsChanged:
    """A domain was added or removed, or its settings changed."""


@dataclass(frozen=True, slots=True)
class OwedChanged:
    """A message became owed to the home server of this domain, or was reopened."""

    domain: int


@dataclass(frozen=True, slots=True)
class OutgoingChanged:
    """A message waits to be sent to the world, or was reopened."""


@dataclass(frozen=True, slots=True)
class OutgoingWanted:
    """An administrator wants mail to the world to be tried now, whatever is known of the hosts that it goes to."""


@dataclass(frozen=True, slots=True)
class ReportDue:
    """A row has ended whose sender is to have a report."""


@dataclass(frozen=True, slots=True)
class HomeChanged:
    """The state of the home server in the table `domain` changed."""

    domain: int


@dataclass(frozen=True, slots=True)
class HomeWanted:
    """Somebody wants what is owed to the home server of this domain, or of all for 0, to go there at once.

    A home server that is down is probed now.
    """

    domain: int


@dataclass(frozen=True, slots=True)
class SameMessage:
    """A message came again that was answered already, according to the table `answered`.

    The process that gave the answer is asked whether the client has received it. ``fingerprints`` are in hexadecimal.
    """

    fingerprints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Everything:
    """Anything may have changed, because other processes could not be heard for a while.

    Listeners read again what they remember.
    """


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
    | HomeWanted
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
# Why home was not asked where administrators said so: no failure of home's, and no error that `status` or alerts count.
DECLARED = "continuity is declared by the administrator"
CONTAINED = "the home server is cut off by the administrator"
DRILLED = "a drill plays an outage for this user"
NO_FAULT = (DECLARED, CONTAINED, DRILLED)


def redirect_text(because: str) -> str:
    """Returns the text that tracking shows for a message that was redirected."""
    return f"Redirect because: {because}"


class TrackingEvent(msgspec.Struct, frozen=True, array_like=True):
    """One line of what happened to a message: when, what host said it, the reply code and the text."""

    time: int  # µs
    host: str
    code: int
    text: str
