"""Where a message to one of our domains comes from, and what is done otherwise for that reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpcontinuity.delivery.answered import fingerprint
from mpcontinuity.tracking.record import INBOUND


@dataclass(frozen=True, slots=True)
class Source:
    """What differs with where mail comes from; the defaults are those of a stranger's server.

    ``fingerprint`` is given the reverse path, the key of a recipient's address and the digest of the content, and
    returns the 16 octets by which the same message is recognised when it comes again.
    """

    fingerprint: Callable[[str, str, bytes], bytes] = fingerprint
    comes_again: bool = True  # a server at the other end tries again what we put off
    verified: bool = True  # SPF, DKIM and DMARC are looked into
    refusals_tracked: bool = True  # a refusal has a row of its own in tracking, and a line in the log
    direction: str = INBOUND  # in tracking
    archived: bool = True
    # Home is owed what it does not take now. Otherwise a message goes into mailboxes alone: home has had it.
    owes: bool = True


STRANGER = Source()
