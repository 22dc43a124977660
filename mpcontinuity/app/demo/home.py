"""The home server of the demo: it takes mail for its users, and can be switched off and on again."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.smtp.events import Chunk, Data, EndOfData, Event, Mail, Rcpt
from mpcontinuity.protocols.smtp.server import ServerEngine

_OK = Reply(250, "2.0.0", "OK")
_GO = Reply(354, "", "Go ahead")
_NO_USER = Reply(550, "5.1.1", "No such user here")
_FIELD = re.compile(rb"^(Message-ID|X-MPContinuity-Id): *(.+?)\r$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Received:
    """A message that home took."""

    recipient: str
    message_id: str
    continuity_id: str


class DemoHome:
    """An SMTP server on a port of loopback that stays the same, also after it was switched off. It runs in threads of
    its own.
    """

    def __init__(self, users: set[str], say: Callable[[str], None]) -> None:
        """``users`` are the keys of the addresses that it takes mail for; ``say`` hears what it took."""
        self.messages: list[Received] = []
        self._users = users
        self._say = say
        self._lock = threading.Lock()
        self._listening: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self.port = 0
        self.switch_on()

    @property
    def is_on(self) -> bool:
        """Whether it listens."""
        return self._listening is not None

    def switch_on(self) -> None:
        """Listens on its port."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def switch_off(self) -> None:
        """Ends as if the cord were pulled: nobody listens, and every connection is gone."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listening.close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
        try:
            with connection:
                _Session(self, connection).run()
        except OSError:
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)

    def answer_recipient(self, key: str) -> Reply:
        """Returns the reply to RCPT for the address with this key."""
        return _OK if key in self._users else _NO_USER

    def take(self, recipients: list[str], content: bytes) -> Reply:
        """Takes a message for these recipients, and returns the reply to it."""
        fields = {name.lower(): value.decode("ascii", "replace") for name, value in _FIELD.findall(content)}
        message_id, continuity_id = fields.get(b"message-id", ""), fields.get(b"x-mpcontinuity-id", "")
        with self._lock:
            self.messages += [Received(recipient, message_id, continuity_id) for recipient in recipients]
        self._say(f"took {message_id} for {', '.join(recipients)}")
        return _OK


class _Session:
    def __init__(self, home: DemoHome, connection: socket.socket) -> None:
        self._home = home
        self._connection = connection
        self._engine = ServerEngine("home.example.org")
        self._recipients: list[str] = []
        self._content: list[bytes] = []

    def run(self) -> None:
        engine = self._engine
        engine.greet("ESMTP the demo's home server")
        while True:
            while (event := engine.next_event()) is not None:
                self._work(event)
            self._connection.sendall(engine.to_send())
            data = b"" if engine.closed else self._connection.recv(65536)
            if not data:
                return
            engine.receive(data)

    def _work(self, event: Event) -> None:
        if isinstance(event, Mail):
            self._recipients, self._content = [], []
            self._engine.reply(_OK)
        elif isinstance(event, Rcpt):
            reply = self._home.answer_recipient(event.address.key)
            if reply.positive:
                self._recipients.append(event.address.key)
            self._engine.reply(reply)
        elif isinstance(event, Data):
            self._engine.reply(_GO)
        elif isinstance(event, Chunk):
            self._content.append(event.data)
        elif isinstance(event, EndOfData):
            self._engine.reply(event.fault or self._home.take(self._recipients, b"".join(self._content)))
        elif event.waits:
            self._engine.reply(Reply(502, "5.5.1", "Not here"))
