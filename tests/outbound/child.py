"""A process with a real reactor: sends one message to a port of this machine and prints what became of it."""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred

from mpcontinuity.model.address import parse
from mpcontinuity.model.body import InMemory
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.model.settings import DomainSettings, Home
from mpcontinuity.outbound.home import HomeServers
from mpcontinuity.outbound.network import connector, securing
from mpcontinuity.outbound.opening import ClientEnvironment
from tests.outbound.wire import Domain

reactor: Any = _reactor


async def send(port: int, tls: Any, authority: str, size: int, certificate: str, own: str) -> Outcome:
    settings = Home(connect_timeout=3, reply_timeout=3, message_timeout=5)
    environment = ClientEnvironment("mx.example.org", settings, reactor, connector(reactor), securing((own, own)))
    settings_of_domain = DomainSettings(
        home=(f"localhost:{port}",), home_tls=tls, home_tls_ca=authority, home_tls_certificate=certificate
    )
    domain = Domain(settings_of_domain)
    home = HomeServers(environment, SystemClock()).of(domain)
    transaction = home.transaction(None, MailParameters())
    outcome = await transaction.recipient(parse("bob@example.org"), RcptParameters())
    if outcome.verdict is Verdict.ACCEPTED:
        outcome = await transaction.message(b"X-Id: 1\r\n", InMemory(b".dots\r\n" * (size // 7)))
    return outcome


def main(port: str, tls: str, authority: str, size: str, certificate: str, own: str) -> None:
    """``authority``: a PEM file whose certificate is believed, or empty. ``certificate`` is as the setting
    home-tls-certificate has it, ``own`` the file of the server's own."""

    def done(outcome: object) -> None:
        told = (
            [outcome.verdict.value, outcome.stage.value, outcome.text]
            if isinstance(outcome, Outcome)
            else repr(outcome)
        )
        print(json.dumps(told))
        reactor.callLater(0.1, reactor.stop)

    sent = lambda: Deferred.fromCoroutine(send(int(port), tls, authority, int(size), certificate, own))  # noqa: E731
    reactor.callWhenRunning(lambda: sent().addBoth(done))
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
