from __future__ import annotations

import pytest

from mpcontinuity.control.caller import Caller, Scope


@pytest.mark.parametrize(
    ("domain", "user", "scope"),
    [
        (None, None, Scope.ALL),
        ("a.org", None, Scope.DOMAIN),
        ("a.org", "anna@a.org", Scope.SELF),
        ("a.org", "Anna@A.org", Scope.SELF),
    ],
)
def test_how_far_a_caller_reaches(domain: str | None, user: str | None, scope: Scope) -> None:
    assert Caller("x", domain, user, "here").scope is scope


@pytest.mark.parametrize(
    ("domain", "user"),
    [("", None), ("A.org", None), (None, "anna@a.org"), ("a.org", "anna@b.org"), ("a.org", ""), ("a.org", "a.org")],
)
def test_no_caller_reaches_further_than_its_maker_meant(domain: str | None, user: str | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        Caller("x", domain, user, "here")
