"""What the header of a message says against an automatic answer, and what such an answer needs of it (RFC 3834)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mpcontinuity.message import addresses, composing, fields
from mpcontinuity.message.fields import MAX_HEADER
from mpcontinuity.message.summary import summary
from mpcontinuity.model.address import BadAddress, parse, quote

# Octets of the recipients that are looked at, some five hundred: a letter to more of them is none to anybody.
_LONGEST: Final = 16 * 1024

# Each match begins with the line end before it, as in fields.py.
_TELLING = re.compile(
    rb"\n(?=[abcilmprstx])(auto-submitted|precedence|list-[a-z-]{1,40}+|x-auto-response-suppress|x-autore(?:ply|spond)"
    rb"|x-loop|x-spam-flag|content-type|to|cc|bcc|resent-(?:to|cc|bcc)|subject|message-id|references|in-reply-to)"
    rb"[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)",
    re.IGNORECASE,
)
_RECIPIENTS: Final = (b"to", b"cc", b"bcc", b"resent-to", b"resent-cc", b"resent-bcc")
_BULK: Final = frozenset((b"bulk", b"list", b"junk"))
_WORD = re.compile(rb"[a-z-]+")


class Circumstances(msgspec.Struct, frozen=True):
    """What the header of a message says.

    ``automatic`` says in words why no program may answer it; empty: nothing in the header speaks against that.
    ``recipients`` are the addresses that it names (`Address.key`, each without its tag as well). ``message_id`` has its
    angle brackets, and ``references`` is the thread that an answer belongs to.
    """

    automatic: str = ""
    recipients: frozenset[str] = frozenset()
    subject: str = ""
    message_id: str = ""
    references: tuple[str, ...] = ()


def read(content: bytes) -> Circumstances:
    """Returns what the header at the beginning of a message says. Never raises."""
    header = fields.block(content)
    found: dict[bytes, bytes] = {}
    recipients: list[bytes] = []
    automatic = "its header is too long to be read" if len(header) >= MAX_HEADER else ""
    for name, value in _TELLING.findall(b"\n" + header):
        name = name.lower()
        if name in _RECIPIENTS:
            recipients.append(value)
        elif name.startswith(b"list-"):
            automatic = automatic or "it is of a mailing list"
        else:
            automatic = automatic or _against(name, value)
            found.setdefault(name, value)
    shown = summary(found)
    return Circumstances(
        automatic, _keys(b",".join(recipients)), shown.subject, shown.message_id, _thread(shown.message_id, found)
    )


def _against(name: bytes, value: bytes) -> str:
    """Why a field forbids an automatic answer; empty: it does not."""
    value = fields.unfold(value[:1000]).lower()
    if name == b"auto-submitted":  # RFC 3834 §5; what begins with a comment is read as no `no`
        no = value.partition(b";")[0].partition(b"(")[0].strip() == b"no"
        return "" if no else "a program sent it"
    if name == b"precedence":
        return "it was sent to many" if value in _BULK else ""
    if name == b"x-auto-response-suppress":  # of Exchange; None is the value that suppresses nothing
        return "its sender wants no automatic answer" if set(_WORD.findall(value)) - {b"none"} else ""
    if name in (b"x-autoreply", b"x-autorespond", b"x-loop"):
        return "a program sent it"
    if name == b"x-spam-flag":
        return "it is junk" if value.startswith(b"yes") else ""
    if name == b"content-type":  # RFC 6522: about another message
        return "it is a report" if value.startswith(b"multipart/report") else ""
    return ""


def _keys(value: bytes) -> frozenset[str]:
    found: set[str] = set()
    for one in addresses.parse(value[:_LONGEST]):
        if one.mailbox is None or not one.host:
            continue
        local, host = (each.decode("utf-8", "replace") for each in (one.mailbox, one.host))
        try:
            address = parse(f"{quote(local)}@{host}")
        except BadAddress:
            continue
        found |= {address.key, address.untagged_key}
    return frozenset(found)


def _thread(message_id: str, found: Mapping[bytes, bytes]) -> tuple[str, ...]:
    before: Sequence[str] = _ids(found.get(b"references", b"")) or _ids(found.get(b"in-reply-to", b""))[:1]
    return composing.thread(message_id, before)


def _ids(value: bytes) -> list[str]:
    return fields.line(value[:_LONGEST]).decode("ascii", "replace").split()
