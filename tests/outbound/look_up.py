"""A process with a real reactor that asks DNS: ``python -m tests.outbound.look_up SERVER KIND:NAME…``."""

from __future__ import annotations

import sys
from ipaddress import ip_address
from typing import Any

import msgspec
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred

from mpcontinuity.outbound import lookup
from mpcontinuity.outbound.lookup import Lookup, NoAnswer
from mpcontinuity.outbound.resolution import questions
from tests.fakes.failures import tell

reactor: Any = _reactor


async def look_up(server: str, wanted: list[str]) -> None:
    lookup._TIMEOUTS = (1,)
    asked: Any = questions([server], reactor)
    dns = Lookup(asked)
    for each in wanted:
        kind, _, name = each.partition(":")
        try:
            if kind == "TXT":
                found: Any = await dns.texts(name)
            elif kind == "MX":
                found = await dns.exchanges(name)
            elif kind == "SRV":
                found = await dns.services(name)
            elif kind == "TLSA":
                found = [association.hex() for association in await dns.associations(name)]
            elif kind == "PTR":
                found = await dns.names(ip_address(name))
            else:
                found = [str(address) for address in await dns.addresses(name, version=int(kind))]
        except NoAnswer:
            found = "no answer"
        print(msgspec.json.encode(found).decode(), flush=True)


def main() -> None:
    server, *wanted = sys.argv[1:]
    done: Any = Deferred.fromCoroutine(look_up(server, wanted))
    done.addErrback(tell)
    done.addBoth(lambda _: reactor.callLater(0, reactor.stop))
    reactor.run()


main()
