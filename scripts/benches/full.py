"""Full load by SMTP beside an open download of 1 GB and clients that ask for news.

What is measured meanwhile: messages per second, the largest WAL, how long NOOP and STATUS take, and the longest
transaction (store/figures.py, by /metrics). The download is read so slowly that it lasts as long as the load does.
"""

from __future__ import annotations

import argparse
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from scripts.benches import peers
from scripts.benches.server import PASSWORD, Server, free_ports

LARGE, LARGE_COUNT = 25 << 20, 40  # octets, messages: 1 GB in all
ASKED_EVERY = 0.05  # s


class Asker(threading.Thread):
    """A client in an empty mailbox that says NOOP again and again."""

    def __init__(self, address: Any, user: str, stopped: threading.Event) -> None:
        super().__init__(daemon=True)
        load = peers.generator("load")
        self._client = load.Imap(address, user, PASSWORD)
        self._client.ok(b"SELECT INBOX")
        self._stopped = stopped
        self.latencies: list[float] = []

    def run(self) -> None:
        # Not by load.Imap: its buffer is shared by all clients.
        connection: socket.socket = self._client.s
        number = 0
        while not self._stopped.wait(ASKED_EVERY):
            number += 1
            tag = b"n%d" % number
            begun = time.perf_counter()
            connection.sendall(tag + b" NOOP\r\n")
            said = b""
            while tag + b" OK" not in said:
                said += connection.recv(65536)
            self.latencies.append(time.perf_counter() - begun)


class Download(threading.Thread):
    """Reads all of a mailbox, at so many octets per second."""

    def __init__(self, address: Any, user: str, rate: float, stopped: threading.Event) -> None:
        super().__init__(daemon=True)
        self._connection = peers.generator("load").Imap(address, user, PASSWORD).s
        self._rate = rate
        self._stopped = stopped
        self.octets = 0
        self.ended = False

    def run(self) -> None:
        self._connection.sendall(b"x1 EXAMINE INBOX\r\nx2 UID FETCH 1:* BODY.PEEK[]\r\n")
        begun = time.perf_counter()
        last = b""
        while not self._stopped.is_set() and not self.ended:
            piece = self._connection.recv(65536)
            self.octets += len(piece)
            last = (last + piece)[-200:]
            self.ended = not piece or b"\r\nx2 " in last
            ahead = self.octets / self._rate - (time.perf_counter() - begun)
            if ahead > 0:
                time.sleep(min(ahead, 0.1))


class Watcher(threading.Thread):
    """The size of the WAL, ten times a second."""

    def __init__(self, folder: Path, stopped: threading.Event) -> None:
        super().__init__(daemon=True)
        self._wal = folder / "mpcontinuity.sqlite-wal"
        self._stopped = stopped
        self.largest = 0

    def run(self) -> None:
        while not self._stopped.wait(0.1):
            self.largest = max(self.largest, self._wal.stat().st_size)


def fill(address: Any, user: str) -> None:
    """By APPEND, one message at a time."""
    load = peers.generator("load")
    client = load.Imap(address, user, PASSWORD)
    line = b"A line of a large message, of seventy-eight octets with its line end, as many.\r\n"
    body = line * (LARGE // len(line))
    for number in range(LARGE_COUNT):
        client.fill(b"INBOX", [b"Subject: large %d\r\n\r\n" % number + body], batch=1)
    client.close()


def flood(target: Any, seconds: float, sessions: int) -> tuple[int, float]:
    """Messages accepted within that time, in rounds, and how long it took."""
    load, corpus = peers.generator("load"), peers.generator("corpus")
    mails = [load.stuff(corpus.sized(number, 4096)) for number in range(2000)]
    recipients = [target.u(100 + number).encode() for number in range(500)]
    accepted, begun, turn = 0, time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        turn += 1
        turned = [b"X-Turn: %d\r\n" % turn + mail for mail in mails]
        job = load.SmtpJob(target, target.smtp, turned, recipients, sessions, 0).run()
        if job.bad or job.loop.errors:
            print(f"{job.bad} refused: {job.loop.errors[:3]}", file=sys.stderr)
        accepted += job.ok
    return accepted, time.perf_counter() - begun


def figures(port: int) -> dict[str, float]:
    """Those of /metrics that are about transactions, commits and the WAL."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r"^(mpcontinuity_(?:store|wal)\w*)(?:\{[^}]*\})? (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found if "longest" in name or "wal" in name}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench full", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--folder", help="where all mail is kept meanwhile: the disk that counts (about 10 GB)")
    options = parser.parse_args()
    seconds = options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="bench.", dir=options.folder) as temporary:
        smtp, imap, metrics = free_ports(3)
        server = Server(Path(temporary), smtp=smtp, imap=imap, metrics=metrics)
        try:
            target = peers.generator("load").Target(server.target)
            fill(target.imap, target.u(0))
            stopped = threading.Event()
            askers = [Asker(target.imap, target.u(number), stopped) for number in (1, 2)]
            download = Download(target.imap, target.u(0), LARGE * LARGE_COUNT / seconds * 0.9, stopped)
            watcher = Watcher(Path(temporary) / "data", stopped)
            for thread in (*askers, download, watcher):
                thread.start()
            accepted, took = flood(target, seconds, options.sessions)
            found = figures(metrics)
            stopped.set()
            for asker in askers:
                asker.join(10)
        finally:
            server.stop()
        latencies = sorted(latency * 1e3 for asker in askers for latency in asker.latencies)
        cuts = statistics.quantiles(latencies, n=100)
        print(f"accepted        {accepted} messages in {took:.0f} s, {accepted / took:.0f}/s")
        print(f"downloaded      {download.octets / 1e6:.0f} MB meanwhile{', to the end' if download.ended else ''}")
        print(f"largest WAL     {watcher.largest / (1 << 20):.0f} MiB (at most 256)")
        print(
            f"NOOP            p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms (at most 50), worst {latencies[-1]:.0f} ms"
        )
        for name, value in sorted(found.items()):
            print(f"{name} {value:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
