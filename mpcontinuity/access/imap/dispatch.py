"""Which function does which command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mpcontinuity.access.imap import (
    append,
    copying,
    expunging,
    fetch,
    flags,
    folders,
    greeting,
    idling,
    listing,
    login,
    quotas,
    searching,
    selecting,
    threading,
)
from mpcontinuity.access.imap.session import ImapSession, Status
from mpcontinuity.protocols.imap import command
from mpcontinuity.protocols.imap.engine import Answer, Chunk, Done, EndOfMessage

# The tagged end of the command, or None: it goes on with another event.
Handler = Callable[[ImapSession, Any], Awaitable[Status | None]]

HANDLERS: dict[type, Handler] = {
    command.Capability: greeting.capability,
    command.Noop: greeting.noop,
    command.Logout: greeting.logout,
    command.Id: greeting.identify,
    command.Enable: greeting.enable,
    command.Namespace: greeting.namespace,
    command.StartTls: login.start_tls,
    command.Login: login.login,
    command.Authenticate: login.authenticate,
    Answer: login.answer,
    command.Select: selecting.select,
    command.Close: expunging.close,
    command.Check: selecting.check,
    command.Create: folders.create,
    command.Delete: folders.delete,
    command.Rename: folders.rename,
    command.Subscribe: folders.subscribe,
    command.Unsubscribe: folders.unsubscribe,
    command.Status: folders.status,
    command.GetQuota: quotas.get,
    command.GetQuotaRoot: quotas.root_of,
    command.SetQuota: quotas.put,
    command.List: listing.list_mailboxes,
    command.Idle: idling.idle,
    Done: idling.done,
    command.Expunge: expunging.expunge,
    command.Search: searching.search,
    command.Thread: threading.thread,
    command.Fetch: fetch.fetch,
    command.Store: flags.store,
    command.Copy: copying.copy,
    command.Append: append.begin,
    Chunk: append.chunk,
    EndOfMessage: append.end,
}


def shifts_numbers(event: object) -> bool:
    """Tells whether message numbers may change at the end of a command: not where it uses them (RFC 3501 §7.4.1)."""
    return not (isinstance(event, command.Fetch | command.Store | command.Search | command.Thread) and not event.uid)
