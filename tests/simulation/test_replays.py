"""The replays of real outages; that of days is cut to hours here, and whole in `scripts/simulate --story replays`."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from mpcontinuity.outbound import transaction
from mpcontinuity.outbound.holding import Holding
from mpcontinuity.routing import health
from mpcontinuity.routing.health import Proof
from tests.simulation.replays import HOUR, REPLAYS, Phase, Replay, gateway, play

GATEWAY = "a gateway is put off for four and a half days and banned for an hour"
SHORT = {**REPLAYS, GATEWAY: gateway(4 * HOUR)}
SOME = Replay((Phase(0, "well"), Phase(600, "serves four of five", "down"), Phase(3000, "well")), HOUR, 20.0)


@pytest.mark.parametrize("replay", SHORT.values(), ids=SHORT)
def test_a_real_outage_is_seen_as_what_it_was(replay: Replay) -> None:
    assert play(replay).faults == []


def _by_probes_alone(*given: Any) -> health.Health:
    before, now, reason, _ = given
    return _fall(before, now, reason, Proof.PROBES)


_fall = health._fall
# Mistakes that somebody could have made, and the replay that shows each.
BUGS = {
    "two good probes are believed in any outage": (mock.patch.object(health, "MANY", 2), SOME),
    "good probes outweigh messages that are put off": (
        mock.patch.object(health, "_fall", _by_probes_alone),
        gateway(HOUR),
    ),
    "a slow home is waited for": (
        mock.patch.object(transaction, "Holding", lambda timer, seconds: Holding(timer)),
        REPLAYS["home tarpits every reply"],
    ),
    "a ban of our address is passed on to the sender": (
        mock.patch("mpcontinuity.routing.decision.bans_us", return_value=False),
        REPLAYS["home bans our address for an hour"],
    ),
}


@pytest.mark.parametrize(("bug", "replay"), BUGS.values(), ids=BUGS)
def test_a_planted_bug_is_found_by_the_replay_that_is_about_it(bug: Any, replay: Replay) -> None:
    with bug:
        assert play(replay).faults != []
