"""Address lists (RFC 5322 §3.4 with the obsolete forms of §4.4), read leniently: some meaning is found in any bytes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from mpcontinuity.message.fields import unfold
from mpcontinuity.message.wire import NIL, nstring

_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]"
# What nearly all mail has, in one step: `"name" <local@host>`, `name <local@host>`, `local@host`.
# No quantifier gives back what it took, so that a list of anything is read in linear time.
_SIMPLE = re.compile(
    rb'[ \t]*+(?:(?:"([ !#-\[\]-~]*+)"[ \t]*+|((?:%b|[ ])*+))<(%b++)@([A-Za-z0-9._-]++)>|(%b++)@([A-Za-z0-9._-]++))'
    rb"[ \t]*+(?:,|\Z)" % (_ATOM, _ATOM, _ATOM)
)
# A run of blanks, a quoted string, a domain literal, a comment up to the next parenthesis, one that separates, an atom.
_TOKEN = re.compile(
    rb'\s++|"(?:[^"\\]++|\\[\s\S])*+"?+|\[[^\]]*+\]?+|\((?:[^()\\]++|\\[\s\S])*+\)?+|[<>@,;:)]|[^\s"\[<>@,;:()]++'
)
_QUOTE, _OPEN, _CLOSE = b'"()'
_BLANKS = frozenset(b" \t\r\n\f\v")
_SEPARATORS = frozenset(b"<>@,;:")
_ESCAPE = re.compile(rb"\\([\s\S])")
_CACHED: Final = 256  # octets: addresses that come again and again are short
# Octets of a field that ENVELOPE looks at, some thousand addresses: in a line of a mebibyte it would take seconds. The
# header itself, which clients can ask for, is whole.
LONGEST: Final = 64 * 1024


class Mailbox(NamedTuple):
    """A line of IMAP's address structure (RFC 9051 §7.5.2), quoting removed, encoded words as they are.

    ``host`` None with a ``mailbox``: a group begins, of that name; both None: it ends. What the text lacks is empty.
    """

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


_GROUP_END = Mailbox(None, None, None, None)


def parse(value: bytes) -> list[Mailbox]:
    """The mailboxes of a field's value. Never raises."""
    return _Parser().parse(unfold(value))


def structure(value: bytes | None) -> bytes:
    """IMAP's parenthesised list of addresses; NIL where there are none."""
    if value is None:
        return NIL
    return _cached_structure(value) if len(value) <= _CACHED else _structure(value)


def _structure(value: bytes) -> bytes:
    value = unfold(value[:LONGEST])
    found: list[bytes] = []
    position = 0
    while position < len(value):
        match = _SIMPLE.match(value, position)
        if not match:
            found = [b"(%b %b %b %b)" % tuple(map(nstring, mailbox)) for mailbox in _Parser().parse(value)]
            break
        quoted, phrase, local, host, bare_local, bare_host = match.groups()
        name = (quoted or phrase or b"").strip()
        shown = b'"%b"' % name if name else NIL
        found.append(b'(%b NIL "%b" "%b")' % (shown, local or bare_local, host or bare_host))
        position = match.end()
    return b"(%b)" % b"".join(found) if found else NIL


_cached_structure = lru_cache(maxsize=1024)(_structure)


class _Parser:
    """One address list. Words gather until a separator says whose they were."""

    def __init__(self) -> None:
        self._found: list[Mailbox] = []
        self._in_group = False
        self._clear()

    def _clear(self) -> None:
        self._words: list[bytes] = []  # before `<`, the blanks between them too; without `<` they are the address
        self._address: list[bytes] | None = None  # within `<…>`
        self._host_at = -1  # index of the last @ in what will be the address
        self._closed = False  # `>` was read
        self._comment: list[bytes] = []  # parentheses included

    def parse(self, value: bytes) -> list[Mailbox]:
        depth = 0  # of comments within each other
        for token in _TOKEN.findall(value):
            first = token[0]
            if depth or first == _OPEN:
                depth = self._in_comment(token, depth)
            elif first in _SEPARATORS:
                self._special(token)
            elif first in _BLANKS:
                if self._address is None and self._words:
                    self._words.append(token)
            elif first == _QUOTE:
                self._word(_ESCAPE.sub(rb"\1", token[1:].removesuffix(b'"')))
            else:
                self._word(token)
        self._end()
        if self._in_group:
            self._found.append(_GROUP_END)
        return self._found

    def _in_comment(self, token: bytes, depth: int) -> int:
        """The depth behind the token. Only the last comment of a mailbox counts."""
        if not depth:
            self._comment.clear()
        self._comment.append(token)
        if token[0] == _OPEN:
            return depth + (token[-1] != _CLOSE or token.endswith(b"\\)"))
        return depth - (token[0] == _CLOSE)

    def _special(self, token: bytes) -> None:
        within = self._address is not None and not self._closed
        if token == b"<":
            if self._closed:  # a comma is missing
                self._end()
            self._address, self._host_at = [], -1
        elif token == b">":
            self._closed = self._address is not None
        elif token == b"@" or (within and token in b",:"):  # within: the route of RFC 5322 §4.4
            self._word(token)
        elif token == b",":
            self._end()
        elif token == b":" and not self._in_group:
            name = b"".join(self._words).strip()
            self._clear()
            self._in_group = True
            self._found.append(Mailbox(None, None, name, None))
        elif token == b";":
            self._end()
            if self._in_group:
                self._found.append(_GROUP_END)
            self._in_group = False

    def _word(self, token: bytes) -> None:
        if self._closed:
            return
        words = self._words if self._address is None else self._address
        if token == b"@":
            self._host_at = len(words)
        words.append(token)

    def _end(self) -> None:
        """What was gathered is one mailbox, if it is anything."""
        words, address = self._words, self._address
        if address is None:
            name, address = b"", words
        else:
            name = b"".join(words).strip()
        if not name and self._comment:  # `a@b (Name)`: how names were given once
            name = _ESCAPE.sub(rb"\1", b"".join(self._comment)[1:].removesuffix(b")")).strip()
        route = None
        split = self._host_at if self._host_at >= 0 else len(address)
        local, host = address[:split], address[split + 1 :]
        if local and local[0] == b"@" and b":" in local:
            colon = local.index(b":")
            route, local = b"".join(local[:colon]), local[colon + 1 :]
        mailbox = b"".join(word for word in local if not word.isspace())
        domain = b"".join(word for word in host if not word.isspace())
        if mailbox or domain or name:
            self._found.append(Mailbox(name or None, route, mailbox, domain))
        self._clear()
