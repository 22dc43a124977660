"""Logs administrators in, by password and second factor or by a bearer token; how passwords are judged is in
accounts/judging.py.

Nothing about them is remembered here but right passwords: every request asks the store, so that an administrator or a
token that was removed, or a password that was changed, ends with the next request in whatever process that comes.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts import administrators, second_factor, tokens
from mpcontinuity.accounts.judging import Judge, renew_later
from mpcontinuity.accounts.throttle import digest_of
from mpcontinuity.accounts.tokens import USE_NOTED_EVERY, Bearer
from mpcontinuity.accounts.web_sessions import Session
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

_NOBODY = ""  # no administrator has this name: a name that none can have costs the same look into the store

_log = Logger()


class Administrator(msgspec.Struct, frozen=True):
    """An administrator who has logged in, with what they may do.

    ``domain`` is the name of the only domain that they administer, in lower case; empty: all. ``scopes`` are what the
    token that they came by grants (control/grants.py); None: all that they may. ``password`` is the id of the password
    that they proved, or 0; ``token`` is the id of the token that they came by, or 0.
    """

    name: str
    domain: str
    scopes: frozenset[str] | None = None
    password: int = 0
    token: int = 0


class AdministratorLogin:
    """Logs administrators in, in the reactor thread. Unknown names are told the same as wrong passwords, in about the
    same time.

    Failures are counted by name (or by what was sent as a token) and client host, as those of users are, and for a
    host they add up with those of users; names of administrators and addresses of users never mix.
    ``outcomes`` counts attempts with a password, ``code_outcomes`` those with a code of the second factor,
    ``token_outcomes`` those with a token, by what became of them: ``succeeded``, ``failed`` or ``throttled``.
    """

    def __init__(self, store: Store, judge: Judge) -> None:
        self._store = store
        self._judge = judge
        self._noting: set[int] = set()  # tokens whose use is being written down
        self.outcomes: Counter[str] = Counter(succeeded=0, failed=0, throttled=0)
        self.code_outcomes: Counter[str] = Counter(self.outcomes)
        self.token_outcomes: Counter[str] = Counter(self.outcomes)

    async def by_password(self, name: str, password: str, peer: str) -> Administrator | None:
        """Returns the administrator, or None: unknown, wrong, or guessed too often from ``peer`` (an IP address).

        Raises Temporary when it cannot be told now, or when others guess from there.
        """
        name = name.strip()
        who = digest_of(f"administrator {name}")
        return await self._judge.judge(who, password, peer, partial(self._right, name, password, peer), self.outcomes)

    async def has_second_factor(self, administrator: Administrator) -> bool:
        """Says whether a password alone does not let the administrator in. Raises Temporary when it cannot be told."""
        return await self._store.read(partial(second_factor.is_on, name=administrator.name))

    async def by_code(self, administrator: Administrator, code: str, peer: str) -> bool:
        """Uses a code of the second factor up, or a recovery code, and says whether it was good.

        False as well where codes were guessed too often: from ``peer`` (an IP address), or at all since the password
        was changed. Raises Temporary when it cannot be told now, or when others guess from there.
        """
        name = administrator.name
        who = digest_of(f"code {name}")
        look = partial(self._code, name, code)
        return bool(await self._judge.judge(who, code, peer, look, self.code_outcomes))

    async def by_token(self, token: str, peer: str) -> Administrator | None:
        """Returns the administrator whose ``token`` it is, no further than that reaches; else None: unknown, expired,
        removed, or tried too often from ``peer`` (an IP address).

        Raises Temporary when it cannot be told now, or when others guess from there.
        """
        digest = tokens.digest_of(token)
        who = digest_of(f"token {digest.hex()}")
        return await self._judge.judge(who, digest, peer, partial(self._bearer, digest), self.token_outcomes)

    async def still(self, administrator: Administrator) -> Administrator | None:
        """Returns the administrator as they are now, for what goes on after their login; None where they, their token
        or the password that they proved are gone. Raises Temporary when it cannot be told now.
        """
        name, token = administrator.name, administrator.token
        if token:
            return self._within(await self._store.read(partial(tokens.find_by_id, name=name, token=token)))
        kept = await self._store.read(partial(administrators.credentials, name=name))
        if kept is None or kept.password_id != administrator.password:
            return None
        return Administrator(name, kept.domain, password=kept.password_id)

    async def _code(self, name: str, code: str) -> bool | None:
        return await self._store.run(partial(second_factor.use, name=name, code=code)) or None

    async def _right(self, name: str, password: str, peer: str) -> Administrator | None:
        looked_for = name if administrators.NAME.fullmatch(name) else _NOBODY
        kept = await self._store.read(partial(administrators.credentials, name=looked_for))
        which = f"administrator {looked_for}: {kept.password_id if kept else 0}"
        if not self._judge.remembers(which, password) and not await self._judge.is_right(
            which, password, kept.hash if kept else "", peer
        ):
            return None
        if kept is None:
            return None
        renew_later(self._renew(name, password, kept.hash, peer))
        return Administrator(name, kept.domain, password=kept.password_id)

    async def _renew(self, name: str, password: str, old: str, peer: str) -> None:
        new = await self._judge.renewed(password, old, peer)
        if new is not None:
            await self._store.run(partial(administrators.replace_hash, name=name, old=old, new=new))

    async def _bearer(self, digest: bytes) -> Administrator | None:
        found = await self._store.read(partial(tokens.find, digest=digest))
        administrator = self._within(found)
        if administrator is not None and found is not None:
            self._note_use(found)
        return administrator

    def _within(self, bearer: Bearer | None) -> Administrator | None:
        """As far as both the token and its administrator reach; None where it is over, or where that is nowhere."""
        if bearer is None or 0 < bearer.expires <= self._store.clock.now():
            return None
        domain = bearer.domain or bearer.own_domain
        if bearer.own_domain not in ("", domain):
            return None
        return Administrator(bearer.administrator, domain, bearer.scopes, token=bearer.id)

    def _note_use(self, bearer: Bearer) -> None:
        now = self._store.clock.now()
        if bearer.id in self._noting or 0 <= now - bearer.last_used < USE_NOTED_EVERY:
            return
        self._noting.add(bearer.id)

        def noted(outcome: object) -> None:
            self._noting.discard(bearer.id)
            if isinstance(outcome, Failure):  # it costs nothing but the note: the next use tries again
                _log.warn("the use of a token is not noted: {error}", error=outcome.value)

        Deferred.fromCoroutine(self._write_use(bearer.id, now)).addBoth(noted)

    async def _write_use(self, token: int, now: int) -> None:
        await self._store.run(partial(tokens.note_use, token=token, now=now))


def signed_in(tx: Transaction, session: Session) -> Administrator | None:
    """Returns the administrator of a session of a browser (accounts/web_sessions.py), as they are now.

    None where they are gone, or have another password than the one by which the session was begun.
    """
    kept = administrators.credentials(tx, session.whose)
    if kept is None or kept.password_id != session.password:
        return None
    return Administrator(session.whose, kept.domain, password=kept.password_id)
