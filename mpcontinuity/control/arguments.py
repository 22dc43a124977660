"""How the arguments of operations are read: times, addresses, and pages of a list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from mpcontinuity.model import address, hosts, identifier
from mpcontinuity.model.address import Address, BadAddress, ascii_domain
from mpcontinuity.model.clock import EARLIEST, LATEST, SECOND, from_iso
from mpcontinuity.model.durations import parse
from mpcontinuity.model.errors import Refused

PAGE = 500  # rows of a page of a list, where no number is asked for
MOST = 1_000  # rows of a page: about 1 MiB

# A domain name has a dot, or is a single label for a test; no address literal, no trailing dot.
_NAME = re.compile(r"[^\s@\[\]/\\:]+")

_CALLED = {"begin": "from", "lasts": "for"}  # arguments whose own word is one of Python's

_OF_THE_TYPES = re.compile(r"`\$\.(\w+)|field `(\w+)`")  # where msgspec names an argument


def argument_of(refusal: str, given: Mapping[str, object]) -> str:
    """Returns the name of the argument that a refusal begins with, or whose value it begins with, in any case; empty
    where it begins with neither. ``given`` are the arguments.

    One of several values of an argument counts as the argument; a setting in one is ``settings.home``.
    """
    for name in given:
        if _begins(refusal, _CALLED.get(name, name)):
            return name
    for name, value in given.items():
        match value:
            case str():
                if _begins(refusal, value):
                    return name
            case dict():
                for key in value:
                    if isinstance(key, str) and _begins(refusal, key):
                        return f"{name}.{key}"
            case list() | tuple():
                if any(_begins(refusal, each) for each in value if isinstance(each, str)):
                    return name
    return ""


def _begins(refusal: str, subject: str) -> bool:
    subject = subject.strip()
    if len(subject) > len(refusal):
        return False
    begun = refusal[: len(subject) + len('"":')].casefold()
    return begun.startswith((f"{subject.casefold()}:", f'"{subject.casefold()}":'))


def argument_of_wrong_type(error: str, names: Iterable[str]) -> str:
    """Returns which one of these arguments is not of its type, as msgspec says; empty where it is none of them."""
    found = _OF_THE_TYPES.search(error)
    named = (found[1] or found[2]) if found is not None else ""
    return named if named in names else ""


def rows_of_page(limit: int) -> int:
    """Returns the number of rows of a page. Raises Refused for one that is out of bounds."""
    if not 1 <= limit <= MOST:
        raise Refused(f"limit: {limit}: must be 1 to {MOST}")
    return limit


def row_id(after: str) -> int:
    """Returns the id that the cursor of a list shows, 0 for none. Raises Refused for text that is no id."""
    try:
        return identifier.parse(after) if after else 0
    except ValueError as error:
        raise Refused(f"after: {error}") from None


def moment(text: str, now: int, *, ahead: bool = False) -> int:
    """Returns the time in µs that an ISO 8601 time names, or a duration before ``now`` (after it, where ``ahead``).

    Raises Refused for what is neither, and for a time outside of the calendar.
    """
    try:
        seconds = parse(text)
    except ValueError:
        pass
    else:
        then = now + round(seconds * SECOND) * (1 if ahead else -1)
        if not EARLIEST <= then <= LATEST:
            raise Refused(f'"{text}": is longer than the calendar')
        return then
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        raise Refused(
            f'"{text}": not a time, as "2026-11-22T08:00:00+01:00", "2026-11-22", or a duration as "24h"'
        ) from None


def mail_address(text: str) -> Address:
    """Reads a mail address, which may have blanks around it. Raises Refused for text that is no address."""
    try:
        return address.parse(text.strip())
    except BadAddress as error:
        raise Refused(f"{text}: not a mail address: {error}") from None


def own_address(text: str) -> Address:
    """Reads the address of a user. Raises Refused for one that could not receive mail here."""
    parsed = mail_address(text)
    if parsed.relays:
        raise Refused(f"{text}: addresses with %, ! or @ in the local part are refused from outside, so none is added")
    return parsed


def domain_name(text: str) -> str:
    """Reads a domain name and returns it in lower case and ASCII. Raises Refused for text that is no name."""
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
