import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.protocols.imap.pattern import matcher


@pytest.mark.parametrize(
    ("reference", "pattern", "name", "expected"),
    [
        ("", "*", "a/b/c", True),
        ("", "%", "a/b", False),
        ("", "%", "a", True),
        ("", "a/%", "a/b", True),
        ("", "a/%", "a/b/c", False),
        ("", "a%c", "abc", True),
        ("", "*c", "a/b/c", True),
        ("", "%/c", "a/b/c", False),
        ("a/", "%", "a/b", True),
        ("", "inbox", "INBOX", True),
        ("", "Inbox/%", "INBOX/x", True),
        ("", "a.c", "abc", False),
        ("", "", "a", False),
        ("", "%%*%", "a/b", True),
    ],
)
def test_wildcards(reference: str, pattern: str, name: str, expected: bool) -> None:
    assert matcher(reference, [pattern])(name) is expected


def test_one_of_several_patterns_is_enough() -> None:
    matches = matcher("", ["a*", "b%"])
    assert [name for name in ("a/x", "b/x", "bx", "c") if matches(name)] == ["a/x", "bx"]


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=10))
def test_it_is_the_regular_expression_that_rfc_3501_describes(pattern: str, name: str) -> None:
    expression = "".join({"*": ".*", "%": "[^/]*"}.get(character, re.escape(character)) for character in pattern)
    assert matcher("", [pattern])(name) == bool(re.fullmatch(expression, name))


def test_no_pattern_takes_long() -> None:
    begun = time.perf_counter()
    matcher("", ["%a*a" * 500])("a" * 1000)
    assert time.perf_counter() - begun < 0.5
