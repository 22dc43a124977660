"""Operations on domains: subscribing them, changing how they are handled, letting them go."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import msgspec

from mpcontinuity.accounts import dkim, domains, users
from mpcontinuity.accounts.domain_storage import stored
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.control import domain_settings, plans
from mpcontinuity.control.arguments import PAGE, domain_name, rows_of_page
from mpcontinuity.control.domain_settings import DomainRow
from mpcontinuity.control.operation import Control
from mpcontinuity.control.plans import PlanRow
from mpcontinuity.control.removal import erase, refuse_owed, release
from mpcontinuity.control.versions import refuse_changed
from mpcontinuity.model import hosts, imapurl
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.queue import removal
from mpcontinuity.store.driver import Conflict
from mpcontinuity.store.transaction import Transaction

_ROUNDS = 5  # of a removal while others add to the domain: each takes what came in the one before


class DomainShown(DomainRow, frozen=True, kw_only=True, rename="kebab"):
    """A domain as `domain show` gives it; ``stored`` are the octets in the mailboxes of its users, ``plans`` the
    outages that are under way or to come. ``contained`` is since when its home server is cut off."""

    stored: int
    plans: list[PlanRow]
    contained: str | None


class DomainRemoved(msgspec.Struct, frozen=True):
    """The domain that was removed."""

    domain: str
    removed: bool = True


async def add(
    control: Control, name: str, home: str, settings: dict[str, str] | None = None, until: str | None = None
) -> DomainRow:
    """Subscribes the domain and shows it; ``settings`` and ``until`` are as in set_.

    Raises Refused for a name or a setting that will not do, for a domain that is here already, and for a home that is a
    listener of this server.
    """
    name = domain_name(name)
    now = control.store.clock.now()
    chosen = domain_settings.change(DomainSettings(), {**(settings or {}), "home": home}, until, now)
    await _refuse_own(control, chosen)
    domain = await control.store.run(partial(domains.add, name=name, settings=chosen))
    return domain_settings.row(domain.name, domain.settings, 0)


async def set_(
    control: Control, name: str, settings: dict[str, str], until: str | None = None, version: str = ""
) -> DomainRow:
    """Changes all settings that are given, or nothing, and shows the domain.

    ``settings`` has values as they are written after ``KEY=``; ``until`` is the end of the mode. ``version`` is the one
    that was shown to whoever changes it; empty: whatever it is. Raises Refused for a domain that is not here, for a
    setting that will not do, for one that is not for this caller, and where the version is another by now.
    """
    domain_settings.refuse_beyond(control.caller, settings)
    if not settings and until is None:
        raise Refused(f"nothing to set; give KEY=VALUE, with KEY one of {', '.join(domain_settings.SETTINGS)}")
    now = control.store.clock.now()
    if "home" in settings or "home-imap" in settings:
        domain = await control.store.read(partial(domains.known, name=name))
        await _refuse_own(control, domain_settings.change(domain.settings, settings, until, now))
    by = control.caller.name
    work = partial(_change, name=name, given=settings, until=until, version=version, now=now, by=by)
    return await control.store.run(work)


def _change(
    tx: Transaction, name: str, given: dict[str, str], until: str | None, version: str, now: int, by: str
) -> DomainRow:
    domain = domains.known(tx, name)
    refuse_changed(domain.name, version, domain_settings.row(domain.name, domain.settings, 0).version)
    chosen = domain_settings.change(domain.settings, given, until, now)
    domains.change(tx, domain, chosen)
    if chosen.mode != domain.settings.mode:
        domains.note_mode(tx, domain, by)
    return domain_settings.row(domain.name, chosen, _users(tx, domain))


async def list_(control: Control, domain: str | None = None, after: str = "", limit: int = PAGE) -> list[DomainRow]:
    """Lists up to ``limit`` domains by name, those after the name ``after``, or the one ``domain``.

    Raises Refused where that is not here, for a limit out of bounds, and for an ``after`` that is no name.
    """
    after = domain_name(after) if after else ""
    return await control.store.read(partial(_listing, only=domain, after=after, limit=rows_of_page(limit)))


def _listing(tx: Transaction, only: str | None, after: str, limit: int) -> list[DomainRow]:
    wanted = domains.page(tx, only, after, limit)
    counts = users.numbers(tx, [domain.id for domain in wanted])
    return [domain_settings.row(domain.name, domain.settings, counts.get(domain.id, 0)) for domain in wanted]


async def show(control: Control, name: str) -> DomainShown:
    """Shows a domain with its settings, and what its users store. Raises Refused for a domain that is not here."""
    return await control.store.read(partial(_show, name=name))


def _show(tx: Transaction, name: str) -> DomainShown:
    domain = domains.known(tx, name)
    row = domain_settings.row(domain.name, domain.settings, _users(tx, domain))
    planned = [plans.row(domain.name, plan, tx.now) for plan in domain.plans if plan.ends > tx.now]
    since = iso(domain.contained) if domain.contained else None
    return DomainShown(**msgspec.structs.asdict(row), stored=stored(tx, domain.id), plans=planned, contained=since)


async def remove(control: Control, name: str, force: bool = False) -> DomainRemoved:
    """Removes a domain with its users and their mailboxes; tracking and the archive stay.

    Raises Refused for a domain that is not here, and while mail is owed to its home, unless ``force`` releases that.
    """
    domain = await control.store.run(partial(_begin_removal, name=name, force=force))
    for _ in range(_ROUNDS):
        await _empty(control, domain)
        with suppress(Conflict):  # somebody has added a user meanwhile, or switched continuity on again
            await control.store.run(partial(_end_removal, domain=domain))
            return DomainRemoved(domain.name)
    raise Refused(f"{domain.name}: users or mail are added while it is removed; remove it again", "conflict")


async def _empty(control: Control, domain: Domain) -> None:
    """Removes all users of a domain, and all that is or was owed to its home."""
    await release(control, domain.id)
    while accounts := await control.store.read(partial(users.of_domain, domain=domain.id)):
        for account in accounts:
            await control.store.run(partial(users.forget, account=account, domain=domain.id))
            await erase(control, account, rows_too=True)
    while await control.store.run(partial(removal.forget_ended_of_domain, domain=domain.id), bulk=True):
        pass


def _begin_removal(tx: Transaction, name: str, force: bool) -> Domain:
    domain = domains.known(tx, name)
    if not force:
        hint = Hint("domain remove", "releases them", {"name": domain.name, "force": True})
        refuse_owed(removal.open_rows(tx, domain=domain.id), f"the home server of {domain.name}", domain.name, hint)
    # A plain relay from here on: nothing more becomes owed while the rest goes, in steps.
    domains.change(tx, domain, DomainSettings(home=domain.settings.home, continuity=False))
    return domain


def _end_removal(tx: Transaction, domain: Domain) -> None:
    removal.forget_counter(tx, domain.id)
    dkim.remove(tx, domain.id)
    domains.remove(tx, domain)


def _users(tx: Transaction, domain: Domain) -> int:
    return users.numbers(tx, [domain.id]).get(domain.id, 0)


async def _refuse_own(control: Control, settings: DomainSettings) -> None:
    """Mail for a home server that is ourselves would go round for ever."""
    named = [("home", home, *hosts.split(home, domain_settings.HOME_PORT)) for home in settings.home]
    if settings.home_imap:
        url = imapurl.parse(settings.home_imap)
        named.append(("home-imap", url.shown, url.host, url.port))
    for key, home, host, port in named:
        listeners = [interface for interface, taken in control.listening() if taken == port]
        if not listeners:
            continue
        # Our own name is ours whatever it resolves to here, behind address translation for example.
        if host.lower() == control.settings.hostname.lower() or await control.compute(
            partial(_is_own, host, listeners)
        ):
            raise Refused(f"{key}: {home}: is a listener of this server; give the home server's", "conflict")


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
