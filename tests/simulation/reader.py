"""Users at their mail clients: through the real IMAP door they read, flag, file, copy, append and delete.

What a client is shown must be its user's mail, as it was sent; UIDs only rise, and none is ever used again.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.simulation.world import World

PATIENCE = 120.0  # seconds that a client waits for the end of a command
_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_NUMBER = re.compile(rb"^Message-ID: <(\d+)@", re.MULTILINE)
_OK_CODE = re.compile(rb"\[(?:APPENDUID|COPYUID) (\d+) (?:[\d:,]+ )?([\d:,]+)\]")

# (verb, folder, which message of it, where to)
Deed = tuple[str, str, int, str]


class Gone(Exception):
    """The connection is lost, or the server does not answer."""


class Denied(Exception):
    """NO or BAD."""


@dataclass
class Owner:
    """What a user, or any of their clients, knows and has done. Messages are known by their letter's number.

    ``deleting``: when they first asked for a message to be deleted, whether or not they had an answer; ``deleted``:
    when the server said that it was done, of messages of which they had no other copy.
    """

    address: str
    seen: dict[tuple[str, int], dict[int, int]] = field(default_factory=dict)  # (folder, uidvalidity): {uid: number}
    highest: dict[tuple[str, int], int] = field(default_factory=dict)  # where seen: the highest UID
    deleting: dict[int, float] = field(default_factory=dict)
    deleted: dict[int, float] = field(default_factory=dict)
    copied: set[int] = field(default_factory=set)
    moving: set[int] = field(default_factory=set)
    drafts: int = 0
    commands: int = 0


class ReaderSession(Protocol):
    """``check`` is told what a message of that number looks like to the user; ``fault`` what is wrong."""

    transport: Any

    def __init__(
        self,
        world: World,
        owner: Owner,
        deeds: Sequence[Deed],
        *,
        check: Callable[[Owner, int, bytes], None],
        fault: Callable[[str], None],
    ) -> None:
        self._world = world
        self._owner = owner
        self._deeds = deeds
        self._check = check
        self._fault = fault
        self._buffer = b""
        self._literals: list[bytes] = []
        self._wanted = 0  # octets of a literal that is under way
        self._line = b""  # of the response that is under way
        self._untagged: list[tuple[bytes, list[bytes]]] = []
        self._tag = 0
        self._waiting: tuple[bytes, Deferred[bytes]] | None = None
        self._folder = ("", 0)
        self._messages: dict[int, bytes] = {}  # of the selected folder: uid, flags
        self._gone = False
        self._greeting: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        self._waiting = (b"*", self._greeting)
        self._world.later(PATIENCE, self._world.nobody, self._impatient, self._greeting)
        Deferred.fromCoroutine(self._run()).addErrback(self._ended)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        self._give_up()

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        while self._take():
            pass

    def _take(self) -> bool:
        if self._wanted:
            if len(self._buffer) < self._wanted:
                return False
            self._literals.append(self._buffer[: self._wanted])
            self._buffer = self._buffer[self._wanted :]
            self._wanted = 0
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        piece, self._buffer = self._buffer[: end + 2], self._buffer[end + 2 :]
        self._line += piece
        literal = _LITERAL.search(piece)
        if literal:
            self._wanted = int(literal[1])
            if not self._wanted:
                self._literals.append(b"")
            return True
        line, literals = self._line, self._literals
        self._line, self._literals = b"", []
        self._responded(line, literals)
        return True

    def _responded(self, line: bytes, literals: list[bytes]) -> None:
        tag = line.partition(b" ")[0]
        if self._waiting is not None and tag in (self._waiting[0], b"a%d" % self._tag):
            (_, waiting), self._waiting = self._waiting, None
            waiting.callback(line)
        else:
            self._untagged.append((line, literals))

    def _give_up(self) -> None:
        if self._waiting is not None:
            (_, waiting), self._waiting = self._waiting, None
            waiting.errback(Gone())

    def _impatient(self, waiting: Deferred[bytes]) -> None:
        if self._waiting is not None and self._waiting[1] is waiting:
            self.transport.abortConnection()
            self._gone = True
            self._give_up()

    def _ended(self, failure: Failure) -> None:
        if not isinstance(failure.value, Gone):
            self._fault(f"the client of {self._owner.address} broke: {failure.getTraceback()}")
        if not self._gone:
            self.transport.abortConnection()

    # Commands

    async def _command(self, text: bytes, *, message: bytes | None = None) -> list[tuple[bytes, list[bytes]]]:
        """Its untagged responses; the tagged one last. Raises Gone, or Denied."""
        self._tag += 1
        tag = b"a%d" % self._tag
        self._untagged = []
        if message is not None:
            line = await self._say(tag + b" " + text + b" {%d}\r\n" % len(message), b"+")
            if line.startswith(b"+"):
                line = await self._say(message + b"\r\n", tag)
        else:
            line = await self._say(tag + b" " + text + b"\r\n", tag)
        self._owner.commands += 1
        condition = line.split(b" ", 2)[1]
        if condition != b"OK":
            raise Denied(line.decode("latin-1").strip())
        return [*self._untagged, (line, [])]

    async def _say(self, data: bytes, awaited: bytes) -> bytes:
        if self._gone:
            raise Gone
        waiting: Deferred[bytes] = Deferred()
        self._waiting = (awaited, waiting)
        self._world.later(PATIENCE, self._world.nobody, self._impatient, waiting)
        self.transport.write(data)
        return await waiting

    async def _run(self) -> None:
        await self._greeting
        try:
            await self._command(b'LOGIN %s "secret"' % self._owner.address.encode())
        except Denied:
            self.transport.loseConnection()
            return
        for deed in self._deeds:
            try:
                await self._do(deed)
            except Denied as error:
                self._world.note(f"{self._owner.address} is denied {deed}: {error}")
        await self._command(b"LOGOUT")
        self.transport.loseConnection()

    async def _do(self, deed: Deed) -> None:
        verb, folder, which, target = deed
        self._world.note(f"{self._owner.address}: {' '.join(map(str, deed))}")
        if verb == "append":
            await self._append_draft(folder)
            return
        await self._select(folder)
        if verb == "wait":
            await self._idle(which)
        elif self._messages and verb != "read":
            uids = sorted(self._messages)
            uid = uids[which % len(uids)]
            await getattr(self, "_" + verb)(uid, self._seen.get(uid, 0), target)

    @property
    def _seen(self) -> dict[int, int]:
        return self._owner.seen.setdefault(self._folder, {})

    async def _select(self, folder: str) -> None:
        """Opens the folder and looks at every message that no client of the user has seen."""
        responses = await self._command(b'SELECT "%s"' % folder.encode())
        highest = dict(self._owner.highest)  # another client of the user may be ahead of what this one is being told
        text = b"".join(line for line, _ in responses)
        found = re.search(rb"\[UIDVALIDITY (\d+)\]", text)
        assert found
        self._folder = (folder, int(found[1]))
        self._messages = {}
        if b"* 0 EXISTS" in text:
            return
        told: list[int] = []
        for line, _ in await self._command(b"UID FETCH 1:* (FLAGS)"):
            uid, flags = _UID.search(line), _FLAGS.search(line)
            if uid and flags and b" FETCH " in line:
                self._messages[int(uid[1])] = flags[1]
                told.append(int(uid[1]))
        once = [uid for uid in told if told.count(uid) == 1]  # the others are news of another client's, too
        if once != sorted(once):
            self._fault(f"{folder} of {self._owner.address} shows its messages in the order {told}")
        fresh = [uid for uid in self._messages if uid not in self._seen]
        if fresh:
            await self._look(fresh, highest.get(self._folder, 0))

    async def _look(self, fresh: list[int], highest: int) -> None:
        where = f"{self._folder[0]} of {self._owner.address}"
        for uid in fresh:
            if uid <= highest:
                self._fault(f"{where}: UID {uid} is new, although {highest} was there")
        numbers = ",".join(map(str, fresh)).encode()
        for line, literals in await self._command(b"UID FETCH %s (UID BODY.PEEK[])" % numbers):
            named = _UID.search(line)
            if not named or not literals:
                continue
            uid = int(named[1])
            number = _NUMBER.search(literals[0].partition(b"\r\n\r\n")[0])
            letter = int(number[1]) if number else 0
            self._check(self._owner, letter, literals[0])
            if self._seen.setdefault(uid, letter) != letter:
                self._fault(f"{where}: UID {uid} is another message than before")
            self._owner.highest[self._folder] = max(self._owner.highest.get(self._folder, 0), uid)

    async def _see(self, uid: int, number: int, target: str) -> None:
        await self._command(b"UID STORE %d +FLAGS.SILENT (\\Seen $Label1)" % uid)

    async def _unsee(self, uid: int, number: int, target: str) -> None:
        await self._command(b"UID STORE %d -FLAGS (\\Seen)" % uid)

    async def _move(self, uid: int, number: int, target: str) -> None:
        if target == "Trash":
            await self._deleting(number, self._command(b'UID MOVE %d "Trash"' % uid))
        else:
            self._owner.moving.add(number)
            await self._command(b'UID MOVE %d "%s"' % (uid, target.encode()))

    async def _copy(self, uid: int, number: int, target: str) -> None:
        if target != "Trash":
            self._owner.copied.add(number)
        await self._command(b'UID COPY %d "%s"' % (uid, target.encode()))

    async def _file(self, uid: int, number: int, target: str) -> None:
        """A move as clients do it that know no MOVE."""
        self._owner.copied.add(number)
        self._owner.moving.add(number)
        await self._command(b'UID COPY %d "%s"' % (uid, target.encode()))
        await self._command(b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid)
        await self._command(b"UID EXPUNGE %d" % uid)

    async def _refile(self, uid: int, number: int, target: str) -> None:
        """As mbsync moves: what was fetched is appended, and its origin expunged."""
        for _, literals in await self._command(b"UID FETCH %d (UID BODY.PEEK[])" % uid):
            if literals:
                self._owner.copied.add(number)
                self._owner.moving.add(number)
                await self._command(b'APPEND "%s"' % target.encode(), message=b"X-TUID: 1\r\n" + literals[0])
                await self._command(b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid)
                await self._command(b"UID EXPUNGE %d" % uid)
                return

    async def _delete(self, uid: int, number: int, target: str) -> None:
        await self._deleting(number, self._command(b"UID STORE %d +FLAGS (\\Deleted)" % uid))
        await self._command(b"UID EXPUNGE %d" % uid)

    async def _mark(self, uid: int, number: int, target: str) -> None:
        """Deleted, and not yet expunged."""
        await self._deleting(number, self._command(b"UID STORE %d +FLAGS (\\Deleted)" % uid))

    async def _deleting(self, number: int, command: Awaitable[object]) -> None:
        owner = self._owner
        owner.deleting.setdefault(number, self._world.now)
        await command
        if number not in owner.copied and number not in owner.moving:
            owner.deleted.setdefault(number, self._world.now)

    async def _append_draft(self, folder: str) -> None:
        self._owner.drafts += 1
        text = b"Subject: a draft of %s\r\n\r\nNumber %d\r\n" % (self._owner.address.encode(), self._owner.drafts)
        await self._command(b'APPEND "%s" (\\Seen)' % folder.encode(), message=text)

    async def _idle(self, seconds: int) -> None:
        self._tag += 1
        tag = b"a%d" % self._tag
        await self._say(tag + b" IDLE\r\n", b"+")
        slept: Deferred[None] = Deferred()
        self._world.later(seconds, self._world.nobody, slept.callback, None)
        await slept
        await self._say(b"DONE\r\n", tag)
