"""200 users of webmail at work, and NOOP by IMAP and mail by SMTP beside them.

Clients of IMAP say NOOP again and again, and another sends message after message by SMTP: alone, then beside sessions
of the portal, then beside sessions of webmail, by turns, so that what else the machine does meets all alike. A session
asks for a page, reads it whole, thinks, and asks for the next. Each of webmail has a user of its own, whose INBOX has
10,000 messages, and a stream of events that stays open. Told are the percentiles of each, and who computed how much.
After that it is told what a session and an open stream cost in memory. It takes about four minutes, and 3 GB of disk.
"""

from __future__ import annotations

import argparse
import http.client
import imaplib
import os
import smtplib
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from scripts.benches import webmail
from scripts.benches.server import DOMAIN, PASSWORD, USERS, Server, free_ports
from scripts.benches.webmail import Reader, Streams, connect, log_in

ADMINISTRATOR = "bench"
PAGES = ("/admin/", f"/admin/domain/{DOMAIN}/", f"/admin/domain/{DOMAIN}/continuity", "/admin/queue", "/admin/audit")
ALONE, PORTAL, WEBMAIL = "alone", "beside the portal", "beside webmail"
NOOP, SMTP, PAGE = "NOOP", "SMTP", "page of the portal"
SPARE = 20  # users who read before memory is measured, so that what all share is there
_TICKS = os.sysconf("SC_CLK_TCK")


class Asker(threading.Thread):
    """Says NOOP ``every`` seconds; ``latencies`` are in seconds."""

    def __init__(self, port: int, user: str, every: float, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self._imap = imaplib.IMAP4("127.0.0.1", port, timeout=60)
        self._imap.login(user, PASSWORD)
        self._imap.select()
        self._every, self._ended = every, ended
        self.latencies: list[float] = []

    def run(self) -> None:
        while not self._ended.wait(self._every):
            begun = time.perf_counter()
            self._imap.noop()
            self.latencies.append(time.perf_counter() - begun)


class Sender(threading.Thread):
    """Sends 4 KiB ``every`` seconds, to one user after the other; ``latencies`` are from MAIL to the 250."""

    def __init__(self, port: int, users: list[str], every: float, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self._smtp = smtplib.SMTP("127.0.0.1", port, timeout=60)
        self._smtp.ehlo("bench.example")
        self._users, self._every, self._ended = users, every, ended
        self.latencies: list[float] = []

    def run(self) -> None:
        while not self._ended.wait(self._every):
            number = len(self.latencies)
            text = (
                f"From: p{number % 300}@example.net\r\nSubject: New {number}\r\nMessage-ID: <new{number}@e.net>\r\n\r\n"
            )
            begun = time.perf_counter()
            self._smtp.mail("sender@example.net")
            self._smtp.rcpt(self._users[number % len(self._users)])
            code, said = self._smtp.data(text + "Forty octets of text in each of its lines.\r\n" * 90)
            assert code == 250, said
            self.latencies.append(time.perf_counter() - begun)


class Visitor(threading.Thread):
    """A browser in the portal: asks for a page ``every`` seconds, on one connection, while ``busy`` is set."""

    def __init__(self, port: int, cookie: str, number: int, every: float, busy: threading.Event) -> None:
        super().__init__(daemon=True)
        self._connection = connect(port)
        self._cookie, self._number, self._every, self._busy = cookie, number, every, busy
        self.latencies: list[float] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        while True:
            if not self._busy.is_set():
                self._busy.wait()
                time.sleep(self._every * (self._number * 37 % 100) / 100)  # not all at once
            begun = time.perf_counter()
            path = PAGES[(self._number + len(self.latencies)) % len(PAGES)]
            try:
                self._connection.request("GET", path, headers={"Cookie": self._cookie})
                answer = self._connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):  # an idle connection is closed between two turns
                self._connection.close()
                continue
            if answer.status != 200:
                self.wrong.append(f"{path}: {answer.status}")
            self.latencies.append(time.perf_counter() - begun)
            time.sleep(max(self._every - self.latencies[-1], 0))


class Machine:
    """Who computes: the server, its children, and this process, in seconds."""

    def __init__(self, server: int) -> None:
        self._server = server

    def seconds(self) -> tuple[float, float, float]:
        tasks = Path(f"/proc/{self._server}/task/{self._server}/children")
        children = [int(pid) for pid in tasks.read_text().split()]
        return self._of(self._server), sum(map(self._of, children)), self._of(os.getpid())

    @staticmethod
    def _of(pid: int) -> float:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            return 0.0
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident(self) -> int:
        """KiB of the server."""
        status = Path(f"/proc/{self._server}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


class Bench:
    """A server with its users, all that is beside it, and what was measured."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._options = options
        self._users = USERS[: options.sessions]
        smtp, imap, self._web = free_ports(3)
        more = "[web]\nrequire_totp = false\n"
        begun = time.monotonic()
        self.server = Server(folder, smtp=smtp, imap=imap, web=self._web, more=more)
        self.server.stop()
        webmail.fill(folder / "data", self._users, options.messages)
        print(f"{options.sessions} folders of {options.messages} messages, filled in {time.monotonic() - begun:.0f} s")
        self.server.start()
        self._machine = Machine(self.server.process.pid)
        self._ended = threading.Event()
        self._busy = {PORTAL: threading.Event(), WEBMAIL: threading.Event()}
        self._latencies: dict[str, dict[str, list[float]]] = {ALONE: {}, PORTAL: {}, WEBMAIL: {}}  # by turn and kind
        self._computed: dict[str, list[tuple[float, ...]]] = {ALONE: [], PORTAL: [], WEBMAIL: []}
        self.readers: list[Reader] = []
        self.visitors: list[Visitor] = []

    def sign_in(self) -> None:
        """All sessions; and tells what one of webmail costs in memory."""
        self._read_some(USERS[self._options.sessions : self._options.sessions + SPARE])
        before = self._machine.resident()
        every = self._options.every
        self.readers = [self._reader(user, number) for number, user in enumerate(self._users)]
        each = (self._machine.resident() - before) / len(self.readers)
        print(f"memory of a session of webmail with its connection by TLS: {each:.0f} KiB (server: {before >> 10} MiB)")
        self.server.command("admin", "add", ADMINISTRATOR, "--password-stdin", stdin=f"{PASSWORD}\n")
        cookie = log_in(connect(self._web), "/admin/login", name=ADMINISTRATOR)
        self.visitors = [
            Visitor(self._web, cookie, number, every, self._busy[PORTAL]) for number in range(self._options.sessions)
        ]

    def _reader(self, user: str, number: int) -> Reader:
        return Reader(self._web, user, number, self._options.every, self._busy[WEBMAIL])

    def _read_some(self, users: list[str]) -> None:
        """What is loaded and kept for all is not of one session."""
        for number, user in enumerate(users):
            self._reader(user, number)
        self._reader(self._users[0], 0).read_once()

    def measure(self) -> None:
        """Takes all turns."""
        askers = [Asker(self.server.imap, user, 0.02, self._ended) for user in USERS[-4:]]
        sender = Sender(self.server.smtp, self._users, self._options.mail_every, self._ended)
        lists: dict[str, list[list[float]]] = {
            NOOP: [one.latencies for one in askers],
            SMTP: [sender.latencies],
            PAGE: [one.latencies for one in self.visitors],
            **{kind: [one.latencies[kind] for one in self.readers] for kind in webmail.KINDS},
        }
        for thread in (*self.readers, *self.visitors, *askers, sender):
            thread.start()
        for _ in range(self._options.turns):
            for name in (ALONE, PORTAL, WEBMAIL):
                self._turn(name, lists)
        self._ended.set()

    def _turn(self, name: str, lists: dict[str, list[list[float]]]) -> None:
        streams = self._streams(1) if name == WEBMAIL else None
        if name in self._busy:
            self._busy[name].set()
            time.sleep(self._options.every)  # in which all begin
        time.sleep(1)
        marks = {kind: [len(one) for one in every] for kind, every in lists.items()}
        computed, begun = self._machine.seconds(), time.perf_counter()
        time.sleep(self._options.seconds)
        took = time.perf_counter() - begun
        self._computed[name].append(
            tuple((after - before) / took for before, after in zip(computed, self._machine.seconds(), strict=True))
        )
        for kind, every in lists.items():
            for one, mark in zip(every, marks[kind], strict=True):
                self._latencies[name].setdefault(kind, []).extend(one[mark:])
        if name in self._busy:
            self._busy[name].clear()
        if streams is not None:
            streams.close()

    def _streams(self, of_each: int) -> Streams:
        streams = Streams(self._web)
        streams.start()
        for reader in self.readers:
            for _ in range(of_each):
                streams.open(reader.cookie)
        return streams

    def weigh_streams(self, of_each: int) -> None:
        """Tells what an open stream costs in memory."""
        self._streams(1).close()
        time.sleep(1)
        before = self._machine.resident()
        streams = self._streams(of_each)
        time.sleep(2)
        number = of_each * len(self.readers)
        each = (self._machine.resident() - before) / number
        print(f"memory of an open stream of events with its connection by TLS: {each:.0f} KiB (of {number})")
        streams.close()

    def tell(self) -> bool:
        """Prints all; whether everything was answered."""
        print(f"{'ms':32} {'p50':>8} {'p95':>8} {'p99':>8} {'worst':>8}")
        for kind in (NOOP, SMTP):
            for name, found in self._latencies.items():
                _row(f"{kind} {name}", found[kind])
            alone, beside = (_percentiles(self._latencies[name][kind]) for name in (ALONE, WEBMAIL))
            ratios = ", ".join(f"{after / before:.1f}" for before, after in zip(alone, beside, strict=True))
            print(f"  {kind} beside webmail, as many times what it is alone: {ratios}")
        _row(f"a {PAGE}", self._latencies[PORTAL][PAGE])
        measured = self._options.turns * self._options.seconds
        for kind, aim in zip(webmail.KINDS, (150, 150, 100), strict=True):
            took = self._latencies[WEBMAIL][kind]
            _row(f"a {kind}", took, f"aim: p95 below {aim}; {len(took) / measured:.1f} per second")
        for name, turns in self._computed.items():
            server, children, ours = (statistics.mean(each) for each in zip(*turns, strict=True))
            print(f"cores at work {name:20} server {server:.2f}, its children {children:.2f}, this bench {ours:.2f}")
        print(f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")
        wrong = [each for one in self.readers for each in one.wrong]
        wrong += [each for one in self.visitors for each in one.wrong]
        print(f"not answered 200: {len(wrong)} {wrong[:3] or ''}")
        return not wrong


def _percentiles(latencies: list[float]) -> tuple[float, float, float, float]:
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return cuts[49] * 1e3, cuts[94] * 1e3, cuts[98] * 1e3, max(latencies) * 1e3


def _row(name: str, latencies: list[float], more: str = "") -> None:
    if len(latencies) < 2:
        print(f"{name:32} too few")
        return
    print(f"{name:32} " + " ".join(f"{each:8.2f}" for each in _percentiles(latencies)) + f"  {more}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench web", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--messages", type=int, default=10_000, help="in each folder")
    parser.add_argument("--every", type=float, default=10.0, help="seconds of thought between pages, in the mean")
    parser.add_argument("--mail-every", type=float, default=0.1, help="seconds from message to message by SMTP")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--streams", type=int, default=5, help="of a session, where their memory is measured")
    parser.add_argument("--folder", help="where the server's folder is made")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    print(f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores before it begins")
    with tempfile.TemporaryDirectory(prefix="bench.", dir=options.folder) as folder:
        bench = Bench(Path(folder), options)
        try:
            bench.sign_in()
            bench.measure()
            sound = bench.tell()
            bench.weigh_streams(options.streams)
        finally:
            bench.server.stop()
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
