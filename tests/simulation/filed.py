"""Where home's IMAP door must have what its users had here: in which folder, with which flags and date, and once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from mpcontinuity.mailbox import keywords
from mpcontinuity.mailbox.names import ARCHIVED_USE
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.flags import DELETED, SYSTEM
from mpcontinuity.model.identifier import show
from mpcontinuity.queue.owed import decode_parameters
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.home import Home, Taken
from tests.simulation.mailboxes import Filed, Kept, Mailboxes
from tests.simulation.sender import letter_of

if TYPE_CHECKING:
    from tests.simulation.audit import Audit
    from tests.simulation.play import Play

SLACK = 2.0  # seconds from the moment at which a row's places are read to its first command to home, or to a connection

_OWED = Statement(
    """SELECT owed.id, account.address, recipient, parameters, body, message_id FROM owed
    JOIN account ON account.id = owed.account"""
)
_PLACES = Statement(
    r"""SELECT account.address, mailbox.id, mailbox.name, entry.flags, entry.internaldate,
        CASE WHEN body.origin > 0 THEN body.origin ELSE body.id END
    FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32 JOIN account ON account.id = mailbox.account
        JOIN body ON body.id = entry.body
    WHERE mailbox.use NOT IN ('\Trash', :archived) AND mailbox.name NOT LIKE 'Trash/%'"""
)

# A folder of ours, flags, and the date in seconds since 1970.
Place = tuple[str, frozenset[str], int]


class Filing:
    """Remembers where each letter has been in its user's mailboxes, from commit to commit, and judges where home has
    it."""

    def __init__(self, play: Play, audit: Audit) -> None:
        self._play = play
        self._audit = audit
        self._changes = -1
        self._recipients: dict[tuple[str, bytes], set[str]] = {}  # by user and id at home
        self._shown: dict[int, bytes] = {}  # owed row: id at home
        self._numbers: dict[int, int] = {}  # body: letter
        self._places: dict[tuple[str, int], list[tuple[float, frozenset[Place]]]] = {}  # by user and letter
        self.watched = [plan.name for plan in play.story.domains if "home-imap" in dict(plan.settings)]
        for name in self.watched:
            home = play.homes[name]
            home.mailboxes.recipients = lambda user, id_: self._recipients.get((user, id_), set())
            home.mailboxes.on_filed = lambda filed, home=home: self._filed(home, filed)  # type: ignore[misc]
            home.mailboxes.on_taken = home.took

    def look(self) -> None:
        """Is called after each turn: what is committed is remembered."""
        if not self.watched:
            return
        changes = self._play.machine.changes()
        if changes != self._changes:
            self._changes = changes
            self._play.machine.look(self._look)

    def _look(self, tx: Transaction) -> None:
        for id_, address, recipient, parameters, body, shown in tx.all(_OWED):
            if id_ not in self._shown:
                self._shown[id_] = (decode_parameters(parameters).shown or show(id_)).encode()
                self._numbers[body] = letter_of(shown)
            self._recipients.setdefault((address, self._shown[id_]), set()).add(recipient)
        now: dict[tuple[str, int], set[Place]] = {key: set() for key in self._places}
        names: dict[int, dict[int, str]] = {}
        for address, mailbox, folder, mask, date, body in tx.all(_PLACES, archived=ARCHIVED_USE):
            number = self._numbers.get(body)
            if not number or mask & DELETED:
                continue
            if mailbox not in names:
                names[mailbox] = keywords.of(tx, mailbox)
            flags = {name for name, bit in SYSTEM.items() if mask & bit}
            flags |= {name for bit, name in names[mailbox].items() if mask >> bit & 1}
            now.setdefault((address, number), set()).add((folder, frozenset(flags), date // SECOND))
        for key, places in now.items():
            history = self._places.setdefault(key, [])
            if not history or history[-1][1] != places:
                history.append((self._play.world.now, frozenset(places)))

    # What home has

    def has(self, user: str, number: int) -> bool:
        """Whether home has the letter in a mailbox of that user."""
        home = self._play.homes[user.partition("@")[2]]
        return any(kept.number == number for _, kept in home.mailboxes.of(user))

    def sent(self, home: Home, taken: Taken) -> None:
        """What may be at home by IMAP never goes there by SMTP."""
        boxes = home.mailboxes
        brought = {(boxes.owner(recipient), id_) for recipient in taken.recipients for id_ in taken.ids}
        if brought & boxes.taken and not self._play.removing:
            self._play.fault(f"letter {taken.number} went by SMTP, although home has it by IMAP")

    def _filed(self, home: Home, filed: Filed) -> None:
        """A message is appended, or was moved, to a folder of a user."""
        boxes, kept = home.mailboxes, filed.kept
        if not kept.number:
            return
        history = self._places.get((filed.user, kept.number), [])
        begun = filed.begun - SLACK
        before = [places for since, places in history if since < begun][-1:]
        states = before + [places for since, places in history if since >= begun]
        wanted = frozenset().union(*states)
        where = f"letter {kept.number} is in {filed.folder} of {filed.user} at home"
        # A MOVE at home keeps the date with which it was appended there, whatever it has had here since.
        dates = {date for _, places in history for *_, date in places} if filed.moved else set()
        if not any(self._fits(boxes, filed, place, dates) for place in wanted):
            here = sorted(map(str, wanted))
            self._play.fault(f"{where} with {sorted(kept.flags)} of {kept.date!r}, and was here in {here}")
        self._judge_once(home, filed, history, where)

    def _fits(self, boxes: Mailboxes, filed: Filed, place: Place, dates: set[int]) -> bool:
        folder, flags, date = place
        system = {flag for flag in flags if flag.startswith("\\")}
        kept = flags if boxes.keywords else system
        has = filed.kept.flags
        if boxes.called(folder) != filed.folder and not (boxes.closed and filed.folder == "INBOX"):
            return False
        # What its author has sent is seen at home, in whichever folder it is.
        seen = {"\\Seen"} if filed.kept.number in self._play.sent else set()
        if has not in (kept, kept | seen) and not (filed.flagless and has in (system, system | seen)):
            return False
        return not filed.kept.date or _seconds(filed.kept) in {date, *dates}

    def _judge_once(self, home: Home, filed: Filed, history: list[tuple[float, frozenset[Place]]], where: str) -> None:
        boxes = home.mailboxes
        if boxes.unsearched or filed.kept.ids & home.denied or filed.moved:
            return  # nobody could know; or SMTP has brought it, perhaps twice
        several = any(len({folder for folder, *_ in places}) > 1 for _, places in history)
        for folder, other in boxes.of(filed.user):
            if other is not filed.kept and other.ids & filed.kept.ids and (folder == filed.folder or not several):
                self._play.fault(f"{where}, although it is in {folder} already")

    def end(self) -> None:
        """What was brought home is there once, for each place that it had here."""
        for name in self.watched:
            home = self._play.homes[name]
            for user in home.mailboxes.users():
                seen: set[tuple[str, frozenset[bytes]]] = set()
                for folder, kept in home.mailboxes.of(user):
                    excused = home.mailboxes.unsearched or kept.ids & home.denied
                    brought = {(user, id_) for id_ in kept.ids} & home.mailboxes.taken
                    if (folder, kept.ids) in seen and brought and not excused:
                        self._play.fault(f"letter {kept.number} is more than once in {folder} of {user} at home")
                    seen.add((folder, kept.ids))


def _seconds(kept: Kept) -> int:
    return int(datetime.strptime(kept.date.strip(), "%d-%b-%Y %H:%M:%S %z").timestamp())
