import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model import uidset


def test_a_set_is_sorted_and_merged_when_it_is_applied() -> None:
    assert uidset.resolve(uidset.parse(b"5,1:2,3,9:7,*"), 12) == ((1, 3), (5, 5), (7, 9), (12, 12))


def test_a_range_behind_the_last_message_contains_the_last_message() -> None:
    """RFC 9051 §6.4.9: UID FETCH 559:* always has the last one."""
    assert uidset.resolve(uidset.parse(b"559:*"), 12) == ((12, 559),)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"0",
        b"1:",
        b":1",
        b"1,,2",
        b"a",
        b"01",
        b"4294967296",
        b"1:2:3",
        b"-1",
        b"1 ",
        b"9:4294967296",
        b"1\n",
        b"*1",
    ],
)
def test_what_is_no_set_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        uidset.parse(text)


@given(st.sets(st.integers(min_value=1, max_value=200)))
def test_numbers_survive_being_ranges_on_the_wire(numbers: set[int]) -> None:
    ranges = uidset.of(numbers)
    assert list(uidset.numbers(ranges)) == sorted(numbers)
    assert not numbers or uidset.resolve(uidset.parse(uidset.show(ranges)), 0) == ranges
