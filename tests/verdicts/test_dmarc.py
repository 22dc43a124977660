"""DMARC: alignment, and the tree in which a policy is looked for."""

from __future__ import annotations

import pytest

from mpcontinuity.verdicts import dmarc
from mpcontinuity.verdicts.dmarc import DmarcResult
from tests.fakes.stores import result
from tests.verdicts.zone import FakeDns


def check(dns: FakeDns, author: str, spf: str = "", *signed: str) -> DmarcResult:
    return result(dmarc.check(dns, author, spf, signed))


def zone(**records: str) -> FakeDns:
    return FakeDns(**{f"_dmarc.{name}": text for name, text in records.items()})


REJECT = "v=DMARC1; p=reject"
ORG = zone(**{"example.org": REJECT})


@pytest.mark.parametrize(
    ("author", "spf", "signed", "expected"),
    [
        ("example.org", "", (), "fail"),
        ("example.org", "example.org", (), "pass"),
        ("example.org", "mail.example.org", (), "pass"),
        ("example.org", "example.net", (), "fail"),
        ("example.org", "", ("example.org",), "pass"),
        ("example.org", "", ("example.net", "sub.example.org"), "pass"),
        ("sub.example.org", "", ("example.org",), "pass"),
        ("sub.example.org", "other.example.org", (), "pass"),
        ("example.org", "notexample.org", (), "fail"),
        ("example.org", "org", (), "fail"),
        ("example.com", "example.com", (), "none"),
        ("", "example.org", (), "permerror"),
    ],
)
def test_alignment(author: str, spf: str, signed: tuple[str, ...], expected: str) -> None:
    assert check(ORG, author, spf, *signed).result == expected


def test_strict_alignment_wants_the_very_name() -> None:
    dns = zone(**{"example.org": "v=DMARC1; p=reject; aspf=s; adkim=s"})
    assert check(dns, "example.org", "mail.example.org", "mail.example.org").result == "fail"
    assert check(dns, "example.org", "example.org").result == "pass"
    assert check(dns, "example.org", "", "example.org").result == "pass"


def test_a_subdomain_has_the_policy_for_subdomains() -> None:
    dns = zone(**{"example.org": "v=DMARC1; p=reject; sp=quarantine"})
    assert check(dns, "example.org") == DmarcResult("fail", "reject")
    assert check(dns, "a.b.example.org") == DmarcResult("fail", "quarantine")


def test_a_name_that_does_not_exist_has_a_policy_of_its_own() -> None:
    dns = zone(**{"example.org": "v=DMARC1; p=none; sp=quarantine; np=reject"})
    dns.a["there.example.org"] = ["192.0.2.1"]
    assert check(dns, "there.example.org") == DmarcResult("fail", "quarantine")
    assert check(dns, "nowhere.example.org") == DmarcResult("fail", "reject")
    assert check(dns, "example.org") == DmarcResult("fail", "none")
    dns.broken.add("nowhere.example.org")
    assert check(dns, "nowhere.example.org") == DmarcResult("fail", "quarantine")  # perhaps it exists


def test_without_a_policy_for_names_that_do_not_exist_nobody_asks_whether_they_do() -> None:
    dns = zone(**{"example.org": "v=DMARC1; p=none; sp=quarantine"})
    assert check(dns, "nowhere.example.org") == DmarcResult("fail", "quarantine")
    assert all(name.startswith("_dmarc.") for name in dns.asked)


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ("p=reject; t=y", "quarantine"),
        ("p=quarantine; t=y", "none"),
        ("p=none; t=y", "none"),
        ("p=reject; t=n", "reject"),
        ("p=reject; pct=0", "reject"),  # RFC 9989 has no `pct`
        ("rua=mailto:a@example.org", "none"),
        ("p=nonsense; rua=mailto:a@example.org", "none"),
        ("p=reject; sp=nonsense; rua=mailto:a@example.org", "none"),
    ],
)
def test_what_a_record_wants(record: str, wanted: str) -> None:
    assert check(zone(**{"example.org": f"v=DMARC1; {record}"}), "example.org") == DmarcResult("fail", wanted)


@pytest.mark.parametrize("record", ["p=nonsense", "p=reject; np=nonsense", "p=nonsense; rua=nobody"])
def test_a_record_without_a_policy_and_without_anybody_to_tell_is_an_error(record: str) -> None:
    assert check(zone(**{"example.org": f"v=DMARC1; {record}"}), "example.org").result == "permerror"


def test_its_own_record_comes_first() -> None:
    dns = zone(**{"example.org": REJECT, "sub.example.org": "v=DMARC1; p=none"})
    assert check(dns, "sub.example.org") == DmarcResult("fail", "none")


def test_a_public_suffix_that_says_so_makes_two_of_its_domains_strangers() -> None:
    dns = zone(**{"co.example": "v=DMARC1; p=reject; psd=y", "a.co.example": REJECT})
    assert check(dns, "a.co.example", "b.co.example").result == "fail"
    assert check(dns, "a.co.example", "x.a.co.example").result == "pass"
    assert check(dns, "c.co.example") == DmarcResult("fail", "reject")


def test_a_silent_dns_is_an_error_that_may_pass() -> None:
    dns = zone()
    dns.broken.add("_dmarc.example.org")
    assert check(dns, "example.org", "example.org").result == "temperror"


def test_two_records_are_none() -> None:
    dns = zone()
    dns.txt["_dmarc.example.org"] = [REJECT, REJECT]
    assert check(dns, "example.org").result == "none"


def test_a_name_of_a_hundred_labels_costs_a_few_questions() -> None:
    dns = zone()
    check(dns, ".".join(["a"] * 100) + ".example.org")
    assert len(dns.asked) <= 8
