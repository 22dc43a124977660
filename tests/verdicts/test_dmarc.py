"""DMARC: alignment, and the tree in which a policy is looked for."""

from __future__ import annotations

import pytest

from mpcontinuity.verdicts import dmarc
from mpcontinuity.verdicts.dmarc import Policy
from tests.fakes.stores import result
from tests.verdicts.zone import FakeDns


def check(dns: FakeDns, author: str, spf: str = "", *signed: str) -> Policy:
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
    assert check(dns, "example.org") == Policy("fail", "reject")
    assert check(dns, "a.b.example.org") == Policy("fail", "quarantine")


def test_its_own_record_comes_first() -> None:
    dns = zone(**{"example.org": REJECT, "sub.example.org": "v=DMARC1; p=none"})
    assert check(dns, "sub.example.org") == Policy("fail", "none")


def test_a_public_suffix_that_says_so_makes_two_of_its_domains_strangers() -> None:
    dns = zone(**{"co.example": "v=DMARC1; p=reject; psd=y", "a.co.example": REJECT})
    assert check(dns, "a.co.example", "b.co.example").result == "fail"
    assert check(dns, "a.co.example", "x.a.co.example").result == "pass"
    assert check(dns, "c.co.example") == Policy("fail", "reject")


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
