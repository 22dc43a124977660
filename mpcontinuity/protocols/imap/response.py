"""What the server says (RFC 3501 §7), as pure functions of bytes."""

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
    """Human-readable text behind a status, in one line of US-ASCII. It may repeat what a client has said, and yet must
    not end as if a literal followed."""
    shown = _UNPRINTABLE.sub(b"?", message.encode("ascii", "replace"))
    return shown + b" ..." if shown.endswith(b"}") else shown


def status(tag: bytes, condition: bytes, message: str, code: bytes = b"") -> bytes:
    """``tag OK [code] message``. An untagged one has the tag ``*``."""
    return b"%s %s %s%s\r\n" % (tag, condition, b"[" + code + b"] " if code else b"", text(message))


def quoted(value: bytes) -> bytes:
    return b'"' + _SPECIAL.sub(rb"\\\1", value) + b'"'


def octets(value: bytes) -> bytes:
    """As they may stand in a literal: NUL may not (RFC 3501 §9, CHAR8), and 0x80 stands in its place, as elsewhere."""
    return value.replace(b"\0", b"\x80")


def literal(value: bytes) -> bytes:
    return b"{%d}\r\n%s" % (len(value), octets(value))


def string(value: bytes) -> bytes:
    """Quoted where that is possible (RFC 3501 §4.3)."""
    return quoted(value) if _QUOTABLE.fullmatch(value) else literal(value)


def astring(value: bytes) -> bytes:
    return value if _ATOM.fullmatch(value) else string(value)


def mailbox(name: str) -> bytes:
    """Always quoted: some clients stumble over a mailbox named like NIL."""
    return string(utf7.encode(name))


def flag_names(mask: int, keywords: Sequence[tuple[int, str]]) -> bytes:
    """``\\Seen $Forwarded``; keywords are pairs of their bit's mask and name."""
    names = [name for bit, name in _SYSTEM_FLAGS if mask & bit]
    if mask & flags.RECENT:
        names.append(b"\\Recent")
    if mask >> flags.FIRST_KEYWORD:
        names += [name.encode("ascii", "replace") for bit, name in keywords if mask & bit]
    return b" ".join(names)


def listed(kind: bytes, attributes: Iterable[bytes], name: str, extended: bytes = b"") -> bytes:
    """A LIST or LSUB response."""
    return b'* %s (%s) "%s" %s%s\r\n' % (
        kind,
        b" ".join(attributes),
        SEPARATOR.encode(),
        mailbox(name),
        extended,
    )


def status_items(name: str, items: Iterable[tuple[bytes, int]]) -> bytes:
    """A STATUS response."""
    return b"* STATUS %s (%s)\r\n" % (mailbox(name), b" ".join(b"%s %d" % item for item in items))


def quota(root: str, resources: Iterable[tuple[bytes, int, int]]) -> bytes:
    """A QUOTA response of resources, each with what is used and what may be."""
    return b"* QUOTA %s (%s)\r\n" % (string(root.encode()), b" ".join(b"%s %d %d" % one for one in resources))


def quota_root(name: str, roots: Sequence[str]) -> bytes:
    return b"* QUOTAROOT %s\r\n" % b" ".join([mailbox(name), *(string(root.encode()) for root in roots)])


def exists(count: int) -> bytes:
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    return b"* %d RECENT\r\n" % count


def expunged(sequence: int) -> bytes:
    return b"* %d EXPUNGE\r\n" % sequence


def fetched(sequence: int, parts: Iterable[bytes]) -> bytes:
    """A FETCH response of parts that have their names already."""
    return b"* %d FETCH (%s)\r\n" % (sequence, b" ".join(parts))


def continuation(message: bytes = b"") -> bytes:
    return b"+ " + message + CRLF
