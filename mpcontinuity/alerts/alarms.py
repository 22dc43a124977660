"""Rows of the table ``alarm``: what subscribers were told of a domain that is no outage. Work for one transaction.

An alarm of one kind is told when it begins and when it is over, and not again within the window of its kind: so a
number of errors that goes up and down around a threshold, or a flush that pauses again and again, fills no mailbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import NamedTuple

from mpcontinuity.alerts.outages import Told
from mpcontinuity.model.clock import DAY, HOUR
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction


class Kind(StrEnum):
    """What an alarm is about."""

    HOUR = "hour"  # `alert-hour` errors within an hour
    DAY = "day"  # `alert-day` errors within a day
    PAUSED = "paused"  # redelivery is paused
    USERS_OUT = "users out"  # home's users cannot use it

    @property
    def counts(self) -> bool:
        """Whether it is about a number of errors."""
        return self in (Kind.HOUR, Kind.DAY)

    @property
    def window(self) -> int:
        """The time, in µs, within which an alarm of this kind is told once."""
        return DAY if self is Kind.DAY else HOUR


class Alarm(NamedTuple):
    """What was told: when it began (µs), and when it was over, 0 while it goes on."""

    told: int
    over: int


class Step(Enum):
    """What is to be done about an alarm."""

    NOTHING = "nothing"
    BEGIN = "begin"  # it is told
    END = "end"  # it is told that it is over
    FORGET = "forget"


_LIST = Statement("SELECT domain, kind, told, over FROM alarm")
_BEGIN = Statement(
    """INSERT INTO alarm (domain, kind, told, over) SELECT id, :kind, :now, 0 FROM domain WHERE id = :domain
    ON CONFLICT (domain, kind) DO UPDATE SET told = excluded.told, over = 0 WHERE alarm.over > 0"""
)
_END = Statement("UPDATE alarm SET over = :now WHERE domain = :domain AND kind = :kind AND told = :told AND over = 0")
_FORGET = Statement("DELETE FROM alarm WHERE domain = :domain AND kind = :kind AND told = :told")


def listing(tx: Transaction) -> dict[tuple[int, str], Alarm]:
    """Returns all alarms that were told of late, by domain and kind."""
    return {(domain, kind): Alarm(told, over) for domain, kind, told, over in tx.all(_LIST)}


def step(kind: Kind, known: Alarm | None, *, holds: bool, now: int) -> Step:
    """Returns what is to be done, given what was told, whether it holds at ``now`` (µs), and the kind."""
    if known is None:
        return Step.BEGIN if holds else Step.NOTHING
    if not known.over:
        return Step.NOTHING if holds else Step.END
    if now < known.told + kind.window:
        return Step.NOTHING
    return Step.BEGIN if holds else Step.FORGET


def begin(tx: Transaction, domain: int, kind: str) -> None:
    """Notes that an alarm is told now. Raises Told where it goes on already, or the domain is gone."""
    if not tx.run(_BEGIN, domain=domain, kind=kind, now=tx.now):
        raise Told


def end(tx: Transaction, domain: int, kind: str, told: int) -> None:
    """Notes that the alarm that was told then (µs) is over. Raises Told where that is noted already."""
    if not tx.run(_END, domain=domain, kind=kind, told=told, now=tx.now):
        raise Told


def forget(tx: Transaction, past: Mapping[tuple[int, str], Alarm]) -> None:
    """Forgets these alarms, by domain and kind, unless they have begun again since."""
    for (domain, kind), alarm in past.items():
        tx.run(_FORGET, domain=domain, kind=kind, told=alarm.told)
