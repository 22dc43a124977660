"""What the checks ask of DNS. Answers are remembered for a while, since the same senders come again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol

from mpcontinuity.model.timer import Timer

Ip = IPv4Address | IPv6Address

_REMEMBERED = 5000
_LARGE = 2048  # characters of an answer that is asked for again each time, so that all of them have some MiB
_LONGEST_NAME = 253
_REMEMBERED_FOR = 300.0  # seconds; records change more rarely, and the resolver behind us knows for how long
_NOTHING_FOR = 30.0  # that there is none: it may be published just now


class Dns(Protocol):
    """Looks names up, as outbound.lookup.Lookup does.

    The answer is an empty list where there is no such name or record. Every method raises NoAnswer where DNS does not
    tell.
    """

    async def texts(self, name: str) -> list[str]:
        """Returns the TXT records of a name."""
        ...

    async def addresses(self, name: str, *, version: int) -> list[Ip]:
        """Returns the addresses of a name, A records for ``version`` 4 and AAAA records for 6."""
        ...

    async def exchanges(self, name: str) -> list[str]:
        """Returns the names of the hosts in the MX records of a name, the preferred ones first."""
        ...

    async def names(self, address: Ip) -> list[str]:
        """Returns the names that the PTR records of an address have."""
        ...


class Remembering:
    """Looks names up and remembers the answers, but not failures. It lives in the reactor thread."""

    def __init__(self, dns: Dns, timer: Timer) -> None:
        self._dns = dns
        self._timer = timer
        self._known: OrderedDict[tuple[Any, ...], tuple[float, list[Any]]] = OrderedDict()

    async def texts(self, name: str) -> list[str]:
        return await self._ask(("TXT", name), lambda: self._dns.texts(name))

    async def addresses(self, name: str, *, version: int) -> list[Ip]:
        return await self._ask((version, name), lambda: self._dns.addresses(name, version=version))

    async def exchanges(self, name: str) -> list[str]:
        return await self._ask(("MX", name), lambda: self._dns.exchanges(name))

    async def names(self, address: Ip) -> list[str]:
        return await self._ask(("PTR", address), lambda: self._dns.names(address))

    async def _ask(self, key: tuple[Any, ...], ask: Callable[[], Awaitable[list[Any]]]) -> list[Any]:
        if len(str(key[1])) > _LONGEST_NAME:  # none, and no reason to remember it
            return []
        until, known = self._known.get(key, (0.0, []))
        if until > self._timer.seconds():
            return known
        found = await ask()
        if sum(len(each) if isinstance(each, str) else 50 for each in found) > _LARGE:
            return found
        self._known[key] = (self._timer.seconds() + (_REMEMBERED_FOR if found else _NOTHING_FOR), found)
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found
