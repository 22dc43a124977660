"""Logs users in: whether a name and a secret belong together, the one answer that IMAP, POP3, SMTP and the web ask for.

A secret is a password, or a proof of it by SCRAM (RFC 5802). How it is judged is in accounts/judging.py. The own
password of a user who has a second factor (accounts/user_factors.py) opens nothing but a page that asks for that next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from mpcontinuity.accounts import app_passwords, user_factors, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.judging import Judge, renew_later
from mpcontinuity.accounts.logins import Logins
from mpcontinuity.accounts.passwords import prepare
from mpcontinuity.accounts.throttle import digest_of
from mpcontinuity.accounts.users import Credentials, User
from mpcontinuity.accounts.web_sessions import Session
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.protocols.sasl.scram import SALT_OCTETS, Keys, make_keys, read_keys, unknown_keys
from mpcontinuity.store import meta
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

_NOBODY = 0  # no account has this id: who is unknown costs the same look into the store

CODE: Final = "code"  # the step of a login by a browser (`web_sessions.Session.step`) that waits for the second factor

# Salts of names that nobody has are made of it: the same for every process, and after a restart.
_SECRET = "unknown names"  # its key in `meta`
_SECRET_OCTETS = 32


class Proof(NamedTuple):
    """Which password somebody has proved: how many the user had before it, and the id of the app password; 0 where it
    is the user's own."""

    changes: int
    app_password: int = 0


class UserLogin:
    """Logs users in, in the reactor thread. Unknown names are told the same as wrong passwords, in about the same time.

    ``outcomes`` counts attempts by what became of them: ``succeeded``, ``failed`` or ``throttled``, ``code_outcomes``
    those with a code of the second factor. ``logins`` is told by the doors who has logged in.
    """

    def __init__(self, store: Store, directory: Directory, judge: Judge) -> None:
        self._store = store
        self._directory = directory
        self._judge = judge
        self.logins = Logins(store)
        self.randomness = judge.randomness
        self.outcomes: Counter[str] = Counter(succeeded=0, failed=0, throttled=0)
        self.code_outcomes: Counter[str] = Counter(self.outcomes)
        self._secret = b""

    async def check(
        self, name: str, password: str, peer: str, *, by_device: bool = False, code_follows: bool = False
    ) -> User | None:
        """Returns the user, or None: unknown, wrong, not active, or guessed too often from ``peer`` (an IP address).

        ``by_device``: the app password of a device is as good as their own. ``code_follows``: whoever asks lets a user
        who has a second factor in by that alone, or asks in a session that has proved it; for all others the own
        password of such a user is as good as a wrong one. Raises Temporary when it cannot be told now, or when others
        guess from there.
        """
        user = await self._find(name)
        look = partial(self._password, user, password, peer, by_device)
        proof = await self._judge.judge(_who(user, name), password, peer, look, self.outcomes)
        return await self._let_in(user, proof, code_follows=code_follows)

    async def by_code(self, user: User, code: str, peer: str) -> bool:
        """Uses a code of the second factor up, or a recovery code, and says whether it was good.

        False as well where codes were guessed too often: from ``peer`` (an IP address), or at all since the password
        was changed. Raises Temporary when it cannot be told now, or when others guess from there.
        """
        who = digest_of(f"code of account {user.id}")
        return bool(await self._judge.judge(who, code, peer, partial(self._code, user.id, code), self.code_outcomes))

    async def keys(self, name: str) -> list[Keys]:
        """Returns keys of the passwords of a user, of which SCRAM shows what they have in common, their salt and number
        of iterations; for one who cannot log in by it, keys that no proof fits. It is one at least.

        Raises Temporary when it cannot be told now.
        """
        user = await self._find(name)
        found = list(await self._keys_of(user))
        return found or [unknown_keys(_compared(name), await self._secret_of_unknown())]

    async def prove(self, name: str, message: bytes, peer: str, proves: Callable[[], Keys | None]) -> User | None:
        """Returns the user, if the client's ``message`` proves a password that is theirs still; else None, as `check`
        does. ``proves`` returns the keys of that password, among those of `keys`, or None for a wrong one.

        Raises Temporary when it cannot be told now.
        """
        user = await self._find(name)

        async def proved() -> Proof | None:
            current = await self._keys_of(user)
            keys = proves()
            return current.get(keys) if keys is not None else None

        proof = await self._judge.judge(_who(user, name), message, peer, proved, self.outcomes)
        return await self._let_in(user, proof)

    async def still(self, user: User) -> User | None:
        """Returns the user, or None if they were closed or lost their password since they proved who they are, or their
        own password is not enough any more."""
        return await self._let_in(user, Proof(user.password_changes, user.app_password))

    async def _code(self, account: int, code: str) -> bool | None:
        return await self._store.run(partial(user_factors.use, account=account, code=code)) or None

    async def _let_in(self, user: User | None, proof: Proof | None, *, code_follows: bool = False) -> User | None:
        """As they are now, with which of their passwords they proved: when that ends, the session does.

        That a right password is refused for want of the second factor counts as no wrong one: a mail program that
        knows nothing else goes on trying, and is not to lock its user out of the pages."""
        if user is None or proof is None:
            return None
        now = await self._directory.user(parse(user.address))
        if now is None or now.id != user.id or now.status != "active":
            return None
        entered = replace(now, password_changes=proof.changes, app_password=proof.app_password)
        if not proof.app_password and (
            now.password_changes > proof.changes or (now.second_factor and not code_follows)
        ):
            return None
        return entered if await self._directory.app_password_stands(entered) else None

    async def _keys_of(self, user: User | None) -> dict[Keys, Proof]:
        """And of which password each is. Those of one salt, which are all unless a server of an earlier version has
        changed the user's own password: it knows of no other."""
        kept, others = await self._store.read(partial(_keys, account=user.id if user else _NOBODY))
        if user is None or user.status != "active":
            return {}
        texts = {kept.scram: Proof(kept.changes)} | {
            text: Proof(kept.changes, app_password) for app_password, text in others.items()
        }
        found = {keys: proof for text, proof in texts.items() if (keys := read_keys(text)) is not None}
        shown = next(iter(found), None)
        return {
            keys: proof
            for keys, proof in found.items()
            if shown is not None and (keys.salt, keys.iterations) == (shown.salt, shown.iterations)
        }

    async def _secret_of_unknown(self) -> bytes:
        if not self._secret:
            fresh = self.randomness.bytes(_SECRET_OCTETS).hex()
            self._secret = bytes.fromhex(await self._store.run(partial(_kept_secret, fresh=fresh)))
        return self._secret

    async def _find(self, name: str) -> User | None:
        try:
            address = parse(name.strip())
        except BadAddress:
            return None
        return await self._directory.user(address)

    async def _password(self, user: User | None, password: str, peer: str, by_device: bool) -> Proof | None:
        """Which of the user's passwords it is, where it is a present one. That of a device is looked up by its digest,
        in the same transaction; whatever is wrong takes as long as a wrong password of their own."""
        active = user is not None and user.status == "active"
        if user and active and self._judge.remembers(_which(user, user.password_changes), password):
            return Proof(user.password_changes)
        account = user.id if user else _NOBODY
        kept, app_password = await self._store.read(
            partial(_credentials, account=account, password=password if by_device else "")
        )
        if active and app_password:
            return Proof(kept.changes, app_password)
        right = await self._judge.is_right(_which(user, kept.changes), password, kept.hash, peer)
        if user is None or not active or not right:
            return None
        renew_later(self._renew(user, password, kept, peer))
        return Proof(kept.changes)

    async def _renew(self, user: User, password: str, kept: Credentials, peer: str) -> None:
        """Here alone the password is known: what is derived of it is made as the configuration wants it now."""
        if not kept.scram:
            salt = await self._store.read(partial(app_passwords.salt, account=user.id))
            salt = salt or self.randomness.bytes(SALT_OCTETS)
            made = str(await self._judge.compute(partial(make_keys, prepare(password), salt), peer))
            await self._store.run(partial(users.keep_keys, account=user.id, password_hash=kept.hash, scram=made))
        new = await self._judge.renewed(password, kept.hash, peer)
        if new is not None:
            await self._store.run(partial(users.replace_hash, account=user.id, old=kept.hash, new=new))


def _credentials(tx: Transaction, account: int, password: str) -> tuple[Credentials, int]:
    """And the id of the app password that it is, 0 for none."""
    found = app_passwords.find(tx, account, app_passwords.digest_of(account, password))
    return users.credentials(tx, account), found


def _keys(tx: Transaction, account: int) -> tuple[Credentials, dict[int, str]]:
    return users.credentials(tx, account), app_passwords.scram(tx, account)


def signed_in(tx: Transaction, session: Session) -> User | None:
    """Returns the user of a session of a browser (accounts/web_sessions.py), as they are now.

    None where they are gone or not active, or have another password than the one by which the session was begun.
    """
    user = users.by_id(tx, int(session.whose))
    active = user is not None and user.status == "active" and user.password_changes == session.password
    return user if active else None


def next_step(tx: Transaction, account: int) -> str:
    """Returns what a login by a browser waits for once the password is proved: `CODE`, or nothing."""
    return CODE if user_factors.is_on(tx, account) else ""


def _who(user: User | None, name: str) -> bytes:
    """What failures are counted by: whoever is reached by that name, else the name itself; a digest, however long."""
    return digest_of(f"account {user.id}" if user is not None else f"name {_compared(name)}")


def _which(user: User | None, changes: int) -> str:
    return f"account {user.id if user else _NOBODY}: {changes}"


def _compared(name: str) -> str:
    """Every spelling of a name that would reach the same user, if there were one, as one."""
    try:
        return parse(name.strip()).untagged_key
    except BadAddress:
        return name.strip().lower()


def _kept_secret(tx: Transaction, fresh: str) -> str:
    return meta.put_new(tx, _SECRET, fresh)
