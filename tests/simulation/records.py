"""What is kept of all that passed: bodies as they were sent, the archive, tracking, and as many copies as were
answered 250."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.model.identifier import show
from mpcontinuity.queue.owed import decode_parameters
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.home import Taken
from tests.simulation.sender import Letter, letter_of

if TYPE_CHECKING:
    from tests.simulation.audit import Audit
    from tests.simulation.play import Play

_ARCHIVE = Statement("SELECT message_id, recipients FROM archive")
_BODIES = Statement('SELECT id, pack, "offset", length, prefix, crc FROM body')
_OWED = Statement("SELECT id, message_id, parameters FROM owed")
_TRACKING = Statement("SELECT message_id, recipient, status FROM tracking WHERE direction <> 'alert'")


def unrelated(takes: list[Taken]) -> int:
    """How many of them share an id with none of those before: a repeat is known by its id."""
    seen: set[bytes] = set()
    count = 0
    for taken in takes:
        count += seen.isdisjoint(taken.ids)
        seen |= taken.ids
    return count


class Records:
    """Looked at when a process has started, and at the end. ``numbers`` are those of letters, by body."""

    def __init__(self, play: Play, audit: Audit, numbers: dict[int, int]) -> None:
        self._play = play
        self._audit = audit
        self._numbers = numbers

    def look_at_bodies(self) -> None:
        """Every body is there, as it was sent."""
        process = self._play.process
        assert process is not None
        bodies = self._play.machine.look(lambda tx: [Body(*row) for row in tx.all(_BODIES)])
        process.store.bodies.read_many(bodies).addCallback(partial(self._compare, bodies))

    def _compare(self, bodies: Sequence[Body], contents: Sequence[bytes | Corrupt]) -> None:
        for body, content in zip(bodies, contents, strict=True):
            number = self._numbers.get(body.id)
            if isinstance(content, Corrupt):
                self._play.fault(f"the index names what is not there: {content}, letter {number}")
            elif number and not content.endswith(b"\r\n" + self._play.letters[number].content):
                self._play.fault(f"the body of letter {number} is not what was sent: {content[:400]!r}")

    def count_copies(self, tx: Transaction) -> None:
        """The same octets that were answered 250 twice are two messages, where nobody was cut off in between."""
        play = self._play
        if play.removing or {event.what for event in play.story.events} & {"weather", "crash", "full"}:
            return
        shown: dict[int, set[str]] = {}
        for owed, message_id, parameters in tx.all(_OWED):
            shown.setdefault(letter_of(message_id), set()).add(decode_parameters(parameters).shown or show(owed))
        for letter in play.letters.values():
            recipient = letter.recipients[0]
            if letter.times == 1 or recipient.startswith("postmaster@"):
                continue
            takes = self._audit.takes_of(letter, recipient)
            at_home = {one.decode() for taken in takes for one in taken.ids}
            copies = unrelated(takes) + len(shown.get(letter.number, set()) - at_home)
            if copies < letter.read:
                play.fault(f"letter {letter.number} was answered 250 {letter.read} times, and there are {copies} of it")

    def look(self, tx: Transaction) -> None:
        """Archive and tracking have all that passed."""
        play = self._play
        archived: dict[int, set[str]] = {}
        for shown, recipients in tx.all(_ARCHIVE):
            archived.setdefault(letter_of(shown), set()).update(json.loads(recipients))
        tracked: dict[tuple[int, str], list[str]] = {}
        for shown, recipient, status in tx.all(_TRACKING):
            if shown:
                tracked.setdefault((letter_of(shown), recipient), []).append(status)
        for letter in play.letters.values():
            for recipient in letter.answered:
                self._judge_records(letter, recipient, archived, tracked)

    def _judge_records(self, letter: Letter, recipient: str, archived: Any, tracked: Any) -> None:
        play = self._play
        if any(
            shown.encode() in taken.content
            for shown in play.unrecorded
            for each in letter.recipients
            for taken in self._audit.takes_of(letter, each)
        ):
            return  # home took it while our disk was full, which is made good at the next start
        plan = next(each for each in play.story.domains if each.name == recipient.partition("@")[2])
        kept = dict(plan.settings).get("retention-days") != "0" and plan.name not in self._audit.held.lowered
        if kept and recipient not in archived.get(letter.number, ()):
            play.fault(f"letter {letter.number} to {recipient} is not in the archive")
        statuses = tracked.get((letter.number, recipient), [])
        if not set(statuses) & {"delivered", "deferred"}:
            play.fault(f"letter {letter.number} to {recipient} was answered 250, and is tracked as {statuses}")
