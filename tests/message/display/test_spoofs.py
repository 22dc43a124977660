"""What a sender pretends to be is said."""

from __future__ import annotations

import pytest

from mpcontinuity.message.display.shown import Person, Warned
from mpcontinuity.message.display.spoofs import hides, look_alike, warnings

OURS = ("example.org", "contoso-bank.com")


def said(name: str, address: str, *, reply: str = "", dmarc: str = "", text: str = "") -> tuple[Warned, ...]:
    replies = [Person("", reply)] if reply else []
    return warnings([Person(name, address)], replies, [("Subject", text)], OURS, dmarc)


def test_an_honest_sender_is_not_marked() -> None:
    assert said("Ann Bee", "ann@sender.example", reply="ann@sender.example", dmarc="pass", text="שלום e\u0301") == ()
    assert said("ann@sender.example", "ann@sender.example") == ()
    assert said("Ann", "ann@example.org") == ()
    assert said("List", "x@lists.sender.example", reply="x@sender.example") == ()


def test_an_address_as_a_name_is_marked() -> None:
    assert said('"ceo@example.org"', "x@evil.example") == (Warned("address-as-name", "ceo@example.org"),)


def test_a_failed_check_of_the_domain_is_marked() -> None:
    assert said("A", "a@sender.example", dmarc="fail") == (Warned("dmarc", "sender.example"),)


def test_answers_that_go_elsewhere_are_marked() -> None:
    assert said("A", "a@sender.example", reply="b@other.example") == (Warned("reply-elsewhere", "b@other.example"),)


def test_more_than_one_sender_and_none_are_marked() -> None:
    two = [Person("", "a@b.example"), Person("", "c@d.example")]
    assert warnings(two, [], [], OURS, "") == (Warned("several"),)
    assert warnings([], [], [], OURS, "") == (Warned("no-sender"),)


@pytest.mark.parametrize(
    ("domain", "like"),
    [
        ("examp1e.org", "example.org"),
        ("exarnple.org", "example.org"),
        ("еxample.org", "example.org"),  # the first letter is Cyrillic
        ("exampel.org", "example.org"),
        ("exmple.org", "example.org"),
        ("example-org.net", "example.org"),
        ("contosobank.com", "contoso-bank.com"),
        ("login-example-org.security.example", "example.org"),
        ("example.com", ""),  # ends otherwise, as the name of somebody else's honest domain may
        ("example.net", ""),
        ("mail.example.org", ""),
        ("example.org", ""),
        ("elsewhere.net", ""),
        ("sample.com", ""),
        ("", ""),
    ],
)
def test_domains_that_look_like_ours_are_found(domain: str, like: str) -> None:
    assert look_alike(domain, OURS) == like


def test_an_address_in_punycode_is_seen_as_people_see_it() -> None:
    assert said("A", "a@xn--xample-2of.org") == (Warned("look-alike", "example.org"),)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("plain", False),
        ("annex\u202egpj.exe", True),
        ("a\u200bb", True),
        ("a\x1b[2J", True),
        ("\U0001f468\u200d\U0001f469", False),  # a family: joined
        ("\u0915\u094d\u200d\u0937", False),  # Devanagari
        ("a\u200db", True),
        ("\u2066x\u2069", True),
        ("soft\xadhyphen", False),
    ],
)
def test_signs_that_hide_are_told_from_those_that_scripts_need(text: str, hidden: bool) -> None:
    assert hides(text) is hidden
