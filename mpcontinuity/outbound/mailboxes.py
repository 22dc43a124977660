"""What a home server's replies show of single mailboxes: whom it takes, and who is slow or ends sessions. Pure.

A mailbox's fault is no evidence about the server. Times are the timer's seconds, mailboxes the keys of addresses.
"""

from __future__ import annotations

from collections.abc import Collection

from mpcontinuity.model.address import Address

FAULT_LASTS = 60.0  # seconds for which a mailbox that is slow, or ends sessions, is known for it
_FAULTY = 1000  # mailboxes that are known
MOST_RECENT = 3  # recipients that home took last, to ask it for, and mailboxes that it answered for


class Mailboxes:
    """What is known of the mailboxes of one home server."""

    def __init__(self) -> None:
        self._taken: list[Address] = []  # at RCPT, the newest first
        self._answered: dict[str, float] = {}  # when home answered a message for whom, the newest last
        self._faulty: dict[str, float] = {}  # until when that is known
        self._silent: frozenset[str] = frozenset()  # for whom the silence was that counted last
        self._silent_at = float("-inf")

    def took(self, address: Address) -> None:
        """Notes that home took this recipient."""
        if self._taken[:1] != [address]:
            self._taken = [address, *(each for each in self._taken if each != address)][:MOST_RECENT]

    def taken_beside(self, address: Address) -> list[Address]:
        """Returns other recipients that home took of late."""
        return [each for each in self._taken if each.key != address.key]

    def faulty(self, mailbox: str, now: float) -> bool:
        """Returns whether the mailbox is known to be slow, or to end sessions, while home serves others."""
        return self._faulty.get(mailbox, 0.0) > now

    def note_fault(self, mailbox: str, now: float) -> None:
        """Notes that it is the mailbox and not the server, for FAULT_LASTS."""
        if len(self._faulty) >= _FAULTY:
            self._faulty = {key: until for key, until in self._faulty.items() if until > now}
        if len(self._faulty) < _FAULTY:
            self._faulty[mailbox] = now + FAULT_LASTS

    def answered(self, mailboxes: Collection[str], now: float) -> None:
        """Notes that home answered a message for these, whatever it said."""
        for mailbox in mailboxes:
            self._answered.pop(mailbox, None)
            self._answered[mailbox] = now
        while len(self._answered) > MOST_RECENT:
            del self._answered[next(iter(self._answered))]

    def silence_counts(self, mailboxes: frozenset[str], *, began: float, asked: float, now: float) -> bool:
        """Returns whether silence after a final dot says something about the server, and notes it.

        ``mailboxes`` are the recipients, ``began`` is when the transaction got its session and ``asked`` when the dot
        went. It says nothing
        - where home has answered any message since the dot, or one for others since the transaction began: then it is
          these mailboxes that are slow;
        - where one of them is known for it;
        - where silence for one of them counted after the transaction had begun: both are the same silence, which a
          mailbox that is sent several messages at once shows in several sessions.
        """
        others = any(time > began for mailbox, time in self._answered.items() if mailbox not in mailboxes)
        if others and len(mailboxes) == 1:
            self.note_fault(next(iter(mailboxes)), now)
        if others or any(time > asked for time in self._answered.values()):
            return False
        if any(self.faulty(mailbox, now) for mailbox in mailboxes):
            return False
        if self._silent_at > began and self._silent & mailboxes:
            return False
        self._silent, self._silent_at = mailboxes, now
        return True
