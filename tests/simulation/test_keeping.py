"""The store under power failures."""

from __future__ import annotations

import pytest

from tests.simulation.keeping import Keeping

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_answered_is_there_after_every_power_failure(seed: int) -> None:
    assert Keeping(seed).run() == []


def test_an_answer_before_the_sync_of_the_pack_is_found() -> None:
    """A planted bug: 250 before the sync."""
    assert any(Keeping(seed, lying_sync=True).run() for seed in SEEDS)


def test_an_answer_before_the_sync_of_the_commit_is_found() -> None:
    """A planted bug: ``synchronous = OFF``."""
    assert any(Keeping(seed, durable_commits=False).run() for seed in SEEDS)
