"""Users of webmail: their folders, and what they do there as browsers do it.

Folders are filled without the server, a message of some thousand octets and of many kinds after the other. Each user
asks for a page, reads it whole, thinks for a while, and asks for the next: a folder, two of its messages with the
document of their frame, the folder by conversations, and two more.
"""

from __future__ import annotations

import http.client
import itertools
import random
import re
import selectors
import socket
import sqlite3
import ssl
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from mpcontinuity.accounts import users
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import UID_BITS, NewEntry, append
from mpcontinuity.mailbox.names import INBOX
from mpcontinuity.message.render import render
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.flags import SEEN
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from scripts.benches.server import PASSWORD, do, open_inline, result

BODIES: Final = 1_000  # that differ: entries of a folder share them, their headers differ
_AT_ONCE: Final = 1_000  # entries of a transaction
_HIDDEN = re.compile(r'name="csrf" value="([^"]+)"')
_COOKIE = re.compile(r"__Host-[^;]+")
_MESSAGE = re.compile(r'href="(/mail/\d+/\d+)"')
_WORDS = ("please", "find", "the", "figures", "of", "our", "meeting", "attached", "for", "you", "and", "whoever")

# What a user does, again and again: the kind of a page, and the path.
_FLAT, _TOGETHER, _READ = "folder", "folder by conversations", "message"
_ROUND: Final = (_FLAT, _READ, _READ, _TOGETHER, _READ, _READ)
KINDS: Final = (_FLAT, _TOGETHER, _READ)


def fill(folder: Path, addresses: list[str], messages: int) -> None:
    """Puts so many messages into the INBOX of each user: into that of the first as all mail comes there, and from there
    into the others', row by row. The server does not run."""
    store = open_inline(folder)
    bodies = [_kept(store, number) for number in range(min(BODIES, messages))]
    inboxes = [do(store, partial(_inbox, address=address)) for address in addresses]
    now, chance = store.clock.now(), random.Random(1)
    for first in range(0, messages, _AT_ONCE):
        entries = [
            _entry(bodies[number % len(bodies)], number, now - (messages - number) * 300 * SECOND, chance)
            for number in range(first, min(first + _AT_ONCE, messages))
        ]
        do(store, partial(append, mailbox=inboxes[0], entries=entries))
    result(store.close())
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        for pragma in ("journal_mode = OFF", "synchronous = OFF"):  # nothing of it has to survive, and it is 2 GB
            database.execute(f"PRAGMA {pragma}")
        for at, inbox in enumerate(inboxes[1:], 1):
            _copy(database, inboxes[0], inbox, at)
        database.commit()
        database.execute("PRAGMA journal_mode = WAL")


def _inbox(tx: Transaction, address: str) -> int:
    user = users.find(tx, parse(address))
    assert user is not None
    return mailboxes.get(tx, user.id, INBOX).id


def _copy(database: sqlite3.Connection, source: int, target: int, place: int) -> None:
    """``place`` tells the conversations of this user from all others'."""
    first, moved = source << UID_BITS, (target - source) << UID_BITS
    last = first | ((1 << UID_BITS) - 1)
    database.execute(
        """INSERT INTO entry (id, body, flags, modseq, internaldate, size, rendered, pop3_added)
        SELECT id + ?, body, flags, modseq, internaldate, size, rendered, pop3_added FROM entry WHERE id BETWEEN ? AND ?
        ORDER BY id""",
        (moved, first, last),
    )
    database.execute(
        """INSERT INTO conversation_entry (id, conversation) SELECT id + ?, conversation + ?
        FROM conversation_entry WHERE id BETWEEN ? AND ? ORDER BY id""",
        (moved, place, first, last),
    )
    database.execute(
        """UPDATE mailbox SET (uidnext, modseq, messages, unseen, octets) =
        (SELECT uidnext, modseq, messages, unseen, octets FROM mailbox WHERE id = ?) WHERE id = ?""",
        (source, target),
    )


def _kept(store: Store, number: int) -> tuple[Body, bytes]:
    content = _text(number)
    draft = store.bodies.draft("draft")
    draft.write(content)
    head = Head(
        id=store.identifiers.next(),
        time=store.clock.now(),
        direction="append",
        recipients=(),
        decisions={},
        mailbox=INBOX,
    )
    return result(store.keep(draft, head, lambda _, body: body)), content


def _entry(kept: tuple[Body, bytes], number: int, date: int, chance: random.Random) -> NewEntry:
    """An answer to one of the last forty, in two thirds of all cases."""
    body, content = kept
    answered = b""
    if number and chance.random() < 2 / 3:
        answered = b"References: <%d@example.net>\r\n" % max(number - chance.randrange(1, 40), 0)
    header = b"From: Person %d <p%d@example.net>\r\nSubject: Report %d for the meeting of this week\r\n" % (
        number % 300,
        number % 300,
        number,
    )
    varied = header + b"Message-ID: <%d@example.net>\r\n" % number + answered + content
    flags = SEEN if chance.random() < 0.9 else 0
    return NewEntry(body.id, body.length, date, flags, (), render(varied))


def _text(number: int) -> bytes:
    """Text in one half of all cases, HTML with pictures and styles in the other; a file with each fifth."""
    chance = random.Random(number)
    lines = [" ".join(chance.choices(_WORDS, k=12)) for _ in range(int(chance.lognormvariate(3, 0.8)) + 3)]
    text = "\r\n".join(lines)
    if number % 2:
        rows = "".join(
            f'<tr><td style="padding: 4px 8px; color: #234">{line}</td><td><a href="https://example.net/{at}">more</a>'
            f'<img src="https://example.net/{at}.png" alt="" width="20"></td></tr>\r\n'
            for at, line in enumerate(lines * 4)
        )
        style = "<style>td { font: 14px sans-serif } a { color: #06c } .top { background: #eee }</style>"
        text = f"<html><head>{style}</head><body><h1 class=top>News</h1><table>\r\n{rows}</table></body></html>"
    kind = "text/html" if number % 2 else "text/plain"
    header = "To: u@bench.test\r\nDate: Sun, 22 Nov 2026 05:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    part = f"Content-Type: {kind}; charset=utf-8\r\n\r\n{text}\r\n"
    if number % 5:
        return (header + part).encode()
    file = (f"{chance.getrandbits(400):0100x}\r\n" * 100)[: chance.randrange(500, 10_000)]
    return (
        f"{header}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{part}\r\n--b\r\n"
        f'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="report {number}.pdf"\r\n\r\n'
        f"{file}\r\n--b--\r\n"
    ).encode()


def connect(port: int) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection("127.0.0.1", port, context=_trusting(), timeout=60)


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def log_in(connection: http.client.HTTPSConnection, path: str, **fields: str) -> str:
    """Signs somebody in by the form at a path, and returns the cookie."""
    connection.request("GET", path)
    answer = connection.getresponse()
    token, cookie = _HIDDEN.search(answer.read().decode()), _COOKIE.search(answer.getheader("set-cookie", ""))
    assert token is not None
    assert cookie is not None
    form = urlencode({"csrf": token[1], "password": PASSWORD, **fields})
    headers = {"Cookie": cookie[0], "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, form, headers)
    answer = connection.getresponse()
    answer.read()
    signed_in = _COOKIE.search(answer.getheader("set-cookie", ""))
    assert answer.status == 303, answer.status
    assert signed_in is not None
    return signed_in[0]


class Reader(threading.Thread):
    """A user who is signed in, with one connection, and works while ``busy`` is set: from page to page half of
    ``every`` seconds to one and a half. ``latencies`` has seconds by kind of page: until the last octet came, of a
    message that of its frame's document."""

    def __init__(self, port: int, address: str, number: int, every: float, busy: threading.Event) -> None:
        super().__init__(daemon=True)
        self._connection = connect(port)
        self._every, self._busy = every, busy
        self._chance = random.Random(number)
        self._paths: list[str] = []
        self._folder = ""
        self.latencies: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self.wrong: list[str] = []
        self.cookie = log_in(self._connection, "/login", address=address)

    def run(self) -> None:
        for kind in itertools.islice(itertools.cycle(_ROUND), self._chance.randrange(len(_ROUND)) // 3 * 3, None):
            while not self._busy.is_set():
                self._busy.wait()
                time.sleep(self._every * self._chance.random())  # not all at once
            try:
                self._do(kind)
            except (OSError, http.client.HTTPException):  # an idle connection is closed between two turns
                self._connection.close()
                self._do(kind)
            time.sleep(self._every * (0.5 + self._chance.random()))

    def read_once(self) -> None:
        """Asks for a page of each kind."""
        for kind in (_FLAT, _READ, _TOGETHER):
            self._do(kind)

    def _do(self, kind: str) -> None:
        begun = time.perf_counter()
        if kind == _READ:
            if not self._paths:
                return
            path = self._chance.choice(self._paths)
            found = self._get(path) and self._get(f"{path}/document")
        else:
            where = self._folder or "/"
            found = self._get(where if kind == _FLAT else f"{where}?view=conversations")
            self._paths = sorted(set(_MESSAGE.findall(found))) or self._paths
            self._folder = self._paths[0].rpartition("/")[0] + "/" if self._paths else ""
        if found:
            self.latencies[kind].append(time.perf_counter() - begun)

    def _get(self, path: str) -> str:
        self._connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            self.wrong.append(f"{path}: {answer.status}")
            return ""
        return text


class Streams(threading.Thread):
    """Open streams of events, which are read and counted."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._open: list[ssl.SSLSocket] = []
        self._ended = threading.Event()
        self.octets = 0

    def open(self, cookie: str) -> None:
        raw = socket.create_connection(("127.0.0.1", self._port), 60)
        opened = _trusting().wrap_socket(raw)
        opened.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
        begun = opened.recv(4096)
        assert begun.startswith(b"HTTP/1.1 200 "), begun
        opened.setblocking(False)
        self._open.append(opened)
        self._selector.register(opened, selectors.EVENT_READ)

    def run(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(0.1):
                try:
                    came = len(key.fileobj.recv(65_536))  # type: ignore[union-attr]
                except ssl.SSLWantReadError:
                    continue
                if not came:
                    self._selector.unregister(key.fileobj)
                self.octets += came

    def close(self) -> None:
        self._ended.set()
        self.join()
        for each in self._open:
            each.close()
        self._selector.close()
