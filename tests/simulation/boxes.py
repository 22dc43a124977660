"""What mailboxes here have: UIDs that only rise and stay who they are, counters that are true, nothing that is for
somebody else, and nothing twice in INBOX."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.audit import Audit
    from tests.simulation.play import Play


class Boxes:
    """Compares the mailboxes with what they were at the last look. ``numbers`` are those of letters, by body."""

    def __init__(self, play: Play, audit: Audit, numbers: dict[int, int]) -> None:
        self._play = play
        self._audit = audit
        self._numbers = numbers
        self._bodies: dict[int, int] = {}  # entry: body
        self._high: dict[int, tuple[int, int, int]] = {}  # mailbox: uidvalidity, uidnext, modseq

    def look(self, mailboxes: dict[int, Any], entries: list[Any]) -> None:
        fault = self._play.fault
        counts: dict[int, list[int]] = {mailbox: [0, 0, 0, 0] for mailbox in mailboxes}
        inboxes: Counter[tuple[int, str]] = Counter()
        for entry, body, flags, modseq, size, origin in entries:
            mailbox, uid = entry >> 32, entry & 0xFFFFFFFF
            address, name, _, uidnext, highest = mailboxes[mailbox][:5]
            count = counts[mailbox]
            count[0] += 1
            count[1] += not flags & 1
            count[2] += size
            count[3] += bool(flags & 8)
            if uid >= uidnext or modseq > highest:
                fault(f"{name} of {address}: UID {uid}, modseq {modseq} beyond {uidnext}, {highest}")
            known = self._bodies.get(entry)
            if known is None:
                self._bodies[entry] = body
                if mailbox in self._high and uid < self._high[mailbox][1]:
                    fault(f"{name} of {address}: UID {uid} appeared although UIDNEXT was {self._high[mailbox][1]}")
                number = self._numbers.get(body)
                if number and not self._audit.is_for(self._play.letters[number], address):
                    fault(f"letter {number} is in {name} of {address}")
            elif known != body:
                fault(f"{name} of {address}: UID {uid} is another message than before")
            number = self._numbers.get(body, 0)
            if name == "INBOX" and number and not origin:
                inboxes[number, address] += 1
        self._compare(mailboxes, counts)
        self._judge_inboxes(inboxes)

    def _compare(self, mailboxes: dict[int, Any], counts: dict[int, list[int]]) -> None:
        fault = self._play.fault
        for mailbox, row in mailboxes.items():
            address, name, *high = row[:5]
            if tuple(counts[mailbox]) != row[5:]:
                fault(f"{name} of {address} counts {row[5:]}, and has {counts[mailbox]}")
            before = self._high.get(mailbox)
            if before is not None and (high[0] != before[0] or high[1] < before[1] or high[2] < before[2]):
                fault(f"{name} of {address} went from {before} back to {high}")
            self._high[mailbox] = (high[0], high[1], high[2])

    def _judge_inboxes(self, inboxes: Counter[tuple[int, str]]) -> None:
        """``inboxes``: how often a letter is in whose INBOX."""
        for (number, address), times in inboxes.items():
            owner = self._play.owners.get(address)
            if times > 1 and (owner is None or number not in owner.copied | owner.moving):
                letter = self._play.letters[number]
                # Two addresses of a user may have come in transactions of their own.
                ways = sum(self._audit.reaches(each, address) for each in letter.recipients)
                if times > ways * (letter.times + self._audit.held.releases(number)) + self._audit.excusable(letter):
                    self._play.fault(f"letter {number} is {times} times in INBOX of {address}")
