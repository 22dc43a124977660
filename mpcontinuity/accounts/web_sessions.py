"""Rows of the table ``web_session``: browsers in which an administrator or a user is signed in.

A session is known by a secret in a cookie, of which the table has the digest alone. Any process can serve it, and it
ends at its next request after the password that began it was changed, whoever it is of was removed, or somebody ended
it.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.model.clock import DAY, HOUR, MINUTE
from mpcontinuity.model.hosts import network_of
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

T = TypeVar("T")
Step = str | Callable[[Transaction], str]

SEEN_NOTED_EVERY: Final = MINUTE  # how exactly the last use is known: a request costs no write of its own
UNFINISHED_LASTS: Final = 10 * MINUTE  # for finding one's telephone and typing a code
STEP: Final = 500  # rows of one transaction

_OCTETS: Final = 32  # of randomness in a secret
_LONGEST_SECRET: Final = 64  # characters of what is looked up; a secret of ours has 43
_LONGEST_AGENT: Final = 200  # characters; browsers say some 120
_LONGEST_FLASH: Final = 4_000  # characters: a sentence or two, and what webmail is to undo

_log = Logger()


@dataclass(frozen=True, slots=True)
class Kind:
    """What sessions of one kind are like.

    A session ends ``idle`` µs after its last use, and ``lasts`` µs after it began in any case. Of one administrator or
    user there are ``most`` at a time; a further one ends the oldest.
    """

    name: str
    idle: int
    lasts: int
    most: int


# A working day, and a long meeting in it. Ten browsers are more than somebody watches.
ADMINISTRATOR: Final = Kind("administrator", idle=HOUR, lasts=12 * HOUR, most=10)
# People leave their mail open all day, and come back to it on the next.
USER: Final = Kind("user", idle=DAY, lasts=14 * DAY, most=20)
# Setting up a telephone takes minutes; whoever finds the browser open later is not to make passwords in it.
SETUP: Final = Kind("setup", idle=15 * MINUTE, lasts=HOUR, most=10)


class Session(NamedTuple):
    """A session that has not ended. Times are in µs.

    ``whose`` is the name of an administrator or the id of a user's account, ``password`` says which of their passwords
    was proved. ``step`` is what is still to be done before anybody is signed in: empty where nothing is, ``code`` for
    the second factor, ``enrol`` for setting one up. ``seen`` is exact to `SEEN_NOTED_EVERY`; without further use the
    session ends at ``idle_end``, and at ``ends`` in any case. ``peer`` is the IP address from which it was begun,
    ``agent`` what the browser calls itself. ``flash`` is what the next page is to say.
    """

    id: int
    whose: str
    password: int
    step: str
    created: int
    seen: int
    idle_end: int
    ends: int
    peer: str
    agent: str
    flash: str


_COLUMNS = "id, whose, password, step, created, seen, idle_end, ends, peer, agent, flash"
_ADD = Statement(
    f"INSERT INTO web_session (digest, kind, {_COLUMNS}) VALUES "
    "(:digest, :kind, :id, :whose, :password, :step, :now, :now, :idle_end, :ends, :peer, :agent, '')"
)
_FIND = Statement(f"SELECT {_COLUMNS} FROM web_session WHERE digest = :digest AND kind = :kind AND idle_end > :now")
_LISTING = Statement(
    f"SELECT {_COLUMNS} FROM web_session WHERE kind = :kind AND (:whose = '' OR whose = :whose) AND step = '' "
    "AND idle_end > :now AND (:after = 0 OR id < :after) ORDER BY id DESC LIMIT :limit"
)
_NOTE_SEEN = Statement(
    "UPDATE web_session SET seen = :now, idle_end = CASE WHEN ends < :until THEN ends ELSE :until END "
    "WHERE digest = :digest AND idle_end > :now AND (seen <= :before OR seen > :now)"
)
_FLASH = Statement("UPDATE web_session SET flash = :flash WHERE digest = :digest")
_END = Statement("DELETE FROM web_session WHERE digest = :digest AND kind = :kind")
_END_ONE = Statement("DELETE FROM web_session WHERE id = :id AND kind = :kind AND whose = :whose")
_END_ALL = Statement("DELETE FROM web_session WHERE kind = :kind AND whose = :whose")
# Finished and unfinished ones are counted apart: who knows a password and no code pushes out nobody who is signed in.
_END_OLDEST = Statement(
    """DELETE FROM web_session WHERE digest IN (SELECT digest FROM web_session
        WHERE kind = :kind AND whose = :whose AND step = ''
        ORDER BY created DESC, digest LIMIT 1000 OFFSET :kept)"""
)
_UNFINISHED = Statement(
    "SELECT id, peer FROM web_session WHERE kind = :kind AND whose = :whose AND step <> '' "
    "ORDER BY created DESC, digest LIMIT 1000"
)
_END_THESE = Statement("DELETE FROM web_session WHERE id IN [:ids]")
_FORGET = Statement(
    "DELETE FROM web_session WHERE digest IN "
    "(SELECT digest FROM web_session WHERE idle_end <= :before ORDER BY idle_end LIMIT :step)"
)


def secret(randomness: Randomness) -> str:
    """Returns a new secret for a session: 43 letters, digits, ``-`` and ``_``."""
    return base64.urlsafe_b64encode(randomness.bytes(_OCTETS)).decode().rstrip("=")


def begin(
    tx: Transaction,
    kind: Kind,
    secret: str,
    whose: str,
    password: int,
    *,
    step: Step = "",
    peer: str = "",
    agent: str = "",
    replaces: str = "",
) -> None:
    """Begins a session under a new ``secret``; the one whose secret is ``replaces`` ends with it.

    ``step`` may be a function that says it in this transaction. The other arguments are as in `Session`. Where there
    are as many as the kind allows, the oldest ends; of unfinished ones the oldest of the network that has most of them,
    so that who knows the password alone does not keep its owner from typing the code.
    """
    step = step if isinstance(step, str) else step(tx)
    if replaces:
        end(tx, kind, replaces)
    if step:
        _end_unfinished(tx, kind, whose, network_of(peer))
    else:
        tx.run(_END_OLDEST, kind=kind.name, whose=whose, kept=kind.most - 1)
    ends = tx.now + (UNFINISHED_LASTS if step else kind.lasts)
    tx.run(
        _ADD,
        digest=digest_of(secret),
        kind=kind.name,
        id=tx.identifier(),
        whose=whose,
        password=password,
        step=step,
        now=tx.now,
        idle_end=min(tx.now + kind.idle, ends),
        ends=ends,
        peer=peer,
        agent=agent[:_LONGEST_AGENT],
    )


def _end_unfinished(tx: Transaction, kind: Kind, whose: str, network: str) -> None:
    """Ends so many that one more of that network has room."""
    rows = [(id_, network_of(peer)) for id_, peer in tx.all(_UNFINISHED, kind=kind.name, whose=whose)]
    held = Counter([network, *(one for _, one in rows)])
    ended = []
    while len(rows) >= kind.most:
        # Where several have as many, that of the newcomer gives way.
        last = max(range(len(rows)), key=lambda at: (held[rows[at][1]], rows[at][1] == network, at))
        id_, of = rows.pop(last)
        held[of] -= 1
        ended.append(id_)
    if ended:
        tx.run(_END_THESE, ids=ended)


def find(tx: Transaction, kind: Kind, digest: bytes) -> Session | None:
    """Returns the session whose secret has that digest; None where there is none, or it has ended."""
    return tx.record(Session, _FIND, digest=digest, kind=kind.name, now=tx.now)


def listing(tx: Transaction, kind: Kind, whose: str = "", after: int = 0, limit: int = 500) -> list[Session]:
    """Returns up to ``limit`` sessions in which somebody is signed in, the newest first, those before the id ``after``.

    ``whose`` is as in `Session`; empty: of all.
    """
    return tx.records(Session, _LISTING, kind=kind.name, whose=whose, now=tx.now, after=after, limit=limit)


def note_seen(tx: Transaction, kind: Kind, digest: bytes, now: int) -> None:
    """Notes that a session was used ``now`` (µs), unless another process has noted it within a minute."""
    tx.run(_NOTE_SEEN, digest=digest, now=now, until=now + kind.idle, before=now - SEEN_NOTED_EVERY)


def flash(tx: Transaction, digest: bytes, text: str) -> None:
    """Keeps what the next page of a session is to say; an empty ``text`` takes it back."""
    tx.run(_FLASH, digest=digest, flash=text[:_LONGEST_FLASH])


def end(tx: Transaction, kind: Kind, secret: str) -> None:
    """Ends the session with that secret, if there is one."""
    tx.run(_END, digest=digest_of(secret), kind=kind.name)


def end_one(tx: Transaction, kind: Kind, whose: str, session: int) -> bool:
    """Ends a session by its id, and says whether ``whose`` had it."""
    return bool(tx.run(_END_ONE, id=session, kind=kind.name, whose=whose))


def end_all(tx: Transaction, kind: Kind, whose: str) -> int:
    """Ends all sessions of an administrator or user, and returns how many there were."""
    return tx.run(_END_ALL, kind=kind.name, whose=whose)


def forget(tx: Transaction, before: int) -> int:
    """Forgets up to `STEP` sessions that had ended by then. Returns how many: call it again while that is `STEP`."""
    return tx.run(_FORGET, before=before, step=STEP)


async def sweep(store: Store) -> None:
    """Forgets sessions that have ended, in steps of the bulk lane. Raises Temporary."""
    before = store.clock.now()
    while await store.run(partial(forget, before=before), bulk=True) == STEP:
        pass


def digest_of(secret: str) -> bytes:
    """Returns what is kept of a secret: SHA-256, 32 octets. Secrets are long and random, so no salt is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class SignedIn(Generic[T]):
    """A session with whoever is signed in by it: an administrator or a user, as they are now."""

    session: Session
    who: T


class WebSessions(Generic[T]):
    """The sessions of one kind for one process, in the reactor thread.

    ``holder`` is a function of a transaction and a session: it returns whose session that is, as they are now, and None
    where they are gone or have another password by now.
    """

    def __init__(
        self,
        store: Store,
        kind: Kind,
        randomness: Randomness,
        holder: Callable[[Transaction, Session], T | None],
    ) -> None:
        self.kind = kind
        self._store = store
        self._randomness = randomness
        self._holder = holder
        self._noting: set[bytes] = set()  # sessions whose use is being written down

    async def begin(
        self, whose: str, password: int, *, step: Step = "", peer: str = "", agent: str = "", replaces: str = ""
    ) -> str:
        """Begins a session and returns its secret. The arguments are those of the function `begin`.

        Raises Temporary when it cannot be begun now.
        """
        fresh = secret(self._randomness)
        who = partial(begin, kind=self.kind, secret=fresh, whose=whose, password=password)
        await self._store.run(partial(who, step=step, peer=peer, agent=agent, replaces=replaces))
        return fresh

    async def find(self, secret: str, *, used: bool = True) -> SignedIn[T] | None:
        """Returns the session with that secret, which may be unfinished (`Session.step`), and whose it is.

        None: there is none, or it has ended. That it is ``used`` is noted beside the request. Raises Temporary when it
        cannot be told now.
        """
        if not 0 < len(secret) <= _LONGEST_SECRET:
            return None
        digest = digest_of(secret)
        found = await self._store.read(partial(_held, kind=self.kind, digest=digest, holder=self._holder))
        if used and found is not None and not found.session.step:
            self._note_seen(digest, found.session)
        return found

    async def flash(self, secret: str, text: str) -> None:
        """Keeps what the next page of the session is to say; an empty ``text`` takes it back. Raises Temporary."""
        await self._store.run(partial(flash, digest=digest_of(secret), text=text))

    async def end(self, secret: str) -> None:
        """Ends the session with that secret, if there is one. Raises Temporary when that cannot be done now."""
        await self._store.run(partial(end, kind=self.kind, secret=secret))

    def _note_seen(self, digest: bytes, session: Session) -> None:
        now = self._store.clock.now()
        if digest in self._noting or 0 <= now - session.seen < SEEN_NOTED_EVERY:
            return
        self._noting.add(digest)

        def noted(outcome: object) -> None:
            self._noting.discard(digest)
            if isinstance(outcome, Failure):  # it costs nothing but the note: the next use tries again
                _log.warn("the use of a session is not noted: {error}", error=outcome.value)

        Deferred.fromCoroutine(self._write_seen(digest, now)).addBoth(noted)

    async def _write_seen(self, digest: bytes, now: int) -> None:
        await self._store.run(partial(note_seen, kind=self.kind, digest=digest, now=now))


def _held(tx: Transaction, kind: Kind, digest: bytes, holder: Callable[..., Any]) -> SignedIn[Any] | None:
    session = find(tx, kind, digest)
    who = holder(tx, session) if session is not None else None
    return SignedIn(session, who) if session is not None and who is not None else None
