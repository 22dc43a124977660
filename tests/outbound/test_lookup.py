"""What DNS says of names, asked of a real DNS server on loopback, a silent one and one that answers nonsense."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import succeed
from twisted.names import dns

from mpcontinuity.outbound.lookup import Lookup, NoAnswer
from tests.fakes.nameserver import GARBAGE, REFUSED, SERVFAIL, SILENT, Nameserver, a, aaaa, cname, mx, srv, tlsa, txt
from tests.fakes.stores import result


def look_up(zone: dict[str, Any], *wanted: str, chases: bool = True) -> list[Any]:
    with Nameserver(zone) as server:
        server.chases = chases
        done = subprocess.run(
            [sys.executable, "-m", "tests.outbound.look_up", server.address, *wanted],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert len(done.stdout.splitlines()) == len(wanted), done.stderr
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


ZONE = {
    "a.example": [txt("v=spf1 ", "-all"), txt("other"), a("192.0.2.1"), aaaa("2001:db8::1"), mx(20, "two.a.example")],
    "s1._domainkey.a.example": [cname("key.provider.example")],
    "key.provider.example": [txt("v=DKIM1; p=AAAA")],
    "circle.example": [cname("circle.example")],
    "xn--bcher-kva.example": [txt("books")],
}


def test_strings_of_a_text_are_one_and_kinds_are_told_apart() -> None:
    texts, four, six, exchanges, none, missing = look_up(
        ZONE, "TXT:a.example", "4:a.example", "6:A.Example.", "MX:a.example", "MX:key.provider.example", "TXT:b.example"
    )
    assert sorted(texts) == ["other", "v=spf1 -all"]
    assert (four, six, exchanges) == (["192.0.2.1"], ["2001:db8::1"], ["two.a.example"])
    assert (none, missing) == ([], [])


def test_a_key_behind_an_alias_is_found_whether_the_server_chases_it_or_not() -> None:
    for chases in (True, False):
        (texts,) = look_up(ZONE, "TXT:s1._domainkey.a.example", chases=chases)
        assert texts == ["v=DKIM1; p=AAAA"]


class _Asked:
    """Answers at once, as a message over TCP can have it."""

    def __init__(self, *records: Any) -> None:
        self._answer = [dns.RRHeader("a.example", record.TYPE, payload=record) for record in records]

    def query(self, query: Any, timeout: object) -> Any:
        return succeed((self._answer, [], []))


def test_an_answer_beyond_all_measure_is_none() -> None:
    def texts(*records: Any) -> list[str]:
        return result(Lookup(_Asked(*records)).texts("a.example"))

    assert len(texts(txt(*["x" * 250] * 20), *(txt(str(number)) for number in range(100)))) == 101
    with pytest.raises(NoAnswer):
        texts(txt(*["x" * 250] * 40))
    with pytest.raises(NoAnswer):
        texts(*(txt(str(number)) for number in range(300)))


def test_a_circle_of_aliases_is_nothing() -> None:
    assert look_up(ZONE, "TXT:circle.example") == [[]]


def test_a_name_that_cannot_be_asked_for_is_nothing() -> None:
    assert look_up(ZONE, "TXT:a..example", f"TXT:{'a' * 64}.example", "TXT:Bücher.example") == [[], [], ["books"]]


def test_what_is_no_answer_is_told_from_nothing() -> None:
    zone = {"one.example": SERVFAIL, "two.example": REFUSED, "three.example": SILENT, "four.example": GARBAGE}
    assert look_up(zone, *(f"TXT:{name}" for name in zone)) == ["no answer"] * 4


def test_names_beyond_ascii_are_told_as_they_can_be() -> None:
    exchange: Any = mx(10, "x")
    ptr: Any = dns.Record_PTR("x", ttl=60)
    zone = {
        "a.example": [exchange],
        "1.2.0.192.in-addr.arpa": [ptr],
        "alias.example": [cname("x")],
    }
    exchange.name.name = ptr.name.name = b"b\xfccher.example"
    zone["alias.example"][0].name.name = "bücher.example".encode()
    zone["xn--bcher-kva.example"] = [txt("books")]
    assert look_up(zone, "MX:a.example", "PTR:192.0.2.1", "TXT:alias.example") == [
        ["b\\252cher.example"],
        ["b\\252cher.example"],
        ["books"],
    ]


def test_services_come_by_priority_and_tlsa_records_as_their_octets() -> None:
    zone = {
        "_imaps._tcp.a.example": [srv(20, 1993, "two.example"), srv(0, 993, "One.example")],
        "_25._tcp.a.example": [tlsa(bytes([3, 1, 1]) + b"x" * 32)],
    }
    services, associations, none = look_up(
        zone, "SRV:_imaps._tcp.a.example", "TLSA:_25._tcp.a.example", "TLSA:b.example"
    )
    assert services == [["one.example", 993], ["two.example", 1993]]
    assert associations == ["030101" + "78" * 32]
    assert none == []
