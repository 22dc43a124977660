"""Mail addresses as values: parsing them, comparing them, and writing them for the wire.

Addresses are compared as the contract says: without regard to case, ``user+tag`` as ``user``, and with quotes removed.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress

import idna
import msgspec

from mpcontinuity.model.texts import marked, said

# RFC 5321 §4.5.3.1 has 64 octets of local part, 255 of domain and 254 together. Only the server of the domain knows its
# local parts, and mailing lists and carriers have longer ones: as many octets as such commands leave room for.
MAX_DOMAIN = 255
MAX_ADDRESS = 512
MAX_LABEL = 63  # octets of a domain between its dots (RFC 1035 §2.3.4)
MAX_NAME = 253  # octets of a domain as it is written

# Local parts for which every domain must take mail: RFC 5321 §4.5.1, RFC 2142 §2.
ROLES = frozenset({"postmaster", "abuse"})

# RFC 6531 §3.3, without what ends a line somewhere: C1 controls, and the separators of lines and paragraphs.
_UTF8 = r"\u00a0-\u2027\u202a-\U0010ffff"
# Dots in any place, where RFC 5321 has them between atoms only: carriers have given out millions of such addresses.
_DOT_STRING = re.compile(rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.{_UTF8}-]+")
_QUOTED = re.compile(rf'"(?:[\x20\x21\x23-\x5b\x5d-\x7e{_UTF8}]|\\[\x20-\x7e])*"')
_LABEL = rf"[A-Za-z0-9{_UTF8}](?:[A-Za-z0-9_{_UTF8}-]*[A-Za-z0-9{_UTF8}])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LITERAL = re.compile(r"\[(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|IPv6:[0-9A-Fa-f:.]+)\]")


class BadAddress(ValueError):
    """Raised for a text that is not a mail address; its message says why."""


class Address(msgspec.Struct, frozen=True):
    """A mail address that was parsed.

    ``local`` is the part before the @ without its quotes. ``domain`` is in lower case and in ASCII (RFC 5890 A-labels).
    ``text`` is the address as it was given, which redelivery uses, but without a dot at the end of the domain.
    """

    local: str
    domain: str
    text: str

    @property
    def key(self) -> str:
        """The text by which addresses are compared: two addresses with the same key are the same address."""
        return f"{_folded(self.local)}@{self.domain}"

    @property
    def untagged_key(self) -> str:
        """The key without ``+tag``; it is the key itself where the address has no tag."""
        base = self.local.partition("+")[0]
        return f"{_folded(base or self.local)}@{self.domain}"

    @property
    def ascii(self) -> bool:
        """Whether the address can be used without SMTPUTF8 (RFC 6531)."""
        return self.text.isascii()

    @property
    def impossible(self) -> bool:
        """Whether the domain is longer than DNS permits (RFC 1035 §2.3.4), so that no such domain can exist."""
        return len(self.domain) > MAX_NAME or any(len(label) > MAX_LABEL for label in self.domain.split("."))

    @property
    def relays(self) -> bool:
        """Whether a home server that trusts us might relay mail for this address to somewhere else.

        Such addresses are ``a%b@d``, ``b!a@d`` and ``"a@b"@d``. An address that takes this form only when it is
        normalised counts as well (the fullwidth percent sign U+FF05 becomes ``%``).
        """
        local = self.local if self.local.isascii() else unicodedata.normalize("NFKC", self.local)
        return any(character in local for character in "%!@")

    def __str__(self) -> str:
        return self.text


def _folded(local: str) -> str:
    return (local if local.isascii() else unicodedata.normalize("NFC", local)).lower()


def parse(text: str) -> Address:
    """Parses an address without angle brackets. Raises BadAddress."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_ADDRESS:
        raise BadAddress(said("longer than %(most)d octets", most=MAX_ADDRESS))
    quoted = _QUOTED.match(text)
    if quoted:
        raw, rest = quoted.group(), text[quoted.end() :]
        local = re.sub(r"\\(.)", r"\1", raw[1:-1])
    else:
        raw, at, host = text.rpartition("@")
        if not at:
            raise BadAddress(marked("no @ and domain"))
        local, rest = raw, at + host
        if not _DOT_STRING.fullmatch(local):
            raise BadAddress(marked("the part before the @ is not a valid local part"))
    if not local:
        raise BadAddress(marked("the part before the @ is empty"))
    if not rest.startswith("@"):
        raise BadAddress(marked("no @ and domain"))
    if rest.endswith(".") and not rest.endswith(".."):
        rest, text = rest[:-1], text[:-1]
    domain = rest[1:]
    if len(domain) > MAX_DOMAIN or not (_DOMAIN.fullmatch(domain) or _LITERAL.fullmatch(domain)):
        raise BadAddress(marked("the part after the @ is not a valid domain"))
    if not domain.isascii():
        try:
            domain = ascii_domain(domain)
        except ValueError:
            raise BadAddress(marked("the part after the @ is not a valid domain")) from None
    return Address(local, domain.lower(), text)


def ascii_domain(name: str) -> str:
    """Returns a domain name with A-labels (IDNA 2008: RFC 5890, RFC 5891; mapped as UTS 46 says). Raises ValueError."""
    if len(name) > MAX_DOMAIN:  # a signature or a From field may name anything, and the mapping takes its time
        raise UnicodeError("too long for a domain name")
    return idna.encode(name, uts46=True, transitional=False).decode("ascii")


def domain_key(name: str) -> str:
    """Returns the text by which domain names are compared: lower case, A-labels, no dot at the end. What is no domain
    name comes back in lower case."""
    with suppress(ValueError):
        name = name if name.isascii() else ascii_domain(name)
    return name.removesuffix(".").lower()


def quote(local: str) -> str:
    """Returns a local part as it is written in an address: in quotes where it needs them (RFC 5321 §4.1.2)."""
    if _DOT_STRING.fullmatch(local):
        return local
    return '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
