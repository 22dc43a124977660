"""What DNS says of a name, beside where mail for it goes: keys, policies, addresses."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.names import dns
from twisted.names.error import DNSNameError

from mpcontinuity.model.address import ascii_domain
from mpcontinuity.outbound.names import as_text, can_exist
from mpcontinuity.outbound.resolution import ALIASES, end_of, follow

_TIMEOUTS: Sequence[int] = (1, 3)  # seconds, of each question: what is asked here has a deadline of its own

# What an answer may have. A message of DNS has 64 KiB at most; some domains publish 100 texts for as many services,
# and none needs one of more than some 2,000 characters.
_MOST_RECORDS = 250
_LONGEST_TEXT = 8192
_TLSA = 52  # RFC 6698 §7.1; Twisted has no name for it


class NoAnswer(Exception):
    """DNS cannot tell now. The text says about what."""


class Asked(Protocol):
    """What is used of `twisted.names.client.Resolver`."""

    def query(self, query: Any, timeout: Sequence[int]) -> Deferred[Any]: ...


class Lookup:
    """Asks DNS. Every method returns an empty list where there is no such name, or no such record; raises NoAnswer."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    async def texts(self, name: str) -> list[str]:
        """Returns TXT records, each in one piece; octets that are no ASCII stand for themselves (Latin-1)."""
        texts = [b"".join(record.data).decode("latin-1") for record in await self._records(name, dns.TXT)]
        if any(len(text) > _LONGEST_TEXT for text in texts):
            raise NoAnswer(f"a text of {name} is too long")
        return texts

    async def addresses(self, name: str, *, version: int) -> list[IPv4Address | IPv6Address]:
        """Returns the addresses of a name, for version 4 or 6 of IP."""
        records = await self._records(name, dns.A if version == 4 else dns.AAAA)
        return [ip_address(record.address) for record in records]

    async def exchanges(self, name: str) -> list[str]:
        """Returns the names of MX records, by preference."""
        records = sorted(await self._records(name, dns.MX), key=_preference)
        return [as_text(record.name.name) for record in records]

    async def services(self, name: str) -> list[tuple[str, int]]:
        """Returns host and port of SRV records (RFC 2782), the preferred ones first."""
        records = sorted(await self._records(name, dns.SRV), key=lambda record: int(record.priority))
        return [(as_text(record.target.name), int(record.port)) for record in records]

    async def associations(self, name: str) -> list[bytes]:
        """Returns TLSA records, each as its octets: three numbers of one octet, and the data (RFC 6698 §2.1)."""
        return [bytes(record.data) for record in await self._records(name, _TLSA)]

    async def names(self, address: IPv4Address | IPv6Address) -> list[str]:
        """Returns the names of PTR records."""
        records = await self._records(address.reverse_pointer, dns.PTR)
        return [as_text(record.name.name) for record in records]

    async def _records(self, name: str, kind: int) -> list[Any]:
        """Also where a server tells an alias without what stands behind it, as in `Resolution`."""
        try:
            name = (name if name.isascii() else ascii_domain(name)).rstrip(".").lower()
        except UnicodeError:
            return []
        for _ in range(ALIASES):
            if not can_exist(name):
                return []
            answer = await self._ask(name, kind)
            found, end = follow(name, answer, kind), end_of(name, answer)
            if found or end == name:
                return found
            name = end
        return []

    async def _ask(self, name: str, kind: int) -> list[Any]:
        try:
            answer, _, _ = await self._asked.query(dns.Query(name.encode("ascii"), kind), _TIMEOUTS)
        except DNSNameError:
            return []
        except Exception as error:  # timeouts have classes of several modules; a broken answer raises anything
            raise NoAnswer(f"DNS does not tell about {name}") from error
        if len(answer) > _MOST_RECORDS:
            raise NoAnswer(f"{name} has too many records")
        return list(answer)


def _preference(record: Any) -> int:
    return int(record.preference)
