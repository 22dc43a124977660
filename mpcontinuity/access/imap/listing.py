"""LIST and LSUB: RFC 3501 §6.3.8, with options of RFC 5258, SPECIAL-USE (RFC 6154) and STATUS (RFC 5819)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mpcontinuity.access.imap.folders import status_of
from mpcontinuity.access.imap.session import Session, Status, ok
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import superiors
from mpcontinuity.protocols.imap import command, response
from mpcontinuity.protocols.imap.pattern import matcher
from mpcontinuity.store.transaction import Transaction

_CRITERIA = frozenset((b"SUBSCRIBED", b"SPECIAL-USE"))


def _read(tx: Transaction, account: int) -> tuple[list[MailboxInfo], frozenset[str]]:
    return mailboxes.listing(tx, account), frozenset(mailboxes.subscriptions(tx, account))


async def list_mailboxes(session: Session, asked: command.List) -> Status:
    if asked.patterns == ("",):  # RFC 3501 §6.3.8: the separator and the root of the reference
        session.send(response.listed(b"LSUB" if asked.lsub else b"LIST", (b"\\Noselect",), ""))
        return ok("listed")
    infos, subscribed = await session.services.store.read(partial(_read, account=session.account))
    folders = {info.name: info for info in infos}
    matches = matcher(asked.reference, asked.patterns)
    lines = _lsub(matches, folders, subscribed) if asked.lsub else _list(asked, matches, folders, subscribed)
    session.send(b"".join(lines))
    return ok("listed")


def _list(
    asked: command.List,
    matches: Callable[[str], bool],
    folders: dict[str, MailboxInfo],
    subscribed: frozenset[str],
) -> list[bytes]:
    parents = {name for folder in folders for name in superiors(folder)}
    names = set(folders) | parents
    show_subscribed = b"SUBSCRIBED" in asked.returned or b"SUBSCRIBED" in asked.selected
    if b"SUBSCRIBED" in asked.selected:
        names |= subscribed
    selected = {name for name in names if _selected(asked.selected, name, folders, subscribed)}
    below: set[str] = set()
    if b"RECURSIVEMATCH" in asked.selected:
        below = {name for folder in selected if not matches(folder) for name in superiors(folder)}
    lines = []
    for name in sorted(names):
        children = name in below
        if not matches(name) or not (name in selected or children):
            continue
        info = folders.get(name)
        attributes = []
        if info is None:  # a name above another, or subscribed once; plain LIST knows \Noselect only
            attributes.append(b"\\NonExistent" if asked.selected else b"\\Noselect")
        attributes.append(b"\\HasChildren" if name in parents else b"\\HasNoChildren")
        if info is not None and info.use:  # in plain LIST too: Outlook looks for them there
            attributes.append(info.use.encode("ascii"))
        if show_subscribed and name in subscribed:
            attributes.append(b"\\Subscribed")
        extended = b""
        if children:
            criteria = b" ".join(b'"%s"' % option for option in sorted(asked.selected & _CRITERIA))
            extended = b' ("CHILDINFO" (' + criteria + b"))"
        lines.append(response.listed(b"LIST", attributes, name, extended))
        if asked.status and info is not None and name in selected:
            lines.append(status_of(info, asked.status))
    return lines


def _selected(
    options: frozenset[bytes], name: str, folders: dict[str, MailboxInfo], subscribed: frozenset[str]
) -> bool:
    if b"SUBSCRIBED" in options and name not in subscribed:
        return False
    return b"SPECIAL-USE" not in options or (name in folders and bool(folders[name].use))


def _lsub(matches: Callable[[str], bool], folders: dict[str, MailboxInfo], subscribed: frozenset[str]) -> list[bytes]:
    """A name above a subscribed one that does not match itself stands for it (RFC 3501 §6.3.9)."""
    lines = []
    for name in sorted(subscribed | {above for below in subscribed for above in superiors(below)}):
        if not matches(name):
            continue
        if name in subscribed:
            lines.append(response.listed(b"LSUB", () if name in folders else (b"\\Noselect",), name))
        elif not all(matches(below) for below in subscribed if below.startswith(name + response.SEPARATOR)):
            lines.append(response.listed(b"LSUB", (b"\\Noselect",), name))
    return lines
