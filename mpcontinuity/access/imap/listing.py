"""LIST and LSUB: RFC 3501 §6.3.8, with options of RFC 5258, SPECIAL-USE (RFC 6154) and STATUS (RFC 5819)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from mpcontinuity.access.imap.folders import status_of
from mpcontinuity.access.imap.session import ImapSession, Status, ok
from mpcontinuity.mailbox import archived, mailboxes
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import above, superiors
from mpcontinuity.protocols.imap import command, response
from mpcontinuity.protocols.imap.pattern import Matcher
from mpcontinuity.store.transaction import Transaction

_CRITERIA = frozenset((b"SUBSCRIBED", b"SPECIAL-USE"))
_PER_NAME = 10  # µs: a line of the answer


def _read(tx: Transaction, account: int) -> tuple[list[MailboxInfo], frozenset[str]]:
    return mailboxes.listing(tx, account), frozenset(mailboxes.subscriptions(tx, account))


async def list_mailboxes(session: ImapSession, asked: command.List) -> Status:
    """Does LIST or LSUB."""
    if asked.patterns == ("",):  # RFC 3501 §6.3.8: the separator and the root of the reference
        session.send(response.listed(b"LSUB" if asked.lsub else b"LIST", (b"\\Noselect",), ""))
        return ok("listed")
    infos, subscribed = await session.services.store.read(partial(_read, account=session.account))
    if not any(map(archived.is_folder, infos)) and await session.make_archive() is not None:
        infos, subscribed = await session.services.store.read(partial(_read, account=session.account))
    folders = {info.name: info for info in infos}
    matcher = Matcher(asked.reference, asked.patterns)
    if asked.lsub:
        await _lsub(session, matcher, folders, subscribed)
    else:
        await _list(session, asked, matcher, folders, subscribed)
    return ok("listed")


async def _list(
    session: ImapSession,
    asked: command.List,
    matcher: Matcher,
    folders: dict[str, MailboxInfo],
    subscribed: frozenset[str],
) -> None:
    parents = above(folders)
    names = set(folders) | parents
    if b"SUBSCRIBED" in asked.selected:
        names |= subscribed
    matched: set[str] = set()
    selected: set[str] = set()
    below: set[str] = set()  # names above what is selected and does not match itself (RFC 5258 §3.5)
    for name in names:
        levels = matcher.levels(name)
        if levels[-1]:
            matched.add(name)
        if _selected(asked.selected, name, folders, subscribed):
            selected.add(name)
            if b"RECURSIVEMATCH" in asked.selected and not levels[-1]:
                below.update(names.intersection(_matching(name, levels)))
        await session.spend(_cost(name, levels))
    for name in sorted(matched & (selected | below)):
        info = folders.get(name)
        extended = b""
        if name in below:
            criteria = b" ".join(b'"%s"' % option for option in sorted(asked.selected & _CRITERIA))
            extended = b' ("CHILDINFO" (' + criteria + b"))"
        session.send(response.listed(b"LIST", _attributes(asked, name, info, parents, subscribed), name, extended))
        if asked.status and info is not None and name in selected:
            session.send(await status_of(session, info, asked.status))
        await session.spend(_PER_NAME)


def _attributes(
    asked: command.List, name: str, info: MailboxInfo | None, parents: set[str], subscribed: frozenset[str]
) -> Iterator[bytes]:
    if info is None:  # a name above another, or subscribed once; plain LIST knows \Noselect only
        yield b"\\NonExistent" if asked.selected else b"\\Noselect"
    yield b"\\HasChildren" if name in parents else b"\\HasNoChildren"
    if info is not None and info.use.startswith("\\"):  # in plain LIST too: Outlook looks for them there
        yield info.use.encode("ascii")
    if name in subscribed and b"SUBSCRIBED" in asked.returned | asked.selected:
        yield b"\\Subscribed"


def _selected(
    options: frozenset[bytes], name: str, folders: dict[str, MailboxInfo], subscribed: frozenset[str]
) -> bool:
    if b"SUBSCRIBED" in options and name not in subscribed:
        return False
    return b"SPECIAL-USE" not in options or (name in folders and folders[name].use.startswith("\\"))


async def _lsub(
    session: ImapSession, matcher: Matcher, folders: dict[str, MailboxInfo], subscribed: frozenset[str]
) -> None:
    """A name above a subscribed one that does not match itself stands for it (RFC 3501 §6.3.9)."""
    shown: list[str] = []  # of the names above the one at hand
    for name in sorted(subscribed, key=lambda name: name.split(response.SEPARATOR)):  # what is below one is in a row
        levels = matcher.levels(name)
        while shown and not name.startswith(shown[-1] + response.SEPARATOR):
            shown.pop()
        if levels[-1]:
            session.send(response.listed(b"LSUB", () if name in folders else (b"\\Noselect",), name))
        else:
            for superior in _matching(name, levels):
                if superior not in subscribed and superior not in shown:
                    shown.append(superior)
                    session.send(response.listed(b"LSUB", (b"\\Noselect",), superior))
        await session.spend(_cost(name, levels))


def _matching(name: str, levels: Iterable[bool]) -> list[str]:
    """The names above it that match."""
    return [superior for superior, matches in zip(superiors(name), levels, strict=False) if matches]


def _cost(name: str, levels: list[bool]) -> int:
    return _PER_NAME * len(levels) + len(name) // 2
