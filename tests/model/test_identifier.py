from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model import identifier

from . import FixedClock, FixedRandomness


def test_ids_rise_while_the_clock_stands_still_or_steps_back() -> None:
    clock = FixedClock(1_800_000_000_000_000)
    ids = identifier.Identifiers(clock, FixedRandomness(7))
    first, second = ids.next(), ids.next()
    clock.micros -= 3_600_000_000
    assert first < second < ids.next()


def test_ids_of_a_later_time_are_larger_whatever_the_random_bits_are() -> None:
    early = identifier.Identifiers(FixedClock(1_800_000_000_000_000), FixedRandomness(4095)).next()
    late = identifier.Identifiers(FixedClock(1_800_000_000_000_001), FixedRandomness(0)).next()
    assert early < late


def test_two_processes_never_give_the_same_id() -> None:
    clock = FixedClock(1_800_000_000_000_000)
    one, other = (identifier.Identifiers(clock, FixedRandomness(node << 4)) for node in (7, 8))
    given = [ids.next() for _ in range(1000) for ids in (one, other)]
    clock.micros += 500
    given += [ids.next() for _ in range(1000) for ids in (one, other)]
    assert len(set(given)) == len(given)


@given(st.integers(min_value=0, max_value=(1 << 63) - 1))
def test_an_id_survives_being_shown(number: int) -> None:
    assert identifier.parse(identifier.show(number)) == number


@given(st.lists(st.integers(min_value=0, max_value=(1 << 63) - 1)))
def test_shown_ids_sort_as_their_numbers(numbers: list[int]) -> None:
    assert sorted(map(identifier.show, numbers)) == [identifier.show(number) for number in sorted(numbers)]


@given(st.text())
def test_whatever_is_no_id_is_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert identifier.show(identifier.parse(text)) == text.lower()


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_the_first_id_of_any_time_is_one(time: int) -> None:
    assert 0 <= identifier.first_at(time) < 1 << 63
    assert identifier.first_at(time) <= identifier.first_at(time + 1)
