"""The users and clients of the IMAP door's tests, at the POP3 door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpcontinuity.access.pop3.factory import Pop3Factory
from mpcontinuity.access.pop3.lock import Locks
from mpcontinuity.access.pop3.services import Pop3Services
from mpcontinuity.store.store import Store
from tests.access.imap import world as imap
from tests.fakes.clock import ManualClock

converse = imap.converse
SIMPLE = imap.SIMPLE


class World(imap.World):
    """``pop``: services and clients of this door; what is inherited is IMAP's."""

    def __init__(self, store: Store, clock: ManualClock, *, plaintext: Sequence[str] = ("127.0.0.0/8",)) -> None:
        super().__init__(store, clock, plaintext=plaintext)
        given = self.services
        self.pop = Pop3Services(
            store=given.store,
            directory=given.directory,
            login=given.login,
            rations=given.rations,
            limits=given.limits,
            locks=Locks(clock),
            timer=clock,
            tls=given.tls,
            hostname=given.hostname,
            plaintext_login_networks=given.plaintext_login_networks,
        )
        self.pop_factory = Pop3Factory(self.pop)

    def fetch_by_pop(self, *, implicit_tls: bool = False, host: str = "127.0.0.1") -> imap.Client:
        factory = Pop3Factory(self.pop, implicit_tls=True) if implicit_tls else self.pop_factory
        connection: Any = factory.buildProtocol(None)
        return imap.Client(connection, host)

    def at_the_maildrop(self) -> imap.Client:
        client = self.fetch_by_pop()
        client.say("USER joe@example.org")
        client.say("PASS secret")
        assert b"messages" in client.take()
        return client
