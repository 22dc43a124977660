"""A process with a real reactor that logs in by IMAP: ``python -m tests.outbound.open_imap`` with JSON on stdin.

It reads ``{"asked": [{"url", "user", "token", "name", "authorities"}, …], "timeout", "listening"}`` and prints a line
of JSON for each: the capabilities, or fault and reason.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred

from mpcontinuity.model import imapurl
from mpcontinuity.model.settings import Home
from mpcontinuity.outbound.imap.opening import ImapLogin, ImapServer, NoSession, open_session
from mpcontinuity.outbound.network import connector, securing
from mpcontinuity.outbound.opening import ClientEnvironment
from tests.fakes.failures import tell

reactor: Any = _reactor


async def ask(given: dict[str, Any]) -> None:
    timeout = given.get("timeout", 10)
    home = Home(connect_timeout=timeout, reply_timeout=timeout)
    listening = [("127.0.0.1", port) for port in given.get("listening", [])]
    environment = ClientEnvironment("mx.example", home, reactor, connector(reactor), securing(), lambda: listening)
    for each in given["asked"]:
        url = imapurl.parse(each["url"])
        server = ImapServer(url, each.get("name", ""), each.get("authorities", ""))
        local, _, domain = each.get("user", "").partition("@")
        login = None
        if local:
            login = ImapLogin(
                url.name if url.master else url.login(local, domain),
                url.password,
                each["user"] if url.master else "",
                each.get("token", ""),
            )
        session = await open_session(environment, server, login)
        if isinstance(session, NoSession):
            shown: Any = [session.fault.value, session.reason]
        else:
            shown = [session.secured, sorted(session.engine.capabilities)]
            session.logout()
        print(msgspec.json.encode(shown).decode(), flush=True)


def main() -> None:
    given = msgspec.json.decode(sys.stdin.buffer.read())
    reactor.callWhenRunning(
        lambda: Deferred.fromCoroutine(ask(given)).addErrback(tell).addBoth(lambda _: reactor.stop())
    )
    reactor.run()


if __name__ == "__main__":
    main()
