"""What users send: each message is once in Sent and not in INBOX, once where it was for, and of what nobody took its
author hears."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.home import Taken
from tests.simulation.reader import Owner
from tests.simulation.sender import Letter

if TYPE_CHECKING:
    from tests.simulation.audit import Audit
    from tests.simulation.play import Play

NOTICED = 30.0  # seconds after a death or a full disk within which what was heard may not have been written down
_COPY = b"X-MPContinuity-Copy: sent\r\n"
_REPORT = b"multipart/report"

_ENTRIES = Statement(
    """SELECT mailbox.name, account.address, named.message_id FROM entry
    JOIN mailbox ON mailbox.id = entry.id >> 32 JOIN account ON account.id = mailbox.account
    JOIN (SELECT body, message_id FROM archive UNION SELECT body, message_id FROM owed) named ON named.body = entry.body
    WHERE named.message_id LIKE '<1______@client.example>' AND mailbox.name IN ('INBOX', 'Sent')"""
)
_TRACKED = Statement(
    """SELECT message_id, recipient, direction, status, outcome FROM tracking
    WHERE message_id LIKE '<1______@client.example>'"""
)
# A message to several recipients is reported in one report or in several.
_REPORTS = Statement("SELECT recipient FROM tracking WHERE direction = 'dsn'")
_UNREPORTED = Statement(
    "SELECT message_id, recipient FROM outgoing WHERE state IN ('failed', 'expired') AND unreported = 1"
)
_GIVEN_UP = Statement("SELECT DISTINCT kind, recipient FROM outgoing WHERE state = 'expired'")


class Sent:
    """Compares what users have sent with mailboxes here, home servers and the world."""

    def __init__(self, play: Play, audit: Audit) -> None:
        self._play = play
        self._audit = audit
        self._takes: dict[tuple[int, str, bool], list[Taken]] = {}  # letter, recipient, whether as the author's copy

    def taken(self, taken: Taken) -> None:
        """A home server or the world has a message of a user, or a report."""
        play = self._play
        head = taken.content.partition(b"\r\n\r\n")[0]
        letter = play.sent.get(taken.number)
        if letter is None:
            if _REPORT in head and not set(taken.recipients) <= set(self._authors()):
                play.fault(f"a report reached {taken.recipients}, who sent nothing")
            return
        added = taken.content.partition(letter.content)[0]
        if not taken.content.endswith(letter.content) or b"\r\n\r\n" in added:
            play.fault(f"sent letter {letter.number} arrived changed: {taken.content[:400]!r}")
        copy = taken.recipients == (letter.reverse_path,) and letter.reverse_path not in letter.recipients
        by_smtp = not any(
            (user, shown) in home.mailboxes.taken
            for home in play.homes.values()
            for user in taken.recipients
            for shown in taken.ids
        )
        if copy and by_smtp and _COPY not in added and not self._audit.held.released(taken.recipients):
            play.fault(f"the copy of sent letter {letter.number} reached home as if it were new mail")
        for recipient in taken.recipients:
            if not copy and recipient not in letter.recipients:
                play.fault(f"sent letter {letter.number} reached {recipient}, whom it is not for")
            self._judge_once(letter, recipient, taken, copy=copy)

    def _judge_once(self, letter: Letter, recipient: str, taken: Taken, *, copy: bool) -> None:
        """Who heard that it was taken sends it no more. A crash may come before that is written down."""
        play = self._play
        before = self._takes.setdefault((letter.number, recipient, copy), [])
        if self._audit.excusable(letter) == 0 and not self._audit.held.released(taken.recipients):
            for one in before:
                heard = one.known[0] if one.known and one.known[0] < taken.begun else 0.0
                if heard and not self._forgotten(one.life, heard):
                    play.fault(f"sent letter {letter.number} reached {recipient} again although its 250 was heard")
        before.append(taken)

    def _forgotten(self, life: int, heard: float) -> bool:
        died = self._play.deaths.of.get(life)
        if died is not None and died <= heard + NOTICED:
            return True
        return self._play.deaths.full_between(heard - NOTICED, heard + NOTICED)

    def _authors(self) -> set[str]:
        return {letter.reverse_path for letter in self._play.sent.values()}

    def shown(self, owner: Owner, number: int, content: bytes) -> None:
        """A user's client fetched a message of a user, or a report."""
        play = self._play
        letter = play.sent.get(number)
        if letter is None:
            if owner.address not in self._authors():
                play.fault(f"{owner.address} sees a report, and sent nothing")
        elif not content.endswith(letter.content):
            play.fault(f"{owner.address} sees sent letter {number} changed: {content[:400]!r}")
        elif owner.address not in (letter.reverse_path, *map(self._audit.owner, letter.recipients)):
            play.fault(f"{owner.address} sees sent letter {number}, which is for {letter.recipients}")

    def look(self, tx: Transaction) -> None:
        """Each message that was answered 250 is in Sent once, and in INBOX of those alone for whom it is."""
        play = self._play
        if "give_up" not in play.story.retry:
            for kind, recipient in tx.all(_GIVEN_UP):  # whatever the clock says: no story lasts for days
                play.fault(f"{kind} to {recipient} was given up, and was not tried for long")
        if not play.sent:
            return
        places = Counter((name, address, _number(shown)) for name, address, shown in tx.all(_ENTRIES))
        for (folder, address, number), times in places.items():
            letter = play.sent[number]
            owner = play.owners.get(address)
            moved = owner is None or number in owner.copied | owner.moving
            most = 1 if folder == "Sent" else address in map(self._audit.owner, letter.recipients)
            if folder == "Sent" and address != letter.reverse_path:
                play.fault(f"sent letter {number} is in Sent of {address}, who did not send it")
            if folder == "INBOX":
                most += self._audit.excusable(letter) + self._releases(letter, address)
            if times > most and not moved:
                play.fault(f"sent letter {number} is {times} times in {folder} of {address}")
        for letter in play.sent.values():
            author = letter.reverse_path
            if not letter.answered or author in play.removing or self._archives_nothing(author):
                continue
            copied_home = (letter.number, author, True) in self._takes or (letter.number, author, False) in self._takes
            left = self._leaves(author) and copied_home
            if not places["Sent", author, letter.number] and not left:
                play.fault(f"sent letter {letter.number} was answered 250, and is not in Sent of {author}")

    def _releases(self, letter: Letter, address: str) -> int:
        """How often it may be in that INBOX because it was released: to who wrote it, and to who it was for."""
        if not self._audit.held.released((address,)):
            return 0
        places = [letter.reverse_path, *map(self._audit.owner, letter.recipients)].count(address)
        return places * (1 + self._audit.excusable(letter))

    def _setting(self, user: str, name: str) -> str:
        plan = next(each for each in self._play.story.domains if each.name == user.partition("@")[2])
        return dict(plan.settings).get(name, "")

    def _archives_nothing(self, user: str) -> bool:
        """Then nothing tells which message an entry is of."""
        return self._setting(user, "retention-days") == "0" or user.partition("@")[2] in self._audit.held.lowered

    def _leaves(self, user: str) -> bool:
        """What home has leaves the mailbox."""
        return self._setting(user, "kept-days") == "0"

    def end(self, tx: Transaction) -> None:
        """Whoever it was for has it, or its author was told; and home has the author's copy."""
        play = self._play
        if not play.sent:
            return
        ended: dict[tuple[int, str, str], set[str]] = {}
        for shown, recipient, direction, status, outcome in tx.all(_TRACKED):
            ended.setdefault((_number(shown), recipient, direction), set()).update((status, outcome))
        told = Counter(address for (address,) in tx.all(_REPORTS))
        for shown, recipient in tx.all(_UNREPORTED):
            play.fault(f"{shown} to {recipient} was not delivered, and nobody was told")
        for letter in play.sent.values():
            author = letter.reverse_path
            for recipient in letter.answered:
                self._judge_arrived(letter, recipient, ended, told)
            if letter.answered and author not in letter.recipients and author not in play.removing:
                states = ended.get((letter.number, author, "redelivery"), set())
                if (letter.number, author, True) not in self._takes and not states & _ENDED:
                    play.fault(f"home has no copy of sent letter {letter.number}, which ended as {sorted(states)}")

    def _judge_arrived(
        self, letter: Letter, recipient: str, ended: dict[tuple[int, str, str], set[str]], told: Counter[str]
    ) -> None:
        play, number = self._play, letter.number
        if (number, recipient, False) in self._takes:
            return
        states = {each for (of, to, _), all_ in ended.items() if (of, to) == (number, recipient) for each in all_}
        if not states & _ENDED:
            play.fault(f"sent letter {number} to {recipient} was answered 250, and ended as {sorted(states)}")
        elif "bounced" in states and not told[letter.reverse_path] and letter.reverse_path not in play.removing:
            play.fault(f"sent letter {number} to {recipient} bounced, and {letter.reverse_path} was not told")


_ENDED = {"bounced", "failed", "expired", "deleted", "released"}


def _number(message_id: str) -> int:
    return int(message_id.strip("<>").partition("@")[0])
