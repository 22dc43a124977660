"""Doors that users and home servers send by, over a `Post`'s store."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import Deferred, succeed

from mpcontinuity.accounts import users
from mpcontinuity.accounts.judging import Judge
from mpcontinuity.accounts.origins import Origins
from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.delivery.calling import HomeCalls
from mpcontinuity.delivery.from_home import HomeMail
from mpcontinuity.delivery.internal import Internal
from mpcontinuity.delivery.outward import Submissions
from mpcontinuity.delivery.submission import submission_of
from mpcontinuity.inbound.factory import SmtpFactory
from mpcontinuity.inbound.services import Role
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.recipients import Recipients
from mpcontinuity.model.settings import Limits
from mpcontinuity.queue import outgoing
from mpcontinuity.store.bodies.references import find
from mpcontinuity.store.statement import Statement
from tests.delivery.conftest import Post
from tests.fakes.clock import SeededRandomness
from tests.fakes.stores import result
from tests.inbound.dialogues import Connection, Door, Wire

TRUSTED = "198.51.100.9"  # may log in without TLS
GIVE_UP = 5 * DAY
QUOTA = 5


class Desk:
    """Ports 25 and 587; every user's password is ``secret``."""

    def __init__(self, post: Post, limits: Limits | None = None) -> None:
        self.post = post
        store, directory = post.store, post.delivery.directory
        judge = Judge(
            Passwords("plaintext", ()),
            failures=10,
            failures_per_host=100,
            trusted=[],
            compute=self._at_once,
            sleep=lambda _: succeed(None),
            clock=post.clock,
            randomness=SeededRandomness(3),
        )
        self.login = UserLogin(store, directory, judge)
        storage = Quotas(store, directory, Limits())
        self.submissions = Submissions(post.delivery, Recipients(QUOTA, post.clock), storage, GIVE_UP)
        self.origins = Origins(store, directory)
        self.internal = Internal(post.delivery)
        services = dataclasses.replace(
            Door(post, limits=limits).services,
            login=self.login,
            submit=partial(submission_of, self.submissions),
            plaintext_login_networks=[ip_network(f"{TRUSTED}/32")],
        )
        home = HomeMail(self.submissions, self.origins)
        calls = HomeCalls(store, directory, self.origins, post.homes, timer=post.clock)  # type: ignore[arg-type]
        self.port25 = SmtpFactory(dataclasses.replace(services, home=home, calls=calls))
        self.port587 = SmtpFactory(dataclasses.replace(services, role=Role.SUBMISSION))
        for address in ("ann@example.org", "bob@example.org"):
            self.password(address)

    def password(self, address: str) -> None:
        def work(tx: Any) -> None:
            user = users.find(tx, parse(address))
            assert user is not None
            users.set_password(tx, user, "secret")

        result(self.post.store.run(work))

    def connect(self, factory: SmtpFactory | None = None, host: str = TRUSTED) -> Connection:
        """Greeted and introduced."""
        session = (factory or self.port587).buildProtocol(None)
        connection = Connection(session, Wire(host))
        assert connection.read().startswith("220 ")
        connection.say("EHLO pc.example")
        return connection

    def logged_in(self, address: str = "ann@example.org") -> Connection:
        connection = self.connect()
        secret = base64.b64encode(f"\0{address}\0secret".encode()).decode()
        assert connection.say(f"AUTH PLAIN {secret}").startswith("235 "), address
        return connection

    def send(self, *recipients: str, header: str = "", body: str = "Text", sender: str = "ann@example.org") -> str:
        """As ann; the reply to the message, after which the client goes on."""
        client = self.logged_in()
        try:
            return transaction(client, sender, *recipients, lines=[*header.splitlines(), "", body])
        finally:
            client.say("QUIT")
            client.vanish()
            self.post.clock.advance(1)

    def deliver_to_ours(self, name: str = "example.org") -> list[Any]:
        """What dispatch does with the rows for a domain of ours."""
        store = self.post.store
        domain = result(self.post.delivery.directory.domain(name))
        assert domain is not None
        dues = {due for due in result(store.read(outgoing.due)) if due.destination == name}
        claimed = [result(store.run(partial(outgoing.claim, due=due, most=100))) for due in sorted(dues)]
        rows = [row for each in claimed for row in each]
        return list(result(self.internal.deliver(domain, rows))) if rows else []

    def give_back(self) -> None:
        """Claimed rows are queued again."""
        queued = Statement("UPDATE outgoing SET state = 'queued', token = 0, lease_until = 0")
        result(self.post.store.run(lambda tx: tx.run(queued)))

    # What is there afterwards

    def outgoing(self) -> list[tuple[object, ...]]:
        return self.post.rows("SELECT reverse_path, recipient, destination, state FROM outgoing ORDER BY id")

    def folder(self, address: str, name: str) -> list[tuple[object, ...]]:
        """(body, flags) of each entry."""
        return self.post.rows(
            "SELECT entry.body, entry.flags FROM entry JOIN mailbox ON entry.id / 4294967296 = mailbox.id"
            " JOIN address ON address.account = mailbox.account WHERE address.key = :key AND mailbox.name = :name"
            " ORDER BY entry.id",
            key=address,
            name=name,
        )

    def content(self, body: int, *, leaving: bool = False) -> bytes:
        """As the user has it, or as it leaves."""
        store = self.post.store
        found = result(store.read(partial(find, body_id=body)))
        assert found is not None
        whole = result(store.bodies.read(found))
        return whole[found.prefix :] if leaving else whole

    @staticmethod
    def _at_once(work: Callable[[], Any], host: str) -> Deferred[Any]:
        return succeed(work())


def transaction(client: Connection, sender: str, *recipients: str, lines: list[str]) -> str:
    """The last reply: that to the message, or what refused it."""
    reply = client.say(f"MAIL FROM:<{sender}>")
    if not reply.startswith("250"):
        return reply
    for recipient in recipients:
        reply = client.say(f"RCPT TO:<{recipient}>")
        if not reply.startswith("250"):
            return reply
    reply = client.say("DATA")
    if not reply.startswith("354"):
        return reply
    return client.say(*lines, ".")
