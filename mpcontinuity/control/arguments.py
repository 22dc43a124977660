"""How the arguments of operations are read: times and addresses."""

from __future__ import annotations

from mpcontinuity.model import address
from mpcontinuity.model.address import Address, BadAddress
from mpcontinuity.model.clock import EARLIEST, LATEST, SECOND, from_iso
from mpcontinuity.model.durations import parse
from mpcontinuity.model.errors import Refused


def moment(text: str, now: int, *, ahead: bool = False) -> int:
    """The time in µs that an ISO 8601 time names, or a duration before ``now`` (after it, where ``ahead``).

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
    """The address that the text is, without blanks around it. Raises Refused for what is none."""
    try:
        return address.parse(text.strip())
    except BadAddress as error:
        raise Refused(f"{text}: not a mail address: {error}") from None


def own_address(text: str) -> Address:
    """An address of a user. Raises Refused for what could not receive mail here."""
    parsed = mail_address(text)
    if parsed.relays:
        raise Refused(f"{text}: addresses with %, ! or @ in the local part are refused from outside, so none is added")
    return parsed
