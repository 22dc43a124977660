"""A next hop that reads the end of a message as strictly, or as leniently, as servers in the world do."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from dataclasses import dataclass, field
from typing import Self

STRICT = re.compile(rb"\r\n\.\r\n")
# What one server or another has taken for the end of data (CVE-2023-51764 and its kin), all at once.
LENIENT = re.compile(rb"(?:\r\n|\n|\r|\n\r)\0*\.\0*(?:\r\n|\n\r|\n|\r)")  # and NULs are dropped before

_PATH = re.compile(rb"<([^>]*)>")


@dataclass
class Taken:
    sender: bytes = b""
    recipients: list[bytes] = field(default_factory=list)
    data: bytes = b""  # as it stood on the wire: dots are not undone


class NextHop:
    """Listens on 127.0.0.1; the same port after every ``start``."""

    def __init__(self, end: re.Pattern[bytes], *offers: str) -> None:
        self.end = end
        self.offers = offers
        self.taken: list[Taken] = []
        self.commands: list[bytes] = []
        self.port = 0
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(50)
        self.port = int(listener.getsockname()[1])
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        listener, self._listener = self._listener, None
        for connection in (*([listener] if listener else []), *self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            _Dialogue(self, connection).run()


class _Dialogue:
    def __init__(self, hop: NextHop, connection: socket.socket) -> None:
        self._hop = hop
        self._connection = connection
        self._buffer = b""
        self._message = Taken()

    def run(self) -> None:
        self._say("220 nexthop.example ESMTP")
        while True:
            line = self._until(b"\n").strip()
            self._hop.commands.append(line)
            verb = line[:4].upper()
            if verb in (b"EHLO", b"HELO"):
                lines = ("nexthop.example", "PIPELINING", "8BITMIME", "SMTPUTF8", *self._hop.offers)
                self._say(*(f"250-{text}" for text in lines), "250 HELP")
            elif verb == b"MAIL":
                self._message = Taken(self._path(line))
                self._say("250 2.1.0 ok")
            elif verb == b"RCPT":
                self._message.recipients.append(self._path(line))
                self._say("250 2.1.5 ok")
            elif verb == b"DATA":
                self._say("354 go")
                self._read_data()
            elif verb == b"BDAT":
                _, length, *last = line.split()
                self._message.data += self._exactly(int(length))
                if last:
                    self._hop.taken.append(self._message)
                self._say("250 2.0.0 ok")
            elif verb == b"QUIT":
                self._say("221 2.0.0 bye")
                self._connection.close()
                return
            else:
                self._say("250 2.0.0 ok" if verb in (b"RSET", b"NOOP") else "500 5.5.1 what")

    def _read_data(self) -> None:
        stream = b"\r\n"
        while (end := self._hop.end.search(stream)) is None:
            stream += self._buffer or self._receive()
            self._buffer = b""
        self._message.data = stream[2 : end.start()] + b"\r\n" if end.start() else b""
        self._buffer = stream[end.end() :]
        self._hop.taken.append(self._message)
        self._say("250 2.0.0 taken")

    def _path(self, line: bytes) -> bytes:
        match = _PATH.search(line)
        return match[1] if match else b""

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._buffer += self._receive()
        line, _, self._buffer = self._buffer.partition(end)
        return line

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._buffer += self._receive()
        data, self._buffer = self._buffer[:length], self._buffer[length:]
        return data

    def _receive(self) -> bytes:
        data = self._connection.recv(65536)
        if not data:
            raise ValueError("the client closed")
        return data

    def _say(self, *lines: str) -> None:
        self._connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
