"""Rows of the tables ``account`` and ``address``: registered users and every address that reaches them.

All functions are work for one transaction. The counters of the ledger on rows of ``account`` are in counters.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from mpcontinuity.accounts import app_passwords, links, user_factors, web_sessions
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.names import ARCHIVED_USE
from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.events import AccountsChanged
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

Status = Literal["active", "inactive", "pending"]
Source = Literal["manual", "import", "relay-check", "directory"]

# A user on the way out, or one whose ledger is not empty: the row stays so that the domain's sum still adds up, and no
# address leads to it.
REMOVED = "removed"

# `user list` shows all of a user in a page of up to 1,000; an administrator of one domain may write them.
MOST_ALIASES = 1_000
LONGEST_NAME = 250  # characters

_COLUMNS = (
    "account.id, account.domain, account.address, account.name, account.status, account.opt_in, account.relay, "
    f"account.password_changes, account.language, {user_factors.CONFIRMED}, account.vacation"
)
_USER_COLUMNS = _COLUMNS.count(",") + 1
_BY_KEYS = Statement(
    f"SELECT address.key, {_COLUMNS} FROM address JOIN account ON account.id = address.account "
    "WHERE address.key = :key OR address.key = :untagged"
)
_BY_ID = Statement(f"SELECT {_COLUMNS} FROM account WHERE account.id = :id AND account.status <> 'removed'")
_ADD = Statement(
    "INSERT INTO account (id, domain, address, name, password, scram, status, source, created, alternate) "
    "VALUES (:id, :domain, :address, :name, :password, :scram, :status, :source, :now, :alternate)"
)
_ADD_ADDRESS = Statement(
    "INSERT INTO address (key, account, alias, since) VALUES (:key, :account, :alias, "
    "COALESCE((SELECT time FROM removed_address WHERE key = :key), 0)) ON CONFLICT (key) DO NOTHING"
)
_HOLDER = Statement(
    "SELECT account.address, address.alias "
    "FROM address JOIN account ON account.id = address.account WHERE address.key = :key"
)
_ALIASES = Statement("SELECT COUNT(*) FROM address WHERE account = :account AND alias = 1")
_REMOVE_ALIAS = Statement("DELETE FROM address WHERE key = :key AND account = :account AND alias = 1")
_SET_STATUS = Statement("UPDATE account SET status = :status WHERE id = :id")
_OPT_IN_STEP = Statement(
    """UPDATE account SET opt_in = :opt_in
    WHERE id IN (SELECT id FROM account WHERE domain = :domain AND opt_in <> :opt_in LIMIT :step)"""
)
_SET_OPT_IN = Statement("UPDATE account SET opt_in = :opt_in WHERE id = :id")
_SET_RELAY = Statement("UPDATE account SET relay = :relay WHERE id = :id")
_SET_ALTERNATE = Statement("UPDATE account SET alternate = :alternate WHERE id = :id")
_SET_NAME = Statement("UPDATE account SET name = :name WHERE id = :id")
_SET_LANGUAGE = Statement("UPDATE account SET language = :language WHERE id = :id")
# A user who waited for a password is active with it; one that was made inactive stays so.
_SET_PASSWORD = Statement(
    "UPDATE account SET password = :password, scram = :scram, password_changes = password_changes + 1, "
    "status = CASE status WHEN 'pending' THEN 'active' ELSE status END "
    "WHERE id = :id"
)
_REPLACE_HASH = Statement("UPDATE account SET password = :new WHERE id = :id AND password = :old")
_KEEP_KEYS = Statement("UPDATE account SET scram = :scram WHERE id = :id AND password = :password AND scram = ''")
_PASSWORD = Statement("SELECT password FROM account WHERE id = :id")
_CREDENTIALS = Statement("SELECT password, scram, password_changes FROM account WHERE id = :id")
_MARK_REMOVED = Statement(
    "INSERT INTO removed_address (key, domain, time) SELECT key, :domain, :now FROM address WHERE account = :account "
    "ON CONFLICT (key) DO UPDATE SET time = excluded.time"
)
_MARK_ALIAS = Statement(
    "INSERT INTO removed_address (key, domain, time) VALUES (:key, :domain, :now) "
    "ON CONFLICT (key) DO UPDATE SET time = excluded.time"
)
_UNMARK = Statement("DELETE FROM removed_address WHERE key = :key")
_FORGET_ADDRESSES = Statement("DELETE FROM address WHERE account = :account")
_OF_DOMAIN = Statement("SELECT id FROM account WHERE domain = :domain LIMIT 500")
_COUNTS = Statement(
    "SELECT domain, COUNT(*) FROM account WHERE status <> 'removed' AND domain IN [:domains] GROUP BY domain"
)
_NEVER = Statement(
    "SELECT domain, COUNT(*) FROM account "
    "WHERE last_login = 0 AND status IN ('active', 'pending') AND domain IN [:domains] GROUP BY domain"
)
_TAKE_ADDRESSES = Statement("UPDATE address SET account = :into, alias = 1 WHERE account = :account")
_ABSORB = Statement(
    "UPDATE account SET status = 'removed', absorbed_by = :into, password = '', scram = '', alternate = '' "
    "WHERE id = :account"
)
_ABSORB_OTHERS = Statement("UPDATE account SET absorbed_by = :into WHERE absorbed_by = :account AND status = 'removed'")
_REACHABLE = Statement(
    "SELECT id, address, alternate FROM account WHERE domain = :domain AND status IN ('active', 'pending') "
    "AND id > :after AND (:last = 0 OR id <= :last) ORDER BY id LIMIT :step"
)


_LISTED_COLUMNS = (
    "account.source, (SELECT COALESCE(SUM(messages), 0) FROM mailbox "
    f"WHERE mailbox.account = account.id AND mailbox.use <> '{ARCHIVED_USE}'), "
    "account.alternate, account.last_login, account.last_login_by"
)
_LISTING = Statement(
    f"SELECT {_COLUMNS}, {_LISTED_COLUMNS} "
    "FROM account WHERE account.status <> 'removed' AND (:domain = 0 OR account.domain = :domain) "
    "AND (:never = 0 OR account.last_login = 0 AND account.status <> 'inactive') "
    "AND (:search = '' OR lower(account.address) LIKE :search ESCAPE '!' "
    "OR lower(account.name) LIKE :search ESCAPE '!') "
    "AND account.address > :after ORDER BY account.address LIMIT :step"
)
_LISTED = Statement(f"SELECT {_COLUMNS}, {_LISTED_COLUMNS} FROM account WHERE account.id = :id")
_KEYS = Statement("SELECT key FROM address WHERE account = :account ORDER BY key LIMIT :most")
_KEYS_SINCE = Statement("SELECT key, since FROM address WHERE account = :account ORDER BY key LIMIT :most")
_ALIASES_OF = Statement("SELECT account, key FROM address WHERE alias = 1 AND account IN [:accounts] ORDER BY key")


@dataclass(frozen=True, slots=True)
class Listed:
    """A user with what `user list` and `user show` tell of them.

    ``messages`` is how many there are in all their mailboxes, ``alternate`` the address where they read mail that needs
    neither their home server nor this one; empty where none is known. ``last_login`` is when they last logged in, in µs
    and to a minute or so (0: never), by the protocol ``last_login_by``.
    """

    user: User
    aliases: list[str]
    source: Source
    messages: int
    alternate: str
    last_login: int
    last_login_by: str


@dataclass(frozen=True, slots=True)
class User:
    """A user: ``domain`` and ``id`` are ids of rows, ``address`` is as it was given when the user was added.

    ``opt_in`` is their wish in mode `optional`; ``password_changes`` counts their passwords before the present one.
    ``second_factor`` says whether that password alone does not let them in. ``app_password`` is the id of the app
    password that they have logged in by, 0 where it was their own. ``language`` is the code of the one in which they
    read pages; empty: as their browser wishes. ``vacation`` says when their vacation text is sent (vacation.py).
    """

    id: int
    domain: int
    address: str
    name: str
    status: Status
    opt_in: bool
    relay: bool = False  # stands for the home server
    password_changes: int = 0  # before this was read
    second_factor: bool = False
    app_password: int = 0
    language: str = ""
    vacation: int = 0

    @property
    def registered(self) -> bool:
        """Says whether continuity takes mail for them: they are active, or pending (no password yet)."""
        return self.status != "inactive"


def _user(
    id_: int,
    domain: int,
    address: str,
    name: str,
    status: Status,
    opt_in: int,
    relay: int,
    password_changes: int,
    language: str,
    factors: int,
    vacation: int,
) -> User:
    """Returns the user of a row of _COLUMNS."""
    return User(
        id_,
        domain,
        address,
        name,
        status,
        bool(opt_in),
        bool(relay),
        password_changes,
        second_factor=factors > 0,
        language=language,
        vacation=vacation,
    )


def find(tx: Transaction, address: Address) -> User | None:
    """Returns the user of any status that the address reaches, as it is or else without its ``+tag``; None: nobody."""
    rows = tx.all(_BY_KEYS, key=address.key, untagged=address.untagged_key)
    for key, *columns in rows:
        if key == address.key or len(rows) == 1:
            return _user(*columns)
    return None


def by_id(tx: Transaction, account: int) -> User | None:
    """Returns the user of an account; None where there is none, or they are removed."""
    return tx.record(_user, _BY_ID, id=account)


def find_exactly(tx: Transaction, address: Address) -> User | None:
    """Returns the user of any status whose own address or alias it is, with its tag; None where there is nobody."""
    for _, *columns in tx.all(_BY_KEYS, key=address.key, untagged=address.key):
        return _user(*columns)
    return None


def listing(
    tx: Transaction, domain: int = 0, after: str = "", step: int = 500, *, never: bool = False, search: str = ""
) -> list[Listed]:
    """Returns the next ``step`` users by address, above ``after``, of the domain with that id; 0: of all domains.

    ``never``: only those who could have logged in, since they are not inactive, and never have. ``search`` has to be a
    part of their address or their name.
    """
    pattern = "".join(f"!{letter}" if letter in "!%_" else letter for letter in search.strip().lower())
    like = f"%{pattern}%" if pattern else ""
    return _listed(tx, tx.all(_LISTING, domain=domain, after=after, step=step, never=int(never), search=like))


def keys(tx: Transaction, account: int) -> list[str]:
    """Returns all addresses of a user, their own and their aliases, as they are compared (`Address.key`)."""
    return [key for (key,) in tx.all(_KEYS, account=account, most=MOST_ALIASES + 1)]


def keys_since(tx: Transaction, account: int) -> dict[str, int]:
    """Returns what `keys` does, each with the time (µs) from which mail to it is theirs; 0: nobody had it before."""
    return dict(tx.all(_KEYS_SINCE, account=account, most=MOST_ALIASES + 1))


def listed(tx: Transaction, user: User) -> Listed:
    """Returns a user with what `user list` shows of them."""
    return _listed(tx, tx.all(_LISTED, id=user.id))[0]


def _listed(tx: Transaction, rows: list[tuple[Any, ...]]) -> list[Listed]:
    users = [(_user(*columns[:_USER_COLUMNS]), columns[_USER_COLUMNS:]) for columns in rows]
    aliases: dict[int, list[str]] = {user.id: [] for user, _ in users}
    for account, key in tx.all(_ALIASES_OF, accounts=list(aliases)):
        aliases[account].append(key)
    return [Listed(user, aliases[user.id], *columns) for user, columns in users]


def add_user(
    tx: Transaction,
    *,
    domain: int,
    address: Address,
    name: str = "",
    aliases: Sequence[Address] = (),
    password_hash: str = "",
    scram: str = "",
    status: Status | None = None,
    source: Source = "manual",
    alternate: str = "",
) -> User:
    """Adds a user with the standard folders, and returns them.

    Without a ``status`` they are active, or pending where there is no password. ``password_hash`` is one of passlib's,
    ``scram`` what protocols/sasl/scram.py writes. ``alternate`` is as in `Listed`. Raises Refused when an address is
    taken, for a name that is too long, for more than `MOST_ALIASES` and for an ``alternate`` of their own domain;
    nothing is added then.
    """
    _refuse_too_much(name, len(aliases))
    _refuse_own(alternate, address.domain)
    chosen: Status = status or ("active" if password_hash else "pending")
    user = User(tx.identifier(), domain, address.text, name, chosen, False)
    for given in (address, *aliases):
        _refuse_taken(tx, given)
    tx.run(
        _ADD,
        id=user.id,
        domain=domain,
        address=address.text,
        name=name,
        password=password_hash,
        scram=scram,
        status=chosen,
        source=source,
        now=tx.now,
        alternate=alternate,
    )
    _add_address(tx, user, address, alias=False)
    for alias in aliases:
        _add_address(tx, user, alias, alias=True)
    mailboxes.create_standard(tx, user.id)
    tx.announce(AccountsChanged(domain, user.id))
    return user


def _add_address(tx: Transaction, user: User, address: Address, *, alias: bool) -> None:
    tx.run(_ADD_ADDRESS, key=address.key, account=user.id, alias=int(alias))
    tx.run(_UNMARK, key=address.key)


def _refuse_too_much(name: str, aliases: int) -> None:
    if len(name) > LONGEST_NAME:
        raise Refused(f"name: is longer than {LONGEST_NAME} characters")
    if aliases > MOST_ALIASES:
        raise Refused(f"aliases: a user has at most {MOST_ALIASES}")


def _refuse_taken(tx: Transaction, address: Address) -> None:
    for own, alias in tx.all(_HOLDER, key=address.key):
        what = f"is an alias of {own}" if alias else "is a user"
        raise Refused(f"{address}: {what} already; choose another address or remove that first", "taken")


def add_alias(tx: Transaction, user: User, alias: Address) -> None:
    """Lets an address reach the user, too. Raises Refused when it is taken, and when they have `MOST_ALIASES`."""
    _refuse_taken(tx, alias)
    _refuse_too_much("", 1 + int(tx.value(_ALIASES, account=user.id)))
    _add_address(tx, user, alias, alias=True)
    _changed(tx, user)


def remove_alias(tx: Transaction, user: User, alias: Address) -> None:
    """Takes an alias from the user. Raises Refused when it is none of theirs."""
    if not tx.run(_REMOVE_ALIAS, key=alias.key, account=user.id):
        raise Refused(
            f"{alias}: is no alias of {user.address}",
            "unknown",
            Hint("user show", "lists them", {"address": user.address}),
        )
    tx.run(_MARK_ALIAS, key=alias.key, domain=user.domain, now=tx.now)
    _changed(tx, user)


def set_password(tx: Transaction, user: User, password_hash: str, scram: str = "") -> None:
    """Gives a user another password, by its hash: a pending one is active with it, and sessions of the one before end,
    as does an open invitation.

    ``scram`` has keys of the same password (protocols/sasl/scram.py); empty: they are made when it is next heard.
    """
    tx.run(_SET_PASSWORD, id=user.id, password=password_hash, scram=scram)
    web_sessions.end_all(tx, web_sessions.USER, str(user.id))
    user_factors.forgive(tx, user.id)
    _end_invitation(tx, user.id)
    _changed(tx, user)


def replace_hash(tx: Transaction, account: int, old: str, new: str) -> None:
    """Keeps the same password under another hash, unless it was changed meanwhile. No login or session ends by it."""
    tx.run(_REPLACE_HASH, id=account, old=old, new=new)


def keep_keys(tx: Transaction, account: int, password_hash: str, scram: str) -> None:
    """Keeps SCRAM keys of the password with that hash, unless there are some, or it was changed meanwhile."""
    tx.run(_KEEP_KEYS, id=account, password=password_hash, scram=scram)


class Reachable(NamedTuple):
    """Where a user is told something: their own address, and the alternate one, which is empty where none is known."""

    id: int
    address: str
    alternate: str


class Credentials(NamedTuple):
    """What a user logs in by: a hash of passlib's and SCRAM keys, each empty when there is none.

    ``changes`` says which of their passwords it is, as ``User.password_changes`` does.
    """

    hash: str
    scram: str
    changes: int


def credentials(tx: Transaction, account: int) -> Credentials:
    """Returns what a user logs in by; for an account that nobody has, as if they had no password."""
    row = tx.one(_CREDENTIALS, id=account)
    return Credentials(*row) if row else Credentials("", "", 0)


def set_name(tx: Transaction, user: User, name: str) -> None:
    """Gives a user another name to be shown. Raises Refused for one that is too long."""
    _refuse_too_much(name, 0)
    tx.run(_SET_NAME, id=user.id, name=name)
    _changed(tx, user)


def set_language(tx: Transaction, user: User, language: str) -> None:
    """Sets in which language a user reads pages, by its code; empty: as their browser wishes."""
    tx.run(_SET_LANGUAGE, id=user.id, language=language)
    _changed(tx, user)


def set_alternate(tx: Transaction, user: User, alternate: str) -> None:
    """Sets where a user reads mail that needs neither their home server nor this one; empty: nowhere that is known.

    Their open invitation ends, because it went to the address before. Raises Refused for an address of their own
    domain.
    """
    _refuse_own(alternate, parse(user.address).domain)
    tx.run(_SET_ALTERNATE, id=user.id, alternate=alternate)
    _end_invitation(tx, user.id)


def _end_invitation(tx: Transaction, account: int) -> None:
    links.end(tx, links.INVITATION, str(account))


def _refuse_own(alternate: str, domain: str) -> None:
    if alternate and parse(alternate).domain == domain:
        raise Refused(
            f"{alternate}: as alternate address give one outside of {domain}, which is read while {domain} is down"
        )


def set_opt_in(tx: Transaction, user: User, opt_in: bool) -> None:
    """Sets whether a user wants continuity in mode `optional`."""
    tx.run(_SET_OPT_IN, id=user.id, opt_in=int(opt_in))
    _changed(tx, user)


def opt_in_step(tx: Transaction, domain: int, on: bool, step: int) -> int:
    """Sets that wish for up to ``step`` users of a domain who have another, and returns for how many: call it again
    while there are any."""
    changed = tx.run(_OPT_IN_STEP, domain=domain, opt_in=int(on), step=step)
    if changed:
        tx.announce(AccountsChanged(domain))
    return changed


def set_relay(tx: Transaction, user: User, relay: bool) -> None:
    """Sets whether a user stands for the home server: sends in the name of anybody of the domain, without copies in
    Sent."""
    tx.run(_SET_RELAY, id=user.id, relay=int(relay))
    _changed(tx, user)


def activate(tx: Transaction, user: User) -> Status:
    """Makes a user active, or pending while there is no password, and returns which."""
    status: Status = "active" if tx.value(_PASSWORD, id=user.id) else "pending"
    tx.run(_SET_STATUS, id=user.id, status=status)
    _changed(tx, user)
    return status


def deactivate(tx: Transaction, user: User) -> None:
    """Makes a user inactive: they cannot log in, and continuity takes no new mail. What is owed and stored stays; an
    open invitation ends, and so do their app passwords."""
    tx.run(_SET_STATUS, id=user.id, status="inactive")
    app_passwords.remove_all(tx, user.id, user.domain)
    _end_invitation(tx, user.id)
    _changed(tx, user)


def forget(tx: Transaction, account: int, domain: int, *, for_good: bool = True) -> None:
    """Begins the removal of a user: from here on no address leads to them, and nobody can log in as them.

    ``for_good``: `relay-check` makes no user of their addresses again.
    """
    if for_good:
        tx.run(_MARK_REMOVED, domain=domain, account=account, now=tx.now)
    tx.run(_FORGET_ADDRESSES, account=account)
    tx.run(_SET_PASSWORD, id=account, password="", scram="")
    tx.run(_SET_STATUS, id=account, status=REMOVED)
    tx.run(_SET_ALTERNATE, id=account, alternate="")
    app_passwords.remove_all(tx, account, domain)
    user_factors.remove(tx, account, domain)
    _end_invitation(tx, account)
    tx.announce(AccountsChanged(domain, account))


def absorb(tx: Transaction, user: User, pending: User) -> None:
    """Makes all addresses of a user who waits for a password aliases of another user. Their mail is to follow
    (control/merging.py). Raises Refused for more than `MOST_ALIASES`; nothing is changed then."""
    theirs = int(tx.value(_ALIASES, account=pending.id)) + 1
    _refuse_too_much("", theirs + int(tx.value(_ALIASES, account=user.id)))
    tx.run(_TAKE_ADDRESSES, account=pending.id, into=user.id)
    tx.run(_ABSORB, account=pending.id, into=user.id)
    tx.run(_ABSORB_OTHERS, account=pending.id, into=user.id)
    _end_invitation(tx, pending.id)
    _changed(tx, user)


def of_domain(tx: Transaction, domain: int) -> list[int]:
    """Returns up to 500 accounts of the domain, whatever their status."""
    return [account for (account,) in tx.all(_OF_DOMAIN, domain=domain)]


def reachable(tx: Transaction, domain: int, after: int, last: int, step: int) -> list[Reachable]:
    """Returns the next ``step`` users of a domain who are not inactive, by id: above ``after``, and up to ``last``,
    where that is not 0."""
    return tx.records(Reachable, _REACHABLE, domain=domain, after=after, last=last, step=step)


def numbers(tx: Transaction, domains: Sequence[int]) -> dict[int, int]:
    """Returns how many users each of these domains has, by the domain's id; one without users is left out."""
    return dict(tx.all(_COUNTS, domains=domains))


def never_logged_in(tx: Transaction, domains: Sequence[int]) -> dict[int, int]:
    """Returns how many users of each of these domains, inactive ones left out, have never logged in, by the domain's
    id; one without any is left out."""
    return dict(tx.all(_NEVER, domains=domains))


def _changed(tx: Transaction, user: User) -> None:
    tx.announce(AccountsChanged(user.domain, user.id))
