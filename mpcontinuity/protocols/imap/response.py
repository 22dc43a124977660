"""What the server says (RFC 3501 §7), as pure functions that return octets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mpcontinuity.model import flags
from mpcontinuity.protocols.imap import utf7

CRLF = b"\r\n"
SEPARATOR = "/"  # between levels of mailbox names

_ATOM = re.compile(rb'[^(){ \x00-\x1f\x7f-\xff%*"\\\]\[]+')
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}")
_SPECIAL = re.compile(rb'(["\\])')
_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")
_SYSTEM_FLAGS = tuple((mask, name.encode("ascii")) for name, mask in flags.SYSTEM.items())


def text(message: str) -> bytes:
    """Returns text for people to stand behind a status, in one line of US-ASCII.

    It may repeat what a client has said, and yet must not end as if a literal followed.
    """
    shown = _UNPRINTABLE.sub(b"?", message.encode("ascii", "replace"))
    return shown + b" ..." if shown.endswith(b"}") else shown


def status(tag: bytes, condition: bytes, message: str, code: bytes = b"") -> bytes:
    """Returns ``tag OK [code] message``. An untagged status has the tag ``*``."""
    return b"%s %s %s%s\r\n" % (tag, condition, b"[" + code + b"] " if code else b"", text(message))


def quoted(value: bytes) -> bytes:
    """Returns a value as a quoted string."""
    return b'"' + _SPECIAL.sub(rb"\\\1", value) + b'"'


def octets(value: bytes) -> bytes:
    """Returns a value as it may stand in a literal: 0x80 takes the place of NUL, which may not (RFC 3501 §9, CHAR8)."""
    return value.replace(b"\0", b"\x80")


def literal(value: bytes) -> bytes:
    """Returns a value as a literal."""
    return b"{%d}\r\n%s" % (len(value), octets(value))


def string(value: bytes) -> bytes:
    """Returns a value as a quoted string where that is possible, else as a literal (RFC 3501 §4.3)."""
    return quoted(value) if _QUOTABLE.fullmatch(value) else literal(value)


def astring(value: bytes) -> bytes:
    """Returns a value as an atom where that is possible, else as a string."""
    return value if _ATOM.fullmatch(value) else string(value)


def mailbox(name: str) -> bytes:
    """Returns the name of a mailbox. It is always quoted, because some clients fail at a mailbox named NIL."""
    return string(utf7.encode(name))


def flag_names(mask: int, keywords: Sequence[tuple[int, str]]) -> bytes:
    r"""Returns ``\Seen $Forwarded``. Each keyword is given as the mask of its bit and its name."""
    names = [name for bit, name in _SYSTEM_FLAGS if mask & bit]
    if mask & flags.RECENT:
        names.append(b"\\Recent")
    if mask >> flags.FIRST_KEYWORD:
        names += [name.encode("ascii", "replace") for bit, name in keywords if mask & bit]
    return b" ".join(names)


def listed(kind: bytes, attributes: Iterable[bytes], name: str, extended: bytes = b"") -> bytes:
    """Returns a LIST or LSUB response."""
    return b'* %s (%s) "%s" %s%s\r\n' % (
        kind,
        b" ".join(attributes),
        SEPARATOR.encode(),
        mailbox(name),
        extended,
    )


def status_items(name: str, items: Iterable[tuple[bytes, int | bytes]]) -> bytes:
    """Returns a STATUS response. A value is a number, or octets as they are."""
    shown = [b"%s %d" % (item, value) if isinstance(value, int) else item + b" " + value for item, value in items]
    return b"* STATUS %s (%s)\r\n" % (mailbox(name), b" ".join(shown))


def quota(root: str, resources: Iterable[tuple[bytes, int, int]]) -> bytes:
    """Returns a QUOTA response. Each resource is given as its name, what is used, and what may be used."""
    return b"* QUOTA %s (%s)\r\n" % (string(root.encode()), b" ".join(b"%s %d %d" % one for one in resources))


def quota_root(name: str, roots: Sequence[str]) -> bytes:
    """Returns a QUOTAROOT response."""
    return b"* QUOTAROOT %s\r\n" % b" ".join([mailbox(name), *(string(root.encode()) for root in roots)])


def exists(count: int) -> bytes:
    """Returns an EXISTS response."""
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    """Returns a RECENT response."""
    return b"* %d RECENT\r\n" % count


def expunged(sequence: int) -> bytes:
    """Returns an EXPUNGE response."""
    return b"* %d EXPUNGE\r\n" % sequence


def fetched(sequence: int, parts: Iterable[bytes]) -> bytes:
    """Returns a FETCH response of parts that include their names."""
    return b"* %d FETCH (%s)\r\n" % (sequence, b" ".join(parts))


def continuation(message: bytes = b"") -> bytes:
    """Returns a continuation request."""
    return b"+ " + message + CRLF
