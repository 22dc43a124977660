"""The keys that sign a domain's mail: made, shown as DNS records, changed without a message that nobody can verify."""

from __future__ import annotations

import re
from functools import partial

import msgspec

from mpcontinuity.accounts import dkim as table
from mpcontinuity.accounts import domains
from mpcontinuity.accounts.dkim import Keys
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.control.operation import Control
from mpcontinuity.message import dkim
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.transaction import Transaction

FIRST = "mpc1"
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_NUMBERED = re.compile(r"(.*?)([0-9]+)")
_STRING = 250  # characters of one string of a TXT record, which may have 255 octets (RFC 1035 §3.3.14)


class DkimRecord(msgspec.Struct, frozen=True):
    """The DNS record of a key: ``zone`` is a line of a zone file, ``value`` what web forms of DNS providers ask for."""

    selector: str
    state: str
    name: str
    type: str
    value: str
    zone: str


class DkimKeys(msgspec.Struct, frozen=True):
    """The keys of a domain: the one that signs, and the one that takes over when DNS has it."""

    domain: str
    records: list[DkimRecord]


async def show(control: Control, name: str) -> DkimKeys:
    """Shows the keys of a domain, none where it does not sign. Raises Refused for a domain that is not here."""
    return _shown(*await control.store.read(partial(_look, name=name)))


async def key(
    control: Control,
    name: str,
    selector: str | None = None,
    rotate: bool = False,
    now: bool = False,
    remove: bool = False,
) -> DkimKeys:
    """Makes the first key of a domain, or shows those that there are.

    With ``rotate`` it makes the next one, with ``now`` that takes over though DNS was not seen to have it, and with
    ``remove`` the domain does not sign any more. ``selector`` is of the key that is made. Raises Refused for a domain
    that is not here, and where there is no such key, or one already.
    """
    if selector is not None and (not _SELECTOR.fullmatch(selector.lower()) or len(selector) > 100):
        raise Refused(f'"{selector}": not a selector, as "{FIRST}"')
    domain, keys = await control.store.read(partial(_look, name=name))
    if remove:
        if not await control.store.run(partial(table.remove, domain=domain.id)):
            raise Refused(f"{domain.name}: has no key", "unknown")
        return DkimKeys(domain.name, [])
    if keys is None:
        if now:
            raise Refused(
                f"{domain.name}: has no key yet", "unknown", Hint("domain dkim", "makes one", {"name": domain.name})
            )
        made = await control.compute(dkim.new_key)
        await control.store.run(partial(table.add, domain=domain.id, selector=(selector or FIRST).lower(), key=made))
    elif now:
        if not keys.next_selector or not await control.store.run(
            partial(table.switch, domain=domain.id, selector=keys.next_selector)
        ):
            raise Refused(f"{domain.name}: no key waits to take over", "conflict", _makes_another(domain))
    elif rotate:
        await _rotate(control, domain, keys, selector)
    elif selector is not None and selector.lower() not in (keys.selector, keys.next_selector):
        raise Refused(f"{domain.name}: has the key {keys.selector}", "taken", _makes_another(domain))
    return await show(control, name)


def _look(tx: Transaction, name: str) -> tuple[Domain, Keys | None]:
    domain = domains.known(tx, name)
    return domain, table.find(tx, domain.id)


async def _rotate(control: Control, domain: Domain, keys: Keys, selector: str | None) -> None:
    if keys.next_selector:
        raise Refused(
            f"{domain.name}: {keys.next_selector} waits to take over as soon as DNS has its record",
            "conflict",
            Hint("domain dkim", "lets it take over unseen", {"name": domain.name, "now": True}),
        )
    chosen = (selector or _after(keys.selector)).lower()
    if chosen == keys.selector:
        raise Refused(f"{domain.name}: {chosen} is the selector of the present key; choose another one", "taken")
    made = await control.compute(dkim.new_key)
    await control.store.run(partial(table.rotate, domain=domain.id, selector=chosen, key=made))


def _makes_another(domain: Domain) -> Hint:
    return Hint("domain dkim", "makes another one", {"name": domain.name, "rotate": True})


def _after(selector: str) -> str:
    found = _NUMBERED.fullmatch(selector)
    return f"{found[1]}{int(found[2]) + 1}" if found else f"{selector}2"


def _shown(domain: Domain, keys: Keys | None) -> DkimKeys:
    records = []
    if keys is not None:
        records.append(_record(keys.name, keys.selector, keys.key, "signs"))
        if keys.next_selector:
            records.append(_record(keys.name, keys.next_selector, keys.next_key, "takes over when DNS has it"))
    return DkimKeys(domain.name, records)


def _record(domain: str, selector: str, pem: str, state: str) -> DkimRecord:
    value = dkim.record(dkim.load_key(pem))
    name = f"{selector}._domainkey.{domain}"
    strings = " ".join(f'"{value[at : at + _STRING]}"' for at in range(0, len(value), _STRING))
    return DkimRecord(selector, state, name, "TXT", value, f"{name}. IN TXT ( {strings} )")
