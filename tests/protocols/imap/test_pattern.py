import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.protocols.imap.limits import LIST_PATTERNS
from mpcontinuity.protocols.imap.pattern import Matcher


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
    assert Matcher(reference, [pattern]).matches(name) is expected


def test_one_of_several_patterns_is_enough() -> None:
    matches = Matcher("", ["a*", "b%"]).matches
    assert [name for name in ("a/x", "b/x", "bx", "c") if matches(name)] == ["a/x", "bx"]


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=10))
def test_it_is_the_regular_expression_that_rfc_3501_describes(pattern: str, name: str) -> None:
    expression = "".join({"*": ".*", "%": "[^/]*"}.get(character, re.escape(character)) for character in pattern)
    assert Matcher("", [pattern]).matches(name) == bool(re.fullmatch(expression, name))


@given(st.lists(st.text("ab/*%", max_size=8), min_size=1, max_size=4), st.text("ab/", max_size=10))
def test_each_level_of_a_name_is_matched_as_the_name_it_is_and_as_one_pattern_or_another(
    patterns: list[str], name: str
) -> None:
    levels = name.split("/")
    names = ["/".join(levels[: depth + 1]) for depth in range(len(levels))]
    assert Matcher("", patterns).levels(name) == [
        any(Matcher("", [pattern]).matches(one) for pattern in patterns) for one in names
    ]


def test_decomposed_letters_match_the_name_in_the_store() -> None:
    assert Matcher("", ["U\u0308bersicht"]).matches("\u00dcbersicht")
    assert Matcher("U", ["\u0308*"]).matches("\u00dcbersicht")


def seconds(matcher: Matcher, names: list[str]) -> float:
    """The best of some."""
    times = []
    for _ in range(5):
        begun = time.thread_time()
        for name in names:
            matcher.matches(name)
        times.append(time.thread_time() - begun)
    return min(times)


def test_time_grows_with_the_names_alone_whatever_the_patterns() -> None:
    patterns = [f"*a%{number}b*" for number in range(LIST_PATTERNS)]
    matcher = Matcher("", patterns)
    times = [seconds(matcher, ["a1b2a3" * 80 * size] * 20) for size in (1, 2, 4, 8)]
    assert times[-1] < 20 * times[0], times  # quadratic: 64


def test_time_hardly_grows_with_the_number_of_patterns() -> None:
    name = "ab/" * 333
    times = [
        seconds(Matcher("", [f"*a%{number}*" for number in range(12 * size)]), [name] * 10) for size in (1, 2, 4, 8)
    ]
    assert times[-1] < 8 * times[0], times
