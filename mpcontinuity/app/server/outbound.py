"""Mail to the world: what finds hosts, speaks to them and takes messages from the queue, made from the settings."""

from __future__ import annotations

from typing import Any

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.signing import Signer
from mpcontinuity.dispatch.lane import Internal, LaneEnvironment
from mpcontinuity.dispatch.service import Dispatch
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Settings
from mpcontinuity.outbound.network import connector, securing
from mpcontinuity.outbound.resolution import Resolution, questions
from mpcontinuity.outbound.world import World
from mpcontinuity.store.store import Store


class OutboundMail:
    """Joins what sends mail to the world: ``world`` speaks to its servers, ``dispatch`` takes what waits to them.
    ``outcomes`` counts attempts by verdict.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        settings: Settings,
        reactor: Any,
        randomness: Randomness,
        internal: Internal,
    ) -> None:
        """``internal`` delivers to domains of ours."""
        resolution = Resolution(
            questions(settings.outbound.resolvers, reactor),
            hostname=settings.hostname,
            allow_private=settings.outbound.allow_private,
            timer=reactor,
            shuffle=_shuffling(randomness),
        )
        self.world = World(
            settings.outbound,
            settings.retry,
            resolution,
            hostname=settings.hostname,
            timer=reactor,
            connect=connector(reactor),
            secure=securing(),
        )
        environment = LaneEnvironment(
            store,
            directory,
            self.world,
            internal,
            reactor,
            randomness,
            settings.retry,
            settings.outbound.route,
            Signer(store, settings.hostname),
        )
        self.outcomes = environment.outcomes
        self.dispatch = Dispatch(environment)


def _shuffling(randomness: Randomness) -> Any:
    def shuffle(items: list[Any]) -> None:
        for last in range(len(items) - 1, 0, -1):
            other = randomness.below(last + 1)
            items[last], items[other] = items[other], items[last]

    return shuffle
