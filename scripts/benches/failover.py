"""From the failure of a home server to the message that its user reads by IMAP here.

The home server is well, and has just taken a message; then it fails in one of the ways below, sessions that stand
included. Two messages are sent, one after the other: nobody knows of the failure before the first. Told are the
seconds from the begin of its SMTP session to 250, and to the moment at which a client that has INBOX open has fetched
it. Then home is well again, and the next turn begins. All timeouts are the defaults.
"""

from __future__ import annotations

import argparse
import imaplib
import os
import smtplib
import socket
import tempfile
import threading
import time
from pathlib import Path

from scripts.benches.messages import print_rows
from scripts.benches.server import DOMAIN, PASSWORD, USERS, Server, free_ports

WAYS = ("refused", "4xx", "silent")
_GIVE_UP = 60.0  # seconds


class Home(threading.Thread):
    """Takes messages, and fails as ``way`` says; empty: it is well."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.way = ""
        self.taken = 0
        self._sessions: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", port))
        self.start()

    def fail(self, way: str) -> None:
        self.way = way
        if way == "refused":
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            for session in list(self._sessions):
                session.shutdown(socket.SHUT_RDWR)  # its thread closes it

    def heal(self) -> None:
        if self.way == "refused":
            self._listening = socket.create_server(("127.0.0.1", self.port))
        self.way = ""

    def run(self) -> None:
        while True:
            try:
                session, _ = self._listening.accept()
            except OSError:
                time.sleep(0.01)
                continue
            self._sessions.add(session)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, session: socket.socket) -> None:
        try:
            if self.way != "silent":
                session.sendall(b"220 home\r\n")
            in_data = False
            for line in session.makefile("rb"):
                if in_data and line != b".\r\n":
                    continue
                while self.way == "silent":
                    time.sleep(0.05)
                session.sendall(self._answer(line.upper(), in_data))
                in_data = line.upper().startswith(b"DATA") and not self.way
        except OSError:
            pass
        finally:
            self._sessions.discard(session)
            session.close()

    def _answer(self, line: bytes, in_data: bool) -> bytes:
        if in_data:
            self.taken += 1
            return b"250 2.0.0 taken\r\n"
        if self.way == "4xx" and line.startswith((b"MAIL", b"RCPT", b"DATA")):
            return b"451 4.3.2 not now\r\n"
        if line.startswith(b"EHLO"):
            return b"250-home\r\n250 PIPELINING\r\n"
        return b"354 go\r\n" if line.startswith(b"DATA") else b"250 ok\r\n"


class Reader:
    """A client that has INBOX open."""

    def __init__(self, port: int, user: str) -> None:
        self._client = imaplib.IMAP4("127.0.0.1", port)
        self._client.login(user, PASSWORD)
        self._client.select("INBOX")

    def read(self, subject: str) -> None:
        """Returns when it has fetched the message of that subject."""
        until = time.monotonic() + _GIVE_UP
        while time.monotonic() < until:
            found = self._client.search(None, "SUBJECT", f'"{subject}"')[1][0]
            if found:
                self._client.fetch(found.split()[-1].decode(), "(BODY.PEEK[])")
                return
            time.sleep(0.005)
        raise SystemExit(f"{subject} is not in INBOX")


def send(port: int, user: str, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=_GIVE_UP) as client:
        client.sendmail("c@client.example", [user], f"Subject: {subject}\r\n\r\n{'text ' * 400}\r\n".encode())


def timed(server: Server, reader: Reader, subject: str) -> tuple[float, float]:
    """Seconds to 250, and to the message by IMAP."""
    begun = time.monotonic()
    send(server.smtp, USERS[0], subject)
    answered = time.monotonic() - begun
    reader.read(subject)
    return answered, time.monotonic() - begun


def heal(server: Server, home: Home) -> None:
    """Until new mail passes through."""
    home.heal()
    until = time.monotonic() + _GIVE_UP
    for number in range(1000):
        server.command("queue", "retry")
        before = home.taken
        send(server.smtp, USERS[1], f"well {number}")
        if home.taken > before and '"up"' in server.command("status", "--json"):
            return
        if time.monotonic() > until:
            raise SystemExit("home does not recover")
        time.sleep(0.2)


def run(server: Server, home: Home, turns: int) -> None:
    reader = Reader(server.imap, USERS[0])
    rows = []
    for way in WAYS:
        firsts, seconds = [], []
        for turn in range(turns):
            heal(server, home)
            home.fail(way)
            firsts.append(timed(server, reader, f"{way} {turn} first"))
            seconds.append(timed(server, reader, f"{way} {turn} second"))
        for name, all_ in (("first", firsts), ("second", seconds)):
            answered, readable = (sorted(each) for each in zip(*all_, strict=True))
            middle = len(all_) // 2
            rows.append(
                [f"{way}, {name}", *(f"{value:.3f}" for value in (answered[middle], readable[middle], readable[-1]))]
            )
    heal(server, home)
    print(f"load {os.getloadavg()[0]:.1f}, {turns} turns")
    print_rows([["home, message", "250 after s", "readable after s", "at most"], *rows])


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench failover", description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where its files are made; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        smtp, imap, port = free_ports(3)
        home = Home(port)
        server = Server(Path(name), smtp=smtp, imap=imap)
        try:
            server.command("domain", "set", DOMAIN, f"home=127.0.0.1:{port}", "mode=disabled", "home-tls=off")
            run(server, home, options.turns)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
