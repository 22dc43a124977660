"""What the DNS server of the journeys says, over UDP and TCP."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.names import dns

from tests.fakes.dnsserver import TLSA, DnsServer


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


def ask(server: DnsServer, name: str, kind: int, *, tcp: bool = False) -> Any:
    query: Any = dns.Message(id=7, recDes=1)
    query.addQuery(name.encode(), kind)
    octets: bytes = query.toStr()
    answer: Any = dns.Message()
    if tcp:
        with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
            connection.sendall(struct.pack("!H", len(octets)) + octets)
            stream = connection.makefile("rb")
            (length,) = struct.unpack("!H", stream.read(2))
            answer.fromStr(stream.read(length))
    else:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(20)
            udp.sendto(octets, ("127.0.0.1", server.port))
            answer.fromStr(udp.recv(65536))
    return answer


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_it_answers_what_it_was_told(server: DnsServer, tcp: bool) -> None:
    long = "v=DKIM1; p=" + "A" * 400
    server.add(
        {
            "a.example": ["MX 10 mx.a.example", "MX 20 mx2.a.example", f"TXT {long}"],
            "mx.a.example": ["A 127.0.0.9"],
            "www.a.example": ["CNAME mx.a.example"],
            "_25._tcp.mx.a.example": ["TLSA 3 1 1 " + "ab" * 32],
        }
    )
    found = ask(server, "a.example", dns.MX, tcp=tcp)
    assert sorted((each.payload.preference, str(each.payload.name)) for each in found.answers) == [
        (10, "mx.a.example"),
        (20, "mx2.a.example"),
    ]
    assert b"".join(ask(server, "a.example", dns.TXT, tcp=tcp).answers[0].payload.data) == long.encode()
    assert [each.type for each in ask(server, "WWW.a.example", dns.A, tcp=tcp).answers] == [dns.CNAME, dns.A]
    (pinned,) = ask(server, "_25._tcp.mx.a.example", TLSA, tcp=tcp).answers
    assert (pinned.type, pinned.payload.data) == (TLSA, b"\3\1\1" + b"\xab" * 32)


def test_a_name_that_it_was_not_told_does_not_exist(server: DnsServer) -> None:
    assert ask(server, "no.example", dns.MX).rCode == dns.ENAME
    server.add({"no.example": ["A 127.0.0.1"]})
    assert ask(server, "no.example", dns.MX).rCode == dns.OK
    server.add({"no.example": []})
    assert ask(server, "no.example", dns.MX).rCode == dns.ENAME
