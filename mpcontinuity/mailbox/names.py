"""What a mailbox may be called: UTF-8 in NFC, ``/`` between levels, and INBOX in any case (RFC 9051 §5.1)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from mpcontinuity.model.errors import Kind, Refused
from mpcontinuity.model.texts import marked, said

SEPARATOR = "/"
INBOX = "INBOX"
EMAIL_ARCHIVE = "Email Archive"  # mailbox/archived.py
ARCHIVED_USE = "email archive"  # its use in the table, which is no special use that clients are told
MAX_OCTETS = 1000  # of UTF-8: no client makes such names, and a LIST line stays below 8 KiB in modified UTF-7
MAX_DEPTH = 32  # levels; a client that recurses over the tree is not led into the ground


_KINDS: dict[str, Kind] = {
    "NONEXISTENT": "unknown",
    "TRYCREATE": "unknown",
    "ALREADYEXISTS": "taken",
    "LIMIT": "conflict",
    "OVERQUOTA": "conflict",
    "NOPERM": "forbidden",
}


class MailboxRefused(Refused):
    """Raised where a mailbox cannot be used as asked.

    ``code`` is a response code of IMAP (RFC 9051 §7.1) without its brackets.
    """

    ARGUMENTS = tuple[str, str]

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text, _KINDS.get(code, "invalid"))
        self.args = (code, text)
        self.code = code


def canonical(name: str) -> str:
    """Returns a name as it is looked up. No name is refused, since one that cannot exist is just not found."""
    first, slash, rest = unicodedata.normalize("NFC", name).partition(SEPARATOR)
    return (INBOX if first.isascii() and first.upper() == INBOX else first) + slash + rest


def check(name: str) -> str:
    """Returns the canonical name of a mailbox that is to be created or subscribed to. Raises MailboxRefused."""
    name = canonical(name)
    levels = name.split(SEPARATOR)
    if not all(levels):
        raise MailboxRefused("CANNOT", marked("a mailbox name must not be empty, begin or end with / or contain //"))
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise MailboxRefused("CANNOT", marked("a mailbox name must not contain control characters"))
    if len(name.encode()) > MAX_OCTETS:
        raise MailboxRefused("LIMIT", said("a mailbox name has at most %(most)d octets", most=MAX_OCTETS))
    if len(levels) > MAX_DEPTH:
        raise MailboxRefused("LIMIT", said("mailboxes nest at most %(most)d levels deep", most=MAX_DEPTH))
    return name


def above(names: Iterable[str]) -> set[str]:
    """Returns all names that are above one of these."""
    found: set[str] = set()
    for name in names:
        while name := name.rpartition(SEPARATOR)[0]:
            if name in found:
                break
            found.add(name)
    return found


def superiors(name: str) -> list[str]:
    """Returns the names above a name: ``a`` and ``a/b`` for ``a/b/c``."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels))]
