"""``mpcontinuity doctor``: what could keep mail from being kept, a line each, and what to do about it."""

from __future__ import annotations

import os
import shutil
import smtplib
import socket
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from cryptography import x509

from mpcontinuity.app import certificate
from mpcontinuity.app.listeners import served
from mpcontinuity.config.read import BadConfiguration, read
from mpcontinuity.control.client import Caller, connect
from mpcontinuity.control.domain_settings import HOME_PORT
from mpcontinuity.model import hosts
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.settings import Settings
from mpcontinuity.store import sqlite

Verdict = Literal["good", "warning", "wrong"]

_EXPIRES_SOON = timedelta(days=30)
_SPACE_WRONG = 256 << 20
_SPACE_WARNING = 2 << 30
_LOOKUP_WITHIN = 10.0  # s, for a home server whose connect_timeout is longer


@dataclass(frozen=True, slots=True)
class Finding:
    """``advice`` says what to do; empty where all is well."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""

    def row(self) -> dict[str, str]:
        return asdict(self)

    def line(self) -> str:
        return f"{self.verdict:<8} {self.check}: {self.text}" + (f"; {self.advice}" if self.advice else "")


def examine(path: Path, by: str) -> Iterator[Finding]:
    """Findings as they are made. Changes nothing but to open a store that no server has open."""
    try:
        settings = read(path)
    except BadConfiguration as error:
        yield Finding("configuration", "wrong", str(error), "correct the file")
        return
    yield Finding("configuration", "good", str(path))
    yield from _files(settings)
    yield from _certificate(settings)
    yield from _sqlite()
    yield from _disk(settings)
    try:
        with connect(settings, by) as control:
            rows = control.call("status")
            yield Finding("store", "good", f"opens, {len(rows)} domain{'' if len(rows) == 1 else 's'}")
            yield _running(control)
            yield from _listeners(settings, running=control.running)
            yield from _domains(settings, control, rows)
    except (Refused, Temporary, OSError) as error:
        yield Finding("store", "wrong", str(error))


def _files(settings: Settings) -> Iterator[Finding]:
    folder = Path(settings.data_dir)
    if not folder.exists():
        yield Finding("data folder", "warning", f"{folder} is not there yet", "run `mpcontinuity init`")
    else:
        yield _private(folder, "data folder", 0o700)
    key = Path(settings.tls.private_key)
    if key.exists():
        yield _private(key, "private key", 0o600)


def _private(path: Path, check: str, mode: int) -> Finding:
    facts = path.stat()
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        now = stat.S_IMODE(facts.st_mode)
        return Finding(check, "wrong", f"{path} is open to others (mode {now:o})", f"chmod {mode:o} {path}")
    if not os.access(path, os.R_OK):
        return Finding(check, "wrong", f"{path} cannot be read", "run this as the user that the server runs as")
    return Finding(check, "good", f"{path} is private")


def _certificate(settings: Settings) -> Iterator[Finding]:
    tls = settings.tls
    if not Path(tls.certificate).exists() and not Path(tls.private_key).exists():
        yield Finding("certificate", "warning", "there is none yet", "one is made, self-signed, at the first start")
        return
    try:
        certificate.load(tls)
        leaf = x509.load_pem_x509_certificates(Path(tls.certificate).read_bytes())[0]
    except (BadConfiguration, OSError, ValueError) as error:
        yield Finding("certificate", "wrong", str(error), "bring a certificate and its key, or remove both")
        return
    yield Finding("certificate", "good", "certificate and key belong together")
    end = leaf.not_valid_after_utc
    left = end - datetime.now(UTC)
    if left < _EXPIRES_SOON:
        verdict: Verdict = "wrong" if left < timedelta() else "warning"
        advice = "renew it; it is re-read without a restart"
        if leaf.issuer == leaf.subject:
            advice = "remove certificate and key and restart for a new self-signed pair, or bring one of an authority"
        yield Finding(
            "certificate", verdict, f"{'expired' if verdict == 'wrong' else 'expires'} {end:%Y-%m-%d}", advice
        )
    elif leaf.issuer == leaf.subject:
        yield Finding(
            "certificate", "warning", "is self-signed: mail clients will ask", "bring one of an authority when you can"
        )
    if not _names(leaf, settings.public.host or settings.hostname):
        name = settings.public.host or settings.hostname
        yield Finding(
            "certificate", "warning", f"is not for {name}", "mail clients that connect to that name will complain"
        )


def _names(leaf: x509.Certificate, host: str) -> bool:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if host.strip("[]").removeprefix("IPv6:") in map(str, names.get_values_for_type(x509.IPAddress)):
        return True
    wild = "*." + host.partition(".")[2]
    return any(name.lower() in (host.lower(), wild.lower()) for name in names.get_values_for_type(x509.DNSName))


def _sqlite() -> Iterator[Finding]:
    try:
        sqlite.check_version()
    except Refused as error:
        yield Finding("SQLite", "wrong", str(error))
    else:
        wanted = ".".join(map(str, sqlite.MINIMUM_VERSION))
        yield Finding("SQLite", "good", f"{wanted} or newer")


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = Path(settings.data_dir)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / (1 << 30):.1f} GiB free below {folder}"
    if free < _SPACE_WRONG:
        yield Finding("disk", "wrong", text, "make room: mail is refused for now below the floor of free space")
    elif free < _SPACE_WARNING:
        yield Finding("disk", "warning", text, "an outage of some days may need more")
    else:
        yield Finding("disk", "good", text)


def _running(control: Caller) -> Finding:
    if control.running:
        return Finding("server", "good", "runs and answers on its control socket")
    return Finding("server", "warning", "does not run", "start it with `mpcontinuity serve`")


def _listeners(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """A running server must answer; for one that is not, the ports must be free and permitted."""
    for host, port in hosts.listeners(served(settings.listen)):
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


def _domains(settings: Settings, control: Caller, rows: list[dict[str, Any]]) -> Iterator[Finding]:
    if not rows:
        yield Finding("domains", "warning", "there is none yet", "add one with `mpcontinuity domain add`")
    for row in rows:
        for home in row["home"].split(","):
            yield _home(settings, row["domain"], home)
        if not row["users"]:
            yield Finding(
                row["domain"], "warning", "has no user: nothing would be kept", "add some with `mpcontinuity user add`"
            )
        if row["reason"]:
            yield Finding(row["domain"], "warning", f"{row['state']}: {row['reason']}", "see `mpcontinuity status`")


def _home(settings: Settings, domain: str, home: str) -> Finding:
    """Whether the home server answers to EHLO."""
    host, port = hosts.split(home, HOME_PORT)
    client = smtplib.SMTP(timeout=min(settings.home.connect_timeout, _LOOKUP_WITHIN))
    try:
        code, greeting = client.connect(host, port)
        if code == 220:
            code, greeting = client.ehlo(settings.hostname)
    except (OSError, smtplib.SMTPException) as error:
        why = getattr(error, "strerror", None) or error
        return Finding(
            domain, "wrong", f"home server {home}: {why}", "check its address, the firewall, and that it runs"
        )
    finally:
        client.close()
    if code >= 300:
        text = greeting.decode("utf-8", "replace").split("\n")[0]
        return Finding(domain, "wrong", f"home server {home} answered {code} {text}", "let it accept this server")
    return Finding(domain, "good", f"home server {home} answers to EHLO")
