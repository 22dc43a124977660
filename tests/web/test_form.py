"""Forms as browsers send them, and what no browser sends."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.web.form import MOST_FIELDS, BadForm, read_form

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(st.dictionaries(TEXTS, TEXTS, max_size=10))
def test_what_was_filled_in_is_read(fields: dict[str, str]) -> None:
    assert read_form(urlencode(fields).encode()) == fields


def test_of_two_fields_with_one_name_the_first_counts() -> None:
    assert read_form(b"a=1&b=&a=2") == {"a": "1", "b": ""}


@pytest.mark.parametrize("octets", [b"password=\xc3\xa4", b"password=%E4", b"a=1&" * (MOST_FIELDS + 1), b"%FF=1"])
def test_what_is_no_form_of_ours_is_refused_and_nothing_is_guessed(octets: bytes) -> None:
    with pytest.raises(BadForm):
        read_form(octets)
