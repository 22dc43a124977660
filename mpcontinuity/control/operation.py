"""What an operation has to work with, and how one is called by name with arguments from outside."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Protocol, TypeVar, get_type_hints

import msgspec
from twisted.internet.defer import DeferredSemaphore
from twisted.logger import Logger

from mpcontinuity.accounts import audit, users
from mpcontinuity.accounts.administrator_login import AdministratorLogin
from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.children.blocking import Blocking
from mpcontinuity.children.pool import Jobs
from mpcontinuity.control.arguments import argument_of, argument_of_wrong_type, mail_address
from mpcontinuity.control.caller import THE_SERVER, Caller, Scope
from mpcontinuity.control.changes import LONGEST, NOT_TOLD, Change, change, cut, to_log
from mpcontinuity.control.grants import grant_of
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.model.address import BadAddress, domain_key, parse
from mpcontinuity.model.errors import Refused, Stopping, Temporary
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Settings
from mpcontinuity.outbound.home import HomeServers
from mpcontinuity.outbound.https import HttpsClient
from mpcontinuity.outbound.imap.sessions import ImapSessions
from mpcontinuity.outbound.lookup import Lookup
from mpcontinuity.store.store import Store

T = TypeVar("T")
Progress = Callable[[Any], None]

SEARCHES = 4  # at once: each has the readers of the store, which serve everybody, and may have a child process

_log = Logger()


def unheard(said: Any) -> None:
    """Takes what a long operation says of its progress, and drops it, because nobody listens."""


def _none() -> None:
    """No server runs here."""


async def _at_once() -> None:
    """Whoever listens takes everything at once."""


class Compute(Protocol):
    """Runs what is slow or blocks (hashing, a name lookup) beside the reactor. Raises Temporary when too much waits."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Control:
    """What an operation works with.

    ``caller`` asks for the operation, and ``note`` is told what it changes. ``compute`` runs what is slow beside the
    reactor. ``listening`` gives host and port of each listener of this server, none of which may be a home server; the
    host is as configured, empty or an address. ``progress`` hears what a long operation says before its end, as values
    of JSON; whoever says much of it awaits ``drained`` after each piece, which ends when there is room for the next,
    and raises Refused where nobody listens any more. ``serving`` says whether mail comes and goes meanwhile. ``homes``
    gives the home servers of a running server, ``imap`` sessions with their mailboxes, ``delivery`` the way of mail to
    them, ``lookup`` asks DNS, ``https`` asks by HTTPS, and ``examine`` says what `doctor --json` does; all give None
    elsewhere.
    ``jobs`` begins what child processes do, who read hostile mail.
    ``searches`` lets so many searches in the archive work at once. ``administrator_login`` judges the passwords of
    administrators who come by the web.
    """

    store: Store
    settings: Settings
    passwords: Passwords
    compute: Compute
    randomness: Randomness
    listening: Callable[[], list[tuple[str, int]]]
    caller: Caller = THE_SERVER
    note: Callable[[Change], None] = to_log
    progress: Progress = unheard
    serving: bool = False
    homes: Callable[[], HomeServers | None] = _none
    imap: Callable[[], ImapSessions | None] = _none
    jobs: Jobs = field(default_factory=Blocking)
    searches: DeferredSemaphore = field(default_factory=partial(DeferredSemaphore, SEARCHES))
    delivery: Callable[[], Delivery | None] = _none
    lookup: Callable[[], Lookup | None] = _none
    https: Callable[[], HttpsClient | None] = _none
    examine: Callable[[], Awaitable[bytes] | None] = _none
    drained: Callable[[], Awaitable[None]] = _at_once
    administrator_login: Callable[[], AdministratorLogin | None] = _none


class About(Protocol):
    """Finds out what an operation is about, from arguments that were granted: the name of its domain, empty where
    there is none, and words that say more. It refuses nothing: what is not there is for the operation to say."""

    def __call__(self, control: Control, given: Mapping[str, Any], /) -> Awaitable[tuple[str, str]]: ...


class Operation:
    """A coroutine function of (control, **arguments) that callers call by name, with arguments as values of JSON.

    ``scope`` is how far a caller has to reach to call it at all. ``domain_in`` is the argument that names the domain it
    is about, ``address_in`` the one that names the user; callers who do not reach further may name no others there.
    ``administrator_in`` is the argument that names an administrator, who has to be the caller where that one does not
    administer all domains. An argument of these that may be left out is filled in with the caller's own, so that a list
    shows them their own rows alone. ``looks`` says that it changes nothing; all others are noted in the log and in the
    audit trail, before they begin and when they end. ``unnoted`` operations go on where the audit trail cannot be told.
    ``audited`` operations only look, but into the mail of others: they are noted as well, unless users look for
    themselves. ``about`` gives the domain of what an operation is about, and more words for the note, where the
    arguments name neither: of a message by its id. ``grant`` is the scope that a token needs for it, unless it looks
    and the token may read (control/grants.py). ``cursor`` names the fields of a row that, with a blank between, are the
    argument ``after`` of the next page. ``arguments`` is the Struct of its arguments, ``result`` the type of what it
    returns: JSON Schema comes from both.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Awaitable[Any]],
        scope: Scope,
        *,
        domain_in: str = "",
        address_in: str = "",
        administrator_in: str = "",
        looks: bool = False,
        audited: bool = False,
        unnoted: bool = False,
        about: About | None = None,
        cursor: str = "",
    ) -> None:
        self.name = name
        self.function = function
        self.scope = scope
        self.domain_in = domain_in
        self.address_in = address_in
        self.administrator_in = administrator_in
        self.grant = grant_of(name)
        self.looks = looks
        self.audited = audited
        self.unnoted = unnoted
        self.about = about
        self.cursor = cursor.split()
        self.result = get_type_hints(function)["return"]
        hints = self._types = get_type_hints(function)
        fields: list[Any] = []
        self._defaults: dict[str, Any] = {}
        for argument, parameter in list(inspect.signature(function).parameters.items())[1:]:
            required = parameter.default is inspect.Parameter.empty
            fields.append((argument, hints[argument]) if required else (argument, hints[argument], parameter.default))
            if not required:
                self._defaults[argument] = parameter.default
        title = "".join(word.capitalize() for word in name.split())  # of its own, for the schemas
        self.arguments = msgspec.defstruct(f"{title}Arguments", fields, forbid_unknown_fields=True, kw_only=True)
        if ("after" in self.arguments.__struct_fields__) is not bool(cursor):
            raise TypeError(f"{name}: pages and cursor go together")
        declared = {domain_in, address_in, administrator_in} - {""}
        if not declared.issubset(self.arguments.__struct_fields__):
            raise TypeError(f"{name}: has no argument {', '.join(sorted(declared))}")
        if (scope is Scope.DOMAIN and not declared) or (scope is Scope.SELF and not address_in):
            raise TypeError(f"{name}: does not declare which argument tells whom it is about")

    async def __call__(self, control: Control, arguments: Mapping[str, Any]) -> Any:
        """Calls the operation for the caller of ``control`` and notes what it changed.

        Raises Refused, which names the argument that is wrong, also for arguments that are none of its own, and, as
        forbidden, for a caller who may not. Raises Temporary where what is to be noted cannot be: nothing was done.
        """
        caller = control.caller
        row: int | None = None
        given: Mapping[str, Any] = {}
        try:
            given = await self._granted(control, arguments)
            if not self.looks or (self.audited and caller.user is None):
                act = await self._act(control, arguments, given)
                row = await self._begun(control, act)
            result = await self.function(control, **given)
        except Exception as error:
            if row is not None or not self.looks or (isinstance(error, Refused) and error.kind == "forbidden"):
                await self._note(control, arguments, row, f"refused: {reason(error)}")
            if isinstance(error, Refused):
                self._point(error, given)
            raise
        if row is not None:
            await self._note(control, arguments, row, "done")
        return result

    def _point(self, error: Refused, given: Mapping[str, Any]) -> None:
        """Says in a refusal which argument is wrong, and for which domain a hint holds."""
        if not error.field:
            error.field = argument_of(error.text, given)
        if error.hint is not None:
            about = _domain_of(given.get(self.domain_in), given.get(self.address_in))
            error.hint = msgspec.structs.replace(error.hint, domain=about)

    async def _begun(self, control: Control, act: audit.Act) -> int | None:
        """Notes that the operation begins. One that is not to wait for the trail goes on where the trail cannot be
        told, which is what a backup is for: it is in the log then."""
        try:
            return await control.store.run(partial(audit.begin, act=act))
        except Temporary as error:
            if not self.unnoted:
                raise
            _log.warn("the audit trail cannot be told of {operation}: {error}", operation=self.name, error=error)
            return None

    async def _act(self, control: Control, arguments: Mapping[str, Any], given: Mapping[str, Any]) -> audit.Act:
        """What the audit trail is told of a call that was granted, or, without what was ``given``, was not."""
        caller = control.caller
        told = change(caller.name, caller.origin, self.name, self._told(arguments), "")
        domain, words = caller.domain or _domain_of(given.get(self.domain_in), given.get(self.address_in)), ""
        if self.about is not None and given:
            about, words = await self.about(control, given)
            domain = domain or about
            words = words if domain == about else ""  # what is another domain's is told its administrators alone
        said = cut(f"{told.object} {words}".strip(), LONGEST)
        return audit.Act(told.by, told.origin, self.name, said, domain, bounded=caller.scope < Scope.ALL)

    async def _note(self, control: Control, arguments: Mapping[str, Any], row: int | None, outcome: str) -> None:
        """Notes how the operation ended, of which the audit trail has that row; None: it was refused before it began.

        What it did is done, whether that can be noted or not.
        """
        caller = control.caller
        told = change(caller.name, caller.origin, self.name, self._told(arguments), outcome)
        control.note(told)
        if row is not None:
            work = partial(audit.end, row=row, result=told.outcome)
        else:
            work = partial(audit.refused, act=await self._act(control, arguments, {}), result=told.outcome)
        try:
            await control.store.run(work)
        except (Temporary, Stopping) as error:
            _log.warn("the audit trail cannot be told how {operation} ended: {error}", operation=self.name, error=error)

    def _told(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments for a note: what is none of the operation's own, or is not of its type, by its name alone. It
        may be a password whose argument was spelt wrong, or so deep that nobody could tell it. What is as it is where
        nothing is said is not told. Of more arguments than the operation has, some."""
        some = islice(arguments.items(), len(self._types))
        told = [(name, value) for name, value in some if name not in self._defaults or value != self._defaults[name]]
        return {name: value if self._is_of_type(name, value) else NOT_TOLD for name, value in told}

    def _is_of_type(self, name: str, value: Any) -> bool:
        try:
            msgspec.convert(value, self._types[name])
        except (KeyError, msgspec.ValidationError):
            return False
        return True

    def after(self, row: Mapping[str, Any]) -> str:
        """Returns the cursor behind a row of the list, as JSON shows it."""
        return " ".join(str(row[field]) for field in self.cursor)

    async def _granted(self, control: Control, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments for the function, after the caller was found to reach as far as they do."""
        caller = control.caller
        if caller.scope < self.scope:
            who = "administrators of all domains" if self.scope is Scope.ALL else "administrators"
            raise Refused(f"{self.name}: is for {who} only", "forbidden")
        if self.grant not in caller.grants and not (self.looks and "read" in caller.grants):
            raise Refused(f"{self.name}: needs a token with the scope {self.grant}", "forbidden")
        try:
            given = msgspec.structs.asdict(msgspec.convert(arguments, self.arguments))
        except msgspec.ValidationError as error:
            field = argument_of_wrong_type(str(error), self.arguments.__struct_fields__)
            raise Refused(str(error), field=field) from None
        if caller.domain is None:
            return given
        if self.administrator_in:
            named = given[self.administrator_in] or caller.name
            if named != caller.name:
                raise Refused(f"{named}: {caller.name} may ask about themselves only", "forbidden")
            given[self.administrator_in] = named
            return given
        if self.domain_in:
            named = given[self.domain_in] or caller.domain
            if domain_key(named) != caller.domain:
                raise Refused(f"{named}: {caller.name} may ask about {caller.domain} only", "forbidden")
            given[self.domain_in] = named
        elif mail_address(given[self.address_in]).domain != caller.domain:
            raise Refused(f"{given[self.address_in]}: is not in {caller.domain}", "forbidden")
        if caller.user is not None:
            asked = given[self.address_in] or caller.user
            await _refuse_others(control, caller.user, asked)
            # An alias may be somebody else's by the time of the change; who looks wants what came to that very address.
            given[self.address_in] = asked if self.looks else caller.user
        return given


def _domain_of(domain: Any, address: Any) -> str:
    """The domain that arguments name, in the form in which domains are compared; empty where they name none."""
    if domain:
        return domain_key(domain)
    try:
        return parse(address.strip()).domain if address else ""
    except BadAddress:
        return ""


async def _refuse_others(control: Control, own: str, text: str) -> None:
    """Raises Refused where the address is not the user's own, nor an alias of theirs."""
    own_key = mail_address(own).key
    asked = mail_address(text)
    if asked.key != own_key:
        user = await control.store.read(partial(users.find_exactly, address=asked))
        if user is None or mail_address(user.address).key != own_key:
            raise Refused(f"{text}: {own} may ask about themselves only", "forbidden")


def reason(error: Exception) -> str:
    """Says why an operation ended with an error, in one line for whoever asked for it."""
    if isinstance(error, Refused | msgspec.MsgspecError):
        return str(error) or type(error).__name__
    if isinstance(error, Stopping):
        return "the server shuts down; try again when it runs"
    if isinstance(error, Temporary):
        return f"cannot be done now: {error}; try again later"
    return f"failed inside the server ({type(error).__name__}); its log says more"
