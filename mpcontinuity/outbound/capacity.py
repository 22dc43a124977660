"""What a server bears of us, as it shows: how many sessions at once, how many messages in one, when it wants a rest.

A limit is not an outage: whoever has met one serves, only less than we asked for. What was learned is kept for a while,
so that it is paid for once and not with every message. Pure: the time is given, in the timer's seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from mpcontinuity.model.reply import Outcome, Reply, Stage

CALM = 60.0  # seconds after a refused session in which no more than that are tried: one refusal a minute costs nobody
LEARNED = 3600.0  # seconds for which a limit per session is believed; then it is asked for again, at the same price
# Seconds between messages: at the first refusal, and at most, since limits are per minute at the longest. Each refusal
# doubles it, each message that is taken makes it less by this, until it is none.
FIRST_PACE, LONGEST_PACE, FASTER, NO_PACE = 1.0, 5.0, 0.7, 0.1
IN_VAIN = 3  # fresh sessions in a row that said the same: such an answer is the server's own
BELIEVED = 300.0  # seconds for which it is then taken at its first word

# RFC 5321 has no code for 'too much of you'; these are what Postfix, Exim, Exchange, Gmail and filters say.
_LIMIT = re.compile(
    r"\btoo (?:many|much|fast|quick|soon|often|frequent)|\brates?\b|limit|throttl|exceed|slow down"
    r"|\bbusy\b|concurren|maximum",
    re.IGNORECASE,
)


def says_limit(reply: Reply) -> bool:
    """Returns whether the reply names a limit in words."""
    return reply.temporary and _LIMIT.search(reply.text) is not None


def may_be_limit(reply: Reply) -> bool:
    """Returns whether the reply may mean a limit, from a server that has just served others.

    That are 421 and 450 without more, congestion and policy (RFC 3463 §3.5, §3.8), and what says so in words.
    """
    bare = reply.code in (421, 450) and not reply.enhanced
    enhanced = reply.enhanced == "4.4.5" or reply.enhanced.startswith("4.7.")
    return reply.temporary and (bare or enhanced or says_limit(reply))


def of_session(outcome: Outcome, *, used: bool, tainted: bool) -> bool:
    """Returns whether the answer may be about the session that got it, so that a fresh one may get another.

    ``used``: the session had other transactions. ``tainted``: it has met an error, or an RSET; filters and servers keep
    state about these.
    """
    reply = outcome.reply
    if reply is None or not (used or tainted):
        return False
    if outcome.stage is Stage.RCPT:
        if reply.code in (452, 552):  # too many recipients, or a full mailbox: no other session changes that
            return False
        mailbox = reply.enhanced[1:].startswith((".1.", ".2."))  # RFC 3463 §3.2, §3.3
        return not (mailbox and reply.permanent) and (tainted or (reply.temporary and not mailbox))
    if reply.temporary:
        return True
    return tainted if outcome.stage is Stage.MAIL else outcome.stage is Stage.DATA


@dataclass(slots=True)
class _Learned:
    """A number that holds for a while."""

    value: int = 0
    until: float = 0.0

    def at(self, now: float) -> int:
        return self.value if now < self.until else 0


class Member(Protocol):
    """A pool of sessions to the server; there is one for each kind of TLS."""

    @property
    def size(self) -> int:
        """How many sessions it has or opens."""
        ...

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a session."""
        ...

    @property
    def starved(self) -> bool:
        """Whether it has no session, and somebody waits for one."""
        ...

    def serve(self) -> None:
        """Serves those who wait, as there may be room for them."""
        ...

    def spare(self) -> bool:
        """Closes a session that nobody uses; returns False where there is none."""
        ...


@dataclass(slots=True)
class Capacity:
    """How much one server bears of all its pools.

    ``limit`` of sessions at once is lowered by refusals, and raised by one for each round of good sessions, up to
    ``most``.
    """

    most: int
    limit: int = 0
    members: list[Member] = field(default_factory=list)
    _good: int = 0
    _calm_until: float = 0.0
    _pace: float = 0.0
    _balked: float = float("-inf")
    rests_until: float = 0.0  # nothing is tried before
    _messages: _Learned = field(default_factory=_Learned)  # that one session takes
    _seen: _Learned = field(default_factory=_Learned)  # the same, seen once
    _errors: _Learned = field(default_factory=_Learned)  # 1: a session that met one is of no more use
    _vain: dict[tuple[Stage, int, bool], _Learned] = field(default_factory=dict)  # bounded by the codes there are

    def __post_init__(self) -> None:
        self.limit = self.most

    # Sessions at once

    @property
    def size(self) -> int:
        """How many sessions there are, or are being opened."""
        return sum(member.size for member in self.members)

    @property
    def wanted(self) -> bool:
        """Whether anybody waits for a session."""
        return any(member.wanted for member in self.members)

    def freed(self) -> None:
        """Serves those who wait: a session has ended, or may be used again."""
        for member in sorted(self.members, key=lambda member: not member.starved):
            member.serve()

    def starves_beside(self, holder: Member) -> bool:
        """Returns whether a session of this member should end for another member's sake."""
        return any(member.starved for member in self.members if member is not holder)

    def room(self, wanting: Member) -> bool:
        """Returns whether the member may open one more session; an idle one of another member gives way."""
        if self.size >= self.limit:
            any(member is not wanting and member.spare() for member in self.members)
        return self.size < self.limit

    def good(self, now: float) -> None:
        """Notes that a session has ended a transaction well."""
        self._good += 1
        if self._good >= self.limit < self.most and now >= self._calm_until:
            self._good = 0
            self.limit += 1

    def throttle(self) -> None:
        """Halves the limit: a session that served was ended by the server."""
        self.limit = max(1, min(self.limit, self.size) // 2)
        self._good = 0

    def refuse(self, now: float) -> None:
        """Lowers the limit to the sessions that there are: one more was refused."""
        self.limit = max(1, min(self.limit, self.size))
        self._good = 0
        self._calm_until = now + CALM

    # Pace

    def balk(self, now: float) -> None:
        """Notes that the server takes no message at all just now, on a fresh session either: one at a time, and
        later."""
        self.limit = 1
        self._good = 0
        if now - self._balked >= self._pace * FASTER:  # those that were under way together are one
            self._balked = now
            self._pace = min(self._pace * 2 or FIRST_PACE, LONGEST_PACE)
        self.rests_until = now + self._pace

    def begun(self, now: float) -> None:
        """Notes that a message is on its way."""
        if self._pace:
            self.rests_until = now + self._pace

    def served(self) -> None:
        """Notes that the server took a message, or refused it for what it is."""
        self._pace = self._pace * FASTER if self._pace > NO_PACE else 0.0

    def rest(self, now: float) -> float:
        """Returns the seconds until the next message may be tried; 0: now."""
        return max(self.rests_until - now, 0.0)

    # Messages in a session

    def worn(self, served: int, tainted: bool, now: float) -> bool:
        """Returns whether a session that began so many transactions is better closed than used again."""
        most = self._messages.at(now)
        return (0 < most <= served) or (tainted and bool(self._errors.at(now)))

    def fresh_took(self, said: Outcome, served: int, tainted: bool, now: float) -> None:
        """Learns that a fresh session took what one that had ``served`` so many before had answered so.

        Twice is a rule: once may be a connection that was cut by chance.
        """
        if said.reply is not None:
            self._vain.pop((said.stage, said.reply.code, tainted), None)
        if tainted:
            self._errors = _Learned(1, now + LEARNED)
        elif served > 0:
            seen = self._seen.at(now)
            self._seen = _Learned(served, now + LEARNED)
            if seen:
                self._messages = _Learned(min(seen, served, self._messages.at(now) or served), now + LEARNED)

    def fresh_refused(self, said: Outcome, tainted: bool, now: float) -> None:
        """Learns that a fresh session did not take it either."""
        if said.reply is not None:
            key = (said.stage, said.reply.code, tainted)
            self._vain[key] = _Learned(self._vain.get(key, _Learned()).at(now) + 1, now + BELIEVED)

    def in_vain(self, said: Outcome, tainted: bool, now: float) -> bool:
        """Returns whether fresh sessions were of no help with such an answer, again and again of late."""
        if said.reply is None:
            return False
        vain = self._vain.get((said.stage, said.reply.code, tainted))
        return vain is not None and vain.at(now) >= IN_VAIN
