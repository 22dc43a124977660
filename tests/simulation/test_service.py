"""The whole way of a message under power failures, cut connections and a home server with moods."""

from __future__ import annotations

import pytest

from mpcontinuity.delivery import answered
from mpcontinuity.store.transaction import Transaction
from tests.simulation.service import Journey

SEEDS = range(50)
FEW = range(10)  # enough for a planted bug


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_doubled_and_the_ledger_adds_up(seed: int) -> None:
    assert Journey(seed).run() == []


def test_250_before_the_sync_is_found() -> None:
    """A planted bug: the sync of a pack returns before anything is durable."""
    assert any(Journey(seed, lying_sync=True).run() for seed in FEW)


def test_forgetting_what_was_answered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: a client that tries again has its message taken twice."""

    def note(tx: Transaction, fingerprints: set[bytes]) -> set[bytes]:
        return set(fingerprints)

    monkeypatch.setattr(answered, "note", note)
    assert any(Journey(seed).run() for seed in FEW)
