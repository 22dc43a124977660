"""What must be true, whatever happens: looked at all along, after every start, and at the end.

The auditor reads the database between two turns, and compares it with what the mail servers, the home servers and the
users know. docs/simulation.md lists the invariants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mpcontinuity.accounts import domains
from mpcontinuity.mailbox.names import EMAIL_ARCHIVE
from mpcontinuity.model.identifier import parse, show
from mpcontinuity.model.owed import CLAIMED, DELETED, EXPIRED, FAILED, OPEN, OUTCOMES, OWED, RELEASED
from mpcontinuity.queue import ledger
from mpcontinuity.queue.owed import decode_parameters
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.boxes import Boxes
from tests.simulation.course import Course
from tests.simulation.declared import Declared
from tests.simulation.filed import Filing
from tests.simulation.hearing import Hearing
from tests.simulation.held import Held
from tests.simulation.home import Taken
from tests.simulation.memory import left_over, unbounded
from tests.simulation.reader import Owner
from tests.simulation.records import Records, unrelated
from tests.simulation.sender import Attempt, Letter, letter_of
from tests.simulation.sent import Sent
from tests.simulation.story import TOLD

if TYPE_CHECKING:
    from tests.simulation.play import Play

_ROWS = Statement(
    """SELECT owed.id, owed.domain, owed.account, account.address, account.status, owed.recipient, owed.state,
        owed.message_id, owed.body, tracking.outcome, owed.last_code, owed.parameters,
        way = 'imap' AND state IN ('delivered', 'in_flight', 'in_doubt'), kind
    FROM owed LEFT JOIN account ON account.id = owed.account LEFT JOIN tracking ON tracking.owed = owed.id"""
)
_MAILBOXES = Statement(
    """SELECT mailbox.id, account.address, mailbox.name, uidvalidity, uidnext, modseq, messages, unseen, octets, deleted
    FROM mailbox JOIN account ON account.id = mailbox.account"""
)
_ENTRIES = Statement(
    """SELECT entry.id, entry.body, flags, entry.modseq, size, body.origin FROM entry JOIN body ON body.id = entry.body
    ORDER BY entry.id"""
)
_NAMED = Statement("SELECT body, message_id FROM archive UNION SELECT body, message_id FROM owed")
_TOLD = Statement("SELECT subject, recipient, COUNT(*) FROM tracking WHERE subject LIKE 'News %' GROUP BY 1, 2")
_UNSENT = Statement("SELECT 1 FROM outgoing WHERE kind = 'outbound' AND state IN ('queued', 'claimed') LIMIT 1")
_UNTOLD = Statement("SELECT 1 FROM telling WHERE ended = 0 LIMIT 1")

STALE = 60.0  # seconds that a message may be under way to home since it was claimed
NOTICED = 30.0  # seconds from a client's end to that of what was done for it


class Audit:
    def __init__(self, play: Play) -> None:
        self._play = play
        self._course = Course(play)
        self._hearing = Hearing(play)
        self._takes: dict[tuple[int, str], list[Taken]] = {}  # by letter and recipient, in order
        self._last: dict[bytes, list[Taken]] = {}  # by id
        self._releasing: set[int] = set()
        self._numbers: dict[int, int] = {}  # body: letter
        self._changes = -1
        self._owner_of = {user: user for user in play.owners}
        for plan in play.story.domains:
            self._owner_of.update({alias: user for user, alias in plan.aliases})
        self._shared: dict[str, set[str]] = {}  # address: users to whom an administrator may have given it
        self.unsure: set[str] = set()  # addresses that may be unregistered now and then
        self.relays: set[str] = set()  # domains that may be plain relays now and then
        self._read_story()
        self.declared = Declared(play, self)
        self.held = Held(play, self)
        self.filing = Filing(play, self)
        self.sent = Sent(play, self)
        self._boxes = Boxes(play, self, self._numbers)
        self._records = Records(play, self, self._numbers)

    def _read_story(self) -> None:
        for plan in self._play.story.domains:
            self.unsure.update(plan.strangers)
            if dict(plan.settings).get("continuity") == "off":
                self.relays.add(plan.name)
        for event in self._play.story.events:
            if event.what != "admin":
                continue
            operation, arguments = event.how[0], dict(event.how[1])
            if operation in ("user deactivate", "user remove"):
                self.unsure.add(arguments["address"])
            elif operation == "user alias add":
                self._shared.setdefault(arguments["alias"], set()).add(arguments["address"])
            elif arguments.get("settings", {}).get("continuity") == "off":
                self.relays.add(event.who)

    # What others tell

    def paused(self, domain: str) -> None:
        """The flush says that it pauses."""
        self._course.paused(domain)

    def releasing(self, shown: str) -> None:
        """An administrator wants this owed row released."""
        self._releasing.add(parse(shown))

    def taken(self, taken: Taken) -> None:
        """A home server has a message."""
        play = self._play
        if taken.number in play.sent:
            self.sent.taken(taken)
            return
        if not taken.number:
            self._own(taken.content.partition(b"\r\n\r\n")[0], taken)
            return
        letter = play.letters.get(taken.number)
        if letter is None:
            play.fault(f"home got letter {taken.number}, which nobody sent")
            return
        head, found, rest = taken.content.partition(letter.content)
        if (
            not found
            or rest
            or not head.startswith(b"Received: from ")
            or not (1 <= head.count(b"Received: ") <= 1 + self.held.releases(letter.number))
        ):
            play.fault(f"letter {letter.number} reached home changed: {taken.content[:400]!r}")
        if not set(taken.recipients) <= set(letter.recipients):
            play.fault(f"letter {letter.number} reached {taken.recipients}, whom it is not for")
        self.declared.taken(letter, taken)
        for shown in taken.ids:
            for before in self._last.get(shown, ()):
                if set(before.recipients) & set(taken.recipients):
                    self._judge_repeat(letter, before, taken)
            self._last.setdefault(shown, []).append(taken)
        for recipient in taken.recipients:
            self._judge_deleted(letter, recipient, taken)
            takes = self._takes.setdefault((letter.number, recipient), [])
            takes.append(taken)
            groups = unrelated(takes)
            if groups > letter.times + self.excusable(letter) + self.held.releases(letter.number):
                play.fault(f"letter {letter.number} reached {recipient} {groups} times with different ids")

    def _own(self, head: bytes, taken: Taken) -> None:
        """What the server itself wrote: reports to who sent, alerts to who subscribed."""
        if b"multipart/report" in head:
            self.sent.taken(taken)
        elif b"\r\nFrom: Mail System <postmaster@" in head:
            for recipient in taken.recipients:
                self._hearing.shown(self.owner(recipient))
        else:
            self._play.fault(f"home got what nobody wrote: {head[:400]!r}")

    def _judge_repeat(self, letter: Letter, before: Taken, taken: Taken) -> None:
        """Who heard home's 250 sends no more, however the clock jumps."""
        if before.life == taken.life and before.known and before.known[0] < taken.begun:
            self._play.fault(f"letter {letter.number} was sent again although home's 250 was heard")

    def _judge_deleted(self, letter: Letter, recipient: str, taken: Taken) -> None:
        owner = self._play.owners.get(self.owner(recipient))
        if owner is None or letter.number in owner.copied or letter.number in owner.moving:
            return
        if self.held.releases(letter.number):
            return
        deleted = owner.deleted.get(letter.number)
        again = len([each for each in letter.attempts if each.sent]) > 1 or len(letter.recipients) > 1
        if deleted is not None and taken.begun > deleted + STALE and not again:
            self._play.fault(f"letter {letter.number} was sent home although {owner.address} had deleted it")

    def shown(self, owner: Owner, number: int, content: bytes) -> None:
        """A user's client fetched a message."""
        play = self._play
        if number in play.sent or (not number and b"multipart/report" in content.partition(b"\r\n\r\n")[0]):
            self.sent.shown(owner, number, content)
            return
        if number == 0 and b"\r\nFrom: Mail System <postmaster@" in content:
            if not content.endswith(TOLD.encode().replace(b"\n", b"\r\n")):
                self._hearing.shown(owner.address)
            return
        if number == 0:
            if b"a draft of " + owner.address.encode() not in content:
                play.fault(f"{owner.address} sees what is none of their drafts: {content[:200]!r}")
            return
        letter = play.letters[number]
        if not content.endswith(b"\r\n" + letter.content):
            play.fault(f"{owner.address} sees letter {number} changed: {content[:400]!r}")
        if not self.is_for(letter, owner.address):
            play.fault(f"{owner.address} sees letter {number}, which is for {letter.recipients}")

    def owner(self, recipient: str) -> str:
        if recipient in self._owner_of:
            return self._owner_of[recipient]
        return self._owner_of.get(_untagged(recipient), _untagged(recipient))

    def is_for(self, letter: Letter, address: str) -> bool:
        return any(self.reaches(recipient, address) for recipient in letter.recipients)

    def reaches(self, recipient: str, user: str) -> bool:
        """Also where an address was given to somebody meanwhile, or registered by itself once its user was gone."""
        return user in (self.owner(recipient), _untagged(recipient)) or user in self._shared.get(recipient, ())

    def excusable(self, letter: Letter) -> int:
        """Attempts after which nobody could know that home had the message: each may have made one copy."""
        return sum(self._excuses(letter, attempt) for attempt in letter.attempts)

    def _excuses(self, letter: Letter, attempt: Attempt) -> bool:
        play = self._play
        if not attempt.sent or attempt.code == 250:
            return False
        if attempt.code:  # told to try again, perhaps in doubt
            return True
        ended = (attempt.ended or play.world.now) + NOTICED
        died = play.deaths.of.get(attempt.life)
        if died is not None and died <= ended:
            return True
        if play.deaths.full_between(attempt.begun, ended):
            return True
        # A relay answers doubt with 451, which the client perhaps did not read.
        return any(map(self.relayed, letter.recipients))

    def relayed(self, recipient: str) -> bool:
        """Whether we may be a plain relay for that address now and then, so that we keep nothing that is in doubt."""
        owner = self.owner(recipient)
        return owner in self.unsure or owner not in self._play.owners or recipient.partition("@")[2] in self.relays

    def takes_of(self, letter: Letter, recipient: str) -> list[Taken]:
        """What home took of a letter for that recipient, in order."""
        return self._takes.get((letter.number, recipient), [])

    # What the database says

    def look(self) -> None:
        """All that must hold at every moment."""
        play = self._play
        if fault := unbounded(play):
            play.fault(fault)
        play.machine.look(self._look)

    def _look(self, tx: Transaction) -> None:
        changes = self._play.machine.changes()
        if changes == self._changes:
            return
        self._changes = changes
        for domain in domains.listing(tx):
            for line in ledger.report(tx, domain.id):
                if not line.adds_up:
                    self._play.fault(f"the ledger of {domain.name} does not add up: {line}")
        named = {body: letter_of(shown) for body, shown in tx.all(_NAMED)}
        self._numbers.update({body: number for body, number in named.items() if number in self._play.letters})
        entries = tx.all(_ENTRIES)
        mailboxes = {row[0]: row[1:] for row in tx.all(_MAILBOXES)}
        self._boxes.look(mailboxes, entries)
        self._look_at_what_was_told(tx)
        self._look_at_owed(tx.all(_ROWS), mailboxes, entries)
        self._course.look(tx)
        self._hearing.look(tx)
        self.held.look(tx)
        self._play.writing.look(tx)
        self.sent.look(tx)

    def _look_at_what_was_told(self, tx: Transaction) -> None:
        """Each user is told once; what they are told has a subject that nothing else has."""
        for subject, recipient, times in tx.all(_TOLD):
            if times > 1:
                self._play.fault(f"{recipient} was told {subject!r} {times} times")

    def _look_at_owed(self, owed: list[Any], mailboxes: dict[int, Any], entries: list[Any]) -> None:
        play = self._play
        own = [entry for entry in entries if mailboxes[entry[0] >> 32][1] != EMAIL_ARCHIVE]
        has = {(mailboxes[entry >> 32][0], body) for entry, body, *_ in own}
        has |= {(mailboxes[entry >> 32][0], origin) for entry, *_, origin in own}
        states: dict[tuple[int, str], set[str]] = {}
        # By IMAP a message is brought to a user, whichever of their addresses it is for.
        brought = {(row[2], row[8]) for row in owed if row[12]}
        for *columns, _, kind in owed:
            if kind == "draft":  # nobody tracks it, and webmail replaces it when it is saved or sent
                continue
            owed_id, _, account, address, status, recipient, state, shown, body, outcome, code, parameters = columns
            number = letter_of(shown)
            at_home = (decode_parameters(parameters).shown or show(owed_id)).encode()
            waits = state in (OWED, CLAIMED) and not code and (account, body) not in brought
            if waits and self._may_have(recipient, at_home):
                play.fault(f"letter {number} to {recipient} is {state} as if home could not have it")
            states.setdefault((number, recipient), set()).add(state)
            expected = state if state in OUTCOMES else "owed"
            if outcome != expected:
                play.fault(f"letter {number} to {recipient} is {state}, and tracked as {outcome}")
            owner = play.owners.get(address or "")
            missing = state in OPEN and account is not None and (address, body) not in has
            if missing and owner is not None and number not in owner.deleting and address not in play.removing:
                play.fault(f"letter {number} is owed to {address}, who does not have it ({status})")
            self._judge_end(owed_id, at_home, number, recipient, state, owner)
        for letter in play.letters.values():
            for recipient in letter.answered:
                self._judge_answered(letter, recipient, states.get((letter.number, recipient), set()))
            for recipient, (at, code) in letter.refused.items():
                self._judge_refused(letter, recipient, at, code)

    def _may_have(self, recipient: str, shown: bytes) -> bool:
        """Home has it, and never said otherwise: a 4xx or 5xx to a repeat ends the doubt."""
        taken = any(recipient in taken.recipients for taken in self._last.get(shown, ()))
        return taken and shown not in self._play.homes[recipient.partition("@")[2]].denied

    def _judge_end(
        self, owed_id: int, at_home: bytes, number: int, recipient: str, state: str, owner: Owner | None
    ) -> None:
        """No row ends in a way for which there was no reason."""
        play = self._play
        where = f"letter {number} to {recipient} ended as {state}, although"
        home = play.homes[recipient.partition("@")[2]]
        at = self.filing.has(owner.address, number) if owner is not None and self.filing.watched else False
        if (
            state == "delivered"
            and not at  # by another address of theirs
            and not any(at_home in each.ids and recipient in each.recipients for each in home.taken)
        ):
            play.fault(f"{where} home does not have it")
        elif state == DELETED and (owner is None or number not in owner.deleting):
            play.fault(f"{where} its user never deleted it")
        elif (
            state == RELEASED
            and owed_id not in self._releasing
            and not any(self.reaches(recipient, user) for user in play.removing)
        ):
            play.fault(f"{where} no administrator said so")
        elif state == FAILED and not any(
            each.number == number or (not each.number and each.recipient in ("", recipient)) for each in home.refusals
        ):
            play.fault(f"{where} home never refused it")
        elif state == EXPIRED and "give_up" not in play.story.retry:
            play.fault(f"{where} it was not tried for long")

    def _judge_answered(self, letter: Letter, recipient: str, states: set[str]) -> None:
        """What was answered 250 is at home, or owed, or has ended for a reason."""
        if (letter.number, recipient) in self._takes or states:
            return
        if recipient.startswith("postmaster@") and letter.number in self._numbers.values():
            return  # home refused it: it is kept for the administrators
        self._play.fault(f"letter {letter.number} to {recipient} was answered 250 and is lost")

    def _judge_refused(self, letter: Letter, recipient: str, at: float, code: int) -> None:
        home = self._play.homes[recipient.partition("@")[2]]
        begun = max((each.begun for each in letter.attempts if each.begun <= at), default=0.0)
        if not any(
            begun <= each.time <= at and (each.number == letter.number or each.recipient in ("", recipient))
            for each in home.refusals
        ) and not (letter.bare and code == 550):  # what home offers is not known before its first EHLO
            self._play.fault(f"letter {letter.number} to {recipient} was refused with {code}; home never did")

    # Starts and ends

    def started(self) -> None:
        """A process is ready: what it found on the disk is whole."""
        self.look()
        self._records.look_at_bodies()

    def settled(self) -> bool:
        """Whether nothing waits any more."""
        play = self._play
        if any(letter.waiting for letter in (*play.letters.values(), *play.sent.values())):
            return False
        return not play.machine.look(_any_open) and play.machine.look(play.writing.settled)

    def end(self) -> None:
        play = self._play
        self.look()
        if not self.settled():
            waiting = [each.number for each in play.letters.values() if each.waiting]
            rows = play.machine.look(lambda tx: [row for row in tx.all(_ROWS) if row[6] in OPEN])
            play.fault(f"not settled: letters {waiting} wait, and home is owed {rows}")
        self._records.look_at_bodies()
        play.machine.look(self._records.count_copies)
        if fault := left_over(play):
            play.fault(fault)
        play.machine.look(self._records.look)
        play.machine.look(self._hearing.end)
        self.filing.end()
        play.machine.look(play.writing.end)
        play.machine.look(self.sent.end)


def _any_open(tx: Transaction) -> bool:
    return any(row[6] in OPEN for row in tx.all(_ROWS)) or any(tx.one(each) is not None for each in (_UNTOLD, _UNSENT))


def _untagged(address: str) -> str:
    local, _, domain = address.partition("@")
    return f"{local.partition('+')[0]}@{domain}"
