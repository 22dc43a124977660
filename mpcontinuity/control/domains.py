"""Subscribing domains, changing how they are handled, and letting them go."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

from mpcontinuity.accounts import dkim, domains, users
from mpcontinuity.accounts.domain_storage import stored
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.control import domain_settings
from mpcontinuity.control.operation import Control
from mpcontinuity.control.removal import erase, open_rows, refuse_owed, release
from mpcontinuity.model import hosts
from mpcontinuity.model.address import ascii_domain
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_COUNTS = Statement(
    "SELECT domain, COUNT(*) FROM account WHERE status <> 'removed' AND (:domain = 0 OR domain = :domain) "
    "GROUP BY domain"
)
_ACCOUNTS = Statement("SELECT id FROM account WHERE domain = :domain LIMIT 500")
_FORGET_OWED = Statement(
    "DELETE FROM owed WHERE id IN (SELECT id FROM owed WHERE domain = :domain AND ended > 0 LIMIT 500)"
)
_FORGET_COUNTER = Statement("DELETE FROM meta WHERE key = :key")

# A domain name has a dot, or is a single label for a test; no address literal, no trailing dot.
_NAME = re.compile(r"[^\s@\[\]/\\:]+")


async def add(
    control: Control, name: str, home: str, settings: dict[str, str] | None = None, until: str | None = None
) -> Any:
    """Subscribes the domain; shows it."""
    name = _domain_name(name)
    now = control.store.clock.now()
    chosen = domain_settings.change(DomainSettings(), {**(settings or {}), "home": home}, until, now)
    await _refuse_own(control, chosen.home)
    domain = await control.store.run(partial(domains.add, name=name, settings=chosen))
    return _row(domain, 0)


async def set_(control: Control, name: str, settings: dict[str, str], until: str | None = None) -> Any:
    """Changes all that is given, or nothing; shows the domain."""
    domain_settings.refuse_beyond(control.caller, settings)
    if not settings and until is None:
        raise Refused(f"nothing to set; give KEY=VALUE, with KEY one of {', '.join(domain_settings.SETTINGS)}")
    now = control.store.clock.now()

    def look(tx: Transaction) -> DomainSettings:
        return domain_settings.change(domains.known(tx, name).settings, settings, until, now)

    if "home" in settings:
        await _refuse_own(control, (await control.store.read(look)).home)

    def change(tx: Transaction) -> tuple[Domain, int]:
        domain = domains.known(tx, name)
        chosen = domain_settings.change(domain.settings, settings, until, now)
        domains.change(tx, domain, chosen)
        return Domain(domain.id, domain.name, chosen), _users(tx, domain)

    return _row(*await control.store.run(change))


async def list_(control: Control, domain: str | None = None) -> Any:
    """All domains by name, or the one ``domain``."""
    return await control.store.read(partial(_listing, name=domain))


def _listing(tx: Transaction, name: str | None) -> list[Any]:
    wanted = [domains.known(tx, name)] if name is not None else domains.listing(tx)
    counts: dict[int, int] = dict(tx.all(_COUNTS, domain=wanted[0].id if name is not None else 0))
    return [_row(domain, counts.get(domain.id, 0)) for domain in wanted]


async def show(control: Control, name: str) -> Any:
    """Its settings, and what its users store, in octets."""

    def look(tx: Transaction) -> Any:
        domain = domains.known(tx, name)
        return {**_row(domain, _users(tx, domain)), "stored": stored(tx, domain.id)}

    return await control.store.read(look)


async def remove(control: Control, name: str, force: bool = False) -> Any:
    """With its users and their mailboxes; tracking and the archive stay. Refused while mail is owed, unless forced."""

    def begin(tx: Transaction) -> Domain:
        domain = domains.known(tx, name)
        if not force:
            hint = Hint("domain remove", "releases them", {"name": domain.name, "force": True})
            refuse_owed(open_rows(tx, domain=domain.id), f"the home server of {domain.name}", domain.name, hint)
        # A plain relay from here on: nothing more becomes owed while the rest goes, in steps.
        domains.change(tx, domain, DomainSettings(home=domain.settings.home, continuity=False))
        return domain

    domain = await control.store.run(begin)
    await release(control, domain.id)
    while accounts := await control.store.read(lambda tx: tx.all(_ACCOUNTS, domain=domain.id)):
        for (account,) in accounts:
            await control.store.run(partial(users.forget, account=account, domain=domain.id))
            await erase(control, account, rows_too=True)
    while await control.store.run(lambda tx: tx.run(_FORGET_OWED, domain=domain.id), bulk=True):
        pass

    def end(tx: Transaction) -> None:
        tx.run(_FORGET_COUNTER, key=f"owed unregistered {domain.id}")
        dkim.remove(tx, domain.id)
        domains.remove(tx, domain)

    await control.store.run(end)
    return {"domain": domain.name, "removed": True}


def _users(tx: Transaction, domain: Domain) -> int:
    counts: dict[int, int] = dict(tx.all(_COUNTS, domain=domain.id))
    return counts.get(domain.id, 0)


def _row(domain: Domain, count: int) -> dict[str, Any]:
    return {"domain": domain.name, **domain_settings.show(domain.settings), "users": count}


def _domain_name(text: str) -> str:
    try:
        name = text if text.isascii() else ascii_domain(text)
    except ValueError:
        name = ""
    if not name or not _NAME.fullmatch(name) or not hosts.is_hostname(name) or _is_address(name):
        raise Refused(f'"{text}": not a domain name, as "example.org"')
    return name.lower()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


async def _refuse_own(control: Control, homes: Sequence[str]) -> None:
    """Mail for a home server that is ourselves would go round for ever."""
    for home in homes:
        host, port = hosts.split(home, domain_settings.HOME_PORT)
        listeners = [interface for interface, taken in control.listening() if taken == port]
        if not listeners:
            continue
        # Our own name is ours whatever it resolves to here, behind address translation for example.
        if host.lower() == control.settings.hostname.lower() or await control.compute(
            partial(_is_own, host, listeners)
        ):
            raise Refused(f"home: {home}: is a listener of this server; give the home server's own address", "conflict")


def _is_own(host: str, interfaces: Sequence[str]) -> bool:
    """Blocks for a name lookup."""
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False
    return any(
        address in interfaces or (interface in ("", "0.0.0.0", "::") and _is_local(address))
        for address in addresses
        for interface in interfaces
    )


def _is_local(address: str) -> bool:
    """Whether the machine has the address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
