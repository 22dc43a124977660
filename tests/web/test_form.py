"""Forms as browsers send them, and what no browser sends."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.web.asked import Fields
from mpcontinuity.web.form import MOST_FIELDS, BadForm, read_form

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


def firsts(fields: Fields) -> dict[str, str]:
    return {name: fields.get(name) for name in fields}


@given(st.dictionaries(TEXTS, TEXTS, max_size=10))
def test_what_was_filled_in_is_read(fields: dict[str, str]) -> None:
    assert firsts(read_form(urlencode(fields).encode())) == fields


def test_of_two_fields_with_one_name_the_first_counts_and_all_are_there() -> None:
    fields = read_form(b"a=1&b=&a=2")
    assert firsts(fields) == {"a": "1", "b": ""}
    assert (fields.all("a"), fields.all("c"), fields.get("c"), "c" in fields) == (["1", "2"], [], "", False)


@pytest.mark.parametrize("octets", [b"password=\xc3\xa4", b"password=%E4", b"a=1&" * (MOST_FIELDS + 1), b"%FF=1"])
def test_what_is_no_form_of_ours_is_refused_and_nothing_is_guessed(octets: bytes) -> None:
    with pytest.raises(BadForm):
        read_form(octets)
