"""Reads a command by a table of names, which has for each the states in which it is permitted, and its syntax."""

from __future__ import annotations

import binascii
import enum
import re
from collections.abc import Callable, Sequence

from mpcontinuity.protocols.imap import command
from mpcontinuity.protocols.imap.command import Command, How
from mpcontinuity.protocols.imap.cursor import BadSyntax, Cursor
from mpcontinuity.protocols.imap.items import parse_items
from mpcontinuity.protocols.imap.limits import LIST_PATTERN, LIST_PATTERNS
from mpcontinuity.protocols.imap.searching import parse_returns, parse_search, parse_thread

STATUS_ITEMS = frozenset(
    (
        b"MESSAGES",
        b"MAILBOXID",
        b"RECENT",
        b"UIDNEXT",
        b"UIDVALIDITY",
        b"UNSEEN",
        b"SIZE",
        b"DELETED",
        b"HIGHESTMODSEQ",
        b"APPENDLIMIT",
        b"DELETED-STORAGE",
    )
)
_SELECTS = frozenset((b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"))
_RETURNS = frozenset((b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE"))

_TAG = re.compile(rb'[^(){ \x00-\x1f\x7f-\xff%*"\\+]+')
_NIL = re.compile(rb"NIL", re.IGNORECASE)
_STORE = re.compile(rb"([+-]?)FLAGS(\.SILENT)?(?= )", re.IGNORECASE)
_HOW = {b"+": How.ADD, b"-": How.REMOVE, b"": How.REPLACE}
_BASE64 = re.compile(rb"=|[A-Za-z0-9+/]+={0,2}")


class State(enum.IntEnum):
    """The state of a session (RFC 3501 §3)."""

    NOT_AUTHENTICATED = 0
    AUTHENTICATED = 1
    SELECTED = 2


def tag_of(line: bytes) -> bytes:
    """Returns the tag that a broken command seems to have, or ``*``."""
    found = _TAG.match(line)
    return found.group() if found is not None and line[found.end() : found.end() + 1] in (b" ", b"") else b"*"


def parse_command(cursor: Cursor, state: State) -> Command:
    """Returns the command behind the tag. Raises BadSyntax, BadName and searching.BadCharset."""
    name = cursor.word("a command")
    uid = name == b"UID"
    if uid:
        cursor.space()
        name = cursor.word("a command")
    entry = (_UID_COMMANDS if uid else _COMMANDS).get(name)
    if entry is None:
        raise BadSyntax(f"there is no command {'UID ' if uid else ''}{name.decode('ascii')[:40]}")
    lowest, highest, parse = entry
    if state < lowest:
        raise BadSyntax("log in first" if state is State.NOT_AUTHENTICATED else "select a mailbox first")
    if state > highest:
        raise BadSyntax("you are logged in already")
    parsed = parse(cursor)
    cursor.end()
    return parsed


def decode_base64(text: bytes) -> bytes:
    """Decodes base64 strictly. ``=`` is the empty initial response of RFC 4959 §3."""
    if text == b"=":
        return b""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise BadSyntax("that is not base64") from None


def parse_append(cursor: Cursor) -> tuple[str, int, tuple[str, ...], int | None]:
    """Reads APPEND up to its literal, and returns mailbox, flags, keywords and date.

    The cursor stands behind APPEND.
    """
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    mask = 0
    keywords: tuple[str, ...] = ()
    if cursor.at(b"("):
        mask, keywords = cursor.flag_list()
        cursor.space()
    date = None
    if cursor.at(b'"'):
        date = cursor.date_time()
        cursor.space()
    return mailbox, mask, keywords, date


def _id(cursor: Cursor) -> Command:
    cursor.space()
    if cursor.match(_NIL):
        return command.Id(())
    cursor.open()
    fields: list[tuple[str, str]] = []
    while not cursor.closes():
        if fields:
            cursor.space()
        name = cursor.string()
        if name is None:
            raise cursor.wrong("a string")
        cursor.space()
        value = b"" if cursor.match(_NIL) else cursor.string()
        if value is None:
            raise cursor.wrong("a string or NIL")
        fields.append((name.decode("utf-8", "replace"), value.decode("utf-8", "replace")))
    return command.Id(tuple(fields))


def _login(cursor: Cursor) -> Command:
    cursor.space()
    name = cursor.text_string("a name")
    cursor.space()
    return command.Login(name, cursor.text_string("a password"))


def _authenticate(cursor: Cursor) -> Command:
    cursor.space()
    mechanism = cursor.word("a mechanism").decode("ascii")
    initial = None
    if cursor.more():
        initial = decode_base64(cursor.take(_BASE64, "base64"))
    return command.Authenticate(mechanism, initial)


def _enable(cursor: Cursor) -> Command:
    names = []
    while not cursor.ended:
        cursor.space()
        names.append(cursor.word("a capability").decode("ascii"))
    if not names:
        raise cursor.wrong("a capability")
    return command.Enable(tuple(names))


def _mailbox(cursor: Cursor, *, new: bool = False) -> str:
    cursor.space()
    return cursor.mailbox(new=new)


def _create(cursor: Cursor) -> Command:
    name = _mailbox(cursor, new=True)
    return command.Create(name.removesuffix("/") or name)  # RFC 3501 §6.3.3: 'children will follow'


def _list(cursor: Cursor) -> Command:
    cursor.space()
    selected: frozenset[bytes] = frozenset()
    if cursor.at(b"("):
        selected = _options(cursor, _SELECTS, "selection option")
        if b"RECURSIVEMATCH" in selected and not selected & {b"SUBSCRIBED", b"SPECIAL-USE"}:
            raise BadSyntax("RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE beside it")
        cursor.space()
    reference = cursor.list_mailbox()
    cursor.space()
    patterns = []
    if cursor.opens():
        patterns.append(cursor.list_mailbox())
        while not cursor.closes():
            cursor.space()
            patterns.append(cursor.list_mailbox())
    else:
        patterns.append(cursor.list_mailbox())
    below, matching = _patterns(reference, patterns)
    returned: set[bytes] = set()
    status: tuple[bytes, ...] = ()
    if not cursor.ended:
        cursor.space()
        if cursor.word("RETURN") != b"RETURN":
            raise BadSyntax("expected RETURN behind the patterns of LIST")
        cursor.space()
        returned, status = _returns(cursor)
    return command.List(below, matching, selected, frozenset(returned), status)


def _patterns(reference: str | None, patterns: Sequence[str | None]) -> tuple[str, tuple[str, ...]]:
    """Without those that no name can match."""
    known = tuple(pattern for pattern in patterns if pattern is not None) if reference is not None else ()
    if len(patterns) > LIST_PATTERNS:
        raise BadSyntax(f"one LIST has {LIST_PATTERNS} patterns at most")
    if sum(len((reference or "") + pattern) for pattern in known) > LIST_PATTERN:
        raise BadSyntax(f"LIST patterns, each with the reference, have {LIST_PATTERN} characters at most")
    return reference or "", known


def _options(cursor: Cursor, known: frozenset[bytes], what: str) -> frozenset[bytes]:
    options = frozenset(cursor.words(f"a {what}"))
    if unknown := options - known:
        raise BadSyntax(f"{min(unknown).decode('ascii')[:40]} is no {what} of LIST")
    return options


def _returns(cursor: Cursor) -> tuple[set[bytes], tuple[bytes, ...]]:
    """RFC 5258 return options, with STATUS of RFC 5819."""
    returned: set[bytes] = set()
    status: tuple[bytes, ...] = ()
    cursor.open()
    while not cursor.closes():
        if returned or status:
            cursor.space()
        option = cursor.word("a return option")
        if option == b"STATUS":
            cursor.space()
            status = _status_items(cursor)
        elif option in _RETURNS:
            returned.add(option)
        else:
            raise BadSyntax(f"{option.decode('ascii')[:40]} is no return option of LIST")
    return returned, status


def _status_items(cursor: Cursor) -> tuple[bytes, ...]:
    items = cursor.words("a STATUS item")
    if unknown := set(items) - STATUS_ITEMS:
        raise BadSyntax(f"{min(unknown).decode('ascii')[:40]} is no STATUS item")
    if not items:
        raise BadSyntax("STATUS asks for one item at least")
    return tuple(dict.fromkeys(items))


def _lsub(cursor: Cursor) -> Command:
    cursor.space()
    reference = cursor.list_mailbox()
    cursor.space()
    below, matching = _patterns(reference, (cursor.list_mailbox(),))
    return command.List(below, matching, frozenset((b"SUBSCRIBED",)), lsub=True)


def _rename(cursor: Cursor) -> Command:
    old = _mailbox(cursor)
    return command.Rename(old, _mailbox(cursor, new=True))


def _status(cursor: Cursor) -> Command:
    name = _mailbox(cursor)
    cursor.space()
    return command.Status(name, _status_items(cursor))


def _get_quota(cursor: Cursor) -> Command:
    cursor.space()
    return command.GetQuota(cursor.text_string("a quota root"))


def _set_quota(cursor: Cursor) -> Command:
    cursor.space()
    cursor.astring("a quota root")
    cursor.space()
    cursor.open()
    while not cursor.closes():
        cursor.atom("a resource")
        cursor.space()
        cursor.number()
        cursor.more()
    return command.SetQuota()


def _uid_expunge(cursor: Cursor) -> Command:
    cursor.space()
    return command.Expunge(cursor.sequence_set())


def _search(*, uid: bool) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        returned = parse_returns(cursor)
        return command.Search(parse_search(cursor), returned, uid)

    return parse


def _thread(*, uid: bool) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        return command.Thread(*parse_thread(cursor), uid)

    return parse


def _fetch(*, uid: bool) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        numbers = cursor.sequence_set()
        cursor.space()
        return command.Fetch(numbers, parse_items(cursor), uid)

    return parse


def _store(*, uid: bool) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        numbers = cursor.sequence_set()
        cursor.space()
        item = cursor.match(_STORE)
        if item is None:
            raise cursor.wrong("FLAGS, +FLAGS or -FLAGS")
        cursor.space()
        mask, keywords = cursor.flag_list() if cursor.at(b"(") else cursor.flags()
        return command.Store(numbers, _HOW[item.group(1)], mask, keywords, item.group(2) is not None, uid)

    return parse


def _copy(*, uid: bool, move: bool) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        numbers = cursor.sequence_set()
        return command.Copy(numbers, _mailbox(cursor), uid, move)

    return parse


def _append(cursor: Cursor) -> Command:
    """APPEND whose message did not come as a literal: the engine takes those out before."""
    parse_append(cursor)
    raise cursor.wrong("the message as a literal")


_Entry = tuple[State, State, Callable[[Cursor], Command]]
_ANY = (State.NOT_AUTHENTICATED, State.SELECTED)
_BEFORE = (State.NOT_AUTHENTICATED, State.NOT_AUTHENTICATED)
_USER = (State.AUTHENTICATED, State.SELECTED)
_MAILBOX = (State.SELECTED, State.SELECTED)

_COMMANDS: dict[bytes, _Entry] = {
    b"CAPABILITY": (*_ANY, lambda cursor: command.Capability()),
    b"NOOP": (*_ANY, lambda cursor: command.Noop()),
    b"LOGOUT": (*_ANY, lambda cursor: command.Logout()),
    b"ID": (*_ANY, _id),
    b"STARTTLS": (*_BEFORE, lambda cursor: command.StartTls()),
    b"LOGIN": (*_BEFORE, _login),
    b"AUTHENTICATE": (*_BEFORE, _authenticate),
    b"ENABLE": (*_USER, _enable),
    b"NAMESPACE": (*_USER, lambda cursor: command.Namespace()),
    b"SELECT": (*_USER, lambda cursor: command.Select(_mailbox(cursor), read_only=False)),
    b"EXAMINE": (*_USER, lambda cursor: command.Select(_mailbox(cursor), read_only=True)),
    b"CREATE": (*_USER, _create),
    b"DELETE": (*_USER, lambda cursor: command.Delete(_mailbox(cursor))),
    b"RENAME": (*_USER, _rename),
    b"SUBSCRIBE": (*_USER, lambda cursor: command.Subscribe(_mailbox(cursor))),
    b"UNSUBSCRIBE": (*_USER, lambda cursor: command.Unsubscribe(_mailbox(cursor))),
    b"LIST": (*_USER, _list),
    b"LSUB": (*_USER, _lsub),
    b"STATUS": (*_USER, _status),
    b"GETQUOTA": (*_USER, _get_quota),
    b"GETQUOTAROOT": (*_USER, lambda cursor: command.GetQuotaRoot(_mailbox(cursor))),
    b"SETQUOTA": (*_USER, _set_quota),
    b"APPEND": (*_USER, _append),
    b"IDLE": (*_USER, lambda cursor: command.Idle()),
    b"CHECK": (*_MAILBOX, lambda cursor: command.Check()),
    b"CLOSE": (*_MAILBOX, lambda cursor: command.Close(expunge=True)),
    b"UNSELECT": (*_MAILBOX, lambda cursor: command.Close(expunge=False)),
    b"EXPUNGE": (*_MAILBOX, lambda cursor: command.Expunge(None)),
    b"SEARCH": (*_MAILBOX, _search(uid=False)),
    b"THREAD": (*_MAILBOX, _thread(uid=False)),
    b"FETCH": (*_MAILBOX, _fetch(uid=False)),
    b"STORE": (*_MAILBOX, _store(uid=False)),
    b"COPY": (*_MAILBOX, _copy(uid=False, move=False)),
    b"MOVE": (*_MAILBOX, _copy(uid=False, move=True)),
}
_UID_COMMANDS: dict[bytes, _Entry] = {
    b"EXPUNGE": (*_MAILBOX, _uid_expunge),
    b"SEARCH": (*_MAILBOX, _search(uid=True)),
    b"THREAD": (*_MAILBOX, _thread(uid=True)),
    b"FETCH": (*_MAILBOX, _fetch(uid=True)),
    b"STORE": (*_MAILBOX, _store(uid=True)),
    b"COPY": (*_MAILBOX, _copy(uid=True, move=False)),
    b"MOVE": (*_MAILBOX, _copy(uid=True, move=True)),
}
