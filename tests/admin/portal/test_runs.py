"""What was begun by a form goes on without it, and has a page that tells how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.admin.portal import archive, runs
from mpcontinuity.admin.portal.signed_in import Visit
from mpcontinuity.control.operation import Control
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.web.answers import Answer, redirect
from tests.admin.portal.browser import Browser, Shown
from tests.conftest import DATABASES
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

pytestmark = pytest.mark.parametrize("database", DATABASES, indirect=True)

_COUNT = Statement("SELECT COUNT(*) FROM page_run")
Begin = Callable[[Callable[[Control], Awaitable[Any]]], Shown]


@pytest.fixture
def begin(olga: Browser, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Has olga begin some work by a form, as the release of all that is found."""

    def begin(work: Callable[[Control], Awaitable[Any]]) -> Shown:
        async def page(visit: Visit) -> Answer:
            try:
                return redirect(f"{archive.RELEASED}/{await runs.begin(visit, archive._RUN, ABOUT, work)}")
            except Refused as refused:
                return Answer(refused.text.encode(), 409)

        monkeypatch.setattr(archive, "_searched", lambda visit, form, errors: page(visit))
        token = olga.get("/admin/account").hidden("/admin/account/password")
        return olga.post("/admin/archive", token)

    return begin


ABOUT = {"query": {"query": "invoice"}, "found": True}
DONE = {
    "found": 2, "home": 2, "inbox": 0, "owed": 0, "refused": 0, "deferred": 0, "before": 0, "cut_off": 0, "failed": [],
    "stopped": "",
}  # fmt: skip


class Work:
    """Says how far it is each time that it is let go on."""

    def __init__(self) -> None:
        self.go: Deferred[bool] = Deferred()

    async def __call__(self, control: Control) -> Any:
        released = 0
        control.progress({"released": released, "found": 2})
        while await self.go:
            self.go = Deferred()
            released += 1
            control.progress({"released": released, "found": 2})
            await control.drained()
        return DONE


def test_a_run_is_followed_and_its_result_stays(olga: Browser, begin: Begin, clock: ManualClock) -> None:
    work = Work()
    page = begin(work).location
    shown = olga.get(page).page
    assert 'data-live="2"' in shown
    assert "0 of 2 messages are released" in shown
    clock.advance(2)
    work.go.callback(True)
    assert "1 of 2 messages are released" in olga.get(page).page
    work.go.callback(False)
    for _ in range(2):
        shown = olga.get(page).page
        assert "2 went home" in shown
        assert "data-live" not in shown


def test_progress_is_noted_once_in_a_second(begin: Begin, olga: Browser, clock: ManualClock) -> None:
    work = Work()
    page = begin(work).location
    for _ in range(5):
        work.go.callback(True)
    assert "0 of 2" in olga.get(page).page
    clock.advance(runs.NOTED_EVERY / SECOND)
    work.go.callback(True)
    assert "6 of 2" in olga.get(page).page


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Refused("home is gone", "conflict"), "Home is gone."),
        (Temporary("the disk is full"), "This cannot be done now."),
        (RuntimeError("secret"), "An error of the server"),
    ],
)
def test_why_a_run_ended_before_its_end_is_told(olga: Browser, begin: Begin, error: Exception, said: str) -> None:
    async def work(control: Control) -> None:
        control.progress({"released": 0, "found": 2})
        raise error

    shown = olga.get(begin(work).location).page
    assert said in shown
    assert "secret" not in shown
    assert "data-live" not in shown


def test_what_is_refused_before_anything_is_done_is_no_run(olga: Browser, begin: Begin) -> None:
    async def work(control: Control) -> None:
        raise Refused("nothing to do")

    shown = begin(work)
    assert (shown.code, shown.page) == (409, "nothing to do")
    assert result(olga.portal.control.store.read(lambda tx: tx.value(_COUNT))) == 0


def test_a_run_of_which_nothing_is_heard_is_told_so(olga: Browser, begin: Begin, clock: ManualClock) -> None:
    page = begin(Work()).location
    clock.advance(runs.ALIVE / SECOND + 1)
    assert "Nothing was heard of it since" in olga.get(page).page


def test_so_many_run_at_once_and_so_many_are_remembered(
    olga: Browser, begin: Begin, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = [Work() for _ in range(runs.MOST_AT_ONCE)]
    for work in working:
        assert begin(work).code == 303
    assert "is still under way" in begin(Work()).page
    for work in working:
        work.go.callback(False)
    monkeypatch.setattr(runs, "MOST", 2)
    pages = []
    for _ in range(4):
        work = Work()
        work.go.callback(False)
        pages.append(begin(work).location)
    assert [olga.get(page).code for page in pages] == [404, 200, 200, 200]
    monkeypatch.setattr(runs, "LASTS", 60 * SECOND)
    clock.advance(61)
    assert begin(Work()).code == 303
    assert result(olga.portal.control.store.read(lambda tx: tx.value(_COUNT))) == 1


def test_runs_of_long_ago_go_also_where_nobody_begins_one(olga: Browser, begin: Begin, clock: ManualClock) -> None:
    store = olga.portal.control.store
    for _ in range(runs._STEP + 1):
        work = Work()
        work.go.callback(False)
        begin(work)
    for days, left in ((29, runs._STEP + 1), (1.1, 0)):
        clock.advance(days * DAY / SECOND)
        result(runs.sweep(store))
        assert result(store.read(lambda tx: tx.value(_COUNT))) == left


def test_a_result_that_is_too_long_is_told_to_be(olga: Browser, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LONGEST", 10)
    work = Work()
    work.go.callback(False)
    assert "too long to be shown" in olga.get(begin(work).location).page


def test_a_run_is_its_administrator_s_alone(rita: Browser, olga: Browser, begin: Begin) -> None:
    page = begin(Work()).location
    assert rita.get(page).code == 404
    assert olga.get(page).code == 200
    assert olga.get(f"{archive.RELEASED}/nonsense").code == 400
