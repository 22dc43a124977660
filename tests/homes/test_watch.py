"""Home servers are probed as their state asks for, remembered across restarts, and their time up is counted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import containment, domains, home_history, home_state, plans, taken
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.homes.prober import GLIMPSES
from mpcontinuity.homes.service import Watch
from mpcontinuity.model.clock import DAY, MINUTE, SECOND
from mpcontinuity.model.events import DomainsChanged
from mpcontinuity.model.identifier import LAST
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import Home
from mpcontinuity.outbound.probing import observation
from mpcontinuity.protocols.smtp.client import Offers
from mpcontinuity.queue import listing
from mpcontinuity.routing.health import Observation, State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import result
from tests.queue.ledgers import Books
from tests.redelivery.homes import FakeHome, FakeHomes

GOOD = Outcome(Verdict.ACCEPTED, Stage.RCPT, Reply(250, "2.1.5", "ok"))
NO_REPLY_TO_RCPT = Outcome(Verdict.FAILED, Stage.RCPT, None, "no reply in 10 s")
CLOSED_AT_RCPT = Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(421, "4.3.0", "what a mailbox"))
REFUSED = Outcome(Verdict.FAILED, Stage.CONNECT, None, "connection refused")

_REMEMBERED = Statement("SELECT state, reason, since, relapses FROM domain")
_UPTIME = Statement("SELECT uptime FROM domain")
_OTHER_PROCESS = Statement("UPDATE domain SET state = 'down', since = 77, reason = 'seen by another'")


class Site:
    """One domain, its fake home, and the watch over it."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.books = Books(store, clock)
        self.home = FakeHome(clock, self.books.domain.id)
        self.home.probe_answer = GOOD

    def watch(self, **more: float) -> Watch:
        homes: Any = FakeHomes(self.home)
        watch = Watch(
            self.store,
            Directory(self.store),
            homes,
            Home(),
            timer=self.clock,
            randomness=SeededRandomness(),
            **more,
        )
        result(watch.start())
        return watch

    def wait(self, seconds: int, step: float = 1.0) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)

    def retry(self, domain: int = 0) -> None:
        self.books.run(listing.retry_all, by="root", domain=domain)
        self.clock.advance(0)

    def remembered(self) -> tuple[str, str]:
        row = self.books.read(lambda tx: tx.one(_REMEMBERED))
        assert row is not None
        return row[0], row[1]

    def uptime(self) -> int:
        return int(self.books.read(lambda tx: tx.value(_UPTIME)))

    def state(self) -> State:
        return self.home.health.state

    def set(self, **settings: Any) -> None:
        changed = msgspec.structs.replace(self.books.domain.settings, **settings)
        self.books.run(domains.change, domain=self.books.domain, settings=changed)


@pytest.fixture
def site(store: Store, clock: ManualClock) -> Site:
    return Site(store, clock)


def reply(code: int, stage: Stage, verdict: Verdict) -> Outcome:
    return Outcome(verdict, stage, Reply(code, "", "text"))


@pytest.mark.parametrize(
    ("outcome", "observed"),
    [
        (GOOD, Observation.PROBE_GOOD),
        (Outcome(Verdict.ACCEPTED, Stage.MAIL, Reply(250)), Observation.PROBE_GOOD),  # no user is known yet
        (reply(550, Stage.RCPT, Verdict.REFUSED), Observation.PROBE_GOOD),
        (reply(450, Stage.RCPT, Verdict.TEMPORARY), Observation.PROBE_GOOD),
        (reply(421, Stage.RCPT, Verdict.TEMPORARY), Observation.PROBE_BAD),
        (reply(530, Stage.RCPT, Verdict.TEMPORARY), Observation.PROBE_BAD),
        (Outcome(Verdict.FAILED, Stage.RCPT, None, "no reply in 10 s"), Observation.PROBE_BAD),
        (reply(451, Stage.MAIL, Verdict.TEMPORARY), Observation.UNREACHABLE),
        (reply(554, Stage.GREETING, Verdict.TEMPORARY), Observation.UNREACHABLE),
        (Outcome(Verdict.FAILED, Stage.TLS, None, "bad certificate"), Observation.UNREACHABLE),
        (REFUSED, Observation.UNREACHABLE),
    ],
)
def test_what_a_probe_says(outcome: Outcome, observed: Observation) -> None:
    assert observation(outcome) is observed


def test_an_idle_home_is_probed_every_minute_with_each_known_user_in_turn(site: Site) -> None:
    site.watch()
    site.wait(600)
    assert [str(recipient) for recipient in site.home.probes] == ["anna@example.org", "bert@example.org"] * 5


@pytest.mark.parametrize("fault", [NO_REPLY_TO_RCPT, CLOSED_AT_RCPT])
def test_a_probe_that_one_mailbox_spoils_asks_for_another_before_it_counts(site: Site, fault: Outcome) -> None:
    site.home.probe_answers = {"anna@example.org": fault}
    site.watch()
    site.wait(600)
    assert site.state() is State.UP
    site.home.goes_down()
    site.wait(120)
    assert site.state() is not State.DOWN
    site.home.probe_answers["bert@example.org"] = fault
    site.home.goes_down()
    site.wait(600)
    assert site.state() is State.DOWN


def test_a_probe_remembers_whom_home_would_take_mail_for(site: Site) -> None:
    site.watch()
    site.wait(240)
    for name in ("anna", "bert"):
        assert site.books.read(taken.standing, domain=site.books.domain.id, key=f"{name}@example.org").taken


def test_a_home_that_is_down_is_probed_at_the_interval_until_it_recovers(site: Site) -> None:
    site.watch()
    site.home.probe_answer = REFUSED
    site.home.observe(Observation.UNREACHABLE, "connection refused")
    site.wait(16, 0.5)
    assert len(site.home.probes) == GLIMPSES + 1  # at first often: does home fail all connections, or some?
    site.wait(45)
    assert len(site.home.probes) == GLIMPSES + 4
    site.home.probe_answer = GOOD
    site.wait(15)
    assert site.state() is State.DOWN
    site.wait(15)
    assert site.state() is State.RECOVERING


def test_a_home_that_is_back_at_once_recovers_after_two_intervals_as_ever(site: Site) -> None:
    site.watch()
    site.home.probe_answer = GOOD
    site.home.observe(Observation.UNREACHABLE, "connection refused")
    site.wait(29, 0.5)
    assert site.state() is State.DOWN
    site.wait(2, 0.5)
    assert site.state() is State.RECOVERING


def test_a_home_that_answers_some_probes_is_asked_many_times_quickly_when_it_is_well(site: Site) -> None:
    site.watch()
    site.home.probe_answer = GOOD
    site.home.observe(Observation.UNREACHABLE, "connection refused")
    site.wait(5, 0.5)
    site.home.probe_answer = REFUSED
    site.wait(30, 0.5)
    site.home.probe_answer = GOOD
    site.wait(30, 0.1)
    assert site.state() is State.DOWN
    site.wait(10, 0.1)
    assert site.state() is State.RECOVERING


def test_who_retries_the_queue_has_home_probed_at_once_and_one_good_answer_is_enough(site: Site) -> None:
    site.watch()
    site.home.probe_answer = REFUSED
    site.home.observe(Observation.UNREACHABLE, "connection refused")
    site.wait(1)
    asked = len(site.home.probes)
    site.retry(site.books.domain.id)
    assert (len(site.home.probes), site.state()) == (asked + 1, State.DOWN)
    site.home.probe_answer = GOOD
    site.retry()  # of all domains
    assert (len(site.home.probes), site.state()) == (asked + 2, State.RECOVERING)
    site.retry()
    assert len(site.home.probes) == asked + 2  # it is not down


def test_what_is_wanted_while_a_probe_is_under_way_is_asked_behind_it(site: Site) -> None:
    site.watch()
    under_way: Deferred[Outcome] = Deferred()
    site.home.probe_answer = under_way
    site.home.observe(Observation.UNREACHABLE, "connection refused")
    site.wait(15)
    for _ in range(3):
        site.books.run(listing.retry, ids=[site.books.redirect("anna")], by="root")
    site.home.probe_answer = GOOD
    assert len(site.home.probes) == 1
    under_way.callback(REFUSED)
    site.clock.advance(0)
    assert (len(site.home.probes), site.state()) == (2, State.RECOVERING)


def test_what_is_wanted_of_another_domain_probes_nobody(site: Site) -> None:
    site.watch()
    site.home.probe_answer = REFUSED
    site.home.observe(Observation.UNREACHABLE, "connection refused")
    site.wait(1)
    asked = len(site.home.probes)
    other = Books(site.store, site.clock, "other.org")
    site.retry(other.domain.id)
    assert len(site.home.probes) == asked


def test_a_silent_outage_of_an_idle_home_is_noticed(site: Site) -> None:
    site.watch()
    site.home.probe_answer = Outcome(Verdict.FAILED, Stage.RCPT, None, "no reply in 10 s")
    site.wait(80)
    assert site.state() is State.DOWN


def test_probes_of_one_home_do_not_overlap(site: Site) -> None:
    site.home.probe_answer = Deferred()
    site.watch()
    site.wait(600)
    site.home.observe(Observation.UNREACHABLE)
    site.wait(60)
    assert len(site.home.probes) == 1
    site.home.probe_answer.callback(REFUSED)
    site.home.probe_answer = GOOD
    site.wait(15, 15)
    assert len(site.home.probes) == 2


def test_the_state_is_remembered_and_loaded(site: Site) -> None:
    watch = site.watch()
    assert site.remembered() == ("up", "")
    site.home.observe(Observation.SILENT, "lost")
    assert site.remembered() == ("up", "")  # a suspicion is nobody's state
    site.home.observe(Observation.SILENT, "lost again")
    assert site.remembered() == ("down", "lost again")
    since = site.home.health.since
    result(watch.stop())

    site.clock.advance(3600)
    site.home = FakeHome(site.clock, site.books.domain.id)
    site.home.probe_answer = GOOD
    site.watch()
    assert site.state() is State.DOWN
    assert site.home.health.since == since
    site.wait(16)
    assert site.state() is State.RECOVERING  # probed at once, then at the interval
    assert site.remembered() == ("recovering", "")


def test_what_home_offered_is_remembered(site: Site) -> None:
    site.watch()
    site.home.offers = Offers(smtputf8=True, size=1000)
    site.wait(60)
    site.home.offers = Offers()
    site.watch()
    assert site.home.offers == Offers(smtputf8=True, size=1000)


def test_what_home_offered_holds_in_its_outage_even_if_we_are_killed(site: Site) -> None:
    site.watch()
    site.home.offers = Offers(size=1000)
    site.home.observe(Observation.UNREACHABLE, "refused")
    site.home.offers = Offers()
    site.watch()
    assert site.home.offers == Offers(size=1000)


def test_what_home_offered_is_remembered_at_a_stop(site: Site) -> None:
    watch = site.watch()
    site.home.offers = Offers(size=1000)
    result(watch.stop())
    site.home.offers = Offers()
    site.watch()
    assert site.home.offers == Offers(size=1000)


def test_another_process_that_was_first_is_believed(site: Site) -> None:
    site.watch()
    site.books.run(lambda tx: tx.run(_OTHER_PROCESS))
    site.home.observe(Observation.UNREACHABLE, "refused")
    assert site.home.health.since == 77
    assert site.home.health.reason == "seen by another"


def test_a_new_home_that_goes_down_is_no_relapse(site: Site) -> None:
    site.watch()
    site.home.observe(Observation.UNREACHABLE)
    assert site.home.health.relapses == 0


class TestUptime:
    """What `give_up` counts."""

    def test_it_stands_still_while_home_is_down(self, site: Site) -> None:
        site.watch()
        site.wait(90)
        site.home.probe_answer = REFUSED
        site.home.observe(Observation.UNREACHABLE)
        assert site.uptime() == 90 * SECOND
        site.wait(3600, 10)
        assert site.uptime() == 90 * SECOND

    def test_it_goes_on_through_a_restart(self, site: Site) -> None:
        result(site.watch().stop())
        watch = site.watch()
        site.wait(30)
        result(watch.stop())
        assert site.uptime() == 30 * SECOND

    def test_a_short_give_up_is_counted_finely(self, site: Site) -> None:
        site.watch(give_up=30)
        site.wait(20, 0.5)
        assert site.uptime() >= 18 * SECOND

    def test_a_jump_of_the_wall_clock_is_no_time_that_passed(self, site: Site) -> None:
        watch = site.watch()
        site.wait(60)
        site.clock._start += 10 * DAY
        site.wait(60)
        result(watch.stop())
        assert site.uptime() == 2 * MINUTE

    def test_time_in_which_the_process_stood_still_is_none_in_which_home_was_up(self, site: Site) -> None:
        watch = site.watch()
        site.wait(60)
        site.clock.advance(10 * 86400)
        site.wait(60)
        result(watch.stop())
        assert 2 * MINUTE <= site.uptime() <= 4 * MINUTE

    def test_a_declared_outage_does_not_count(self, site: Site) -> None:
        site.watch()
        site.wait(30)
        site.set(mode="enabled")
        site.wait(600)
        site.set(mode="disabled")
        site.wait(30)
        site.home.observe(Observation.UNREACHABLE)
        assert site.uptime() == MINUTE

    def test_while_home_is_cut_off_does_not_count(self, site: Site) -> None:
        site.watch()
        site.wait(60)
        site.books.run(containment.begin, domain=site.books.domain.id, by="root", note="")
        site.wait(600)
        site.books.run(containment.end, domain=site.books.domain.id)
        site.wait(60)
        site.home.observe(Observation.UNREACHABLE)
        assert site.uptime() == 2 * MINUTE

    def test_a_paused_flush_does_not_count(self, site: Site) -> None:
        site.watch()
        site.books.run(home_state.pause, domain=site.books.domain.id, reason="550 no")
        site.wait(600)
        assert site.uptime() == 0


def test_a_mode_ends_at_its_time(site: Site) -> None:
    site.watch()
    site.set(mode="enabled", mode_until=site.clock.now() + 90 * SECOND)
    site.wait(89)
    assert site.books.read(domains.listing)[0].settings.mode == "enabled"
    site.wait(2)
    settings = site.books.read(domains.listing)[0].settings
    assert (settings.mode, settings.mode_until) == ("disabled", 0)


def test_a_mode_may_end_in_a_year(site: Site) -> None:
    site.watch()
    site.set(mode="enabled", mode_until=site.clock.now() + 365 * 86400 * SECOND)
    site.wait(364 * 86400, 86400 / 2)
    assert site.books.read(domains.listing)[0].settings.mode == "enabled"
    site.wait(2 * 86400, 86400 / 2)
    assert site.books.read(domains.listing)[0].settings.mode == "disabled"


class TestPlans:
    """They hold by the clock; that they have begun and ended is noted to the second, for all processes to hear."""

    def heard(self, site: Site) -> list[str]:
        """When listeners heard that domains changed, in seconds from now on, with the mode at that moment. The clock
        of the test advances by whole seconds."""
        begin, heard = site.clock.now(), []

        def listen(notices: Any) -> None:
            if any(isinstance(notice, DomainsChanged) for notice in notices):
                mode = site.books.read(domains.listing)[0].mode(site.clock.now())
                heard.append(f"{(site.clock.now() - begin) // SECOND} {mode}")

        site.store.listen(listen)
        return heard

    def plan(self, site: Site, begin: int, until: int) -> None:
        now = site.clock.now()
        values = {"starts": now + begin * SECOND, "ends": now + until * SECOND, "note": "", "planner": "root"}
        site.books.run(plans.add, domain=site.books.domain.id, **values)

    def test_it_begins_and_ends_to_the_second(self, site: Site) -> None:
        site.watch()
        heard = self.heard(site)
        self.plan(site, 300, 600)
        site.wait(900)
        assert heard == ["0 disabled", "300 enabled", "600 disabled"]
        site.wait(300)
        assert len(heard) == 3

    def test_one_that_passed_while_no_server_ran_is_noted_at_the_start(self, site: Site) -> None:
        self.plan(site, 300, 600)
        site.wait(400)
        heard = self.heard(site)
        site.watch()
        site.wait(300)
        assert heard == ["1 enabled", "201 disabled"]

    def test_the_clock_may_be_set_meanwhile(self, site: Site) -> None:
        site.watch()
        heard = self.heard(site)
        self.plan(site, 7200, 10800)
        site.clock.jump(7200)
        site.wait(61)
        assert heard[-1].endswith("enabled")

    def test_its_time_does_not_count_as_time_up(self, site: Site) -> None:
        site.watch()
        self.plan(site, 60, 660)
        site.wait(720)
        site.home.observe(Observation.UNREACHABLE)
        assert 118 * SECOND <= site.uptime() <= 122 * SECOND


def test_after_a_stop_nothing_is_probed(site: Site) -> None:
    watch = site.watch()
    result(watch.stop())
    site.wait(600)
    assert site.home.probes == []
    assert site.clock.getDelayedCalls() == []


def test_an_outage_is_told_in_the_history(site: Site) -> None:
    site.watch()
    began = site.clock.now()
    site.home.observe(Observation.UNREACHABLE, "connection refused")
    site.wait(60)
    assert site.state() is State.RECOVERING
    site.home.observe(Observation.FLUSHED)
    changes = site.books.read(home_history.listing, domain=0, since=0, before=LAST, limit=9)
    assert [(row.state, row.reason) for row in changes] == [
        ("up", "all that was owed has been tried"),
        ("recovering", "it answers probes again"),
        ("down", "connection refused"),
    ]
    assert (changes[0].time, changes[2].time) == (site.clock.now(), began)
