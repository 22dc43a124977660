"""NOOP by IMAP beside busy sessions of the web.

Some clients of IMAP say NOOP again and again, first alone and then beside so many sessions of the portal, each of which
asks for a page of it, reads it whole and asks for the next after a while, as people do. Both turns are taken several
times, one after the other, so that what else the machine does meets both alike. Told are the percentiles of NOOP in
either, what moved, pages per second, and how long a page took.
"""

from __future__ import annotations

import argparse
import http.client
import imaplib
import re
import ssl
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

from scripts.benches.server import DOMAIN, PASSWORD, USERS, Server, free_ports

ADMINISTRATOR = "bench"
PAGES = ("/admin/", f"/admin/domain/{DOMAIN}/", f"/admin/domain/{DOMAIN}/continuity", "/admin/queue", "/admin/audit")
_HIDDEN = re.compile(r'name="csrf" value="([^"]+)"')
_COOKIE = re.compile(r"__Host-[^;]+")


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


class Visitor(threading.Thread):
    """A browser that is signed in: asks for a page ``every`` seconds, on one connection, while ``busy`` is set."""

    def __init__(self, port: int, cookie: str, number: int, every: float, busy: threading.Event) -> None:
        super().__init__(daemon=True)
        self._connection = _connect(port)
        self._cookie, self._number, self._every, self._busy = cookie, number, every, busy
        self.took: list[float] = []
        self.wrong = 0

    def run(self) -> None:
        while True:
            if not self._busy.is_set():
                self._busy.wait()
                time.sleep(self._every * (self._number * 37 % 100) / 100)  # not all at once
            begun = time.perf_counter()
            path = PAGES[(self._number + len(self.took)) % len(PAGES)]
            try:
                self._connection.request("GET", path, headers={"Cookie": self._cookie})
                answer = self._connection.getresponse()
                answer.read()
                self.wrong += answer.status != 200
            except (OSError, http.client.HTTPException):  # an idle connection is closed between two turns
                self._connection.close()
                continue
            self.took.append(time.perf_counter() - begun)
            time.sleep(max(self._every - self.took[-1], 0))


def _connect(port: int) -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)


def log_in(port: int) -> str:
    """Signs the administrator in, and returns the cookie."""
    connection = _connect(port)
    connection.request("GET", "/admin/login")
    answer = connection.getresponse()
    token, cookie = _HIDDEN.search(answer.read().decode()), _COOKIE.search(answer.getheader("set-cookie", ""))
    assert token is not None
    assert cookie is not None
    form = urlencode({"csrf": token[1], "name": ADMINISTRATOR, "password": PASSWORD})
    headers = {"Cookie": cookie[0], "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/admin/login", form, headers)
    answer = connection.getresponse()
    answer.read()
    signed_in = _COOKIE.search(answer.getheader("set-cookie", ""))
    assert answer.status == 303, answer.status
    assert signed_in is not None
    return signed_in[0]


def _percentiles(latencies: list[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(latencies, n=100)
    return cuts[49] * 1e3, cuts[98] * 1e3, max(latencies) * 1e3


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench web", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--every", type=float, default=10.0, help="seconds from page to page of a session")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each turn")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    smtp, imap, web = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="bench.") as folder:
        more = "[web]\nrequire_totp = false\n"
        server = Server(Path(folder), smtp=smtp, imap=imap, web=web, more=more)
        try:
            server.command("admin", "add", ADMINISTRATOR, "--password-stdin", stdin=f"{PASSWORD}\n")
            cookie = log_in(web)
            ended, busy = threading.Event(), threading.Event()
            askers = [Asker(imap, user, 0.02, ended) for user in USERS[:4]]
            visitors = [Visitor(web, cookie, number, options.every, busy) for number in range(options.sessions)]
            for thread in (*visitors, *askers):
                thread.start()
            alone: list[float] = []
            beside: list[float] = []
            for turn in range(2 * options.turns):
                (busy.set if turn % 2 else busy.clear)()
                time.sleep(1)
                marks = [len(asker.latencies) for asker in askers]
                time.sleep(options.seconds)
                taken = beside if turn % 2 else alone
                for asker, mark in zip(askers, marks, strict=True):
                    taken.extend(asker.latencies[mark:])
            ended.set()
        finally:
            server.stop()
    quiet, loud = _percentiles(alone), _percentiles(beside)
    for name, (median, high, worst) in (("NOOP alone", quiet), ("beside the web", loud)):
        print(f"{name:16} p50 {median:.2f} ms, p99 {high:.2f} ms, worst {worst:.1f} ms")
    print(f"p99 moved by     {loud[1] - quiet[1]:.2f} ms (below 2 is the aim)")
    took = [each for visitor in visitors for each in visitor.took]
    pages = len(took) / (options.turns * (options.seconds + 1))
    median, high, worst = _percentiles(took)
    print(f"pages            {pages:.0f}/s, p50 {median:.0f} ms, p99 {high:.0f} ms, worst {worst:.0f} ms")
    wrong = sum(visitor.wrong for visitor in visitors)
    print(f"not answered 200 {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
