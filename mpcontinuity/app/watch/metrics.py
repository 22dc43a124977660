"""Answers /metrics in Prometheus' text format, with counters that the parts keep anyway. A scrape asks the database for
nothing.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from twisted.internet.defer import Deferred

from mpcontinuity.app.watch.lag import Lag, Turns
from mpcontinuity.app.watch.overview import Overview, State
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.routing import health
from mpcontinuity.store.figures import GROUP_SIZES
from mpcontinuity.store.store import Store
from mpcontinuity.web.answers import Answer

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

# By domain there are five numbers: beyond this many domains those in trouble are named, the others only counted.
MOST_DOMAINS: Final = 100

# Rendered in one turn of the reactor; a sample takes some 10 µs.
_IN_A_TURN = 100

STATES: Final = {
    health.State.UP: 0,
    health.State.SUSPECT: 1,
    health.State.RECOVERING: 2,
    health.State.DOWN: 3,
}

_PREFIX = "mpcontinuity_"


@dataclass(frozen=True, slots=True)
class Sources:
    """What the parts count, as functions or as counters that go on counting. ``open`` gives the connections that each
    protocol has now.
    """

    open: Mapping[str, Callable[[], int]]
    accepted: Mapping[str, int]  # connections, by protocol
    turned_away: Callable[[], int]
    over: Mapping[str, int]  # how often a host was over its ration, by kind
    messages: Mapping[str, int]  # recipients of messages, by outcome
    unrecorded: Callable[[], int]
    redeliveries: Callable[[], Mapping[str, int]]  # attempts, by outcome
    refusals: Callable[[], Mapping[str, int]]  # at redelivery, by what they were about
    outbound: Callable[[], Mapping[str, int]]  # attempts to the world, by outcome
    parked: Callable[[], int]  # messages that wait for slow hosts of the world
    reports: Mapping[str, int]  # to senders, by action
    unchecked: Callable[[], int]  # messages without a verdict
    died: Callable[[], int]  # children
    indexed: Callable[[], int]  # messages of the archive
    logins: Mapping[str, int]  # by outcome
    administrator_logins: Mapping[str, Mapping[str, int]]  # by outcome, and before by what was to be proved
    homes: Callable[[], Iterable[HomeServer]]
    trusts_time: Callable[[], bool]  # whether the clock has not jumped for a day
    certificate_expires: Callable[[], float]  # seconds since 1970
    spare: Callable[[], AbstractContextManager[None]]  # descriptors, where all others are taken


@dataclass(frozen=True, slots=True)
class _Family:
    """What `generate_latest` takes for a registry."""

    metric: Metric

    def collect(self) -> Iterable[Metric]:
        return [self.metric]


class Metrics:
    """The page /metrics."""

    def __init__(
        self, sources: Sources, store: Store, overview: Overview, lag: Lag, turns: Turns, timer: Timer
    ) -> None:
        self._sources = sources
        self._store = store
        self._overview = overview
        self._lag = lag
        self._turns = turns
        self._timer = timer
        self._state: State | None = None
        self._process = ProcessCollector(registry=None)
        self._build = {
            "version": version("mpcontinuity"),
            "python": platform.python_version(),
            "twisted": version("twisted"),
        }

    async def page(self) -> Answer:
        """Answers /metrics, over several turns of the reactor where there is much to say."""
        self._state = await self._overview.get() or self._overview.last
        texts = []
        samples = 0
        for metric in self.families():
            texts.append(generate_latest(_Family(metric)))
            samples += len(metric.samples)
            if samples >= _IN_A_TURN:
                samples = 0
                await self._next_turn()
        return Answer(b"".join(texts), content_type=CONTENT_TYPE)

    async def _next_turn(self) -> None:
        turn: Deferred[None] = Deferred()
        self._timer.callLater(0, turn.callback, None)
        await turn

    def families(self) -> Iterator[Metric]:
        """Gives all metrics as they are now."""
        yield InfoMetricFamily(_PREFIX + "build", "The version that runs.", self._build)
        yield from self._of_connections()
        yield from self._of_mail()
        yield from self._of_domains()
        yield from self._of_store()
        yield from self._of_commits()
        yield from self._of_process()
        with self._sources.spare():  # it reads files of /proc
            of_process = list(self._process.collect())
        yield from of_process

    def _of_connections(self) -> Iterator[Metric]:
        sources = self._sources
        now = {protocol: float(count()) for protocol, count in sources.open.items()}
        yield _gauge("connections", "Connections that are open.", "protocol", now)
        yield _counter("connections_accepted", "Connections that were accepted.", "protocol", sources.accepted)
        yield _count("connections_refused", "Connections refused by a limit of [limits].", sources.turned_away())
        yield _counter(
            "rations_used_up", "How often a host or network was over a ration of [limits].", "of", sources.over
        )
        yield _counter("logins", "Log-ins that were tried, by outcome.", "outcome", sources.logins)
        about = "Log-ins of administrators that were tried, by what was proved and by outcome."
        metric = CounterMetricFamily(f"{_PREFIX}administrator_logins", about, labels=["by", "outcome"])
        for by, outcomes in sources.administrator_logins.items():
            for outcome, number in outcomes.items():
                metric.add_metric([by, outcome], number)
        yield metric

    def _of_mail(self) -> Iterator[Metric]:
        sources = self._sources
        yield _counter(
            "messages",
            "Inbound messages by what became of them, counted once per recipient as in tracking.",
            "outcome",
            sources.messages,
        )
        yield _count(
            "messages_unrecorded",
            "Messages that the home server took and our commit failed for; their index is repaired at the next start.",
            sources.unrecorded(),
        )
        yield _counter("redeliveries", "Attempts at redelivery, by outcome.", "outcome", sources.redeliveries())
        yield _counter(
            "redelivery_refusals",
            "5xx to redeliveries, by what they are about; those about us pause it, unclear ones stay owed.",
            "about",
            sources.refusals(),
        )
        yield _counter("outbound", "Attempts at delivery to the world, by outcome.", "outcome", sources.outbound())
        yield _one(
            "outbound_aside",
            "Messages to the world that are parked: they wait for slow hosts without a lane.",
            sources.parked(),
        )
        yield _counter("reports", "Reports to senders, by what they tell.", "action", sources.reports)
        text = (
            "Kept messages whose sender was not looked into (SPF, DKIM, DMARC): DNS was silent, or there were too many."
        )
        yield _count("messages_unchecked", text, sources.unchecked())
        yield _one("spool_bytes", "Octets of messages that are being received.", self._store.figures.spooled())

    def _of_domains(self) -> Iterator[Metric]:
        state, now = self._state, self._store.clock.now()
        states, since, owed, oldest, waiting, longest, paused = (
            GaugeMetricFamily(_PREFIX + name, text, labels=["domain"])
            for name, text in (
                ("home_state", "Home server: 0 up, 1 suspect (shown as up), 2 recovering, 3 down."),
                ("home_state_since_timestamp_seconds", "When that state began."),
                ("owed_messages", "Messages owed to the home server, by recipient."),
                ("owed_oldest_age_seconds", "Age of the oldest message that is owed; 0 where none is."),
                ("outbound_messages", "Messages of the domain that wait for the world, by recipient."),
                (
                    "outbound_oldest_age_seconds",
                    "Age of the oldest message that waits for the world; 0 where none does.",
                ),
                ("redelivery_paused", "1 where redelivery is paused and waits for somebody."),
            )
        )
        backlogs = {one.domain: one for one in state.backlogs} if state is not None else {}
        for home in self._named({backlog.domain for backlog in backlogs.values()}):
            labels = [home.name]
            states.add_metric(labels, STATES[home.health.state])
            since.add_metric(labels, home.health.since / SECOND)
            if state is None:
                continue
            backlog = backlogs.get(home.domain)
            owed.add_metric(labels, backlog.owed if backlog else 0)
            oldest.add_metric(labels, max(now - backlog.oldest, 0) / SECOND if backlog else 0)
            outbound = state.outbound.get(home.domain)
            waiting.add_metric(labels, outbound.messages if outbound else 0)
            longest.add_metric(labels, max(now - outbound.oldest, 0) / SECOND if outbound else 0)
            paused.add_metric(labels, home.domain in state.paused)
        yield from (states, since, owed, oldest, waiting, longest, paused)
        counted = Counter(home.health.state.value for home in self._sources.homes())
        every = {one.value: counted[one.value] for one in STATES}
        yield _gauge("homes", "Home servers by state, those that are not named among them.", "state", every)
        total = sum(backlog.owed for backlog in backlogs.values())
        yield _one("owed", "Messages owed to all home servers, by recipient.", total if state is not None else None)
        out = sum(each.messages for each in state.outbound.values()) if state is not None else None
        yield _one("outbound_waiting", "Messages of all domains that wait for the world, by recipient.", out)
        yield _one("disk_free_bytes", "Free space below data_dir.", state.disk_free if state is not None else None)

    def _named(self, owing: set[int]) -> list[HomeServer]:
        """Every domain's, as long as they are not too many to be told apart."""
        homes = sorted(self._sources.homes(), key=lambda home: home.name)
        if len(homes) > MOST_DOMAINS:
            homes.sort(key=lambda home: home.health.state is health.State.UP and home.domain not in owing)
        return homes[:MOST_DOMAINS]

    def _of_store(self) -> Iterator[Metric]:
        figures = self._store.figures
        for name, text, value in (
            ("store_transactions", "Pieces of work whose transaction was committed.", figures.transactions),
            ("store_transactions_failed", "Pieces of work whose transaction was not committed.", figures.failed),
            ("store_conflicts", "Transactions that the database asked to repeat.", figures.conflicts),
            ("store_commits_failed", "Commits that the database could not do.", figures.failed_commits),
            ("store_rows_changed", "Rows inserted, updated and deleted.", figures.rows_changed),
            ("store_bulk_steps", "Steps of the bulk lane.", figures.bulk_steps),
            ("store_above_limit", "Transactions above 1,000 rows or 20 ms (bulk 50 ms).", figures.above_limit),
            ("store_reads", "Snapshots that were read.", figures.reads),
            ("store_checkpoints", "Checkpoints of SQLite's WAL.", figures.checkpoints),
            ("store_checkpoint_restarts", "Checkpoints for which the writer stopped.", figures.restarts),
        ):
            yield _count(name, text, value)
        yield _one("store_waiting", "Pieces of work that wait for the writer.", figures.waiting())
        yield _one("store_wal_bytes", "SQLite's WAL, when a checkpoint last looked.", figures.wal_octets)
        yield _one("store_longest_read_seconds", "The longest snapshot since the start.", figures.longest_read)

    def _of_commits(self) -> Iterator[Metric]:
        figures = self._store.figures
        for name, text, longest in (
            (
                "longest_transaction",
                "The longest work of a transaction in the last minute.",
                figures.longest_transaction(),
            ),
            ("longest_commit", "The longest group in the last minute, begin to disk.", figures.longest_commit()),
        ):
            # The name of the work changes from scrape to scrape and is one of a few dozen functions.
            yield _gauge(f"store_{name}_seconds", text, "work", {longest.name: longest.seconds})
        yield _one(
            "store_longest_transaction_ever_seconds",
            "The longest work of a transaction since the start.",
            figures.longest_transactions.ever.seconds,
        )
        sizes = HistogramMetricFamily(
            _PREFIX + "store_group_size", "Pieces of work (transactions) that one commit made durable."
        )
        sizes.add_metric([], list(_cumulated(figures.group_sizes)), figures.transactions)
        yield sizes
        yield _count("store_commit_seconds", "Time in commits, begin to disk.", figures.commit_seconds)

    def _of_process(self) -> Iterator[Metric]:
        sources = self._sources
        yield _one(
            "tls_certificate_expiry_timestamp_seconds",
            "When the certificate in use expires.",
            sources.certificate_expires(),
        )
        yield _one(
            "clock_trusted",
            "0 for a day after a jump of the clock: nothing is dropped or bounced by it.",
            float(sources.trusts_time()),
        )
        yield _one(
            "reactor_longest_lag_seconds",
            "How late a timer was called, at worst in the last minute.",
            self._lag.longest(),
        )
        yield _one(
            "reactor_longest_turn_seconds",
            "Processor time of one turn of the reactor, at worst in the last minute.",
            self._turns.longest(),
        )
        yield _count("reactor_long_turns", "Turns of the reactor above 50 ms of processor time.", self._turns.long)
        yield _count("children_died", "Child processes that ended unasked.", sources.died())
        yield _count("archive_indexed", "Messages put into the archive's index.", sources.indexed())
        yield _count("reactor_lag_seconds", "How late a timer was called twice a second, added up.", self._lag.total)


def _one(name: str, text: str, value: float | None) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def _count(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, text, value=value)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    metric = GaugeMetricFamily(_PREFIX + name, text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric


def _counter(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    metric = CounterMetricFamily(_PREFIX + name, text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key.replace(" ", "_")], value)
    return metric


def _cumulated(counts: Iterable[int]) -> Iterator[tuple[str, float]]:
    total = 0
    bounds = [*(f"{size:.1f}" for size in GROUP_SIZES), "+Inf"]
    for bound, count in zip(bounds, counts, strict=True):
        total += count
        yield bound, total
