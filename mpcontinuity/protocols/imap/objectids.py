"""Object identifiers (RFC 8474 §7): of mailboxes, of contents and of conversations, as text.

Each kind begins with a letter of its own, as the RFC recommends, so that none is taken for another.
"""

from __future__ import annotations

import re

from mpcontinuity.model import identifier

PATTERN = re.compile(rb"[A-Za-z0-9_-]{1,255}")  # of any object identifier


def of_mailbox(mailbox: int, uidvalidity: int) -> bytes:
    """Returns the MAILBOXID of a mailbox. It is another one where its UIDVALIDITY is."""
    return b"F%d-%d" % (mailbox, uidvalidity)


def of_email(body: int) -> bytes:
    """Returns the EMAILID of a content."""
    return b"M" + identifier.show(body).encode("ascii")


def of_thread(conversation: int) -> bytes:
    """Returns the THREADID of a conversation."""
    return b"T" + identifier.show(conversation).encode("ascii")


def email(shown: bytes) -> int:
    """Returns the content that an EMAILID is of; 0, which is none, for what is no EMAILID of ours."""
    return _parsed(b"M", shown)


def thread(shown: bytes) -> int:
    """Returns the conversation that a THREADID is of; 0, which is none, for what is no THREADID of ours."""
    return _parsed(b"T", shown)


def _parsed(letter: bytes, shown: bytes) -> int:
    if not shown.startswith(letter):
        return 0
    try:
        found = identifier.parse(shown[1:].decode("ascii"))
    except ValueError:
        return 0
    return found if identifier.show(found).encode("ascii") == shown[1:] else 0  # object identifiers have a case
