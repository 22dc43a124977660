"""The health of a home server: the whole table, the times that end a state, and what always holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model.clock import MINUTE, SECOND
from mpcontinuity.routing.health import (
    MANY,
    MOST_DOUBLINGS,
    PUT_OFFS,
    RELAPSE,
    SUSPICION,
    TABLE,
    Gate,
    Health,
    Observation,
    Proof,
    State,
    current,
    gate,
    observe,
    probes_needed,
)

PROBES = 2
NOW = 1_000 * MINUTE
O = Observation  # noqa: E741

# The table as an administrator would write it down; a failure is the first one unless it says 'again'.
ROWS = """
up          served       up
up          unreachable  down
up          silent       suspect
up          slow         suspect
up          put off      up
up          glimpse      up
up          throttled    up
up          good probe   up
up          wanted probe up
up          bad probe    suspect
up          flushed      up
suspect     served       up
suspect     unreachable  down
suspect     silent       down
suspect     slow         suspect
suspect     put off      suspect
suspect     glimpse      suspect
suspect     throttled    suspect
suspect     good probe   suspect
suspect     wanted probe suspect
suspect     bad probe    down
suspect     flushed      suspect
down        served       down
down        unreachable  down
down        silent       down
down        slow         down
down        put off      down
down        glimpse      down
down        throttled    down
down        good probe   down
down        wanted probe recovering
down        bad probe    down
down        flushed      down
recovering  served       recovering
recovering  unreachable  down
recovering  silent       recovering
recovering  slow         recovering
recovering  put off      recovering
recovering  glimpse      recovering
recovering  throttled    recovering
recovering  good probe   recovering
recovering  wanted probe recovering
recovering  bad probe    recovering
recovering  flushed      up
"""


def health(state: State) -> Health:
    last_failure = NOW - SECOND if state is State.SUSPECT else 0
    return Health(state, since=NOW - MINUTE, last_failure=last_failure)


CASES = [(row[:12].strip(), row[12:25].strip(), row[25:].strip()) for row in ROWS.split("\n") if row]


@pytest.mark.parametrize(("before", "observation", "after"), CASES)
def test_each_observation_of_each_state(before: str, observation: str, after: str) -> None:
    assert observe(health(State(before)), O(observation), NOW, PROBES).state is State(after)


def test_the_table_is_complete() -> None:
    assert {(o, s) for o, row in TABLE.items() for s in row} == {(o, s) for o in Observation for s in State}
    assert len(CASES) == len(Observation) * len(State)


def after(health: Health, *observations: tuple[Observation, int]) -> Health:
    """Each observation, so many µs after the one before."""
    now = NOW
    for observation, wait in observations:
        now += wait
        health = observe(health, observation, now, PROBES)
    return health


def test_two_silences_within_a_minute_are_down_and_further_apart_they_are_not() -> None:
    up = Health(since=NOW)
    assert after(up, (O.SILENT, 0), (O.SILENT, SUSPICION - 1)).state is State.DOWN
    assert after(up, (O.SILENT, 0), (O.SILENT, SUSPICION)).state is State.SUSPECT
    assert after(up, (O.SILENT, 0), (O.SERVED, SECOND), (O.SILENT, SECOND)).state is State.SUSPECT


def test_a_suspicion_ends_by_itself_after_a_minute() -> None:
    suspect = after(Health(since=NOW), (O.SILENT, 0))
    assert gate(suspect, NOW + SUSPICION - 1) is Gate.TRY
    assert gate(suspect, NOW + SUSPICION) is Gate.OPEN
    assert current(suspect, NOW + SUSPICION).state is State.UP


def test_a_suspect_is_shown_as_up_since_when_it_was_up() -> None:
    suspect = observe(Health(since=NOW - MINUTE), O.SILENT, NOW, PROBES, "lost")
    assert suspect.state.shown is State.UP
    assert suspect.since == NOW - MINUTE


def test_one_silence_while_recovering_is_forgiven_and_a_second_is_not() -> None:
    """A single message that kills its session must not keep all new mail from home."""
    recovering = Health(State.RECOVERING, since=NOW, recovered=NOW)
    once = after(recovering, (O.SILENT, 0))
    assert once.state is State.RECOVERING
    assert gate(once, NOW) is Gate.TRY
    assert after(once, (O.SILENT, SECOND)).state is State.DOWN
    assert after(once, (O.SILENT, SUSPICION)).state is State.RECOVERING
    assert after(once, (O.FLUSHED, SECOND)).state is State.SUSPECT


def test_recovery_takes_good_probes_in_a_row() -> None:
    down = after(Health(since=NOW), (O.UNREACHABLE, 0))
    assert after(down, (O.PROBE_GOOD, SECOND)).state is State.DOWN
    assert after(down, (O.PROBE_GOOD, SECOND), (O.PROBE_BAD, SECOND), (O.PROBE_GOOD, SECOND)).state is State.DOWN
    recovering = after(down, (O.PROBE_GOOD, SECOND), (O.PROBE_GOOD, SECOND))
    assert recovering.state is State.RECOVERING
    assert recovering.since == NOW + 2 * SECOND
    assert gate(recovering, NOW + 2 * SECOND) is Gate.OPEN


def test_one_good_probe_that_was_asked_for_is_enough_whatever_the_relapses() -> None:
    relapsed = Health(State.DOWN, since=NOW, relapses=MOST_DOUBLINGS)
    assert after(relapsed, (O.WANTED_GOOD, SECOND)) == Health(
        State.RECOVERING, since=NOW + SECOND, relapses=MOST_DOUBLINGS, recovered=NOW + SECOND
    )
    assert after(relapsed, (O.WANTED_GOOD, SECOND), (O.UNREACHABLE, SECOND)).relapses == MOST_DOUBLINGS + 1
    suspect = after(Health(since=NOW), (O.SILENT, 0))
    assert after(suspect, (O.WANTED_GOOD, SECOND)) == suspect


def test_a_late_answer_on_an_old_session_is_no_good_probe() -> None:
    down = after(Health(since=NOW), (O.UNREACHABLE, 0), (O.PROBE_GOOD, SECOND))
    assert after(down, (O.SERVED, SECOND)) == down


def test_each_relapse_within_a_quarter_of_an_hour_doubles_the_probes() -> None:
    health = Health(since=NOW)
    now = NOW
    needed = []
    for _ in range(MOST_DOUBLINGS + 3):
        health = observe(health, O.UNREACHABLE, now, PROBES)
        needed.append(probes_needed(health, PROBES))
        while health.state is State.DOWN:
            now += SECOND
            health = observe(health, O.PROBE_GOOD, now, PROBES)
        now += SECOND
    assert needed == [2, 4, 8, 16, 32, 64, 64, 64]
    health = observe(health, O.FLUSHED, now, PROBES)
    assert probes_needed(observe(health, O.UNREACHABLE, now + RELAPSE, PROBES), PROBES) == 2


def test_three_messages_put_off_in_a_row_are_down_and_one_that_is_taken_in_between_is_not() -> None:
    up = Health(since=NOW)
    put_off = (O.PUT_OFF, MINUTE)
    down = after(up, *[put_off] * PUT_OFFS)
    assert (down.state, down.proof) == (State.DOWN, Proof.MESSAGE)
    assert after(up, put_off, put_off, (O.SERVED, SECOND), put_off, put_off).state is State.UP


def test_what_real_traffic_shows_outweighs_what_probes_show() -> None:
    """Only a message that home takes ends an outage that messages have shown; while it lasts one at a time tries."""
    down = after(Health(since=NOW), *[(O.PUT_OFF, SECOND)] * PUT_OFFS)
    still = after(down, *[(O.PROBE_GOOD, MINUTE)] * 100)
    assert still.state is State.DOWN
    assert gate(still, NOW) is Gate.TRY
    assert after(still, (O.SERVED, SECOND)).state is State.RECOVERING
    again = after(still, (O.SERVED, SECOND), *[(O.PUT_OFF, SECOND)] * PUT_OFFS)
    assert probes_needed(again, PROBES) == 2  # a relapse: two messages in a row
    assert after(again, (O.SERVED, SECOND), (O.PUT_OFF, SECOND), (O.SERVED, SECOND)).state is State.DOWN
    assert after(again, (O.SERVED, SECOND), (O.SERVED, SECOND)).state is State.RECOVERING


def test_a_home_that_answers_some_and_fails_others_has_to_answer_many_in_a_row() -> None:
    down = after(Health(since=NOW), (O.UNREACHABLE, 0))
    for some in ((O.GLIMPSE, O.UNREACHABLE), (O.PROBE_GOOD, O.PROBE_BAD)):
        mixed = after(down, *((observation, SECOND) for observation in some))
        assert after(mixed, *[(O.PROBE_GOOD, SECOND)] * (MANY - 1)).state is State.DOWN
        assert after(mixed, *[(O.PROBE_GOOD, SECOND)] * MANY).state is State.RECOVERING
    # One that is only seen well soon after its fall is not mixed, and what was seen does not count.
    booting = after(down, (O.UNREACHABLE, SECOND), (O.GLIMPSE, SECOND), (O.GLIMPSE, SECOND))
    assert booting.state is State.DOWN
    assert after(booting, (O.PROBE_GOOD, SECOND), (O.PROBE_GOOD, SECOND)).state is State.RECOVERING


def test_a_slow_home_is_tried_by_one_message_at_a_time_and_never_down_for_it() -> None:
    slow = after(Health(since=NOW), *[(O.SLOW, SECOND)] * 5)
    assert (slow.state, slow.state.shown) == (State.SUSPECT, State.UP)
    assert gate(slow, NOW + 5 * SECOND) is Gate.TRY
    assert after(Health(State.RECOVERING, since=NOW), *[(O.SLOW, SECOND)] * 5).state is State.RECOVERING


def test_the_reason_is_that_of_the_last_failure() -> None:
    down = observe(Health(since=NOW), O.UNREACHABLE, NOW, PROBES, "connection refused")
    assert down.reason == "connection refused"
    down = observe(down, O.PROBE_BAD, NOW + SECOND, PROBES, "no route to host")
    assert (down.reason, down.since) == ("no route to host", NOW)
    back = after(down, (O.PROBE_GOOD, 2 * SECOND), (O.PROBE_GOOD, SECOND))
    assert back.reason == ""


@given(
    st.lists(st.tuples(st.sampled_from(Observation), st.integers(0, 20 * MINUTE)), max_size=60),
    st.integers(1, 4),
)
def test_what_always_holds(observations: list[tuple[Observation, int]], recovery_probes: int) -> None:
    health, now = Health(since=NOW), NOW
    for observation, wait in observations:
        now += wait
        before, health = health, observe(health, observation, now, recovery_probes, "reason")
        was_down = before.state is State.DOWN
        # Only an unreachable home, a second failure or messages put off are down; only the right proof leads out of it.
        if health.state is State.DOWN and not was_down:
            assert observation in (O.UNREACHABLE, O.SILENT, O.PROBE_BAD, O.PUT_OFF)
            if observation is O.PUT_OFF:
                assert before.put_off == PUT_OFFS - 1
            else:
                assert observation is O.UNREACHABLE or now - before.last_failure < SUSPICION
            assert (health.proof is Proof.MESSAGE) == (observation is O.PUT_OFF)
        if was_down and health.state is not State.DOWN:
            assert health.state is State.RECOVERING
            proof = O.SERVED if before.proof is Proof.MESSAGE else O.PROBE_GOOD
            assert observation in (proof, O.WANTED_GOOD)
        if health.state is State.RECOVERING:
            assert before.state in (State.DOWN, State.RECOVERING)
        shut = health.state is State.DOWN and health.proof is not Proof.MESSAGE
        assert (gate(health, now) is Gate.SHUT) == shut
        assert health.since <= now
        assert health.since == (before.since if health.state.shown is before.state.shown else now)
        assert health.good_probes < probes_needed(health, recovery_probes)
        assert health.state is not State.UP or gate(health, now) is Gate.OPEN
        assert health.state is not State.DOWN or health.reason
