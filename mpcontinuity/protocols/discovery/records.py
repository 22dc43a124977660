"""Records of DNS by which mail programs find this server for the addresses of a domain."""

from __future__ import annotations

from typing import Final, NamedTuple

from mpcontinuity.model import public
from mpcontinuity.model.settings import Settings
from mpcontinuity.protocols.discovery import useragent

_HTTPS: Final = 443

# RFC 6186 §3, and RFC 8314 §5.1 for what is sent by TLS from the first octet. IMAP goes before POP3.
_SERVICES: Final = {
    ("IMAP", "SSL/TLS"): ("_imaps", 0),
    ("IMAP", "STARTTLS"): ("_imap", 0),
    ("POP3", "SSL/TLS"): ("_pop3s", 10),
    ("POP3", "STARTTLS"): ("_pop3", 10),
    ("SMTP", "SSL/TLS"): ("_submissions", 0),
    ("SMTP", "STARTTLS"): ("_submission", 0),
}


class Record(NamedTuple):
    """A record of DNS: its name, its type (``SRV``, ``CNAME`` or ``TXT``), and its value as zone files have it."""

    name: str
    type: str
    value: str


def records(settings: Settings, domain: str) -> list[Record]:
    """Returns the records for a domain.

    Whoever publishes them sends mail programs here instead of to the home server. The names of CNAME records have to be
    in the certificate.
    """
    found = []
    for place in public.places(settings):
        service, priority = _SERVICES[place.protocol, place.security]
        found.append(Record(f"{service}._tcp.{domain}", "SRV", f"{priority} 1 {place.port} {place.host}."))
    host, port = public.host(settings), public.port(settings, "web")
    if port is None:
        return found
    found.append(Record(f"_autodiscover._tcp.{domain}", "SRV", f"0 1 {port} {host}."))
    if port == _HTTPS:  # where the others have no place for a port
        found.append(Record(f"autoconfig.{domain}", "CNAME", f"{host}."))
        body = useragent.document(settings)
        if body is not None:
            found.append(Record(f"ua-auto-config.{domain}", "CNAME", f"{host}."))
            found.append(Record(f"_ua-auto-config.{domain}", "TXT", useragent.record(body)))
    return found
