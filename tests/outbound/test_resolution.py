"""Where mail for a domain goes, asked of a real DNS server on loopback, a lying one and a silent one too."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_address
from typing import Any

import msgspec
import pytest

from mpcontinuity.outbound.resolution import is_public
from tests.fakes.nameserver import GARBAGE, REFUSED, SERVFAIL, SILENT, Nameserver, a, aaaa, cname, mx

ADDRESSES = {
    "one.mail.example": [a("192.0.2.1")],
    "two.mail.example": [a("127.0.0.2"), aaaa("::1")],
    "alias.mail.example": [cname("two.mail.example")],
    "no-address.example": [],
    "broken.mail.example": SERVFAIL,
}


def resolve(zone: dict[str, Any], *domains: str, scope: str = "private", chases: bool = True) -> list[dict[str, Any]]:
    with Nameserver(ADDRESSES | zone) as server:
        server.chases = chases
        done = subprocess.run(
            [sys.executable, "-m", "tests.outbound.resolve", server.address, scope, *domains],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    lines = [line.partition(" ") for line in done.stdout.splitlines()]
    assert len(lines) == len(domains), done.stderr
    return [{"kind": kind, **msgspec.json.decode(text)} for kind, _, text in lines]


def hosts(found: dict[str, Any]) -> list[str]:
    return [host["name"] for host in found["hosts"]]


def test_by_preference_and_equal_ones_in_any_order() -> None:
    zone = {
        "d.example": [mx(20, "alias.mail.example"), mx(10, "one.mail.example"), mx(10, "two.mail.example")],
    }
    (found,) = resolve(zone, "d.example")
    assert hosts(found)[2:] == ["alias.mail.example"]
    assert sorted(hosts(found)[:2]) == ["one.mail.example", "two.mail.example"]
    assert found["hosts"][2]["addresses"] == ["::1", "127.0.0.2"]


def test_without_mx_the_address_of_the_domain_is_used() -> None:
    zone = {"plain.example": [a("192.0.2.7")], "alias.example": [cname("plain.example")]}
    plain, alias = resolve(zone, "plain.example", "alias.example")
    assert plain["hosts"] == [{"name": "plain.example", "addresses": ["192.0.2.7"]}]
    assert alias["hosts"] == [{"name": "alias.example", "addresses": ["192.0.2.7"]}]


def test_a_server_that_names_an_alias_only_is_asked_for_what_stands_behind_it() -> None:
    zone = {
        "alias.example": [cname("www.example")],
        "www.example": [cname("d.example")],
        "d.example": [mx(10, "alias.mail.example")],
        "to-nothing.example": [cname("gone.example")],
        "round.example": [cname("about.example")],
        "about.example": [cname("round.example")],
    }
    alias, nothing, circle = resolve(zone, "alias.example", "to-nothing.example", "round.example", chases=False)
    assert alias["hosts"] == [{"name": "alias.mail.example", "addresses": ["::1", "127.0.0.2"]}]
    assert (nothing["permanent"], nothing["enhanced"]) == (True, "5.1.2")
    assert (circle["permanent"], circle["enhanced"]) == (True, "5.4.4")


def test_what_is_final_is_told_from_what_may_pass() -> None:
    zone = {
        "null.example": [mx(0, "")],
        "no-address.example": [],
        "servfail.example": SERVFAIL,
        "refused.example": REFUSED,
        "silent.example": SILENT,
        "garbage.example": GARBAGE,
        "dangling.example": [mx(10, "gone.example")],
        "half.example": [mx(10, "gone.example"), mx(20, "one.mail.example")],
        "unknown.example": [mx(10, "gone.example"), mx(20, "broken.mail.example")],
        "loop.example": [mx(10, "mx.ours.example")],
        "backup.example": [mx(5, "one.mail.example"), mx(10, "mx.ours.example"), mx(20, "two.mail.example")],
        "circle.example": [cname("circle.example")],
    }
    names = ["gone.example", *zone]
    found = dict(zip(names, resolve(zone, *names), strict=True))
    final = {name: row["enhanced"] for name, row in found.items() if row["kind"] == "Unresolved" and row["permanent"]}
    assert final == {
        "gone.example": "5.1.2",
        "null.example": "5.1.10",
        "no-address.example": "5.4.4",
        "dangling.example": "5.1.2",
        "loop.example": "5.4.6",
        "circle.example": "5.4.4",
    }
    passing = [name for name, row in found.items() if row["kind"] == "Unresolved" and not row["permanent"]]
    assert passing == [
        "servfail.example",
        "refused.example",
        "silent.example",
        "garbage.example",
        "unknown.example",
    ]
    assert found["silent.example"]["reason"] == "DNS did not answer about silent.example: no answer in time"
    assert hosts(found["half.example"]) == ["one.mail.example"]
    assert hosts(found["backup.example"]) == ["one.mail.example"]


def test_addresses_that_no_stranger_can_mean_are_not_used_unless_allowed() -> None:
    zone = {"inside.example": [mx(10, "two.mail.example")], "both.example": [a("127.0.0.1"), a("8.8.8.8")]}
    inside, both, literal = resolve(zone, "inside.example", "both.example", "[127.0.0.1]", scope="global")
    assert (inside["kind"], inside["permanent"]) == ("Unresolved", False)
    assert "private" in inside["reason"]
    assert both["hosts"][0]["addresses"] == ["8.8.8.8"]
    assert literal["permanent"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("64:ff9b::8.8.8.8", True),  # what DNS64 makes of it
        ("2002:808:808::1", True),
        ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("::ffff:127.0.0.1", False),
        ("::127.0.0.1", False),
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b:1::10.0.0.1", False),
        ("2002:7f00:1::1", False),
        ("2002:a00:1::1", False),
        ("2001:0:a00:1::1", False),  # Teredo
        ("fe80::1", False),
        ("fec0::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:0:127.0.0.1", False),  # SIIT
        ("3fff::1", False),
        ("5f00::1", False),
        ("192.0.0.8", False),
        ("192.88.99.1", False),
    ],
)
def test_an_inner_address_in_any_dress_is_none_that_a_stranger_can_mean(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


def test_an_address_literal_is_not_asked_for() -> None:
    found, bad = resolve({}, "[IPv6:::1]", "[nonsense]")
    assert found["hosts"][0]["addresses"] == ["::1"]
    assert bad["permanent"]


def test_records_of_other_names_in_an_answer_are_not_believed() -> None:
    class Lying(Nameserver):
        def _records(self, name: str, known: Any, kind: int) -> list[Any]:
            return super()._records("other.example", known, kind)

    with Lying({"d.example": [mx(10, "one.mail.example"), a("192.0.2.1")]}) as server:
        done = subprocess.run(
            [sys.executable, "-m", "tests.outbound.resolve", server.address, "private", "d.example"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert "5.4.4" in done.stdout


def raw(preference: int, name: bytes) -> Any:
    record = mx(preference, "x")
    record.name.name = name
    return record


def test_names_beyond_ascii_are_hosts_as_others_or_not_found() -> None:
    """Twisted's names cannot be turned into text then."""
    zone = {
        "utf8.example": [raw(10, "mx.bücher.example".encode())],
        "mx.xn--bcher-kva.example": [a("192.0.2.8")],
        "latin1.example": [raw(10, b"mx.b\xfccher.example"), raw(20, b"one.mail.example")],
        "alone.example": [raw(10, b"mx.b\xfccher.example")],
        "long.example": [raw(10, b"\xfc" * 60 + b".example")],
        "alias.example": [cname("x")],
    }
    zone["alias.example"][0].name.name = b"b\xfccher.example"
    utf8, latin1, alone, long, alias, label = resolve(zone, *list(zone)[:1], *list(zone)[2:], "x" * 64 + ".example")
    assert utf8["hosts"] == [{"name": "mx.xn--bcher-kva.example", "addresses": ["192.0.2.8"]}]
    assert hosts(latin1) == ["one.mail.example"]
    for unresolved in (alone, long, alias, label):
        assert (unresolved["permanent"], unresolved["enhanced"]) == (True, "5.1.2")
    assert alone["reason"] == "mx.b\\252cher.example does not exist"
