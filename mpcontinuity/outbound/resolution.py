"""Where mail for a domain goes (RFC 5321 §5): to its MX hosts, or to its address where it has none.

DNS is asked each time that no answer is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Protocol

import msgspec
from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredList
from twisted.names import client, dns
from twisted.names.error import DNSNameError, DNSQueryTimeoutError, DNSServerError, DomainError

from mpcontinuity.model import hosts
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.names import as_text, can_exist

# RFC 1034 §3.6.2 forbids none and means one; resolvers that are fed with circles must not keep us.
ALIASES = 8
# Of one domain: more are not tried, and not asked for addresses.
_MOST_EXCHANGES = 20
_MOST_ADDRESSES = 10
_REMEMBERED = 10_000  # domains
_REMEMBERED_FOR = 300.0  # seconds at most; DNS servers behind us keep what may be kept longer

_TIMEOUTS: tuple[int, ...] = (2, 4, 8)  # seconds, of each question

_TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1: a router on the way makes it the IPv4 address at its end
# RFC 4291 §2.5.5.1, which nobody uses, and RFC 8215, which is for one's own network; and what IANA's registries of
# special addresses say is not for everybody, where this Python takes it for global: IPv4 at the end of a translator
# (SIIT), documentation, segment identifiers; protocols of one link, and the relays of 6to4, which are gone.
_NOT_GLOBAL = (
    *(IPv6Network("::/96"), IPv6Network("64:ff9b:1::/48")),
    *(IPv6Network("0:0:0:0:ffff::/96"), IPv6Network("3fff::/20"), IPv6Network("5f00::/16")),
    *(IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24")),
)


class Exchange(msgspec.Struct, frozen=True):
    """A host to be tried, by all its addresses; ``name`` is without a dot at its end."""

    name: str
    addresses: tuple[str, ...]


class Exchanges(msgspec.Struct, frozen=True):
    """The hosts of a domain, in the order in which they are tried."""

    hosts: tuple[Exchange, ...]


class Unresolved(msgspec.Struct, frozen=True):
    """Why there is no host. ``permanent``: that is to be reported now; else the message is kept and tried again.
    ``enhanced`` is a code as RFC 3463 has it."""

    permanent: bool
    enhanced: str
    reason: str


class Questions(Protocol):
    """What is asked of DNS, as `twisted.names.client.Resolver` does it.

    Each answer is the records of the answer, the authority and the additional section.
    """

    def lookupMailExchange(self, name: str, timeout: Sequence[int]) -> Deferred[Any]: ...  # noqa: N802

    def lookupAddress(self, name: str, timeout: Sequence[int]) -> Deferred[Any]: ...  # noqa: N802

    def lookupIPV6Address(self, name: str, timeout: Sequence[int]) -> Deferred[Any]: ...  # noqa: N802


def questions(servers: Sequence[str], reactor: Any) -> Questions:
    """Returns what asks ``[outbound] resolvers``, or those of the system."""
    resolver: Any = client.Resolver
    asked: Questions = (
        resolver(servers=[hosts.split(server, dns.PORT) for server in servers], reactor=reactor)
        if servers
        else resolver(resolv="/etc/resolv.conf", reactor=reactor)
    )
    return asked


class Resolution:
    """Finds the hosts of domains, and remembers them for as long as DNS says.

    ``shuffle`` puts equal preferences into any order (RFC 5321 §5.1). ``hostname`` is ours: no MX from there on is
    tried. ``allow_private``: addresses that no stranger could mean are used too.
    """

    def __init__(
        self,
        asked: Questions,
        *,
        hostname: str,
        allow_private: bool,
        timer: Timer,
        shuffle: Callable[[list[Any]], None],
    ) -> None:
        self._asked = asked
        self._hostname = hostname.lower()
        self._allow_private = allow_private
        self._timer = timer
        self._shuffle = shuffle
        self._remembered: dict[str, tuple[float, Exchanges]] = {}

    async def exchanges(self, domain: str) -> Exchanges | Unresolved:
        """Returns the hosts of ``domain``, which is in lower case and A-labels, or an address literal,
        ``[192.0.2.1]``."""
        if domain.startswith("["):
            return self._literal(domain)
        until, known = self._remembered.get(domain, (0.0, None))
        if known is not None and until > self._timer.seconds():
            return known
        found = await self._resolve(domain)
        if isinstance(found, Exchanges):
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[domain] = (self._timer.seconds() + _REMEMBERED_FOR, found)
        return found

    def forget(self, domain: str) -> None:
        """Forgets the hosts of a domain: all of them failed, and perhaps it has others now."""
        self._remembered.pop(domain, None)

    def forget_all(self) -> None:
        """Forgets the hosts of all domains."""
        self._remembered.clear()

    async def _resolve(self, domain: str) -> Exchanges | Unresolved:
        found = await self._ask(self._asked.lookupMailExchange, domain, dns.MX)
        if isinstance(found, Unresolved):
            return found
        preferences = sorted(((int(each.preference), as_text(each.name.name)) for each in found), key=_first)
        if not preferences:
            return await self._with_addresses(domain, [domain])
        if any(not name for _, name in preferences):
            if len(preferences) == 1:  # RFC 7505
                return Unresolved(True, "5.1.10", f"{domain} takes no mail: its MX is null")
            preferences = [(preference, name) for preference, name in preferences if name]
        names = self._order(preferences)
        if not names:
            return Unresolved(True, "5.4.6", f"the MX of {domain} is this server, which is not responsible for it")
        return await self._with_addresses(domain, names[:_MOST_EXCHANGES])

    def _order(self, preferences: list[tuple[int, str]]) -> list[str]:
        """Equal ones in any order; from our own on none (RFC 5321 §5.1: they could only send it back)."""
        ours = [preference for preference, name in preferences if name == self._hostname]
        if ours:
            preferences = [(preference, name) for preference, name in preferences if preference < min(ours)]
        self._shuffle(preferences)
        names = [name for _, name in sorted(preferences, key=_first)]
        return list(dict.fromkeys(names))

    async def _with_addresses(self, domain: str, names: Sequence[str]) -> Exchanges | Unresolved:
        """Hosts without addresses are left out; when none is left, the first one's failure tells why."""
        asked: Deferred[list[tuple[bool, Any]]] = DeferredList(
            [Deferred.fromCoroutine(self._addresses(name)) for name in names], consumeErrors=True
        )
        usable = []
        failures = []
        for name, (_, addresses) in zip(names, await asked, strict=True):
            if isinstance(addresses, Unresolved):
                failures.append(addresses)
            else:
                usable.append(Exchange(name, addresses))
        if usable:
            return Exchanges(tuple(usable))
        temporary = [failure for failure in failures if not failure.permanent]
        return temporary[0] if temporary else failures[0]

    async def _addresses(self, name: str) -> tuple[str, ...] | Unresolved:
        both: list[tuple[bool, Any]] = await DeferredList(
            [
                Deferred.fromCoroutine(self._ask(self._asked.lookupIPV6Address, name, dns.AAAA)),
                Deferred.fromCoroutine(self._ask(self._asked.lookupAddress, name, dns.A)),
            ]
        )
        addresses: list[str] = []
        failures = []
        for _, found in both:
            if isinstance(found, Unresolved):
                failures.append(found)
            else:
                addresses += [str(ip_address(record.address)) for record in found]
        usable = [address for address in addresses if self._allow_private or is_public(ip_address(address))]
        if usable:
            return tuple(usable[:_MOST_ADDRESSES])
        if addresses:
            return Unresolved(False, "4.4.4", f"{name} has private addresses only: {', '.join(addresses[:3])}")
        temporary = [failure for failure in failures if not failure.permanent]
        if temporary:
            return temporary[0]
        return failures[0] if failures else Unresolved(True, "5.4.4", f"{name} has no address")

    async def _ask(self, question: Callable[..., Deferred[Any]], name: str, kind: int) -> list[Any] | Unresolved:
        """Payloads of that kind. Servers that name an alias without what stands behind it are asked for that, too: to
        take it for nothing would return mail that can be delivered."""
        for _ in range(ALIASES):
            if not can_exist(name):
                return Unresolved(True, "5.1.2", f"{name} does not exist")
            try:
                answer, _, _ = await question(name, _TIMEOUTS)
            except DNSNameError:
                return Unresolved(True, "5.1.2", f"{name} does not exist")
            except (DNSServerError, DomainError) as error:
                return Unresolved(False, "4.4.3", f"DNS cannot tell about {name}: {_why(error)}")
            except Exception as error:  # timeouts have classes of several modules; a broken answer raises anything
                return Unresolved(False, "4.4.3", f"DNS did not answer about {name}: {_why(error)}")
            found, end = follow(name, answer, kind), end_of(name, answer)
            if found or end == name:
                return found
            name = end
        return []

    def _literal(self, domain: str) -> Exchanges | Unresolved:
        """RFC 5321 §4.1.3."""
        try:
            address = ip_address(domain.strip("[]").removeprefix("IPv6:").removeprefix("ipv6:"))
        except ValueError:
            return Unresolved(True, "5.1.2", f"{domain} is no address")
        if not self._allow_private and not is_public(address):
            return Unresolved(True, "5.4.4", f"{domain} is a private address")
        return Exchanges((Exchange(domain, (str(address),)),))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Returns whether a stranger could mean the address.

    An IPv4 address inside an IPv6 one counts, whoever takes it out on the way: otherwise any DNS could send us to hosts
    behind our own translator or tunnel.
    """
    if any(address in network for network in _NOT_GLOBAL):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    inner = address.ipv4_mapped or address.sixtofour
    if address in _TRANSLATED:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_site_local)


def follow(name: str, records: Sequence[Any], kind: int) -> list[Any]:
    """Returns the payloads of that kind which belong to ``name``, through its aliases; what else is there is not
    believed."""
    wanted = name.lower()
    for _ in range(ALIASES):
        found = [record.payload for record in records if record.type == kind and _named(record) == wanted]
        alias = _alias(wanted, records)
        if found or not alias:
            return found
        wanted = alias
    return []


def end_of(name: str, records: Sequence[Any]) -> str:
    """Returns what ``name`` is an alias of, as far as the records tell; itself, if they tell nothing."""
    for _ in range(ALIASES):
        name = _alias(name, records) or name
    return name


def _alias(name: str, records: Sequence[Any]) -> str:
    found = [record.payload for record in records if record.type == dns.CNAME and _named(record) == name]
    return as_text(found[0].name.name) if found else ""


def _named(record: Any) -> str:
    return as_text(record.name.name)


def _first(item: tuple[int, str]) -> int:
    return item[0]


def _why(error: BaseException) -> str:
    if isinstance(
        error, (defer.TimeoutError, DNSQueryTimeoutError)
    ):  # its text is the questions, as Python writes objects
        return "no answer in time"
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
