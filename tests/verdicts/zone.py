"""DNS as a dictionary."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.internet.defer import Deferred

from mpcontinuity.outbound.lookup import NoAnswer
from mpcontinuity.verdicts.dns import Ip


class FakeDns:
    """``txt`` by name; what is in ``broken`` is not answered, and with ``silent`` nothing ever is."""

    def __init__(self, **txt: str) -> None:
        self.txt: dict[str, list[str]] = {name: [text] for name, text in txt.items()}
        self.a: dict[str, list[str]] = {}
        self.broken: set[str] = set()
        self.silent = False
        self.asked: list[str] = []

    async def _ask(self, name: str) -> None:
        self.asked.append(name)
        if self.silent:
            never: Deferred[None] = Deferred()
            await never
        if name in self.broken:
            raise NoAnswer(name)

    async def texts(self, name: str) -> list[str]:
        await self._ask(name)
        return self.txt.get(name, [])

    async def addresses(self, name: str, *, version: int) -> list[Ip]:
        await self._ask(name)
        return [ip_address(text) for text in self.a.get(name, []) if ip_address(text).version == version]

    async def exchanges(self, name: str) -> list[str]:
        await self._ask(name)
        return []

    async def names(self, address: Ip) -> list[str]:
        await self._ask(str(address))
        return []
