"""Takes the form in which a user writes: saves, attaches and sends it, and loses nothing of it.

Where something is wrong, the form comes back with what was typed, also where nobody is signed in any more. A script
saves by the same path every few seconds, and is answered in JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import msgspec
from twisted.web import http

from mpcontinuity.access.webmail import originals
from mpcontinuity.access.webmail.formatting import judged
from mpcontinuity.access.webmail.letter_form import (
    LONGEST_FIELDS,
    LONGEST_OF_NOBODY,
    LetterForm,
    TakeFile,
    id_of,
    read_fields,
    read_form_with_files,
)
from mpcontinuity.access.webmail.letter_page import WRITE, form_of, format_of, json, page, shown, why
from mpcontinuity.access.webmail.signed_in import LOGIN, STALE, Visit, Webmail, by_script
from mpcontinuity.mailbox.drafts import Draft, DraftChanged, Written
from mpcontinuity.mailbox.enclosures import Attached
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Corrupt, Refused, Temporary
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import Answer, Stream, redirect
from mpcontinuity.web.asked import Asked, Fields
from mpcontinuity.web.form import BadForm
from mpcontinuity.web.languages import marked
from mpcontinuity.web.multipart import FileBegins
from mpcontinuity.writing import composition
from mpcontinuity.writing.composition import Fault

OUTBOX: Final = "/outbox"


# Forms that are held at a time, of one user in several windows, and of all who are not signed in: 4 MiB together.
_MOST_EACH: Final = 4
_MOST_OF_NOBODY: Final = 16
_STALE: Final = marked("this form was not sent from this page, or is out of date: please try again")
_TOO_LONG: Final = marked(
    "you are signed out, and this is too long: sign in in another window, go back here and send it again"
)
_KEPT: Final = marked("Nothing you typed is lost: it stands below.")
_SIGNED_OUT: Final = marked(
    "You are signed out. What you typed stands below: sign in again in another window, then press the button once more."
)
_CHANGED: Final = marked(
    "This draft was changed, sent or discarded in another window. What stands here is kept as a draft of its own."
)
_NOT_NOW: Final = marked("The server cannot take this now. What you typed stands below: please try again in a minute.")
_DAMAGED: Final = marked("What you forward is damaged on this server, and cannot be attached.")
_DAMAGED_DRAFT: Final = marked("The files of this draft are damaged on this server: go on in your mail program.")
_FILES_AGAIN: Final = marked("Please choose your files again.")


class WritePages:
    """Takes the form, whoever is signed in by now."""

    def __init__(self, webmail: Webmail) -> None:
        self._webmail = webmail
        self._reading: Counter[int] = Counter()  # forms that come, by account; 0: of whoever is not signed in

    async def take(self, asked: Asked) -> Answer | Stream:
        """Saves what was written, and does what the button says. Of another site's nothing is read."""
        if not csrf.same_origin(asked):
            raise Refused(_STALE, "forbidden")
        visit = await self._webmail.visit(asked)
        if visit is None and by_script(asked):
            return Answer(b"Nobody is signed in here.\n", http.UNAUTHORIZED)
        account, most = (visit.user.id, _MOST_EACH) if visit is not None else (0, _MOST_OF_NOBODY)
        if self._reading[account] >= most:
            raise Temporary("too many letters are being taken")
        self._reading[account] += 1
        try:
            return await self._take(asked, visit)
        finally:
            self._reading[account] -= 1
            self._reading += Counter()  # without those of whom nothing comes

    async def _take(self, asked: Asked, visit: Visit | None) -> Answer | Stream:
        taking = _Taking(visit)
        longest = LONGEST_FIELDS if visit is not None else LONGEST_OF_NOBODY
        try:
            compute = self._webmail.services.control.compute
            fields = await read_form_with_files(asked, taking.begin, compute, longest)
        except BadForm as error:
            raise Refused(marked("this cannot be read as a form") if visit is not None else _TOO_LONG) from error
        form = read_fields(fields)
        if visit is None:
            return self._signed_out(asked, form)
        if not csrf.is_ours(replace(asked, form=fields), visit.secret):  # the form is of a session that ended
            if by_script(asked):
                said = {"message": visit.said(STALE), "csrf": visit.csrf, "user": str(visit.user.id)}
                return json(said, http.FORBIDDEN)
            words = (STALE, _KEPT, *([_FILES_AGAIN] if taking.passed_over else []))
            return await page(visit, form, http.CONFLICT, said=" ".join(map(visit.said, words)))
        return await taking.done(form)

    def _signed_out(self, asked: Asked, form: LetterForm) -> Answer:
        return self._webmail.render(
            "write_signed_out.html",
            "",
            http.UNAUTHORIZED,
            form=form,
            written=form.written,
            format=format_of(form),
            draft=identifier.show(form.draft),
            language=asked.language,
            said=_SIGNED_OUT,
            login=LOGIN,
        )


class _Taking:
    """One form that is being taken."""

    def __init__(self, visit: Visit | None) -> None:
        self._visit = visit
        self._draft: Draft | None = None
        self._faults: list[Fault] = []
        self._made: Draft | None = None  # which was begun for this form
        self._said = ""
        self._copied = False  # what was typed is another draft now, which nobody has said to send
        self._lost = False  # its formatting is, of which whoever sends it is to know first
        self._taken = 0  # octets of files
        self.passed_over = False  # files, which came to nobody

    async def begin(self, fields: Fields) -> TakeFile | None:
        """Saves what stands before the first file, so that there is a draft that it can be attached to."""
        visit = self._visit
        self.passed_over = True
        if visit is None or not csrf.is_ours(replace(visit.asked, form=fields), visit.secret):
            return None
        try:
            form, _ = await judged(visit, read_fields(fields))
            self._draft = await self._saved(visit, form, show=False)
        except (Refused, Temporary):
            return None  # it is said when all has come
        self.passed_over = False
        return self._take_file

    async def _take_file(self, file: FileBegins, octets: AsyncIterator[bytes]) -> None:
        """Its size is not known until it has come: as much is set aside as the request announces."""
        visit, draft = self._visit, self._draft
        assert visit is not None
        assert draft is not None
        desk, announced = visit.services.desk, max(_announced(visit.asked) - self._taken, 0)
        try:
            attached = await desk.attach(visit.user, draft.id, file.name, file.kind, announced)
            try:
                size = await desk.take(visit.user, attached, 0, octets)
                await desk.end(attached, size)
                self._taken += size
            except BaseException:
                await desk.detach(visit.user, draft.id, attached.id)
                raise
        except (Refused, Temporary) as error:
            self._faults.append(Fault("attachments", f"“{file.name[:100]}”: {why(visit, error)}"))
        async for _ in octets:  # the rest of one that was refused
            pass

    async def done(self, form: LetterForm) -> Answer:
        """Answers the form."""
        visit = self._visit
        assert visit is not None
        if form.action == "discard":
            return await self._discard(visit, form)
        try:
            form, self._said = await judged(visit, form)
            self._lost = bool(self._said)
            if form.action == "send" and await self._has_left(visit, form):
                return redirect(OUTBOX)
            draft = await self._saved(visit, form, show=True)
        except Temporary:
            return await self._again(visit, form, http.SERVICE_UNAVAILABLE, visit.said(_NOT_NOW))
        except Refused as refused:
            return await self._again(visit, form, http.CONFLICT, why(visit, refused))
        if draft.due:  # a second click
            return self._answer(visit, draft, (), redirect(OUTBOX))
        _, attached = await self._there(visit, draft)
        action, _, what = form.action.partition(" ")
        if action == "detach":
            await visit.services.desk.detach(visit.user, draft.id, id_of(what))
            return await self._go_on(visit, draft)
        if self.passed_over:
            self._faults.append(Fault("attachments", visit.said(_FILES_AGAIN)))
        if self._faults and visit.by_script and action == "autosave":
            self._said = " ".join(fault.text for fault in self._faults)
            return self._answer(visit, draft, attached, redirect(WRITE))
        if self._faults:
            return await page(visit, form_of(draft), http.BAD_REQUEST, attached=attached, faults=self._faults)
        if action == "send" and (self._copied or self._lost):
            return await page(visit, form_of(draft), http.CONFLICT, attached=attached, said=self._said)
        if action == "send":
            return await self._send(visit, draft, attached)
        return await self._go_on(visit, draft)

    async def _go_on(self, visit: Visit, draft: Draft) -> Answer:
        _, attached = await self._there(visit, draft)
        onward = f"{WRITE}?draft={identifier.show(draft.id)}"
        if visit.by_script:
            return self._answer(visit, draft, attached, redirect(onward))
        return await visit.done(self._said or visit.said("Saved in Drafts."), onward)

    async def _there(self, visit: Visit, draft: Draft) -> tuple[Draft, Sequence[Attached]]:
        return await visit.services.desk.find(visit.user, draft.id) or (draft, ())

    async def _send(self, visit: Visit, draft: Draft, attached: Sequence[Attached]) -> Answer:
        outbox = visit.services.outbox
        try:
            faults = await outbox.check(visit.user, draft, attached)
            if not faults:
                await outbox.send(visit.user, draft)
                return self._answer(visit, draft, attached, redirect(OUTBOX))
        except DraftChanged:
            return redirect(OUTBOX)
        except Temporary:
            faults = [Fault("", visit.said("The server cannot take this now. Your draft is kept: please try again."))]
        faults = [Fault(fault.field, visit.said(fault.text)) for fault in faults]
        return await page(visit, form_of(draft), http.BAD_REQUEST, attached=attached, faults=faults)

    def _answer(self, visit: Visit, draft: Draft, attached: Sequence[Attached], otherwise: Answer) -> Answer:
        if not visit.by_script:
            return otherwise
        return json(
            {
                "draft": identifier.show(draft.id),
                "version": draft.version,
                "said": self._said,
                "quoted": draft.written.quoted,
                "attachments": [shown(one) for one in attached if one.role == ""],
            }
        )

    async def _again(self, visit: Visit, form: LetterForm, code: int, said: str) -> Answer:
        """The form comes back as it was sent, with the draft that was begun for it: the next try goes on with that."""
        made = self._made
        if made is not None:
            form = replace(form, draft=made.id, version=made.version, enclose="")
        if visit.by_script:
            there = {"draft": identifier.show(made.id), "version": made.version} if made is not None else {}
            return json({"message": said, **there}, code)
        found = await visit.services.desk.find(visit.user, form.draft) if code == http.CONFLICT else None
        return await page(visit, form, code, attached=found[1] if found else (), said=said)

    async def _discard(self, visit: Visit, form: LetterForm) -> Answer:
        try:
            if form.version:
                await visit.services.desk.discard(visit.user, form.draft)
            elif form.enclose.startswith("draft "):
                await _discard_of_program(visit, form)
        except DraftChanged as refused:
            return await self._again(visit, form, http.CONFLICT, why(visit, refused))
        return await visit.done(visit.said("The draft is discarded."), "/")

    # Saving

    async def _has_left(self, visit: Visit, form: LetterForm) -> bool:
        """Whether this very message was sent by a click before, whose answer was lost."""
        desk = visit.services.desk
        if self._draft is not None or not form.draft or await desk.find(visit.user, form.draft) is not None:
            return False
        body = await desk.sent(visit.user, form.draft)
        try:
            return body is not None and await originals.says(visit, body, form.written)
        except Corrupt:  # then nobody can tell
            return False

    async def _saved(self, visit: Visit, form: LetterForm, *, show: bool) -> Draft:
        """The draft with what stands in the form, which is another one where this one has changed meanwhile."""
        desk, user, before = visit.services.desk, visit.user, self._draft
        if before is not None:  # saved before its first file came
            form = replace(form, draft=before.id, version=before.version)
        draft = await self._at_hand(visit, form)
        if draft.due or not show:
            return draft
        written = await self._with_quote(visit, draft, form.written)
        try:
            return await desk.save(user, draft.id, draft.version, written, asked=form.action != "autosave")
        except DraftChanged:  # a second click that came meanwhile has saved the same
            there = await desk.find(user, draft.id)
            if there is None or there[0].written != written:
                raise
            return there[0]

    async def _with_quote(self, visit: Visit, draft: Draft, written: Written) -> Written:
        """What is to be quoted is kept with the draft from the first time on: the message that it is of may go."""
        if not written.quoted:
            return written
        _, attached = await self._there(visit, draft)
        if any(one.role == composition.QUOTE and one.complete for one in attached):
            return written
        try:
            place = await originals.find(visit, written.original)
            await originals.quote(visit, msgspec.structs.replace(draft, written=written), attached, place)
        except Refused as refused:
            self._faults.append(Fault("quote", why(visit, refused)))
        except Corrupt:
            self._faults.append(Fault("quote", visit.said(_DAMAGED)))
        else:
            return written
        return msgspec.structs.replace(written, quoted=False)

    async def _at_hand(self, visit: Visit, form: LetterForm) -> Draft:
        """The draft of the form, a new one, or a copy where it is another one by now than the form was made of.

        One that says the same is no other one, though it is leaving: it was saved by the click before.
        """
        desk, user = visit.services.desk, visit.user
        found = await desk.find(user, form.draft) if form.draft else None
        if found is None and not form.version:
            try:
                made = await self._begun(visit, form)
                if made.id == form.draft or not form.draft:
                    self._made = made
                    return made
                found = await desk.find(user, made.id)  # another window goes on with this draft of a mail program
            except DraftChanged:  # it was sent already, or a second click has come meanwhile
                found = await desk.find(user, form.draft)
        draft, attached = found if found is not None else (None, ())
        if draft is not None:
            # One that nobody has been shown was begun by this form, whose answer was lost or said to try again.
            unshown = not draft.entry or (form.enclose.startswith("draft ") and draft.id == form.draft)
            first = form.version == 0 and draft.version == 1 and unshown
            same_version = (first or draft.version == form.version) and not draft.due
            if same_version or draft.written == form.written:
                return draft
        self._made = copy = await desk.create_with(user, form.written, partial(desk.copy, user, attached))
        self._said, self._copied = visit.said(_CHANGED), True
        return copy

    async def _begun(self, visit: Visit, form: LetterForm) -> Draft:
        """A new draft, with what it encloses. Raises DraftChanged."""
        desk = visit.services.desk
        kind, _, place = form.enclose.partition(" ")
        if kind == "draft":
            try:
                found = await originals.find(visit, place)
            except Refused:  # another window has replaced, sent or discarded it
                self._said, self._copied = visit.said(_CHANGED), True
                return await desk.create(visit.user, form.written, form.draft)
            if not found.is_draft:  # what is sent or discarded takes it along
                raise Refused(visit.said("This message is not a draft"), "conflict")
            take_files = partial(originals.take_files, visit, found=found)
            try:
                return await desk.create_with(visit.user, form.written, take_files, form.draft, entry=found.entry)
            except Corrupt:  # to go on without its files would lose them
                raise Refused(visit.said(_DAMAGED_DRAFT), "conflict") from None
        if kind not in ("message", "files"):
            return await desk.create(visit.user, form.written, form.draft)

        async def take(draft: Draft) -> None:
            attach = originals.enclose if kind == "message" else originals.take_files
            try:
                await attach(visit, draft, await originals.find(visit, place))
            except Refused as refused:
                self._faults.append(Fault("attachments", why(visit, refused)))
            except Corrupt:
                self._faults.append(Fault("attachments", visit.said(_DAMAGED)))

        return await desk.create_with(visit.user, form.written, take, form.draft)


async def _discard_of_program(visit: Visit, form: LetterForm) -> None:
    """A draft that a mail program has put there, and that nobody has saved here. Raises DraftChanged and Temporary."""
    desk = visit.services.desk
    found = await originals.find(visit, form.enclose.partition(" ")[2])
    if found.is_draft:
        draft = await desk.create(visit.user, Written(), entry=found.entry)
        await desk.discard(visit.user, draft.id)


def _announced(asked: Asked) -> int:
    length = asked.header("content-length")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 16 else 0
