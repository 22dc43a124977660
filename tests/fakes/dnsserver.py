"""A real DNS server on loopback, in a process of its own: authority for everything below `example`.

    zone = {"shop.example": ["MX 10 mx.shop.example", "TXT v=spf1 -all"], "mx.shop.example": ["A 127.0.0.1"]}
    with DnsServer(zone) as dns:
        dns.add({"mail.shop.example": ["CNAME mx.shop.example"]})
        dns.address                    # as `[outbound] resolvers` takes it; UDP and TCP

Records: `A`, `AAAA`, `CNAME`, `MX preference name`, `TXT text`, `TLSA usage selector matching hex`. For what lies or is
silent see nameserver.py.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from twisted.internet import reactor as _reactor
from twisted.internet.error import CannotListenError
from twisted.internet.stdio import StandardIO
from twisted.names import authority, dns, server
from twisted.protocols.basic import LineReceiver

Zone = dict[str, list[str]]

_made: Any = dns  # has no types

TLSA = 52  # RFC 6698, which twisted.names does not know


class DnsServer:
    def __init__(self, zone: Zone | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.dnsserver"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._said())
        self.add(zone or {})

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add(self, zone: Zone) -> None:
        """These names have these records from now on, and no others; an empty list: the name is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(zone) + "\n")
        self._process.stdin.flush()
        assert self._said() == "known", zone

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.communicate(timeout=30)

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()


class _Authority(authority.FileAuthority):
    """From what standard input says, not from a file."""

    def loadFile(self, filename: Any) -> None:
        start = _made.Record_SOA(b"ns.example", b"hostmaster.example", 1, 60, 60, 60, 60, ttl=60)
        self.soa: Any = (b"example", start)
        self.records: Any = {b"example": [start]}

    def add(self, zone: Zone) -> None:
        for name, lines in zone.items():
            self.records[name.lower().encode()] = [_record(line) for line in lines]


def _record(line: str) -> Any:
    kind, _, rest = line.partition(" ")
    if kind == "MX":
        preference, name = rest.split()
        return _made.Record_MX(int(preference), name.rstrip("."), ttl=1)
    if kind == "TXT":  # RFC 7208 §3.3: strings of at most 255 octets, to be joined
        text = rest.encode()
        return _made.Record_TXT(*(text[begin : begin + 255] for begin in range(0, len(text), 255)), ttl=1)
    if kind == "TLSA":
        usage, selector, matching, digest = rest.split()
        record = _made.UnknownRecord(
            struct.pack("!BBB", *map(int, (usage, selector, matching))) + bytes.fromhex(digest), 1
        )
        record.TYPE = TLSA
        return record
    return {"A": _made.Record_A, "AAAA": _made.Record_AAAA, "CNAME": _made.Record_CNAME}[kind](rest, ttl=1)


class _Control(LineReceiver):
    """A zone in JSON on each line."""

    delimiter = b"\n"
    transport: Any
    MAX_LENGTH = 1 << 20

    def __init__(self, known: _Authority, reactor: Any) -> None:
        self._known = known
        self._reactor = reactor

    def lineReceived(self, line: bytes) -> None:
        self._known.add(json.loads(line))
        self.transport.write(b"known\n")

    def connectionLost(self, reason: Any = None) -> None:
        self._reactor.stop()


def main(reactor: Any) -> None:
    authority_of: Any = _Authority
    known = authority_of("")
    factory_of: Any = server.DNSServerFactory
    factory = factory_of(authorities=[known])
    while True:  # one number for both
        udp = reactor.listenUDP(0, _made.DNSDatagramProtocol(factory), interface="127.0.0.1")
        port = udp.getHost().port
        try:
            reactor.listenTCP(port, factory, interface="127.0.0.1")
            break
        except CannotListenError:
            udp.stopListening()
    print(port, flush=True)
    attach: Any = StandardIO
    attach(_Control(known, reactor))
    reactor.run()


if __name__ == "__main__":
    main(_reactor)
