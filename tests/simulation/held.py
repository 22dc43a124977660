"""What administrators do with the archive: nothing that is held, or that retention asks for, may be dropped, and what
is released arrives once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mpcontinuity.mailbox.names import ARCHIVED_USE
from mpcontinuity.model.address import parse
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.sender import Letter

if TYPE_CHECKING:
    from tests.simulation.audit import Audit
    from tests.simulation.play import Play

_ROWS = Statement(
    """SELECT archive.id, domain.name, archive.direction, archive.recipients FROM archive
    JOIN domain ON domain.id = archive.domain"""
)


_SHOWN = Statement(
    f"""SELECT mailbox.account, entry.body, COUNT(*), EXISTS (SELECT 1 FROM archive WHERE archive.body = entry.body)
    FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32 WHERE mailbox.use = '{ARCHIVED_USE}' GROUP BY 1, 2"""
)


class Held:
    """Hears of each operation before it is asked for and after it was answered.

    A user is held from the answer to `archive hold` until somebody asks to lift one. A domain's mail may be dropped by
    a purge that was asked for since the last look, or has no answer yet, where the domain may keep nothing meanwhile.
    """

    def __init__(self, play: Play, audit: Audit) -> None:
        self._play = play
        self._audit = audit
        self.lowered: set[str] = set()  # domains that an administrator may have had keep nothing, now or before
        self._lowered_now: set[str] = set()
        self._purging: set[str] = set()  # purges without an answer, or answered since the last look
        self._answered: set[str] = set()
        self._held: set[str] = set()  # users, as the last look knew them
        self._rows: dict[int, tuple[str, str, tuple[str, ...]]] = {}  # domain, direction, recipients
        self._users = {user for plan in play.story.domains for user in plan.users}
        self._released: set[str] = set()  # domains of which a release was asked for

    def asked(self, operation: str, arguments: dict[str, Any]) -> None:
        """An administrator asks for it now."""
        if operation == "domain set" and arguments["settings"].get("retention-days") == "0":
            self.lowered.add(arguments["name"])
            self._lowered_now.add(arguments["name"])
        elif operation == "archive purge":
            self._purging.add(arguments["domain"])
            self._answered.discard(arguments["domain"])
        elif operation == "archive hold lift":
            self._held.clear()
        elif operation == "archive release found":
            self._released.add(arguments["domain"])

    def answered(self, operation: str, arguments: dict[str, Any]) -> None:
        """It was done."""
        if operation == "archive purge":
            self._answered.add(arguments["domain"])
        elif operation == "domain set" and arguments["settings"].get("retention-days") == "90":
            if arguments["name"] not in self._purging:
                self._lowered_now.discard(arguments["name"])
        elif operation == "archive hold":
            self._held.add(arguments["user"])

    def releases(self, number: int) -> int:
        """How often a letter may have arrived because it was released: searches release once what came, however often
        that was, and again what home took without that being heard."""
        letter = self._play.letters[number]
        if not self.released(letter.recipients):
            return 0
        return letter.times + self._audit.excusable(letter) + self._unheard(letter)

    def _unheard(self, letter: Letter) -> int:
        """Times that home took it for a relay and its answer was lost: nobody but the archive has it then, where it
        stays unreleased. Of a message to a user we keep what is in doubt, and it is brought under the same id."""
        return sum(
            not taken.known
            for recipient in letter.recipients
            if self._audit.relayed(recipient)
            for taken in self._audit.takes_of(letter, recipient)[:-1]  # of the last one nobody can have heard yet
        )

    def released(self, recipients: tuple[str, ...]) -> bool:
        """Whether an administrator wanted that released which is archived of one of their domains."""
        return any(each.rpartition("@")[2] in self._released for each in recipients)

    def look(self, tx: Transaction) -> None:
        """Compares the archive with what it was at the last look."""
        rows = {id_: (domain, direction, tuple(json.loads(to))) for id_, domain, direction, to in tx.all(_ROWS)}
        for id_ in self._rows.keys() - rows.keys():
            self._judge(*self._rows[id_])
        self._rows = rows
        for account, body, count, archived in tx.all(_SHOWN):
            if count > 1:
                self._play.fault(f"message {body} is {count} times in Email Archive of {account}")
            if not archived:
                self._play.fault(f"message {body} is in Email Archive of {account}, and not in the archive")
        self._purging -= self._answered
        self._answered.clear()

    def _judge(self, domain: str, direction: str, recipients: tuple[str, ...]) -> None:
        users = {parse(each).untagged_key for each in recipients} if direction == "inbound" else set()
        if users & self._held:
            self._play.fault(f"a message to {recipients} was dropped, although it is held")
        elif domain not in self._purging or domain not in self._lowered_now:
            self._play.fault(f"a message to {recipients} was dropped, although retention keeps it")
