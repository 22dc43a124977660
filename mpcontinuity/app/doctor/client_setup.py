"""Whether mail programs find this server for the addresses of a domain, by DNS (RFC 6186), or what they would need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twisted.names import dns

from mpcontinuity.app.doctor.dns import NoAnswer, Resolver, system_servers
from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.control.published import public_host
from mpcontinuity.model import public
from mpcontinuity.model.settings import Settings
from mpcontinuity.outbound.names import as_text
from mpcontinuity.protocols.discovery.records import Record, records


def examine(settings: Settings, domains: Sequence[str]) -> Iterator[Finding]:
    """Gives a finding for each domain. To publish nothing is no fault: then mail programs are set up for the home
    server, and those who use this one are told of it. What leads here and to a wrong place is one.
    """
    host = public.host(settings)
    if not public_host(settings):
        return
    resolver = Resolver(settings.outbound.resolvers or system_servers())
    try:
        ours = resolver.addresses(host)
        for domain in domains:
            yield from _domain(resolver, settings, domain, ours)
    except NoAnswer:
        return  # dns.py has said so


def _domain(resolver: Resolver, settings: Settings, domain: str, ours: set[str]) -> Iterator[Finding]:
    wanted = records(settings, domain)
    right: list[Record] = []
    wrong: list[Record] = []
    for record in wanted:
        said = _said(resolver, record, ours, public.host(settings))
        if said is not None:
            (right if said else wrong).append(record)
    for record in wrong:
        text = f"{record.name} leads mail programs here, and to a wrong place"
        yield Finding(domain, "warning", text, f"publish {_line(record)}")
    missing = [record for record in wanted if record not in right and record not in wrong]
    if right:
        yield Finding(domain, "good", f"mail programs find this server by {', '.join(each.name for each in right)}")
    if missing:
        begin = "more of them would find it by" if right or wrong else "mail programs would find this server by"
        yield Finding(domain, "good", f"{begin} {'; '.join(map(_line, missing))}")


def _said(resolver: Resolver, record: Record, ours: set[str], host: str) -> bool | None:
    """Whether DNS has it; None where there is nothing that leads here."""
    if record.type == "SRV":
        found = [payload for payload in resolver.ask(record.name, dns.SRV) if _target(payload) == host.lower()]
        return any(str(payload.port) == record.value.split()[2] for payload in found) if found else None
    if record.type == "CNAME":
        return True if ours & resolver.addresses(record.name) else None
    texts = [b"".join(payload.data).decode("latin-1") for payload in resolver.ask(record.name, dns.TXT)]
    return record.value in texts if texts else None


def _target(payload: dns.Record_SRV) -> str:
    return as_text(payload.target.name).lower()


def _line(record: Record) -> str:
    """As it stands in a zone file."""
    value = f'"{record.value}"' if record.type == "TXT" else record.value
    return f"{record.name}. {record.type} {value}"
