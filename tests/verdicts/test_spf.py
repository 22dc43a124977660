"""SPF against the test suite of RFC 7208 (tests/corpus/spf, with its licence), and a few cases of our own."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from mpcontinuity.outbound.lookup import NoAnswer
from mpcontinuity.verdicts.dns import Ip
from mpcontinuity.verdicts.spf import SpfCheck
from tests.fakes.stores import result

SUITE = json.loads((Path(__file__).parent.parent / "corpus" / "spf" / "rfc7208.json").read_text())
CASES = [
    pytest.param(scenario["zone"], case, id=name) for scenario in SUITE for name, case in scenario["tests"].items()
]


class Zone:
    """Records as the test suite writes them; ``TIMEOUT`` for silence."""

    def __init__(self, zone: dict[str, list[Any]]) -> None:
        self._zone = zone

    def _find(self, name: str, kind: str, depth: int = 0) -> list[Any]:
        name = name.lower().rstrip(".")
        if any(len(label) > 63 for label in name.split(".")):
            return []
        if name not in self._zone and name.startswith("error."):
            raise NoAnswer(name)
        found: list[Any] = []
        for record in self._zone.get(name, []):
            if record == "TIMEOUT":
                if not found:
                    raise NoAnswer(name)
                break
            type_, value = record
            if type_ == kind:
                if value == "TIMEOUT":
                    raise NoAnswer(name)
                found.append(value)
            elif type_ == "CNAME" and depth < 2:
                found += self._find(value, kind, depth + 1)
        return found

    async def texts(self, name: str) -> list[str]:
        return ["".join(value).encode("utf-8").decode("latin-1") for value in self._find(name, "TXT")]

    async def addresses(self, name: str, *, version: int) -> list[Ip]:
        return [ip_address(value) for value in self._find(name, "A" if version == 4 else "AAAA")]

    async def exchanges(self, name: str) -> list[str]:
        return [value[1] for value in sorted(self._find(name, "MX"))]

    async def names(self, address: Ip) -> list[str]:
        return self._find(address.reverse_pointer, "PTR")


@pytest.mark.parametrize(("zone", "case"), CASES)
def test_the_suite_of_rfc_7208(zone: dict[str, Any], case: dict[str, Any]) -> None:
    sender = case["mailfrom"] or f"postmaster@{case['helo']}"
    if "@" not in sender:
        sender = f"postmaster@{sender}"
    elif sender.startswith("@"):
        sender = f"postmaster{sender}"
    check = SpfCheck(Zone(zone), ip_address(case["host"]), sender, case["helo"])
    assert result(check.result(sender.rpartition("@")[2])) in case["result"]


def check(record: str, host: str = "192.0.2.1", **zone: list[Any]) -> str:
    records = {"example.org": [["TXT", [record]]], **zone}
    return result(SpfCheck(Zone(records), ip_address(host), "a@example.org", "helo.example").result("example.org"))


@pytest.mark.parametrize(
    ("record", "host", "expected"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.1", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "::ffff:192.0.2.1", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "198.51.100.1", "fail"),
        ("v=spf1 ip6:2001:db8::/32 ~all", "2001:db8::1", "pass"),
        ("v=spf1 ~all", "192.0.2.1", "softfail"),
        ("v=spf1", "192.0.2.1", "neutral"),
        ("v=spf10 -all", "192.0.2.1", "none"),
        ("v=spf1 nonsense -all", "192.0.2.1", "permerror"),
        ("v=spf1 include:example.org -all", "192.0.2.1", "permerror"),
        ("v=spf1 redirect=example.org", "192.0.2.1", "permerror"),
    ],
)
def test_what_a_record_says(record: str, host: str, expected: str) -> None:
    assert check(record, host) == expected
