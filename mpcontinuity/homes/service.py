"""Keeps the health of all home servers: loaded at the start, probed, saved as it changes, with the time they were up.

Of several processes each watches what its own traffic meets and changes the row of the domain by compare-and-set; the
others hear of it and adopt it. One of them is elected to probe, and it alone counts the time that home was up.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts import home_state
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.domains import Domain, turn
from mpcontinuity.accounts.taken import KnownUser, known_user, note_taken, some_users
from mpcontinuity.homes.prober import IDLE, Prober
from mpcontinuity.model import address
from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import DomainsChanged, Everything, HomeChanged, HomeWanted, Notice
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Home
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.outbound.home import HomeServer, HomeServers
from mpcontinuity.protocols.smtp.client import Offers
from mpcontinuity.routing.health import Health, State
from mpcontinuity.store.store import Store

PROBER = "prober"  # the kind of election
PROBES_AT_ONCE = 20
_COUNT = 60.0  # seconds between two notes of the time that home servers were up, at most
_COUNTS = 20  # notes within ``give_up``, where that is short
_LONGEST_ALARM = 60.0  # seconds: the clock may be set meanwhile
_STORE_AGAIN = 5.0  # after a failure of the store
_HEARD_WITHIN = 1.0  # seconds: what another process has changed is heard of

_log = Logger()


@dataclass
class Watched:
    """A home server that is watched, and what the table holds of it."""

    domain: Domain
    home: HomeServer
    prober: Prober
    known: Health
    offers: str
    counted: float  # by the timer: until when its time is counted
    counts: bool = False  # whether the time since then counts
    ours: bool = False  # to probe, and to count
    doubted: bool = False  # another process may have changed the table
    agreeing: bool = False
    asked: KnownUser | None = None  # for whom the last probe was


class Watch:
    """Watches the home servers of all domains. It lives in the reactor thread; start it before anything asks a home
    server.

    ``give_up`` is the setting of that name, in seconds.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        homes: HomeServers,
        settings: Home,
        *,
        timer: Timer,
        randomness: Randomness,
        give_up: float = 5 * 86400.0,
    ) -> None:
        self._store = store
        self._directory = directory
        self._homes = homes
        self._settings = settings
        self._timer = timer
        self._randomness = randomness
        self._slots = DeferredSemaphore(PROBES_AT_ONCE)
        self._count_every = min(max(give_up / _COUNTS, 1.0), _COUNT)
        self._watched: dict[int, Watched] = {}
        self._count_alarm: Alarm | None = None
        self._turn_alarm: Alarm | None = None
        self._stopped = False

    async def start(self) -> None:
        """Loads what is known of each home server, and begins to probe them. Raises Temporary."""
        await self._read_domains()
        self._store.election.on_lost(self._lost)
        self._store.listen(self._heard)
        self._count_alarm = self._timer.callLater(self._count_every, self._count_regularly)

    async def stop(self) -> None:
        """Probes no more, and saves what is known."""
        self._stopped = True
        for alarm in (self._count_alarm, self._turn_alarm):
            if alarm is not None and alarm.active():
                alarm.cancel()
        for watched in list(self._watched.values()):
            watched.prober.stop()
            await self._save_offers(watched)
        await self._count()
        for domain in self._watched:
            self._store.election.release(PROBER, domain)

    def _heard(self, notices: Sequence[Notice]) -> None:
        if self._stopped:
            return
        everything = any(isinstance(notice, Everything) for notice in notices)
        if everything or any(isinstance(notice, DomainsChanged) for notice in notices):
            self._begin(self._read_domains())
        doubted = {notice.domain for notice in notices if isinstance(notice, HomeChanged)}
        for watched in list(self._watched.values()):
            if watched.domain.id in doubted:
                watched.doubted = True
                self._agree(watched)
        wanted = {notice.domain for notice in notices if isinstance(notice, HomeWanted)}
        if wanted:
            self._probe_wanted(wanted)

    def _probe_wanted(self, domains: set[int]) -> None:
        """Of the domains that share a home server one probes it, and of all processes one: all are told."""
        for watched in list(self._watched.values()):
            if watched.home.health.state is State.DOWN and (
                0 in domains or not domains.isdisjoint(watched.home.domains)
            ):
                watched.prober.probe_now()

    def _lost(self) -> None:
        """Another process may probe by now, and count. The time that is not noted yet is not counted at all."""
        for watched in self._watched.values():
            watched.ours = watched.counts = False
            watched.prober.schedule()

    async def _read_domains(self) -> None:
        await self._count()  # by the modes as they were
        domains = {domain.id: domain for domain in await self._directory.domains()}
        remembered = await self._store.read(home_state.load)
        for gone in self._watched.keys() - domains.keys():
            self._watched.pop(gone).prober.stop()
        self._homes.keep_only(domains)
        for domain in domains.values():
            home = self._homes.of(domain)
            watched = self._watched.get(domain.id)
            if watched is not None and watched.home is home:
                if watched.domain.settings.home != domain.settings.home:
                    watched.prober.schedule(within=0)
                watched.domain = domain
                if domain.id in remembered and not home_state.same(watched.known, remembered[domain.id][0]):
                    watched.doubted = True
            else:
                if watched is not None:
                    watched.prober.stop()
                self._watch(domain, home, *remembered.get(domain.id, (Health(since=self._now()), "")))
                await self._is_ours(domain.id)
            self._note_counting(self._watched[domain.id])
        for watched in list(self._watched.values()):  # also where another domain's home server is known better
            self._agree(watched)
        self._wait_for_next_turn()

    def _watch(self, domain: Domain, home: HomeServer, health: Health, offers: str) -> None:
        home.begin(health, self._readable(home, offers))
        prober = Prober(
            home,
            timer=self._timer,
            interval=self._settings.probe_interval,
            known_user=partial(self._known_user, domain.id),
            user_taken=partial(self._user_taken, domain.id),
            is_ours=partial(self._probes, domain.id),
            slots=self._slots,
        )
        self._watched[domain.id] = Watched(domain, home, prober, health, offers, counted=self._timer.seconds())
        home.known_users = partial(self._some_users, domain.id)
        home.listeners.append(self._changed)
        # One that was down is asked at once, the others not all in the same second.
        spread = self._randomness.below(int(IDLE * 1000)) / 1000
        prober.schedule(within=0 if health.state is State.DOWN else spread)

    async def _is_ours(self, domain: int) -> bool:
        """Whether this process probes the home server of the domain; asks for it where it does not."""
        watched = self._watched.get(domain)
        if watched is None:
            return False
        if not watched.ours:
            watched.ours = await self._store.election.hold(PROBER, domain)
            self._note_counting(watched)  # from now on
        return watched.ours

    async def _probes(self, domain: int) -> bool:
        """A home server that several domains name is probed for the first of them, once for all."""
        ours = await self._is_ours(domain)
        return ours and self._watched[domain].home.leads

    async def _some_users(self, domain: int) -> list[Address]:
        try:
            return [address.parse(each) for each in await self._store.read(partial(some_users, domain=domain))]
        except Temporary:
            return []

    async def _known_user(self, domain: int) -> Address | None:
        """Another one each time, in turn."""
        watched = self._watched.get(domain)
        if watched is None:
            return None
        after = watched.asked.id if watched.asked is not None else 0
        watched.asked = await self._store.read(partial(known_user, domain=domain, after=after))
        return address.parse(watched.asked.address) if watched.asked is not None else None

    async def _user_taken(self, domain: int) -> None:
        """Home, which is up, would take mail for the one who was asked for last: if it refuses that address after an
        outage it may have lost its users."""
        watched = self._watched.get(domain)
        if watched is None or watched.home.health.state is not State.UP:
            return
        asked = watched.asked
        if asked is not None and not asked.noted:
            await self._store.run(partial(note_taken, keys=[address.parse(asked.address).key]))

    # What changes is saved

    def _changed(self, home: HomeServer) -> None:
        watched = self._watched.get(home.domain)
        if watched is None or watched.home is not home or self._stopped:
            return
        if watched.ours and watched.counts is (home.health.state is State.DOWN):
            self._begin(self._count())
        watched.prober.schedule()
        self._agree(watched)
        self._begin(self._save_offers(watched))  # above all when it goes down: they hold in the outage

    def _agree(self, watched: Watched) -> None:
        if not watched.agreeing and (watched.doubted or not home_state.same(watched.known, watched.home.health)):
            watched.agreeing = True
            self._begin(self._agree_with_table(watched))

    async def _agree_with_table(self, watched: Watched) -> None:
        """What changed here is saved, what others changed is adopted, until both are the same."""
        home, domain = watched.home, watched.domain.id
        try:
            while True:
                if watched.doubted:
                    watched.doubted = False
                    remembered = (await self._store.read(partial(home_state.load, domain=domain))).get(domain)
                    if remembered is None:  # the domain is gone
                        return
                    self._adopt(watched, *remembered)
                    continue
                health, observed = home.health, home.observed
                if home_state.same(watched.known, health):
                    home.observed = []
                    return
                save = partial(
                    home_state.save, domain=domain, known=watched.known, health=health, node=self._store.nodes.name
                )
                if await self._store.run(save):
                    watched.known = health
                    home.observed = [each for each in home.observed if each not in observed]
                else:
                    watched.doubted = True
        except Temporary as error:
            watched.doubted = True
            _log.warn("the state of {domain}'s home server: {reason}", domain=watched.domain.name, reason=str(error))
            if not self._stopped:
                self._timer.callLater(_STORE_AGAIN, self._agree, watched)
        finally:
            watched.agreeing = False

    def _adopt(self, watched: Watched, health: Health, offers: str) -> None:
        if offers != watched.offers:
            watched.offers = offers
            watched.home.offers = self._readable(watched.home, offers) or watched.home.offers
        if not home_state.same(watched.known, health):
            watched.known = health
            watched.home.adopt(health)

    def _readable(self, home: HomeServer, offers: str) -> Offers | None:
        if offers:
            try:
                return msgspec.json.decode(offers, type=Offers)
            except msgspec.DecodeError:
                _log.warn("what {domain}'s home server offered is not readable", domain=home.name)
        return None

    async def _save_offers(self, watched: Watched) -> None:
        offers = msgspec.json.encode(watched.home.offers).decode()
        if offers != watched.offers:
            await self._store.run(partial(home_state.save_offers, domain=watched.domain.id, offers=offers))
            watched.offers = offers

    # How long home servers were up

    def _note_counting(self, watched: Watched) -> None:
        watched.counted = self._timer.seconds()  # time that really passed, whatever the wall clock does
        up = watched.home.health.state is not State.DOWN and watched.domain.sends_home(self._now())
        watched.counts = watched.ours and up

    async def _count(self) -> None:
        """A longer time than between two notes is one in which this process stood still, and served nobody."""
        times = {}
        for domain, watched in self._watched.items():
            before, counted = watched.counted, watched.counts
            self._note_counting(watched)
            if counted and watched.counted > before:
                times[domain] = round(min(watched.counted - before, 2 * self._count_every) * SECOND)
        if not times:
            return
        try:
            await self._store.run(partial(home_state.add_uptime, times=times))
        except Temporary as error:  # a `give_up` that comes later loses nothing
            _log.warn("the time that home servers were up is not counted: {reason}", reason=str(error))

    def _count_regularly(self) -> None:
        self._count_alarm = self._timer.callLater(self._count_every, self._count_regularly)
        self._begin(self._count())
        for watched in list(self._watched.values()):
            self._changed(watched.home)

    # What begins and ends by itself: modes and plans

    def _wait_for_next_turn(self) -> None:
        if self._turn_alarm is not None and self._turn_alarm.active():
            self._turn_alarm.cancel()
        wait = self._until_next_turn()
        if wait is not None and not self._stopped:
            self._turn_alarm = self._timer.callLater(min(max(wait + 0.001, 0.0), _LONGEST_ALARM), self._turn)

    def _until_next_turn(self) -> float | None:
        """In seconds; None where nothing will begin or end."""
        turns = [watched.domain.next_turn for watched in self._watched.values()]
        earliest = min((turn for turn in turns if turn is not None), default=None)
        return None if earliest is None else (earliest - self._now()) / SECOND

    def _turn(self) -> None:
        wait = self._until_next_turn()
        if wait is not None and wait <= 0:
            self._begin(self._turn_what_is_due())
        else:
            self._wait_for_next_turn()

    async def _turn_what_is_due(self) -> None:
        again = _STORE_AGAIN
        with suppress(Temporary):
            if await self._store.run(turn):
                return  # DomainsChanged leads to the next one
            again = _HEARD_WITHIN
        if not self._stopped:
            self._turn_alarm = self._timer.callLater(again, self._turn)

    def _now(self) -> int:
        return self._store.clock.now()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, Stopping):
            _log.error("homes: {failure}", failure=failure.getErrorMessage(), often=True)
