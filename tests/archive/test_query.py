"""The query language: what each word means, and what is said of words that mean nothing."""

from __future__ import annotations

import pytest

from mpcontinuity.archive.query import (
    LONGEST,
    MOST_WORDS,
    Contains,
    Field,
    HasAttachment,
    HasMessageId,
    IsAddress,
    IsDirection,
    Query,
    parse,
)
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import DAY, HOUR, from_iso
from mpcontinuity.model.errors import Refused

NOW = from_iso("2026-11-22T12:00:00")


def one(text: str) -> object:
    (condition,) = parse(text, NOW).all_of
    return condition


def test_a_query_without_words_finds_everything() -> None:
    assert parse("", NOW) == parse(" \t\n", NOW) == Query()


def test_words_are_compared_without_case_and_in_compatibility_form() -> None:
    assert one("STRASSE") == one("straße") == one("ｓｔｒａｓｓｅ") == Contains(Field.ANY, frozenset(["strasse"]))


def test_a_word_with_signs_in_it_is_several_words_that_must_all_occur() -> None:
    assert one("e-mail") == one('"e mail"') == Contains(Field.ANY, frozenset(["e", "mail"]))


@pytest.mark.parametrize("field", ["from", "to", "subject", "body", "attachment"])
def test_a_field_limits_words_to_itself(field: str) -> None:
    assert one(f"{field}:Report") == one(f'{field.upper()}:"report"') == Contains(Field(field), frozenset(["report"]))


def test_an_address_is_compared_as_one() -> None:
    assert one("from:Anna@X.Example") == IsAddress(Field.FROM, "anna@x.example")
    assert one("to:anna@x.example") == IsAddress(Field.TO, "anna@x.example")
    assert one("from:@x.example") == Contains(Field.FROM, frozenset(["x", "example"]))


def test_conditions_without_words() -> None:
    assert one("has:Attachment") == HasAttachment()
    assert one("direction:INBOUND") == IsDirection("inbound")
    assert one("message-id:<a.B@c>") == HasMessageId("a.B@c")


def test_a_minus_negates() -> None:
    query = parse("-draft -from:anna@x.example report", NOW)
    assert query.none_of == (
        Contains(Field.ANY, frozenset(["draft"])),
        IsAddress(Field.FROM, "anna@x.example"),
    )
    assert query.all_of == (Contains(Field.ANY, frozenset(["report"])),)


def test_days_are_whole_days_of_utc() -> None:
    day = from_iso("2026-11-20")
    assert (parse("on:2026-11-20", NOW).since, parse("on:2026-11-20", NOW).until) == (day, day + DAY)
    assert parse("since:2026-11-20", NOW).since == day
    assert parse("until:2026-11-20", NOW).until == day + DAY


def test_times_and_durations_are_moments() -> None:
    assert parse("since:2026-11-20T08:00:00+01:00", NOW).since == from_iso("2026-11-20T07:00:00")
    assert parse("since:2h", NOW).since == NOW - 2 * HOUR
    assert parse("until:2h", NOW).until == NOW - 2 * HOUR


def test_ranges_that_are_given_twice_must_both_hold() -> None:
    query = parse("since:2026-11-20 since:2026-11-10 larger:1k larger:20 smaller:2M smaller:3m", NOW)
    assert (query.since, query.larger, query.smaller) == (from_iso("2026-11-20"), 1024, 2 << 20)


def test_ids_of_the_archive_are_the_only_ones_found() -> None:
    first, second = identifier.show(4711), identifier.show(4712)
    assert parse(f"id:{first}", NOW).ids == frozenset([4711])
    assert parse(f"id:{first} id:{second}", NOW).ids == frozenset()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("word " * 10_000, "characters; at most 4000"),
        ("w " * (MOST_WORDS + 1), f"more than {MOST_WORDS} words"),
        ('report "annual', '""annual": a quote in it has no partner'),
        ('an"nual report', "a quote in it has no partner"),
        ("re:invoice", '"re:invoice": re: is unknown; allowed are words, from:, to:'),
        ("has:nothing", "has: knows only has:attachment"),
        ("direction:up", "must be direction:inbound or direction:outbound"),
        ("on:yesterday", "not a day"),
        ("since:2026-13-01", "not a time"),
        ("since:99999999999999999999d", "not a time"),
        ("until:9999-12-31", "not a time"),
        ("larger:big", "not a size"),
        ("-larger:10M", "larger: cannot be negated"),
        ("id:123", "an id has 13 characters"),
        ("from:a@b@c", "not a mail address"),
        ("message-id:<>", "names no Message-ID"),
        ("!!!", "has no letters or digits"),
        ("subject:", "has no letters or digits"),
        ("-", "has no letters or digits"),
        ("\ud800", "has no letters or digits"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_it(text: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(text, NOW)
    assert says in refused.value.text
    assert refused.value.text.startswith("query: ")
    assert "\n" not in refused.value.text
    assert len(refused.value.text) < 400


def test_the_longest_query_is_read() -> None:
    assert len(parse(" ".join(f"w{n}" for n in range(MOST_WORDS)), NOW).all_of) == MOST_WORDS
    assert one("x" * LONGEST) == Contains(Field.ANY, frozenset(["x" * 64]))
