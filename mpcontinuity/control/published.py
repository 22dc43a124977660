"""What DNS is to say of a domain, each record with what it says now: ``domain dns``.

What is judged here without asking anybody is what `doctor` judges by, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore

from mpcontinuity.accounts import domains
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.control import dkim as keys
from mpcontinuity.control import mta_sts
from mpcontinuity.control.domain_settings import HOME_PORT
from mpcontinuity.control.operation import Control
from mpcontinuity.message import dkim
from mpcontinuity.model import hosts, public
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.settings import Settings
from mpcontinuity.outbound import route
from mpcontinuity.outbound.https import HttpsClient
from mpcontinuity.outbound.lookup import Lookup, NoAnswer
from mpcontinuity.protocols.discovery.records import Record, records
from mpcontinuity.verdicts.spf import NONE, PASS, SpfCheck

Ip = IPv4Address | IPv6Address
Need = Literal["needed", "advised", "optional"]
Look = Callable[[], Coroutine[Deferred[Any], Any, "DnsRow | None"]]
State = Literal["right", "missing", "different", "unknown"]

WITHIN = 10 * SECOND  # µs, after which no more is asked: somebody waits for the page
MOST_QUESTIONS = 100  # of one call: SPF may lead to some 30 for each address, all else needs as many
_AT_ONCE = 8  # records that are looked at
_MOST_TARGETS = 5  # of an MX, whose addresses are asked for
_MOST_ADDRESSES = 4  # of this server, for which SPF is judged
_MOST_PARENTS = 4  # names above the domain that may have its DMARC policy (RFC 9989 §4.10)
_MOST_FOUND = 5  # records that are shown
_LONGEST_FOUND = 500  # characters of one
_LOCAL = ("localhost", "localhost.localdomain")
# RFC 6698 §7: the certificate is named (DANE-EE), of which the key alone is compared, by its SHA-256.
_DANE = bytes([3, 1, 1])


class DnsRow(msgspec.Struct, frozen=True):
    """A record that is to be published.

    ``what`` it is for, as MX or SPF. ``value`` is what web forms of DNS providers ask for, and ``zone`` the line of a
    zone file; both are empty where there is nothing to publish yet. ``state`` is what DNS was seen to have just now:
    ``unknown`` where it did not tell. ``found`` is what is there of that kind, and ``note`` says what to mind.
    """

    what: str
    name: str
    type: str
    value: str
    zone: str
    need: Need
    state: State
    found: list[str]
    note: str


class DomainDns(msgspec.Struct, frozen=True):
    """What DNS is to say of a domain. ``host`` is the name by which the world knows this server."""

    domain: str
    host: str
    records: list[DnsRow]


class _Seen(msgspec.Struct, frozen=True):
    """What was found of a record."""

    state: State
    found: Sequence[str] = ()
    note: str = ""


async def show(control: Control, name: str) -> DomainDns:
    """Returns the records that a domain is to have, each with what DNS has now.

    It asks DNS for at most 10 seconds, and what it has no answer to by then is ``unknown``. One file is asked for by
    HTTPS, for 5 seconds more: the policy of MTA-STS, where DNS says that there is one. Raises Refused for a domain
    that is not here, where no server runs, and where this server has no name in the world.
    """
    lookup = control.lookup()
    if lookup is None:
        raise Refused("only a running server can ask DNS", "conflict", Hint("serve", "starts it"))
    settings = control.settings
    host = public_host(settings)
    if not host:
        raise Refused(
            f"hostname is {settings.hostname}: nobody in the world can find this server; set hostname, or host of "
            "[public], in its configuration to the name that the MX is to have",
            "conflict",
        )
    domain = await control.store.read(partial(domains.known, name=name))
    signing = await keys.show(control, domain.name)
    key_hash = await control.compute(partial(_key_hash, settings.tls.certificate))
    asking = _Asking(lookup, control)
    work = _Records(asking, settings, domain, host, signing.records, key_hash, control.https())
    found = await _looked_up(work.all())
    return DomainDns(domain.name, host, [row for row in found if row is not None])


def public_host(settings: Settings) -> str:
    """Returns the name by which the world knows this server; empty where it has none."""
    name = public.host(settings).lower()
    return "" if name in _LOCAL or name.startswith("[") else name


# What is judged


def judge_mx(targets: Sequence[str], ours: Iterable[str], homes: Sequence[str], host: str) -> tuple[State, str]:
    """Judges the targets of MX records, of which ``ours`` lead here. ``homes`` are home servers as ``host:port``.

    Returns the state, and what is wrong or to be minded. A home server beside us gets mail past us, which nobody keeps
    in an outage.
    """
    if not targets:
        return "missing", f"mail does not come here until an MX record points to {host}"
    home_hosts = {hosts.split(home, HOME_PORT)[0].lower() for home in homes}
    past = [target for target in targets if target in home_hosts]
    if not list(ours):
        return "different", f"mail does not come here until an MX record points to {host}"
    if past:
        return "different", f"names the home server {', '.join(past)} too: what is sent there is not kept in an outage"
    return "right", ""


def has_key(published: Sequence[str], ours: str) -> bool:
    """Says whether one of the texts has the key of our DKIM record: other tags are the administrator's business."""
    return any(_same_key(text, ours) for text in published)


def _same_key(published: str, ours: str) -> bool:
    try:
        return "".join(dkim.tags(published).get("p", "").split()) == dkim.tags(ours)["p"]
    except dkim.BadSignature:
        return False


# What is asked


class _Asking:
    """Asks DNS so often and for so long only, and raises NoAnswer then. It is a `verdicts.dns.Dns`."""

    def __init__(self, lookup: Lookup, control: Control) -> None:
        self._lookup = lookup
        self._clock = control.store.clock
        self._until = self._clock.now() + WITHIN
        self._left = MOST_QUESTIONS

    async def texts(self, name: str) -> list[str]:
        self._count()
        return await self._lookup.texts(name)

    async def addresses(self, name: str, *, version: int) -> list[Ip]:
        self._count()
        return await self._lookup.addresses(name, version=version)

    async def exchanges(self, name: str) -> list[str]:
        self._count()
        return await self._lookup.exchanges(name)

    async def names(self, address: Ip) -> list[str]:
        self._count()
        return await self._lookup.names(address)

    async def services(self, name: str) -> list[tuple[str, int]]:
        self._count()
        return await self._lookup.services(name)

    async def associations(self, name: str) -> list[bytes]:
        self._count()
        return await self._lookup.associations(name)

    async def all_addresses(self, name: str) -> list[Ip]:
        return [*await self.addresses(name, version=4), *await self.addresses(name, version=6)]

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0 or self._clock.now() > self._until:
            raise NoAnswer("DNS takes too long")


class _Records:
    """The records of one domain."""

    def __init__(
        self,
        asking: _Asking,
        settings: Settings,
        domain: Domain,
        host: str,
        signing: Sequence[keys.DkimRecord],
        key_hash: bytes,
        https: HttpsClient | None,
    ) -> None:
        self._asking = asking
        self._https = https
        self._settings = settings
        self._domain = domain
        self._name = domain.name
        self._host = host
        self._signing = signing
        self._key_hash = key_hash

    def all(self) -> list[Look]:
        """Returns what finds out about each, in the order in which they are shown."""
        return [
            self._address,
            self._mx,
            self._spf,
            *(partial(self._dkim, record) for record in self._signing),
            *([] if self._signing else [self._unsigned]),
            self._dmarc,
            *(partial(self._client, record) for record in records(self._settings, self._name)),
            self._mta_sts,
            self._dane,
        ]

    async def _address(self) -> DnsRow:
        async def look() -> _Seen:
            found = [str(ip) for ip in await self._asking.all_addresses(self._host)]
            if found:
                return _Seen("right", found)
            return _Seen("missing", (), "no mail comes here, whatever the MX says, until this name has an address")

        return await self._row("address", self._host, "A", "", "needed", look)

    async def _mx(self) -> DnsRow:
        async def look() -> _Seen:
            targets = await self._asking.exchanges(self._name)
            ours = set(await self._asking.all_addresses(self._host))
            here = [target for target in targets[:_MOST_TARGETS] if await self._leads_here(target, ours)]
            state, note = judge_mx(targets, here, self._domain.settings.home, self._host)
            others = [target for target in targets if target not in here]
            if state == "right" and others:
                note = f"mail for {', '.join(others[:_MOST_TARGETS])} does not come here"
            return _Seen(state, targets, note)

        return await self._row("MX", self._name, "MX", f"10 {self._host}.", "needed", look)

    async def _leads_here(self, target: str, ours: set[Ip]) -> bool:
        return target == self._host or not ours.isdisjoint(await self._asking.all_addresses(target))

    async def _spf(self) -> DnsRow:
        way = route.parse(self._domain.settings.outbound_route or self._settings.outbound.route)
        ours = f"a:{self._host}"
        records: list[str] = []

        async def look() -> _Seen:
            texts = await self._asking.texts(self._name)
            records.extend(text for text in texts if text.lower().startswith("v=spf1") and text[6:7] in ("", " "))
            if not records:
                return _Seen("missing", (), "add what else sends for the domain, as the home server does")
            if len(records) > 1:
                return _Seen("different", records, "there may be one SPF record alone (RFC 7208 §3.2)")
            if way.host:
                note = f"mail to the world leaves by {way.host}: whoever runs that says which include it needs"
                return _Seen("unknown", records, note)
            return await self._permitted(records)

        need: Need = "advised" if way.host else "needed"
        row = await self._row("SPF", self._name, "TXT", "", need, look)
        if way.host:
            return row
        present = records[0] if len(records) == 1 else ""
        value = present if row.state == "right" else f"v=spf1 {ours} {present[6:].strip() or '~all'}"
        return msgspec.structs.replace(row, value=value, zone=_zone(self._name, "TXT", value))

    async def _permitted(self, records: list[str]) -> _Seen:
        """Whether mail may come from each address of this server."""
        for ip in (await self._asking.all_addresses(self._host))[:_MOST_ADDRESSES]:
            said = await SpfCheck(self._asking, ip, f"postmaster@{self._name}", self._host).result(self._name)
            if said == "temperror":
                raise NoAnswer("SPF leads to names that DNS does not tell about")
            if said not in (PASS, NONE):
                return _Seen("different", records, f"mail from {ip}, this server, gets the verdict {said}")
        return _Seen("right", records)

    async def _dkim(self, record: keys.DkimRecord) -> DnsRow:
        async def look() -> _Seen:
            texts = await self._asking.texts(record.name)
            if has_key(texts, record.value):
                return _Seen("right", texts)
            if texts:
                return _Seen("different", texts, "has another key: what is signed cannot be verified")
            return _Seen("missing", (), "what is signed cannot be verified until it is there")

        row = await self._row("DKIM", record.name, "TXT", record.value, "needed", look)
        return msgspec.structs.replace(row, zone=record.zone)

    async def _unsigned(self) -> DnsRow:
        note = f"mail is not signed yet: `mpcontinuity domain dkim {self._name}` makes a key and its record"
        return DnsRow("DKIM", f"{keys.FIRST}._domainkey.{self._name}", "TXT", "", "", "advised", "missing", [], note)

    async def _dmarc(self) -> DnsRow:
        async def look() -> _Seen:
            labels = self._name.split(".")
            for start in range(min(len(labels) - 1, _MOST_PARENTS) or 1):
                name = ".".join(labels[start:])
                texts = await self._asking.texts(f"_dmarc.{name}")
                found = [text for text in texts if text.replace(" ", "").lower().startswith("v=dmarc1")]
                if len(found) > 1:
                    return _Seen("different", found, "there may be one record alone (RFC 9989 §4.10)")
                if found:
                    return _Seen("right", found, f"it is the policy of {name}" if start else "")
            return _Seen("missing", (), "begin with p=none, and raise it when the reports show nothing unexpected")

        value = f"v=DMARC1; p=none; rua=mailto:postmaster@{self._name}"
        return await self._row("DMARC", f"_dmarc.{self._name}", "TXT", value, "advised", look)

    async def _client(self, record: Record) -> DnsRow:
        """By which mail programs find this server (RFC 6186)."""

        async def look() -> _Seen:
            found, right = await self._leads(record)
            if right:
                return _Seen("right", found)
            note = "mail programs find this server by it instead of the home server: leave it out unless you want that"
            return _Seen("different" if found else "missing", found, note)

        return await self._row("mail programs", record.name, record.type, record.value, "optional", look)

    async def _leads(self, record: Record) -> tuple[list[str], bool]:
        """What is there, and whether it leads here as it should."""
        if record.type == "SRV":
            services = await self._asking.services(record.name)
            port = int(record.value.split()[2])
            return [f"{host}:{number}" for host, number in services], (self._host, port) in services
        if record.type == "TXT":
            texts = await self._asking.texts(record.name)
            return texts, record.value in texts
        ours = await self._asking.all_addresses(self._host)
        addresses = await self._asking.all_addresses(record.name)
        return [str(ip) for ip in addresses], not set(ours).isdisjoint(addresses)

    async def _mta_sts(self) -> DnsRow | None:
        """Where the domain has a policy, it must name us: else those who heed it send nothing here (RFC 8461 §4.1)."""
        name = f"_mta-sts.{self._name}"
        used: list[str] = []

        async def look() -> _Seen:
            used.extend(text for text in await self._asking.texts(name) if text.lower().startswith("v=stsv1"))
            return _Seen(*await mta_sts.judge(self._https, self._name, self._host, used)) if used else _Seen("unknown")

        row = await self._row("MTA-STS", name, "TXT", "", "needed", look)
        return row if used else None

    async def _dane(self) -> DnsRow | None:
        """Where there are TLSA records, one must be of our certificate: else those who heed them send nothing here."""
        name = f"_25._tcp.{self._host}"
        used: list[bytes] = []
        ours = _DANE + self._key_hash

        async def look() -> _Seen:
            used.extend(await self._asking.associations(name))
            shown = [_tlsa(record) for record in used]
            if ours in used:
                return _Seen("right", shown)
            return _Seen("different", shown, "no record of this kind is of our certificate; see that another one is")

        row = await self._row("TLSA", name, "TLSA", _tlsa(ours) if self._key_hash else "", "needed", look)
        return row if used else None

    async def _row(
        self, what: str, name: str, type_: str, value: str, need: Need, look: Callable[[], Awaitable[_Seen]]
    ) -> DnsRow:
        try:
            seen = await look()
        except NoAnswer as error:
            seen = _Seen("unknown", (), str(error))
        found = [text[:_LONGEST_FOUND] for text in seen.found[:_MOST_FOUND]]
        zone = _zone(name, type_, value) if value else ""
        return DnsRow(what, name, type_, value, zone, need, seen.state, found, seen.note)


async def _looked_up(work: Sequence[Look]) -> list[DnsRow | None]:
    """A few at a time; their answers in the order of ``work``."""
    slots = DeferredSemaphore(_AT_ONCE)
    begun = [slots.run(_begun, one) for one in work]
    answers: Any = await DeferredList(begun, consumeErrors=True)
    for well, value in answers:
        if not well:
            value.raiseException()
    return [value for _, value in answers]


def _begun(one: Look) -> Deferred[DnsRow | None]:
    return Deferred.fromCoroutine(one())


def _zone(name: str, type_: str, value: str) -> str:
    return f'{name}. IN {type_} "{value}"' if type_ == "TXT" else f"{name}. IN {type_} {value}"


def _tlsa(record: bytes) -> str:
    return f"{record[0]} {record[1]} {record[2]} {record[3:].hex()}" if len(record) > 3 else record.hex()


def _key_hash(path: str) -> bytes:
    """SHA-256 of our certificate's key, as TLSA has it; empty where it cannot be read."""
    try:
        certificate = x509.load_pem_x509_certificates(Path(path).read_bytes())[0]
    except (OSError, ValueError):
        return b""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(key).digest()
