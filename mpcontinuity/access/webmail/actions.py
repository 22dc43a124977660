"""The forms by which messages are marked, moved and deleted: some of them, or all of a folder or filter; and undo.

What concerns few messages is done before the answer; the rest is a task (tasks.py), whose page says how far it is.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from twisted.web import http

from mpcontinuity.access.webmail import acting
from mpcontinuity.access.webmail.acting import FLAGS, Counted, Done, Undo, encoded, undos_of
from mpcontinuity.access.webmail.signed_in import HOME, LONGEST_FORM, Visit, Webmail
from mpcontinuity.access.webmail.tasks import Task
from mpcontinuity.access.webmail.window import matching, narrowing, number
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import MAX_UID
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.portions import ROWS
from mpcontinuity.model import uidset
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer, explained, redirect
from mpcontinuity.web.before_login import own_path
from mpcontinuity.web.languages import marked, marked_counts
from mpcontinuity.web.routes import Route

DOING: Final = "/doing"
MOST_CHOSEN: Final = LONGEST_FORM // 2  # messages that a form names one by one: all for which it has room

# Where an action moves messages to, by the special use of the folder; INBOX has none.
_MOVES: Final = {"delete": "\\Trash", "junk": "\\Junk", "notjunk": "", "restore": "", "archive": "\\Archive"}

_SAID: Final = {
    "read": marked_counts("%(number)d message is marked as read.", "%(number)d messages are marked as read."),
    "unread": marked_counts("%(number)d message is marked as unread.", "%(number)d messages are marked as unread."),
    "flag": marked_counts("%(number)d message is flagged.", "%(number)d messages are flagged."),
    "unflag": marked_counts(
        "%(number)d message is not flagged any more.", "%(number)d messages are not flagged any more."
    ),
    "delete": marked_counts("%(number)d message is in the trash.", "%(number)d messages are in the trash."),
    "purge": marked_counts("%(number)d message is deleted for good.", "%(number)d messages are deleted for good."),
    "junk": marked_counts("%(number)d message is in Junk.", "%(number)d messages are in Junk."),
    "notjunk": marked_counts(
        "%(number)d message is no junk, and in the inbox.", "%(number)d messages are no junk, and in the inbox."
    ),
    "restore": marked_counts("%(number)d message is back in the inbox.", "%(number)d messages are back in the inbox."),
    "archive": marked_counts("%(number)d message is in Archive.", "%(number)d messages are in Archive."),
    "move": marked_counts("%(number)d message is moved.", "%(number)d messages are moved."),
    "undo": marked_counts("Undone: %(number)d message is as it was.", "Undone: %(number)d messages are as they were."),
    "back": marked_counts(
        "Undone: %(number)d message is back in its folder; it stands where new mail does.",
        "Undone: %(number)d messages are back in their folder; they stand where new mail does.",
    ),
}
_NONE_CHOSEN: Final = marked("Choose messages first: check the boxes before them.")
_NO_FOLDER: Final = marked("Choose the folder to move to.")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Messages of one folder, by their UIDs, which rise."""

    folder: MailboxInfo
    uids: Sequence[int]


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these forms."""
    return [
        webmail.post("/mail/<int:folder>/do", do),
        webmail.post("/undo", undo),
        webmail.get(DOING, show),
    ]


async def do(visit: Visit) -> Answer:
    """Does with the chosen messages of a folder what the button says."""
    folder = await visit.folder()
    onward = own_path(visit.asked.form.get("next") or f"/mail/{folder.id}/")
    uids = await _uids(visit, folder)
    if not uids:
        return await visit.done(visit.said(_NONE_CHOSEN), onward)
    return await carry_out(visit, visit.asked.form.get("action"), [Chosen(folder, uids)], onward)


async def carry_out(visit: Visit, action: str, chosen: Sequence[Chosen], onward: str) -> Answer:
    """Does with messages of some folders what ``action`` says, and sends the browser to ``onward``, where it is said.

    The action is one of `FLAGS`, delete, junk, notjunk, restore, archive, move (to the folder in the form's field
    ``to``) or purge, which is asked for once more. Raises Refused and Temporary.
    """
    if action not in _SAID or action in ("undo", "back"):
        raise Refused(visit.said("There is no such action"))
    if action == "purge" and (visit.asked.form.get("sure") != "1" or len(chosen) > 1):
        return await _ask(visit, chosen[0], onward)
    if action == "move" and not number(visit.asked.form.get("to"), 0):
        return await visit.done(visit.said(_NO_FOLDER), onward)
    to = await _target(visit, action)
    work = partial(_all, visit, action, chosen, to)
    total = sum(len(each.uids) for each in chosen)
    if total <= ROWS:
        text, back = await work(lambda _: None)
        return await visit.done(text, onward, back)
    return _begin(visit, total, onward, work)


async def carry_out_with_found(
    visit: Visit, action: str, find: Callable[[], Awaitable[Sequence[Chosen]]], onward: str
) -> Answer:
    """Does what ``action`` says, as `carry_out` does, with all messages that are to be found first. That is a task.

    Nothing is deleted for good so, since nobody could say how much that is. Raises Refused and Temporary.
    """
    if action not in _SAID or action in ("undo", "back", "purge"):
        raise Refused(visit.said("There is no such action"))
    if action == "move" and not number(visit.asked.form.get("to"), 0):
        return await visit.done(visit.said(_NO_FOLDER), onward)
    to = await _target(visit, action)
    task = Task(0, onward)

    async def work(counted: Counted) -> tuple[str, str]:
        chosen = await find()
        task.total = sum(len(each.uids) for each in chosen)
        return await _all(visit, action, chosen, to, counted)

    return _run(visit, task, work)


async def _target(visit: Visit, action: str) -> MailboxInfo | None:
    """The folder to which an action moves messages; None for one that moves none."""
    if action == "move":
        return await visit.folder(number(visit.asked.form.get("to"), 0))
    return await _place(visit, _MOVES[action]) if action in _MOVES else None


async def undo(visit: Visit) -> Answer:
    """Takes back what was done last, as far as the messages are still where it put them."""
    onward = own_path(visit.asked.form.get("next") or HOME)
    try:
        wanted = [(back, back.ranges()) for back in undos_of(visit.asked.form.get("undo"))]
    except ValueError:
        raise Refused(visit.said("This cannot be undone")) from None
    parts, meant = list[_Back](), Counter[int]()
    for back, ranges in wanted:
        there = await visit.folder(back.there)
        meant[there.id] += sum(last - first + 1 for first, last in ranges)
        if meant[there.id] > there.uidnext:  # of all that came from one folder or another: each message is meant once
            raise Refused(visit.said("This cannot be undone"))
        to = await visit.folder(back.back) if back.how == "move" else None
        parts.append(_Back(back, there, array("I", uidset.numbers(ranges)), to))
    work, total = partial(_take_back, visit, parts), sum(len(part.uids) for part in parts)
    if total <= ROWS:
        text, _ = await work(lambda _: None)
        return await visit.done(text, onward)
    return _begin(visit, total, onward, work)


async def show(visit: Visit) -> Answer:
    """Shows how far the user's long task has come, and what came of it."""
    return await visit.render("doing.html", task=visit.services.tasks.find(visit.user.id))


def _begin(visit: Visit, total: int, onward: str, work: Callable[[Counted], Awaitable[tuple[str, str]]]) -> Answer:
    return _run(visit, Task(total, onward), work)


def _run(visit: Visit, task: Task, work: Callable[[Counted], Awaitable[tuple[str, str]]]) -> Answer:
    visit.services.tasks.begin(
        visit.user.id, task, lambda running: work(running.counted), lambda error: _failed(visit, task, error)
    )
    return redirect(DOING)


def _failed(visit: Visit, task: Task, error: BaseException) -> str:
    why = explained(error, visit.language)[1] if isinstance(error, Refused) else ""
    return " ".join(
        (
            why or visit.said("This could not be ended now."),
            visit.said("%(done)d of %(total)d messages are done; do it again for the rest.", done=task.done,
                       total=task.total),
        )
    )  # fmt: skip


async def _uids(visit: Visit, folder: MailboxInfo) -> Sequence[int]:
    """The messages that the form means, by rising UID: those that are named, or all that its page could have shown,
    and none that came since."""
    form = visit.asked.form
    if form.get("all") == "1":
        upto = number(form.get("upto"), MAX_UID)
        found = (await matching(visit, folder, narrowing(form.get("only")))).uids
        return found[: bisect_right(found, upto)]
    named = [text for row in form.all("uid") for text in row.split(",", MOST_CHOSEN)]  # a conversation is some
    return sorted({number(text, 0) for text in named[:MOST_CHOSEN]} - {0})


async def _place(visit: Visit, use: str) -> MailboxInfo:
    """The user's folder of a special use; INBOX for none. Who has deleted theirs by another way gets a new one."""
    if not use:
        return await visit.inbox()
    store = visit.services.control.store
    found = await store.read(partial(mailboxes.by_use, account=visit.user.id, use=use))
    if found is not None:
        return found
    name = next(name for name, standard in mailboxes.STANDARD.items() if standard == use)
    return await store.run(partial(mailboxes.create, account=visit.user.id, name=name, use=use))


async def _all(
    visit: Visit, action: str, chosen: Sequence[Chosen], to: MailboxInfo | None, counted: Counted
) -> tuple[str, str]:
    """What came of it, and what takes it back, where that is one thing."""
    results = [await _one(visit, action, each, to, counted) for each in chosen]
    done, gone = sum(each.count for each in results), sum(each.gone for each in results)
    undone = [each.undo for each in results if each.undo is not None]
    return _text(visit, action, done, gone), encoded(undone)


async def _one(visit: Visit, action: str, chosen: Chosen, to: MailboxInfo | None, counted: Counted) -> Done:
    store, folder, uids = visit.services.control.store, chosen.folder, chosen.uids
    if action in FLAGS:
        how, flags = FLAGS[action]
        return await acting.set_flags(store, folder, uids, how, flags, counted)
    if to is not None:
        return await acting.move(store, folder, uids, to, counted)
    return await acting.remove(store, folder, uids, counted)


@dataclass(frozen=True, slots=True)
class _Back:
    """What is taken back of one folder: messages that are ``there`` now, and the folder ``to`` which they are moved."""

    undo: Undo
    there: MailboxInfo
    uids: Sequence[int]
    to: MailboxInfo | None


async def _take_back(visit: Visit, parts: Sequence[_Back], counted: Counted) -> tuple[str, str]:
    store = visit.services.control.store
    done, gone = 0, 0
    for part in parts:
        how, flags = part.undo.how, part.undo.flags & _UNDOABLE
        if how == "move":
            assert part.to is not None
            result = await acting.move(store, part.there, part.uids, part.to, counted)
        else:
            result = await acting.set_flags(store, part.there, part.uids, how, flags, counted)
        done, gone = done + result.count, gone + result.gone
    what = "back" if any(part.undo.how == "move" for part in parts) else "undo"
    return _text(visit, what, done, gone), ""


def _text(visit: Visit, action: str, count: int, gone: int) -> str:
    text = visit.counted(*_SAID[action], count)
    if not gone:
        return text
    lost = visit.counted(
        "%(number)d was gone already: moved or deleted meanwhile.",
        "%(number)d were gone already: moved or deleted meanwhile.",
        gone,
    )
    return f"{text} {lost}"


async def _ask(visit: Visit, one: Chosen, onward: str) -> Answer:
    """Asks once more before messages of a folder are deleted for good."""
    form = visit.asked.form
    kept = {name: form.get(name) for name in ("all", "only", "upto") if form.get(name)}
    return await visit.render(
        "purge.html",
        http.OK,
        here=one.folder.id,
        folder=one.folder,
        count=len(one.uids),
        uids="" if form.get("all") == "1" else ",".join(map(str, one.uids)),  # one field: a form has few hundred
        kept=kept,
        onward=onward,
    )


_UNDOABLE: Final = sum({flags for _, flags in FLAGS.values()})
