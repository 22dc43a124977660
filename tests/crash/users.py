"""Users who read, flag, copy, move, delete and append while the server is killed, and know what they were told.

Each mailbox has one user and one session at a time, so that all its changes but new mail are known here.
"""

from __future__ import annotations

import contextlib
import imaplib
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.crash import letters
from tests.crash.letters import Books

Answer = tuple[str, list[Any]]  # of imaplib: the status, and lines or what stands for them

FOLDERS = ("INBOX", "Archive", "Trash", "Drafts")
_FLAGS = (r"\Seen", r"\Flagged", r"\Answered", "$Label1")
_APPENDED = 1_000_000_000  # numbers of letters that users append, and above
_PER_USER = 1_000_000

# Flags that the server sets by itself: the latter when home has got the message after all.
_SERVERS_OWN = (r"\Recent", "$Redelivered")
_UID = re.compile(rb"UID (\d+)")
_FLAGGED = re.compile(rb"FLAGS \(([^)]*)\)")


@dataclass
class Entry:
    """A message in a mailbox. ``flags`` None: a change of them was not answered."""

    number: int
    digest: str
    flags: frozenset[str] | None


@dataclass
class Box:
    """A mailbox as its user was told that it is."""

    validity: int = 0
    next: int = 1
    entries: dict[int, Entry] = field(default_factory=dict)  # by UID
    ever: dict[int, tuple[int, str]] = field(default_factory=dict)  # what each UID was, for good
    unsure: set[int] = field(default_factory=set)  # of which an EXPUNGE or MOVE was not answered
    open: bool = False  # an APPEND, COPY or MOVE to it was not answered


class Dead(Exception):
    """The server went away."""


class User:
    """Works in short sessions until it is told to rest. `look` checks everything, in the caller's thread."""

    def __init__(
        self, books: Books, port: Callable[[], int], address: str, seed: int, number: int, *, patience: float = 0.05
    ) -> None:
        """``patience``: seconds between two sessions, at least; another node hears of changes a moment later."""
        self.address = address
        self.boxes = {folder: Box() for folder in FOLDERS}
        self.done: dict[str, int] = {}  # commands that were answered OK
        self.refused: dict[str, int] = {}
        self._books = books
        self._port = port
        self._chance = random.Random(f"user {seed} {number}")
        self._next = _APPENDED + number * _PER_USER
        self._patience = patience
        self._history: deque[str] = deque(maxlen=80)  # what was asked and answered lately
        self._stopped = threading.Event()
        self._pause = threading.Event()
        self._paused = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=address)
        self._thread.start()

    def rest(self) -> None:
        """Returns when nothing of it is under way; `work_on` ends it."""
        self._pause.set()
        self._paused.wait(60)

    def work_on(self) -> None:
        self._paused.clear()
        self._pause.clear()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(60)

    def look(self) -> set[int]:
        """The letters in all folders, after every check; reads some of them whole. For a server that is up."""
        found: set[int] = set()
        with self._session() as session:
            for folder in FOLDERS:
                try:
                    box = self._open(session, folder)
                    self._read(session, box, 5)
                except AssertionError as error:
                    self._fault(error)
                found |= {entry.number for entry in self.boxes[folder].entries.values()}
        return found

    def _run(self) -> None:
        while not self._stopped.is_set():
            if self._pause.is_set():
                self._paused.set()
                time.sleep(0.02)
                continue
            self._paused.clear()
            try:
                self._work()
            except Dead as error:
                self._note(f"dead: {error.__cause__!r}")
                time.sleep(self._chance.uniform(0.02, 0.2))
            except Exception as error:
                self._fault(error)
            time.sleep(self._patience + self._chance.uniform(0.0, 0.35))

    def _work(self) -> None:
        actions = (self._flag, self._delete, self._move, self._copy, self._append, self._glance)
        with self._session() as session:
            folder = self._chance.choices(FOLDERS, (6, 2, 1, 1))[0]
            box = self._open(session, folder)
            self._read(session, box, 2)
            for action in self._chance.choices(actions, (4, 3, 3, 2, 2, 1), k=self._chance.randint(1, 6)):
                action(session, folder, box)

    @contextlib.contextmanager
    def _session(self) -> Iterator[imaplib.IMAP4]:
        """Logged in. Whatever breaks of the connection is Dead."""
        session: imaplib.IMAP4 | None = None
        try:
            session = imaplib.IMAP4("127.0.0.1", self._port(), timeout=30)
            session.login(self.address, "secret")
            yield session
            session.logout()
        except (imaplib.IMAP4.abort, OSError) as error:
            raise Dead from error
        except imaplib.IMAP4.error as error:
            if "[UNAVAILABLE]" not in str(error):  # so imaplib reports a login that was refused
                raise
            raise Dead from error
        finally:
            if session is not None:
                with contextlib.suppress(OSError, imaplib.IMAP4.error):
                    session.shutdown()

    # Checks

    def _open(self, session: imaplib.IMAP4, folder: str) -> Box:
        """Selects it: what was there, and not taken away, is there under its UID, and no UID means something else."""
        box = self.boxes[folder]
        self._ok(session.select(folder), "SELECT")
        validity = int(session.response("UIDVALIDITY")[1][0])
        promised = int(session.response("UIDNEXT")[1][0])
        found = self._entries(session)
        where = f"{folder} (UIDVALIDITY {validity})"
        self._note(f"{where}: UIDNEXT {promised}, has {sorted(found)}; unsure {sorted(box.unsure)}, open {box.open}")
        assert box.validity in (0, validity), f"{where}: was {box.validity}"
        assert promised >= box.next, f"{where}: UIDNEXT {promised} was {box.next}"
        for uid, entry in found.items():
            was = box.ever.setdefault(uid, (entry.number, entry.digest))
            assert was == (entry.number, entry.digest), f"{where}: UID {uid} was letter {was}, is {entry}"
            known = box.entries.get(uid)
            if known is None:
                fresh = uid >= box.next or uid in box.unsure or box.open
                assert fresh, f"{where}: UID {uid} is here again, letter {entry.number}; UIDNEXT was {box.next}"
            elif known.flags is not None:
                assert known.flags == entry.flags, f"{where}: UID {uid} had {known.flags}, has {entry.flags}"
        gone = box.entries.keys() - found.keys() - box.unsure
        assert not gone, f"{where}: UIDs {sorted(gone)} have gone, letters {[box.entries[uid].number for uid in gone]}"
        box.validity, box.next = validity, max(promised, max(found, default=0) + 1)
        box.entries = found
        box.unsure.clear()
        box.open = False
        return box

    def _entries(self, session: imaplib.IMAP4) -> dict[int, Entry]:
        _, data = self._ok(
            session.uid("FETCH", "1:*", f"(UID FLAGS BODY.PEEK[HEADER.FIELDS ({letters.FIELDS.upper()})])"), "FETCH"
        )
        found = {}
        for item in data:
            if not isinstance(item, tuple):
                continue
            uid, flags = _UID.search(item[0]), _FLAGGED.search(item[0])
            assert uid, item
            assert flags, item
            words = frozenset(word for word in flags[1].decode().split() if word not in _SERVERS_OWN)
            found[int(uid[1])] = Entry(*letters.name(item[1]), words)
        return found

    def _read(self, session: imaplib.IMAP4, box: Box, count: int) -> None:
        for uid in self._some(box, count):
            _, data = self._ok(session.uid("FETCH", str(uid), "(BODY.PEEK[])"), "FETCH")
            contents = [item[1] for item in data if isinstance(item, tuple)]
            assert len(contents) == 1, f"UID {uid} of {self.address} has no content: {data}"
            known = box.entries[uid]
            assert letters.read(contents[0]) == (known.number, known.digest), f"UID {uid} has another content"

    # What users do; whoever is not answered does not know what became of it

    def _flag(self, session: imaplib.IMAP4, folder: str, box: Box) -> None:
        uids = self._some(box, 5)
        if not uids:
            return
        self._note(f"{folder}: flag {uids}")
        how = self._chance.choice(["+FLAGS", "-FLAGS", "FLAGS"])
        flags = frozenset(self._chance.sample(_FLAGS, self._chance.randint(1, 3)))
        before = {uid: box.entries[uid].flags for uid in uids}
        for uid in uids:
            box.entries[uid].flags = None
        if not self._done(session.uid("STORE", _set(uids), f"{how}.SILENT", f"({' '.join(sorted(flags))})"), "STORE"):
            self._put_back(box, before)
            return
        for uid, was in before.items():
            if how == "FLAGS":
                box.entries[uid].flags = flags
            elif was is not None:
                box.entries[uid].flags = was | flags if how == "+FLAGS" else was - flags

    def _delete(self, session: imaplib.IMAP4, folder: str, box: Box) -> None:
        uids = self._some(box, max(3, len(box.entries) // 10))
        if not uids:
            return
        self._note(f"{folder}: delete {uids}")
        before = {uid: box.entries[uid].flags for uid in uids}
        self._give_up(box, uids)
        for uid in uids:
            box.entries[uid].flags = None
        if not self._done(session.uid("STORE", _set(uids), "+FLAGS.SILENT", r"(\Deleted)"), "STORE"):
            self._put_back(box, before)
            return
        for uid, was in before.items():
            box.entries[uid].flags = None if was is None else was | {r"\Deleted"}
        if self._chance.random() < 0.2:
            return  # marked only
        self._note(f"{folder}: expunge")
        marked = {uid for uid, entry in box.entries.items() if entry.flags is None or r"\Deleted" in entry.flags}
        self._give_up(box, marked)
        box.unsure |= marked
        if self._done(session.expunge(), "EXPUNGE"):
            box.unsure -= marked
            for uid in marked:
                if (entry := box.entries[uid]).flags is not None:
                    del box.entries[uid]
                else:  # whether it was marked is not known
                    box.unsure.add(uid)
                    entry.flags = None
        else:
            box.unsure -= marked

    def _move(self, session: imaplib.IMAP4, folder: str, box: Box) -> None:
        uids = self._some(box, 3)
        target = self._chance.choice([other for other in FOLDERS if other != folder])
        if not uids:
            return
        self._note(f"{folder}: move {uids} to {target}")
        if target == "Trash":
            self._give_up(box, uids)
        other = self.boxes[target]
        box.unsure |= set(uids)
        was_open, other.open = other.open, True
        moves = self._done(session.uid("MOVE", _set(uids), target), "MOVE")
        other.open = was_open
        if moves:
            box.unsure -= set(uids)
            moved = self._copied(session, box, other)
            for uid in moved:
                del box.entries[uid]
            assert not set(uids) - set(moved), f"{folder}: {set(uids) - set(moved)} not in COPYUID"
        else:
            box.unsure -= set(uids)

    def _copy(self, session: imaplib.IMAP4, folder: str, box: Box) -> None:
        uids = self._some(box, 2)
        target = self._chance.choice([other for other in FOLDERS if other != folder])
        if not uids:
            return
        self._note(f"{folder}: copy {uids} to {target}")
        other = self.boxes[target]
        was_open, other.open = other.open, True
        copies = self._done(session.uid("COPY", _set(uids), target), "COPY")
        other.open = was_open
        if copies:
            copied = self._copied(session, box, other)
            assert not set(uids) - set(copied), f"{folder}: {set(uids) - set(copied)} not in COPYUID"

    def _append(self, session: imaplib.IMAP4, folder: str, box: Box) -> None:
        self._next += 1
        content = letters.write(self._next, letters.octets(self._chance), self._chance, sender=self.address)
        self._note(f"append letter {self._next}")
        other = self.boxes["Drafts"]
        was_open, other.open = other.open, True
        appends = self._done(session.append("Drafts", r"(\Draft)", "", content), "APPEND")
        other.open = was_open
        if appends:
            validity, uid = map(int, _told_of(session, "APPENDUID").split())
            self._told(other, validity, uid, Entry(*letters.read(content), frozenset({r"\Draft"})))

    def _glance(self, session: imaplib.IMAP4, folder: str, box: Box) -> None:
        self._ok(session.noop(), "NOOP")

    # Books

    def _note(self, text: str) -> None:
        self._history.append(f"{time.monotonic():.3f} {text}")

    def _fault(self, error: Exception) -> None:
        history = "\n    ".join(self._history)
        self._history.clear()
        self._books.fault(f"{self.address}: {error!r}; what was before:\n    {history}")

    def _copied(self, session: imaplib.IMAP4, box: Box, other: Box) -> list[int]:
        """Puts what COPYUID says into the target's book; the source's UIDs."""
        text = _told_of(session, "COPYUID")
        if not text:
            return []
        validity, sources, targets = text.split()
        pairs = list(zip(_numbers(sources), _numbers(targets), strict=True))
        for source, target in pairs:
            entry = box.entries[source]
            self._told(other, int(validity), target, Entry(entry.number, entry.digest, entry.flags))
        self._note(f"COPYUID {sources} {targets}")
        return [source for source, _ in pairs]

    def _told(self, box: Box, validity: int, uid: int, entry: Entry) -> None:
        assert box.validity in (0, validity), f"UIDVALIDITY {validity} was {box.validity}"
        was = box.ever.setdefault(uid, (entry.number, entry.digest))
        assert was == (entry.number, entry.digest), f"UID {uid} was letter {was}, is now {entry.number}"
        box.entries[uid] = entry

    def _give_up(self, box: Box, uids: Iterable[int]) -> None:
        with self._books.lock:
            self._books.given_up.update((box.entries[uid].number, self.address) for uid in uids)

    def _put_back(self, box: Box, flags: dict[int, frozenset[str] | None]) -> None:
        """It was refused, so that nothing has changed."""
        for uid, was in flags.items():
            box.entries[uid].flags = was

    def _some(self, box: Box, most: int) -> list[int]:
        known = sorted(box.entries.keys() - box.unsure)
        return sorted(self._chance.sample(known, min(len(known), self._chance.randint(1, most))))

    def _done(self, answer: Answer, what: str) -> bool:
        """Whether it was done; a NO changed nothing, but for one that says that the store is not to be had."""
        status, data = answer
        self._note(f"{what}: {status} {data[-1:] if what not in ('FETCH', 'STORE') else ''}")
        if status == "NO" and b"[UNAVAILABLE]" in bytes(data[-1]):
            self.refused["UNAVAILABLE"] = self.refused.get("UNAVAILABLE", 0) + 1
            raise Dead
        assert status in ("OK", "NO"), f"{what}: {answer}"
        said = what if status == "OK" else f"{what}: {data[-1]!r}"
        counts = self.done if status == "OK" else self.refused
        counts[said] = counts.get(said, 0) + 1
        return status == "OK"

    def _ok(self, answer: Answer, what: str) -> Answer:
        assert self._done(answer, what), f"{what} was refused: {answer}"
        return answer


def _told_of(session: imaplib.IMAP4, code: str) -> str:
    """What a response code said, which is forgotten with that; empty where it was not sent."""
    texts: list[Any] = session.untagged_responses.pop(code, [])
    return texts[0].decode("ascii") if texts else ""


def _set(uids: Sequence[int]) -> str:
    return ",".join(map(str, uids))


def _numbers(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        found.extend(range(int(first), int(last or first) + 1))
    return found
