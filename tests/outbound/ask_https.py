"""A process with a real reactor that asks by HTTPS: ``python -m tests.outbound.ask_https`` with JSON on stdin.

It reads ``{"client": {…}, "names": {…}, "asked": [{…}, …]}``: settings of the client, the addresses that names have at
each look-up in turn, and the arguments of each request. It prints a line of JSON for each.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, succeed

from mpcontinuity.outbound.https import HttpsClient, Unanswered
from mpcontinuity.outbound.network import addresses, connector, securing
from tests.fakes.failures import tell

reactor: Any = _reactor


def looking_up(names: dict[str, list[str]]) -> Any:
    system = addresses(reactor)

    def look_up(host: str) -> Deferred[list[str]]:
        if host not in names:
            return system(host)
        found = names[host]
        return succeed([found.pop(0) if len(found) > 1 else found[0]])

    return look_up


async def ask(given: dict[str, Any]) -> None:
    client = HttpsClient(
        addresses=looking_up(given.get("names", {})),
        connect=connector(reactor),
        secure=securing(),
        timer=reactor,
        allow_private=given.get("allow_private", False),
    )
    for each in given["asked"]:
        each["body"] = each.get("body", "").encode()
        try:
            answer = await client.ask(each.pop("method", "GET"), each.pop("url"), **each)
            shown: Any = [answer.status, dict(answer.headers), answer.body.decode("latin-1")]
        except Unanswered as error:
            shown = str(error)
        print(msgspec.json.encode(shown).decode(), flush=True)


def main() -> None:
    given = msgspec.json.decode(sys.stdin.buffer.read())
    reactor.callWhenRunning(
        lambda: Deferred.fromCoroutine(ask(given)).addErrback(tell).addBoth(lambda _: reactor.stop())
    )
    reactor.run()


if __name__ == "__main__":
    main()
