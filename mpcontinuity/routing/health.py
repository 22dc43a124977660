"""The state of a home server, as a pure state machine that is written as a table.

The contract has it under 'State of a home server' and 'Recovery'. An observation is what happens to the home server as
such. A 4xx to one sender, recipient or message is no observation: that message alone is redirected.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from mpcontinuity.model.clock import MINUTE

SUSPICION = MINUTE  # how long one failure is remembered: a second one within it is `down`
RELAPSE = 15 * MINUTE  # a fall this soon after a recovery doubles the good probes that the next recovery needs
MOST_DOUBLINGS = 5  # 32 times: at the default interval and two probes a quarter of an hour of good answers
# Good probes in a row that end `down` where home answers some connections and fails others: one that serves four of
# five seems well by chance in 1 of 45,000 such rows. They are asked for quickly (homes/prober.py).
MANY = 48
PUT_OFFS = 3  # messages in a row, none taken in between, after which home serves nobody, whatever it says to probes


class State(enum.Enum):
    """The state of a home server. `status` and the database show a suspect one as up."""

    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"
    RECOVERING = "recovering"

    @property
    def shown(self) -> State:
        """The state as `status` and the database show it."""
        return State.UP if self is State.SUSPECT else self


class Proof(enum.Enum):
    """What ends `down`, by what has led to it."""

    PROBES = "probes"  # good ones in a row
    MANY = "many"  # many more of them: some were good, and others bad after these
    MESSAGE = "message"  # home has to take a message: it put off all of them, and its answers to probes were good


class Observation(enum.Enum):
    """Something that happened to a home server and says how well it serves."""

    SERVED = "served"  # home answered a message (2xx, or a 5xx that concerns it)
    UNREACHABLE = "unreachable"  # no connection, greeting, EHLO, demanded TLS; or MAIL fails for the null sender too
    SILENT = "silent"  # silence or a lost connection later than that
    SLOW = "slow"  # it answers each command, and a message has to wait for longer than any may
    PUT_OFF = "put off"  # it does not take a message, for a reason that is not the message's own
    THROTTLED = "throttled"  # a 421 or refusal while other sessions are served: outbound lowers its concurrency
    PROBE_GOOD = "good probe"
    GLIMPSE = "glimpse"  # a good probe so soon after the fall that it only shows that home answers some
    WANTED_GOOD = "wanted probe"  # a good one that an administrator asked for, or home itself: they vouch for it
    PROBE_BAD = "bad probe"
    FLUSHED = "flushed"  # all that was owed has been tried once


class Gate(enum.Enum):
    """Whether a new message may be sent to home."""

    OPEN = "open"
    TRY = "try"  # one message at a time tries, the others are redirected at once
    SHUT = "shut"


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a home server with what is remembered of its past.

    Times are in µs. ``since`` is when the state that is shown began. ``last_failure`` is 0 where no failure is
    remembered.
    """

    state: State = State.UP
    since: int = 0
    reason: str = ""
    good_probes: int = 0  # in a row, while down; with Proof.MESSAGE messages that it took
    relapses: int = 0
    last_failure: int = 0
    recovered: int = 0  # when it last left `down`
    proof: Proof = Proof.PROBES  # that ends the present or the last `down`
    glimpsed: bool = False  # while down: a probe was good that did not count
    put_off: int = 0  # messages in a row, while it is not down


# What each observation makes of each state. Three things depend on more than the table: enough proof that nobody asked
# for makes a home recover that is down, a second failure within SUSPICION brings a recovering one down, and PUT_OFFS
# messages that were put off in a row bring any down.
_UP, _SUSPECT, _DOWN, _RECOVERING = State.UP, State.SUSPECT, State.DOWN, State.RECOVERING
TABLE: dict[Observation, dict[State, State]] = {
    Observation.SERVED: {_UP: _UP, _SUSPECT: _UP, _DOWN: _DOWN, _RECOVERING: _RECOVERING},
    Observation.UNREACHABLE: {_UP: _DOWN, _SUSPECT: _DOWN, _DOWN: _DOWN, _RECOVERING: _DOWN},
    # While recovering one failure is forgiven as well: a single message that kills its session must not keep all new
    # mail from home for ever.
    Observation.SILENT: {_UP: _SUSPECT, _SUSPECT: _DOWN, _DOWN: _DOWN, _RECOVERING: _RECOVERING},
    # Slow is not away (design 12): one message at a time tries it, and the others do not wait.
    Observation.SLOW: {_UP: _SUSPECT, _SUSPECT: _SUSPECT, _DOWN: _DOWN, _RECOVERING: _RECOVERING},
    Observation.PUT_OFF: {_UP: _UP, _SUSPECT: _SUSPECT, _DOWN: _DOWN, _RECOVERING: _RECOVERING},
    Observation.THROTTLED: {_UP: _UP, _SUSPECT: _SUSPECT, _DOWN: _DOWN, _RECOVERING: _RECOVERING},
    # A probe goes as far as RCPT only: it does not clear a suspicion that arose later in the dialogue.
    Observation.PROBE_GOOD: {_UP: _UP, _SUSPECT: _SUSPECT, _DOWN: _DOWN, _RECOVERING: _RECOVERING},
    Observation.GLIMPSE: {_UP: _UP, _SUSPECT: _SUSPECT, _DOWN: _DOWN, _RECOVERING: _RECOVERING},
    Observation.WANTED_GOOD: {_UP: _UP, _SUSPECT: _SUSPECT, _DOWN: _RECOVERING, _RECOVERING: _RECOVERING},
    Observation.PROBE_BAD: {_UP: _SUSPECT, _SUSPECT: _DOWN, _DOWN: _DOWN, _RECOVERING: _RECOVERING},
    Observation.FLUSHED: {_UP: _UP, _SUSPECT: _SUSPECT, _DOWN: _DOWN, _RECOVERING: _UP},
}
_FAILURES = frozenset({Observation.UNREACHABLE, Observation.SILENT, Observation.PROBE_BAD})


def probes_needed(health: Health, recovery_probes: int) -> int:
    """Returns how many good probes in a row end the present state `down`.

    They are ``recovery_probes``, and twice as many for each fall that followed soon after a recovery; at least MANY
    where home answers some and fails others. With Proof.MESSAGE it is how many messages it has to take: one, and twice
    as many for each such fall.
    """
    if health.proof is Proof.MESSAGE:
        return 1 << min(health.relapses, MOST_DOUBLINGS)
    needed = recovery_probes << min(health.relapses, MOST_DOUBLINGS)
    return max(needed, MANY) if health.proof is Proof.MANY else needed


def current(health: Health, now: int) -> Health:
    """Returns the health at ``now``: a suspicion ends after SUSPICION, also if the clock was set back meanwhile."""
    if not health.last_failure or abs(now - health.last_failure) < SUSPICION:
        return health
    state = State.UP if health.state is State.SUSPECT else health.state
    return replace(health, state=state, last_failure=0, reason="")


def gate(health: Health, now: int) -> Gate:
    """Returns whether a new message may be sent to home at ``now``. Where only a message shows that home is back, one
    at a time tries, as often as the caller finds right."""
    health = current(health, now)
    if health.state is State.DOWN:
        return Gate.TRY if health.proof is Proof.MESSAGE else Gate.SHUT
    return Gate.TRY if health.last_failure else Gate.OPEN


def observe(health: Health, observation: Observation, now: int, recovery_probes: int, reason: str = "") -> Health:
    """Returns the health after an observation.

    ``reason`` is kept where the state becomes a bad one or remains so. ``recovery_probes`` is the setting of that name.
    """
    health = current(health, now)
    again = bool(health.last_failure)
    state = TABLE[observation][health.state]
    if health.state is State.RECOVERING and again and observation in _FAILURES:
        state = State.DOWN
    if health.state is State.DOWN:
        return _while_down(health, observation, now, recovery_probes, reason)
    put_off = health.put_off + (observation is Observation.PUT_OFF)
    if put_off >= PUT_OFFS:
        return _fall(health, now, reason, Proof.MESSAGE)
    if state is State.DOWN:
        return _fall(health, now, reason, Proof.PROBES)
    last_failure = now if observation in _FAILURES or observation is Observation.SLOW else health.last_failure
    if observation is Observation.SERVED:
        last_failure = put_off = 0
    if state is State.UP and last_failure:  # flushed, or a first failure
        state = State.SUSPECT
    since = health.since if state.shown is health.state.shown else now
    reason = (reason or health.reason) if last_failure else ""
    return replace(health, state=state, since=since, last_failure=last_failure, reason=reason, put_off=put_off)


def _while_down(health: Health, observation: Observation, now: int, recovery_probes: int, reason: str) -> Health:
    if observation in _FAILURES or observation is Observation.PUT_OFF:
        some = observation is not Observation.PUT_OFF and (health.good_probes or health.glimpsed)
        proof = Proof.MANY if some and health.proof is Proof.PROBES else health.proof
        return replace(health, good_probes=0, proof=proof, reason=reason or health.reason)
    if observation is Observation.GLIMPSE:
        return replace(health, glimpsed=True)
    counts = Observation.SERVED if health.proof is Proof.MESSAGE else Observation.PROBE_GOOD
    if observation not in (counts, Observation.WANTED_GOOD):
        return health  # otherwise a late answer on an old session says nothing about a new one
    enough = observation is Observation.WANTED_GOOD or health.good_probes + 1 >= probes_needed(health, recovery_probes)
    if not enough:
        return replace(health, good_probes=health.good_probes + 1)
    return replace(
        health, state=State.RECOVERING, since=now, reason="", good_probes=0, last_failure=0, recovered=now, put_off=0
    )


def _fall(health: Health, now: int, reason: str, proof: Proof) -> Health:
    relapse = health.recovered and abs(now - health.recovered) < RELAPSE
    if relapse and proof is Proof.PROBES:
        proof = Proof.MANY if health.proof is Proof.MANY else proof
    return replace(
        health,
        state=State.DOWN,
        since=now,
        reason=reason,
        good_probes=0,
        last_failure=0,
        relapses=health.relapses + 1 if relapse else 0,
        proof=proof,
        glimpsed=False,
        put_off=0,
    )
