"""Policies of MTA-STS are read as those who heed them read them."""

from __future__ import annotations

import pytest

from mpcontinuity.protocols.mta_sts import BadPolicy, Policy, identifies, read

GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: MX.example.org\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


def test_a_policy_is_read_with_either_line_end_and_what_is_not_known_is_passed_over() -> None:
    policy = Policy("enforce", 604_800, ("mx.example.org", "*.example.net"))
    assert read(GOOD) == policy
    assert read(GOOD.replace(b"\r\n", b"\n").rstrip() + b"\nfuture: x\nno colon\nmode: none\n") == policy


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("mx.example.org", True),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        ("mx.example.com", False),
        ("net", False),
    ],
)
def test_a_star_stands_for_one_label(host: str, named: bool) -> None:
    assert read(GOOD).names(host) is named


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "version"),
        (b"\xff" + GOOD, "UTF-8"),
        (GOOD.replace(b"STSv1", b"STSv2"), "version"),
        (GOOD.replace(b"enforce", b"Enforce"), "mode"),
        (GOOD.replace(b"604800", b"-1"), "max_age"),
        (GOOD.replace(b"604800", b"9" * 5000), "max_age"),
        (GOOD.replace(b"mx:", b"xm:"), "mx"),
    ],
)
def test_what_does_not_count_is_said_why(octets: bytes, why: str) -> None:
    with pytest.raises(BadPolicy, match=why):
        read(octets)


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("v=STSv1; id=20260101T1;", True),
        ("v=STSv1;id=1", True),
        ("v=STSv1", False),
        ("v=STSv1; id=a-b", False),
        ("v=stsv1; id=1", False),
        ("id=1; v=STSv1", False),
    ],
)
def test_a_record_needs_the_version_first_and_an_id(text: str, sound: bool) -> None:
    assert identifies(text) is sound
