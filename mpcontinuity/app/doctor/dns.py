"""What the world's name servers say of us: MX, addresses, the name of our address."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.names import dns

from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.control.published import has_key, judge_mx, public_host
from mpcontinuity.model import hosts, public
from mpcontinuity.model.settings import Settings
from mpcontinuity.outbound.names import as_text, can_exist, server_name

_PORT = 53
_WITHIN = 2.0  # s for an answer
_ALTOGETHER = 15.0  # s
_NAMESERVER = re.compile(r"^\s*nameserver\s+(\S+)", re.MULTILINE)
_NO_SUCH_NAME = 3  # RCODE of RFC 1035 §4.1.1


class NoAnswer(Exception):
    """No name server answered, or those that did could not tell."""


class Resolver:
    """Asks one name server after the other, for some seconds altogether. It blocks: `doctor` has no reactor to ask
    with.
    """

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = [hosts.split(server, _PORT) for server in servers]
        self._until = time.monotonic() + _ALTOGETHER
        self._number = 0

    def ask(self, name: str, kind: int) -> list[Any]:
        """Returns the payloads of the records of that kind (a number of RFC 1035 §3.2.2); none where there is no such
        name. Raises NoAnswer.
        """
        asked = server_name(name)
        if asked is None or (name and not can_exist(name)):  # the root is asked for, too
            return []
        self._number += 1
        query = dns.Message(id=self._number, recDes=1)
        query.addQuery(asked, kind)
        for host, port in self._servers:
            answer = self._exchange(host, port, query.toStr())
            if answer is not None and (answer.rCode in (dns.OK, _NO_SUCH_NAME)):
                return [record.payload for record in answer.answers if record.type == kind]
        raise NoAnswer

    def addresses(self, name: str) -> set[str]:
        """Returns all addresses of the name. Raises NoAnswer."""
        found = {payload.dottedQuad() for payload in self.ask(name, dns.A)}
        return found | {str(ip_address(payload.address)) for payload in self.ask(name, dns.AAAA)}

    def _exchange(self, host: str, port: int, query: bytes) -> Any:
        left = min(_WITHIN, self._until - time.monotonic())
        if left <= 0:
            return None
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as exchange:
                exchange.settimeout(left)
                exchange.connect((host, port))
                exchange.send(query)
                answer = dns.Message()
                answer.fromStr(exchange.recv(4096))
        except (OSError, EOFError, ValueError):
            return None
        return answer if answer.id == self._number else None


def examine(
    settings: Settings, domains: Sequence[tuple[str, Sequence[str]]], keys: Sequence[Mapping[str, str]] = ()
) -> Iterator[Finding]:
    """Gives findings about what DNS says of this server and its domains; each is at most a warning.

    ``domains`` are names with their home servers (``host:port``), ``keys`` are records as `domain dkim` shows them.
    """
    yield from _ours(settings, domains)
    yield from _keys(settings, keys)


def _keys(settings: Settings, keys: Sequence[Mapping[str, str]]) -> Iterator[Finding]:
    """Whether others can verify what we sign."""
    resolver = Resolver(settings.outbound.resolvers or system_servers())
    for record in keys:
        name = record["name"]
        advice = f"publish the record that `mpcontinuity domain dkim {name.partition('._domainkey.')[2]}` prints"
        try:
            published = [b"".join(payload.data).decode("latin-1") for payload in resolver.ask(name, dns.TXT)]
        except NoAnswer:
            yield Finding("DNS", "warning", f"no name server answers about {name}", "check outbound.resolvers")
            return
        if has_key(published, record["value"]):
            yield Finding("DNS", "good", f"{name} has our key")
        elif published:
            yield Finding("DNS", "warning", f"{name} has another key than ours", advice)
        else:
            yield Finding("DNS", "warning", f"{name} has no key: what we sign cannot be verified", advice)


def _ours(settings: Settings, domains: Sequence[tuple[str, Sequence[str]]]) -> Iterator[Finding]:
    name = public_host(settings)
    if not name:
        if domains:
            text = f"hostname is {public.host(settings)}: nobody in the world can find this server"
            yield Finding("DNS", "warning", text, "set hostname to the name that your MX record points to")
        return
    resolver = Resolver(settings.outbound.resolvers or system_servers())
    try:
        ours = resolver.addresses(name)
        yield _host(name, ours)
        yield from _reverse(resolver, name, ours)
        for domain, homes in domains:
            yield from _mx(resolver, domain, homes, name, ours)
    except NoAnswer:
        text = "no name server answers"
        yield Finding("DNS", "warning", text, "check outbound.resolvers or /etc/resolv.conf, and the firewall")


def system_servers(path: Path = Path("/etc/resolv.conf")) -> list[str]:
    """Returns the name servers of the machine; an IPv6 address is in brackets."""
    try:
        found = _NAMESERVER.findall(path.read_text())
    except OSError:
        return []
    return [f"[{server}]" if ":" in server else server for server in found if "%" not in server]


def _host(name: str, ours: set[str]) -> Finding:
    if not ours:
        return Finding("DNS", "warning", f"{name} has no address", "add an A or AAAA record")
    return Finding("DNS", "good", f"{name} is {', '.join(sorted(ours))}")


def _reverse(resolver: Resolver, name: str, ours: set[str]) -> Iterator[Finding]:
    """Many servers take no mail from an address whose name does not lead back to it."""
    for address in sorted(ours):
        found = resolver.ask(ip_address(address).reverse_pointer, dns.PTR)
        names = [as_text(payload.name.name) for payload in found]
        if name.lower() in names:
            yield Finding("DNS", "good", f"{address} is {name}")
        else:
            said = f"is {', '.join(names)}" if names else "has no name"
            text = f"{address} {said}, not {name}"
            yield Finding("DNS", "warning", text, "set its PTR record with whoever gave you the address")


def _mx(resolver: Resolver, domain: str, homes: Sequence[str], name: str, ours: set[str]) -> Iterator[Finding]:
    records = sorted(resolver.ask(domain, dns.MX), key=lambda payload: payload.preference)
    targets = [as_text(payload.name.name) for payload in records]
    us = [target for target in targets if target == name.lower() or ours & resolver.addresses(target)]
    state, note = judge_mx(targets, us, homes, name)
    if state == "right":
        yield Finding(domain, "good", f"its MX is {', '.join(targets)}")
    elif state == "missing":
        yield Finding(domain, "warning", "has no MX record", f"add one that points to {name}")
    elif us:
        yield Finding(domain, "warning", f"its MX {note}", f"leave {name} alone in the MX")
    else:
        yield Finding(domain, "warning", f"its MX is {', '.join(targets)}, not {name}", note)
