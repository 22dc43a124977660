"""All checks of ``mpcontinuity doctor``, one after the other."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mpcontinuity.app.doctor import (
    client_certificates,
    client_setup,
    database,
    dns,
    home_imap,
    home_networks,
    machine,
    outbound,
    tls,
)
from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.app.doctor.smtp import SmtpClient
from mpcontinuity.app.process.refusal import why
from mpcontinuity.config.read import BadConfiguration, read
from mpcontinuity.control.client import ControlClient
from mpcontinuity.control.domain_settings import HOME_PORT
from mpcontinuity.model import hosts
from mpcontinuity.model.clock import DAY, from_iso
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.settings import Settings

_JUMPS_OF = 7 * DAY  # µs: those of the last week are told
_LOOKUP_WITHIN = 10.0  # s, for a home server whose connect_timeout is longer


def examine(path: Path, connect: Callable[[Settings], ControlClient]) -> Iterator[Finding]:
    """Gives findings as they are made. ``path`` is that of the configuration; ``connect`` reaches the store, and opens
    it where no server has it open. Nothing else is changed."""
    try:
        settings = read(path)
    except BadConfiguration as error:
        yield Finding("configuration", "wrong", str(error), "correct the file")
        return
    yield Finding("configuration", "good", str(path))
    yield from machine.examine(path, settings)
    yield from tls.examine(settings)
    yield from database.examine(settings)
    try:
        with connect(settings) as control:
            rows = control.rows("status")
            yield Finding("store", "good", f"opens, {len(rows)} domain{'' if len(rows) == 1 else 's'}")
            yield _running(control)
            yield from _clock(control)
            yield from _listeners(settings, running=control.running)
            yield from _domains(settings, control, rows)
            shown = [control.call("domain show", name=row["domain"]) for row in rows]
            yield from home_networks.examine(control, shown)
            yield from client_certificates.examine(shown)
            yield from home_imap.examine(control, shown)
            routes = {row["domain"]: row["outbound-route"] for row in shown}
            keys = [key for row in rows for key in control.call("domain dkim show", name=row["domain"])["records"]]
    except (Refused, Temporary, OSError) as error:
        yield Finding("store", "wrong", why(error))
        return
    yield from outbound.examine(settings, {domain: text for domain, text in routes.items() if text})
    yield from dns.examine(settings, [(row["domain"], row["home"].split(",")) for row in rows], keys)
    yield from client_setup.examine(settings, [row["domain"] for row in rows])


def _running(control: ControlClient) -> Finding:
    if control.running:
        return Finding("server", "good", "runs and answers on its control socket")
    return Finding("server", "warning", "does not run", "start it with `mpcontinuity serve`")


def _clock(control: ControlClient) -> Iterator[Finding]:
    """What the server has seen of it. Old jumps are no news."""
    seen = control.call("clock")
    now = from_iso(seen["time"])
    jumps = [jump for jump in seen["jumps"] if abs(now - from_iso(jump["time"])) <= _JUMPS_OF]
    for jump in jumps:
        yield Finding("clock", "warning", jump["text"], "run an NTP client, and set the hardware clock")
    if not seen["trusted"]:
        text = "is not believed yet: for a day nothing expires by it, neither mail that waits nor what is archived"
        yield Finding("clock", "warning", text, "see that it is right")


def _listeners(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """A running server must answer; for one that is not, the ports must be free and permitted."""
    for host, port in hosts.listeners(settings.listen):
        if not port:
            continue
        place = f"{host or '*'}:{port}"
        if running:
            yield _answers(host, port, place)
            continue
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except PermissionError:
            advice = "start the server with CAP_NET_BIND_SERVICE, by a systemd: socket, or choose a port above 1023"
            yield Finding("listener", "wrong", f"{place} is not permitted", advice)
        except OSError as error:
            yield Finding("listener", "wrong", f"{place}: {error.strerror}", "stop what has it, or change [listen]")
        else:
            yield Finding("listener", "good", f"{place} is free")


def _answers(host: str, port: int, place: str) -> Finding:
    target = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        socket.create_connection((target, port), timeout=5).close()
    except OSError as error:
        return Finding("listener", "wrong", f"{place}: {error.strerror or error}", "see the server's log")
    return Finding("listener", "good", f"{place} answers")


def _domains(settings: Settings, control: ControlClient, rows: list[dict[str, Any]]) -> Iterator[Finding]:
    if not rows:
        yield Finding("domains", "warning", "there is none yet", "add one with `mpcontinuity domain add`")
    for row in rows:
        for home in row["home"].split(","):
            yield _home(settings, row["domain"], home)
        if not row["users"]:
            yield Finding(
                row["domain"], "warning", "has no user: nothing would be kept", "add some with `mpcontinuity user add`"
            )
        if not row["subscribers"]:
            text = "nobody is told by mail when its home server is down"
            yield Finding(row["domain"], "warning", text, f"`mpcontinuity alert add {row['domain']} ADDRESS`")
        if row["reason"]:
            yield Finding(row["domain"], "warning", f"{row['state']}: {row['reason']}", "see `mpcontinuity status`")


def _home(settings: Settings, domain: str, home: str) -> Finding:
    """Whether the home server answers to EHLO."""
    host, port = hosts.split(home, HOME_PORT)
    client = SmtpClient(min(settings.home.connect_timeout, _LOOKUP_WITHIN))
    try:
        code, greeting = client.connect(host, port)
        if code == 220:
            code, greeting = client.ehlo(settings.hostname)
        taste = _null_sender_refused(client, domain) if 200 <= code < 300 else ""
    except (OSError, smtplib.SMTPException) as error:
        why = getattr(error, "strerror", None) or error
        return Finding(
            domain, "wrong", f"home server {home}: {why}", "check its address, the firewall, and that it runs"
        )
    finally:
        client.close()
    if not 200 <= code < 300:
        text = greeting.decode("utf-8", "replace").split("\n")[0]
        return Finding(domain, "wrong", f"home server {home} answered {code} {text}", "let it accept this server")
    if taste:
        advice = "let it take MAIL FROM:<> (RFC 5321 §4.5.5): reports of mail that failed come from there"
        return Finding(domain, "warning", f"home server {home} does not take the null sender: {taste}", advice)
    return Finding(domain, "good", f"home server {home} answers to EHLO")


def _null_sender_refused(client: SmtpClient, domain: str) -> str:
    """What home answers to the null sender, where it takes another one; empty: nothing is wrong with that."""
    try:
        code, text = client.docmd("MAIL", "FROM:<>")
        if code < 400 or client.docmd("MAIL", f"FROM:<postmaster@{domain}>")[0] >= 400:
            return ""
    except (OSError, smtplib.SMTPException):
        return ""
    return f"{code} {text.decode('utf-8', 'replace')}".split("\n")[0]
