"""Reads lists of addresses (RFC 5322 §3.4, with the obsolete forms of §4.4) and shows them as IMAP does.

It is lenient: whatever the octets are, some meaning is found in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from mpcontinuity.message.charset import decode
from mpcontinuity.message.fields import line
from mpcontinuity.message.imap_string import NIL, nstring, words
from mpcontinuity.model.address import MAX_DOMAIN, ascii_domain

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
# Octets of a field that ENVELOPE shows, some five thousand addresses, and of all such fields of the messages that one
# encloses: what is shown of an address can be ten times as long as it is. Lists are cut between addresses; the header
# itself, which clients can ask for, is whole.
LONGEST: Final = 256 * 1024
LONGEST_OF_ALL: Final = 512 * 1024


class Mailbox(NamedTuple):
    """A member of IMAP's list of addresses (RFC 9051 §7.5.2), with quotes removed and encoded words as they are.

    A group begins where ``host`` is None and ``mailbox`` is its name; it ends where both are None. What the text lacks
    is empty.
    """

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


_GROUP_END = Mailbox(None, None, None, None)


def parse(value: bytes) -> list[Mailbox]:
    """Returns the mailboxes in the value of a field. Never raises."""
    return _Parser().parse(line(value))


def structure(value: bytes | None) -> bytes:
    """Returns IMAP's parenthesised list of the addresses in a field's value, or NIL where there are none."""
    if value is None:
        return NIL
    return _cached_structure(value) if len(value) <= _CACHED else _structure(value)


def _structure(value: bytes) -> bytes:
    value = line(value)
    found: list[bytes] = []
    position = 0
    while position < min(len(value), LONGEST):
        match = _SIMPLE.match(value, position)
        if not match:
            found += map(_shown, _Parser().parse(value[position:], LONGEST - position))
            break
        quoted, phrase, local, host, bare_local, bare_host = match.groups()
        name = (quoted or phrase or b"").strip()
        shown = b'"%b"' % name if name else NIL
        found.append(b'(%b NIL "%b" "%b")' % (shown, local or bare_local, host or bare_host))
        position = match.end()
    return b"(%b)" % b"".join(found) if found else NIL


def _shown(mailbox: Mailbox) -> bytes:
    name, route, local, host = mailbox
    domain = host if host is None or host.isascii() else _ascii(host)
    return b"(%b %b %b %b)" % (words(name), nstring(route), words(local), nstring(domain))


def _ascii(domain: bytes) -> bytes:
    """With A-labels, where it can be a domain."""
    try:
        return ascii_domain(decode(domain)).encode("ascii") if len(domain) <= MAX_DOMAIN else domain
    except ValueError:
        return domain


_cached_structure = lru_cache(maxsize=1024)(_structure)


class _Parser:
    """One address list. Words gather until a separator says whose they were."""

    def __init__(self) -> None:
        self._found: list[Mailbox] = []
        self._in_group = False
        self._clear()

    def _clear(self) -> None:
        self._words: list[bytes] = []  # before `<`, the blanks between them too; without `<` they are the address
        self._address: list[bytes] | None = None  # within `<…>`, the blanks too
        self._closed = False  # `>` was read
        self._comment: list[bytes] = []  # parentheses included

    def parse(self, value: bytes, longest: int = -1) -> list[Mailbox]:
        """What begins behind ``longest`` octets, and the address that is not complete there, is left out."""
        depth = 0  # of comments within each other
        for match in _TOKEN.finditer(value):
            if 0 <= longest <= match.start():
                if self._found:
                    self._clear()
                break
            token = match[0]
            first = token[0]
            if depth or first == _OPEN:
                depth = self._in_comment(token, depth)
            elif first in _SEPARATORS:
                self._special(token)
            elif first in _BLANKS:
                if self._words if self._address is None else self._address:
                    self._word(token)
            elif first == _QUOTE:
                self._word(_ESCAPE.sub(rb"\1", token[1:].removesuffix(b'"')))
            else:
                self._word(token)
        self._end()
        if self._in_group:
            self._found.append(_GROUP_END)
        return self._found

    @property
    def _within(self) -> bool:
        return self._address is not None and not self._closed

    def _in_comment(self, token: bytes, depth: int) -> int:
        """The depth behind the token. Only the last comment of a mailbox counts, and none within `<…>`."""
        if not self._within:
            if not depth:
                self._comment.clear()
            self._comment.append(token)
        if token[0] == _OPEN:
            return depth + (token[-1] != _CLOSE or token.endswith(b"\\)"))
        return depth - (token[0] == _CLOSE)

    def _special(self, token: bytes) -> None:
        if token == b"<":
            if self._closed:  # a comma is missing
                self._end()
            elif self._address and b"@" in self._address:  # a `>` is missing
                self._end_before_name(self._address)
            self._address = []
        elif token == b">":
            self._closed = self._address is not None
        elif token == b"@" or (self._within and token in b",:"):  # within: the route of RFC 5322 §4.4
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
        if not self._closed:
            (self._words if self._address is None else self._address).append(token)

    def _end_before_name(self, words: list[bytes]) -> None:
        """Of ``Foo <a@b, Bar <c@d>`` at the second bracket: what was read since the first is an address, and behind a
        comma, or a blank where there is none, the name of the next one."""
        if b"," in words:
            cut = following = _last(words, b",")
            following += 1
        else:
            host = _last(words, b"@")
            blanks = (at for at in range(host + 2, len(words)) if words[at].isspace() and not words[at - 1].isspace())
            cut = following = next(blanks, len(words))
        name = words[following:]
        self._address = words[:cut]
        self._end()
        self._words = name

    def _end(self) -> None:
        """What was gathered is one mailbox, if it is anything."""
        words, address, comment = self._words, self._address, self._comment
        self._clear()
        if address is None:
            name, address = b"", words
        else:
            name = b"".join(words).strip()
        if not name and comment:  # `a@b (Name)`: how names were given once
            name = _ESCAPE.sub(rb"\1", b"".join(comment)[1:].removesuffix(b")")).strip()
        if not words and not address:
            return
        if address and address[0] != b"@" and b"," in address:  # a `>` is missing: each address is one of its own
            first, *others = _split(address)
            self._add(name, first)
            for other in others:
                self._add(b"", other)
        else:
            self._add(name, address)

    def _add(self, name: bytes, address: list[bytes]) -> None:
        split = _last(address, b"@") if b"@" in address else len(address)
        local, host = address[:split], address[split + 1 :]
        route = None
        if local and local[0] == b"@" and b":" in local:
            colon = local.index(b":")
            route, local = b"".join(word for word in local[:colon] if not word.isspace()), local[colon + 1 :]
        mailbox = b"".join(word for word in local if not word.isspace())
        domain = b"".join(word for word in host if not word.isspace())
        if mailbox or domain or name:
            self._found.append(Mailbox(name or None, route, mailbox, domain))


def _last(words: list[bytes], what: bytes) -> int:
    return len(words) - 1 - words[::-1].index(what)


def _split(address: list[bytes]) -> Iterator[list[bytes]]:
    """At the commas."""
    start = 0
    for at, word in enumerate(address):
        if word == b",":
            yield address[start:at]
            start = at + 1
    yield address[start:]
