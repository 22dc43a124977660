"""A process with a real reactor that asks DNS: ``python -m tests.outbound.resolve SERVER private|global DOMAIN…``."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred

from mpcontinuity.outbound import resolution
from mpcontinuity.outbound.resolution import Resolution, questions
from tests.fakes.failures import tell

reactor: Any = _reactor


async def resolve(server: str, scope: str, domains: list[str]) -> None:
    resolution._TIMEOUTS = (1,)
    asked = Resolution(
        questions([server], reactor),
        hostname="mx.ours.example",
        allow_private=scope == "private",
        timer=reactor,
        shuffle=list.reverse,
    )
    for domain in domains:
        found = await asked.exchanges(domain)
        print(type(found).__name__, msgspec.json.encode(found).decode(), flush=True)


def main() -> None:
    server, scope, *domains = sys.argv[1:]
    done = Deferred.fromCoroutine(resolve(server, scope, domains))
    done.addErrback(tell)
    done.addBoth(lambda _: reactor.callLater(0, reactor.stop))
    reactor.run()


main()
