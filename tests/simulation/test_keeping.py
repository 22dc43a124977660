"""The store under power failures."""

from __future__ import annotations

import pytest

from tests.simulation.keeping import Keeping
from tests.simulation.planted import planted

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_answered_is_there_after_every_power_failure(seed: int) -> None:
    assert Keeping(seed).run().faults == []


@pytest.mark.parametrize("bug", ["250-before-sync", "250-before-commit"])
def test_an_answer_before_the_sync_of_pack_or_commit_is_found(bug: str) -> None:
    with planted(bug):
        assert any(Keeping(seed).run().faults for seed in SEEDS)
