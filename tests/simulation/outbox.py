"""What users write by webmail: it leaves once, after it was promised, or it is a draft; never both, and never neither.

From then on it is judged as what users send otherwise (`sent.py`): it has a number as other letters have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from mpcontinuity.accounts import users
from mpcontinuity.mailbox.drafts import UNDO, Written
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.sender import Letter

if TYPE_CHECKING:
    from tests.simulation.play import Play
    from tests.simulation.process import Process

FIRST_WRITTEN = 1_500_000  # numbers of letters that are written by webmail
SLACK = 1.0  # seconds by which a process's clock may be ahead

_LEFT = Statement(
    """SELECT message_id, recipient, COUNT(*) FROM tracking
    WHERE direction = 'outbound' AND message_id LIKE '<15_____@client.example>' GROUP BY message_id, recipient"""
)
_DRAFTS = Statement("SELECT id, due, fault FROM draft")
_WAITING = Statement("SELECT 1 FROM draft WHERE due > 0 LIMIT 1")


@dataclass
class Piece:
    """What a user writes. ``saved`` and ``promised``: when the server said so; 0.0: it never did, or nobody knows.

    ``asked``: when Send was pressed last, whatever was heard of it; 0.0: never, or it was called back since.
    """

    letter: Letter
    draft: int = 0
    saved: float = 0.0
    asked: float = 0.0
    promised: float = 0.0


@dataclass
class Writing:
    """The users who write, and the auditor of what they write."""

    play: Play
    pieces: dict[int, Piece] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)  # of letters, by their drafts

    async def write(
        self, process: Process, author: str, number: int, recipients: tuple[str, ...], undo: float, again: bool
    ) -> None:
        """Writes a letter and sends it; calls it back after ``undo`` seconds (0: not), and then perhaps sends it
        ``again``, as it has been corrected meanwhile."""
        world, desk, outbox = self.play.world, process.desk, process.outbox
        user = await process.store.read(partial(users.find, address=parse(author)))
        if user is None:
            return
        text = f"a draft of {author}, number {number}"
        letter = Letter(number, author, recipients, _shown(text))
        piece = self.pieces[number] = Piece(letter)
        self.play.sent[number] = letter
        piece.draft = desk.new_id()
        self.numbers[piece.draft] = number
        written = Written(to=", ".join(recipients), subject=f"sent letter {number}", text=text)
        draft = await desk.create(user, written, piece.draft)
        draft = await desk.save(user, draft.id, draft.version, written)
        piece.saved = world.now
        found = await desk.find(user, draft.id)
        if found is None or await outbox.check(user, *found):
            return
        piece.asked = world.now
        await outbox.send(user, draft)
        piece.promised = world.now
        world.note(f"{author} is promised that letter {number} leaves")
        if not undo:
            return
        await process.sleep(undo)
        promised, piece.promised = piece.promised, 0.0  # until the answer is there nobody knows
        if not await outbox.undo(user, draft.id):
            world.note(f"it is too late to call letter {number} back")
            piece.promised = promised
            return
        piece.asked = 0.0
        world.note(f"letter {number} is called back")
        found = await desk.find(user, draft.id)
        if not again or found is None:
            return
        letter.content = _shown(text + ", corrected")  # the other text may not leave any more
        again_written = Written(to=written.to, subject=written.subject, text=text + ", corrected")
        draft = await desk.save(user, draft.id, found[0].version, again_written)
        piece.asked = world.now
        await outbox.send(user, draft)
        piece.promised = world.now
        world.note(f"{author} is promised that letter {number} leaves, corrected")

    # The auditor

    def look(self, tx: Transaction) -> None:
        """What must hold at every moment."""
        if not self.pieces:
            return
        left: dict[int, set[str]] = {}
        for shown, recipient, times in tx.all(_LEFT):
            number = int(shown.strip("<>").partition("@")[0])
            left.setdefault(number, set()).add(recipient)
            if times > 1:
                self.play.fault(f"written letter {number} left {times} times for {recipient}")
        drafts = {id_: (due, fault) for id_, due, fault in tx.all(_DRAFTS)}
        for number, piece in self.pieces.items():
            self._judge(number, piece, left.get(number, set()), drafts)

    def _judge(self, number: int, piece: Piece, left: set[str], drafts: dict[int, tuple[int, str]]) -> None:
        play, now, letter = self.play, self.play.world.now, piece.letter
        if left:
            for recipient in left:
                letter.answered.setdefault(recipient, now)
            if left != set(letter.recipients):
                play.fault(f"written letter {number} left for {sorted(left)} alone")
            if piece.draft in drafts:
                play.fault(f"written letter {number} has left, and is a draft")
            if not piece.asked:
                play.fault(f"written letter {number} has left, although nobody sent it or it was called back")
            elif now < piece.asked + UNDO / SECOND - SLACK and not self._jumps():
                play.fault(f"written letter {number} has left before the time to call it back was over")
        elif piece.saved and piece.draft not in drafts and letter.reverse_path not in play.removing:
            play.fault(f"written letter {number} was saved, and is gone")

    def _jumps(self) -> bool:
        return any(event.what == "jump" for event in self.play.story.events)

    def settled(self, tx: Transaction) -> bool:
        """Whether nothing is to leave any more."""
        return not self.pieces or tx.one(_WAITING) is None

    def end(self, tx: Transaction) -> None:
        """What was promised has left, or its author is told why not."""
        drafts = {id_: (due, fault) for id_, due, fault in tx.all(_DRAFTS)}
        for number, piece in self.pieces.items():
            author = piece.letter.reverse_path
            if not piece.promised or piece.letter.answered or author in self.play.removing:
                continue
            if not drafts.get(piece.draft, (0, ""))[1]:
                self.play.fault(f"written letter {number} was promised to leave, and {author} has it as a draft")


def _shown(text: str) -> bytes:
    """How the letter ends: its text, behind the blank line."""
    return f"\r\n\r\n{text}\r\n".encode()
