from __future__ import annotations

import pytest

from mpcontinuity.accounts.administrator_login import Administrator
from mpcontinuity.control.caller import Caller, Scope, of_administrator


@pytest.mark.parametrize(
    ("domain", "user", "scope"),
    [
        (None, None, Scope.ALL),
        ("a.org", None, Scope.DOMAIN),
        ("a.org", "anna@a.org", Scope.SELF),
        ("a.org", "Anna@A.org", Scope.SELF),
        ("xn--bcher-kva.example", "anna@Bücher.example", Scope.SELF),
    ],
)
def test_how_far_a_caller_reaches(domain: str | None, user: str | None, scope: Scope) -> None:
    assert Caller("x", domain, user, "here").scope is scope


def test_an_administrator_who_logged_in_reaches_as_far_as_their_login() -> None:
    assert of_administrator(Administrator("root", ""), "here").scope is Scope.ALL
    olga = of_administrator(Administrator("olga", "a.org", frozenset({"read"})), "here", "192.0.2.1")
    assert (olga.scope, olga.domain, olga.grants) == (Scope.DOMAIN, "a.org", frozenset({"read"}))
    assert olga.unproven == "192.0.2.1"


@pytest.mark.parametrize(
    ("domain", "user"),
    [
        ("", None),
        ("A.org", None),
        (None, "anna@a.org"),
        ("a.org", "anna@b.org"),
        ("a.org", ""),
        ("a.org", "a.org"),
        ("a.org", "anna@x@a.org"),
    ],
)
def test_no_caller_reaches_further_than_its_maker_meant(domain: str | None, user: str | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        Caller("x", domain, user, "here")
