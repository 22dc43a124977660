"""Whether mail can leave: name servers that find MX hosts, or a smarthost that answers and takes our password."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from mpcontinuity.app.doctor.dns import NoAnswer, Resolver, system_servers
from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.app.doctor.smtp import SmtpClient
from mpcontinuity.model.settings import Settings
from mpcontinuity.outbound import route

_WITHIN = 10.0  # s
_NS = 2  # RFC 1035 §3.2.2
_HIDDEN = "…"  # instead of a password, where the command line shows a route


def examine(settings: Settings, own: Mapping[str, str]) -> Iterator[Finding]:
    """Gives findings about how mail can leave; each is at most a warning. ``own`` are the domains that have a route of
    their own, with it.
    """
    ways: dict[str, str] = {settings.outbound.route: "[outbound] route"}
    for domain, text in own.items():
        ways.setdefault(text, f"outbound-route of {domain}")
    routes = [(route.parse(text), name) for text, name in ways.items()]
    if any(not way.host for way, _ in routes):
        yield _resolvers(settings)
    for way, name in routes:
        if way.host:
            yield _smarthost(settings, way, name)


def _resolvers(settings: Settings) -> Finding:
    servers = settings.outbound.resolvers or system_servers()
    try:
        Resolver(servers).ask("", _NS)  # of the root
    except NoAnswer:
        asked = ", ".join(servers) or "none in /etc/resolv.conf"
        advice = "check outbound.resolvers or /etc/resolv.conf, and the firewall; until then mail to the world waits"
        return Finding("outbound", "warning", f"no name server answers ({asked})", advice)
    return Finding("outbound", "good", f"name servers answer; mail goes to MX hosts, port {settings.outbound.port}")


def _smarthost(settings: Settings, way: route.Route, name: str) -> Finding:
    # As dispatch does: encrypted whoever it is, unless the route asks for more.
    tls = ssl.create_default_context() if way.security.tls == "verify" else ssl._create_unverified_context()
    client = SmtpClient(_WITHIN, tls if way.security.implicit else None)
    try:
        code, text = client.connect(way.host, way.port)
        if code == 220:
            code, text = client.ehlo(settings.hostname)
        if not 200 <= code < 300:
            said = text.decode("utf-8", "replace").split("\n")[0]
            return _fault(way, name, f"answered {code} {said}", "let it accept this server")
        return _greeted(client, way, name, tls)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return _fault(way, name, str(why), "check the route, the firewall, and that it runs")
    finally:
        client.close()


def _greeted(client: SmtpClient, way: route.Route, name: str, tls: ssl.SSLContext) -> Finding:
    if way.security.implicit:
        pass
    elif client.has_extn("starttls"):
        client.starttls(context=tls)
        client.ehlo()
    elif way.security.tls in ("required", "verify"):
        return _fault(way, name, "does not offer STARTTLS, which the route demands", "give it a certificate")
    elif way.security.login is not None and not _here(client):
        return _fault(way, name, "does not offer STARTTLS, and no password is sent without", "give it a certificate")
    if way.security.login is None or way.security.login[1] == _HIDDEN:
        return Finding("outbound", "good", f"{name}: {way.shown} answers to EHLO")
    try:
        client.login(*way.security.login)
    except smtplib.SMTPException as error:
        return _fault(way, name, f"does not let us log in: {error}", "correct name and password in the route")
    return Finding("outbound", "good", f"{name}: {way.shown} lets us log in")


def _here(client: SmtpClient) -> bool:
    """On this machine, where a password may go in the clear."""
    return client.sock is not None and ip_address(client.sock.getpeername()[0]).is_loopback


def _fault(way: route.Route, name: str, what: str, advice: str) -> Finding:
    return Finding("outbound", "warning", f"{name}: {way.shown} {what}; mail to the world waits", advice)
