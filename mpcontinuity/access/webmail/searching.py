"""The page ``/search``: what a question finds in all folders, in one of them, or in the archive; and its form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlencode

from twisted.internet.defer import DeferredLock, DeferredSemaphore
from twisted.web import http

from mpcontinuity.access.webmail import archive_search
from mpcontinuity.access.webmail.actions import MOST_CHOSEN, Chosen, carry_out, carry_out_with_found
from mpcontinuity.access.webmail.archive_search import Rows
from mpcontinuity.access.webmail.question import LONGEST, NotUnderstood, Question, parse
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.access.webmail.window import number
from mpcontinuity.archive.query import Query
from mpcontinuity.mailbox.append import MAX_UID
from mpcontinuity.mailbox.archived import is_folder
from mpcontinuity.mailbox.conversation_list import listed
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.pages import Listed
from mpcontinuity.mailbox.search_all import MOST_FOLDERS, PAGE, Results, search_all
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.search import All
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.before_login import own_path
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

PATH: Final = "/search"
ARCHIVE: Final = "archive"
IN_ARCHIVE: Final = 10  # messages of the archive that are shown below those of the folders
AT_A_STRETCH: Final = 1_000  # messages that are found in one turn, where something is done with all
AT_ONCE: Final = 4  # searches of all users; each has at most one at a time
_NONE_CHOSEN: Final = marked("Choose messages first: check the boxes before them.")

T = TypeVar("T")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    pages = SearchPages()
    return [webmail.get(PATH, pages.show), webmail.post(f"{PATH}/do", pages.do)]


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found, and its folder."""

    folder: MailboxInfo
    message: Listed

    @property
    def place(self) -> str:
        """How a form names it."""
        return f"{self.folder.id}.{self.message.uid}"


@dataclass(frozen=True, slots=True)
class Typed:
    """What is asked for: the text as it was typed, where to look, and why it is not understood."""

    text: str
    where: str
    question: Question | None
    error: str = ""

    def path(self, **more: str) -> str:
        """Returns the path of the page that answers it, with ``more`` fields."""
        fields = {"q": self.text, "in": self.where, **more}
        return f"{PATH}?{urlencode({name: value for name, value in fields.items() if value})}"


class SearchPages:
    """Searches, few at a time, so that nobody who searches keeps all others from it."""

    def __init__(self) -> None:
        self._turns = DeferredSemaphore(AT_ONCE)
        self._of_user: dict[int, DeferredLock] = {}

    async def show(self, visit: Visit) -> Answer:
        """Shows what was found, or the form alone."""
        folders = [info for info in await visit.folders() if not is_folder(info)]
        asked = _read(visit, folders)
        if asked.question is None or not asked.text:
            return await _answer(visit, folders, asked, http.BAD_REQUEST if asked.error else http.OK)
        if asked.where == ARCHIVE:
            after = visit.asked.query.get("after")
            try:
                found = await archive_search.search(visit, asked.question.query(), PAGE, after)
            except NotUnderstood as error:
                said = visit.said(error.text, **error.values)
                return await _answer(visit, folders, replace(asked, error=said), http.BAD_REQUEST)
            return await _answer(visit, folders, asked, archive=found)
        wanted = [info for info in folders if not asked.where or asked.where == str(info.id)]
        position = _position(visit.asked.query.get("at"))
        results = await self._in_turn(visit, lambda: _search(visit, wanted, asked, position))
        hits = await _hits(visit, results, wanted)
        if asked.where or position is not None or results.position:
            return await _answer(visit, folders, asked, hits=hits, results=results)
        archive, said = await _in_archive(visit, asked.question)
        return await _answer(visit, folders, asked, hits=hits, results=results, archive=archive, not_in_archive=said)

    async def do(self, visit: Visit) -> Answer:
        """Does with the chosen messages, which may be of several folders, or with all that the search finds, what the
        button says."""
        form = visit.asked.form
        onward = own_path(form.get("next") or PATH)
        if form.get("all") != "1":
            return await _do_with_named(visit, onward)
        folders = [info for info in await visit.folders() if not is_folder(info)]
        asked = read_question(visit, "", form.get("q"))
        position = _position(form.get("upto"))
        if asked.question is None or not asked.text or not position:
            raise Refused(visit.said("This search is not understood"))
        find = partial(self._find_all, visit, folders, asked, position)
        return await carry_out_with_found(visit, form.get("action"), find, onward)

    async def _find_all(
        self, visit: Visit, folders: list[MailboxInfo], asked: Typed, position: dict[int, int]
    ) -> list[Chosen]:
        """All that matches and was there when the page was shown: below the UIDs of ``position``. Others who search
        have their turns between. Raises Temporary where a turn ends before anything was looked at: it would go on for
        ever."""
        found: dict[int, list[int]] = {}
        while position:
            one = partial(_search, visit, folders, asked, position, AT_A_STRETCH)
            results = await self._in_turn(visit, one)
            if results.position == position and not results.rows:
                raise Temporary("a search does not come on")
            for each in results.rows:
                found.setdefault(each.mailbox, []).append(each.uid)
            position = results.position
        return [Chosen(info, sorted(found[info.id])) for info in folders if info.id in found]

    async def _in_turn(self, visit: Visit, work: Callable[[], Awaitable[T]]) -> T:
        lock = self._of_user.setdefault(visit.user.id, DeferredLock())
        await lock.acquire()
        try:
            await self._turns.acquire()
            try:
                return await work()
            finally:
                self._turns.release()
        finally:
            lock.release()
            if not lock.locked and not lock.waiting:
                self._of_user.pop(visit.user.id, None)


async def _do_with_named(visit: Visit, onward: str) -> Answer:
    uids: dict[int, set[int]] = {}
    for text in visit.asked.form.all("place")[:MOST_CHOSEN]:
        folder, _, uid = text.partition(".")
        if number(folder, 0) and 0 < number(uid, 0) <= MAX_UID:
            uids.setdefault(number(folder, 0), set()).add(number(uid, 0))
    if not uids:
        return await visit.done(visit.said(_NONE_CHOSEN), onward)
    chosen = [Chosen(await visit.folder(folder), sorted(some)) for folder, some in sorted(uids.items())]
    if any(is_folder(one.folder) for one in chosen):
        raise Refused(visit.said("The archive cannot be changed"), "forbidden")
    return await carry_out(visit, visit.asked.form.get("action"), chosen, onward)


def _read(visit: Visit, folders: list[MailboxInfo]) -> Typed:
    where = visit.asked.query.get("in")
    if where not in ("", ARCHIVE) and where not in {str(info.id) for info in folders}:
        raise Refused(visit.said("There is no such folder"), "unknown")
    return read_question(visit, where)


def read_question(visit: Visit, where: str, text: str = "") -> Typed:
    """Returns the question that a text asks; by default that of the page's query."""
    text = (text or visit.asked.query.get("q")).strip()
    today = datetime.fromtimestamp(visit.services.control.store.clock.now() // SECOND, UTC).date()
    try:
        return Typed(text, where, parse(text, today))
    except NotUnderstood as error:
        return Typed(text[:LONGEST], where, None, visit.said(error.text, **error.values))


async def _search(
    visit: Visit, folders: list[MailboxInfo], asked: Typed, position: dict[int, int] | None, limit: int = PAGE
) -> Results:
    services = visit.services
    key = asked.question.key() if asked.question is not None else All()
    return await search_all(services.control.store, services.views, services.timer, folders, key, position, limit)


async def _hits(visit: Visit, results: Results, folders: list[MailboxInfo]) -> list[Hit]:
    by_id = {info.id: info for info in folders}
    found = await listed(visit.services.control.store, [(one.mailbox, one.uid) for one in results.rows])
    return [
        Hit(by_id[one.mailbox], found[one.mailbox, one.uid]) for one in results.rows if (one.mailbox, one.uid) in found
    ]


async def _in_archive(visit: Visit, question: Question) -> tuple[Rows | None, str]:
    """The newest of the archive; or why it cannot be asked that."""
    try:
        query: Query = question.query()
    except NotUnderstood as error:
        return None, visit.said(error.text, **error.values)
    return await archive_search.search(visit, query, IN_ARCHIVE), ""


async def _answer(
    visit: Visit,
    folders: list[MailboxInfo],
    asked: Typed,
    code: int = http.OK,
    *,
    hits: list[Hit] | None = None,
    results: Results | None = None,
    archive: Rows | None = None,
    not_in_archive: str = "",
) -> Answer:
    more = results is not None and results.position
    return await visit.render(
        "search.html",
        code,
        choices=folders,
        asked=asked,
        archive_name=ARCHIVE,
        longest=LONGEST,
        hits=hits,
        upto=_shown({info.id: info.uidnext for info in folders[:MOST_FOLDERS] if asked.where in ("", str(info.id))}),
        since=results.since if results is not None else 0,
        onward=asked.path(at=_shown(results.position)) if results is not None and more else "",
        archive=archive,
        not_in_archive=not_in_archive,
        in_archive=replace(asked, where=ARCHIVE).path(),
        archive_onward=replace(asked, where=ARCHIVE).path(after=archive.after) if archive and archive.after else "",
    )


def _shown(position: Mapping[int, int]) -> str:
    return "-".join(f"{mailbox}.{uid}" for mailbox, uid in position.items())


def _position(text: str) -> dict[int, int] | None:
    """Where a page goes on, as its address says; None at the beginning."""
    if not text:
        return None
    pairs = (one.partition(".") for one in text.split("-"))
    return {number(mailbox, 0): number(uid, 0) for mailbox, _, uid in pairs}
