"""SMTP beside Postfix, by turns: accepted and filed, passed on while home is up, sent to the world, idle sessions.

filed    Home is declared out: our 250 says that a message is in INBOX, owed, archived and tracked. Postfix's says that
         it is queued; it is done when its queue is empty and all is in a Maildir. `tuned` is in_flow_delay = 0.
relay    Home is Postfix's smtp-sink. Until the sink has all: by us it has each before our 250, and the archive too.
drain    A queue of messages to the world that was filled while the next host was away, until that has all.
idle     Sessions at submission that have logged in and say nothing: memory of each, with TLS and without.

Each cell is the best of all turns; ratios are ours by theirs. Needs root, Postfix, and the load generator's folder.
"""

from __future__ import annotations

import argparse
import base64
import re
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benches import peers
from scripts.benches.messages import print_rows
from scripts.benches.server import DOMAIN, PASSWORD, Server, free_ports
from tests.fakes.postfix import Postfix

PARTS = ("filed", "relay", "drain", "idle")
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TLS.check_hostname, _TLS.verify_mode = False, ssl.CERT_NONE
_USERS = 20  # who log in at sessions that are idle
_FROM = re.compile(rb"^From: .*$", re.MULTILINE)
LONGEST = 120.0  # s, for a queue to get empty


class Sink:
    """Postfix's smtp-sink at a port: takes everything, keeps nothing, counts."""

    def __init__(self, port: int) -> None:
        command = ["/usr/sbin/smtp-sink", "-u", "nobody", "-c", f"127.0.0.1:{port}", "1000"]
        self._process: Any = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._count = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def _read(self) -> None:
        rest = b""
        while piece := self._process.stdout.read1(65536):
            rest += piece
            found = re.findall(rb"mesg=(\d+)", rest.rpartition(b"\r")[0])
            rest = rest.rpartition(b"\r")[2]
            if found:
                with self._changed:
                    self._count = int(found[-1])
                    self._changed.notify_all()

    @property
    def count(self) -> int:
        return self._count

    def wait(self, count: int) -> float:
        """Until it has taken so many in all; when that was."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count >= count, LONGEST):
                raise SystemExit(f"the sink has {self._count} of {count} messages after {LONGEST:.0f} s")
        return time.perf_counter()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@dataclass
class Side:
    """A server of the comparison. ``finish`` returns when all that it has accepted is where it belongs."""

    name: str
    target: Any
    finish: Callable[[], None]
    accepted: float = 0.0  # messages per second, to the last 250
    finished: float = 0.0  # to the end of `finish`
    used: float = float("inf")  # µs of its processors per message

    def measure(self, messages: list[bytes], sessions: int, recipients: list[bytes]) -> None:
        load = peers.generator("load")
        with load.Meter(self.target) as meter:
            begun = time.perf_counter()
            job = load.SmtpJob(self.target, self.target.smtp, messages, recipients, sessions, 0).run()
            accepted = time.perf_counter() - begun
            if job.ok != len(messages):
                raise SystemExit(f"{self.name}: {job.ok} of {len(messages)} accepted: {job.loop.errors[:3]}")
            self.finish()
            meter.stop()
        self.accepted = max(self.accepted, len(messages) / accepted)
        self.finished = max(self.finished, len(messages) / meter.wall)
        self.used = min(self.used, meter.srv / len(messages) * 1e6)


def of_postfix(postfix: Postfix) -> Any:
    queue = postfix.folder / "queue"
    return peers.generator("load").Target(f"postfix:smtp={postfix.port},queue={queue},pid={postfix.pid}")


def mails(count: int, size: int, turn: int) -> list[bytes]:
    load, corpus = peers.generator("load"), peers.generator("corpus")
    return [load.stuff(corpus.sized(turn * 100_000 + number, size)) for number in range(count)]


def compare(options: argparse.Namespace, sides: Callable[[], list[Side]]) -> None:
    """A table: a line for each size and number of connections."""
    rows: list[list[str]] = []
    for size, count in zip(options.sizes, options.messages, strict=True):
        for sessions in options.sessions:
            compared = sides()
            for turn in range(options.turns):
                messages = mails(count if sessions > 1 else count // 4, size, turn)
                for side in compared:
                    recipients = [side.target.u(number).encode() for number in range(50)]
                    side.measure(messages, sessions, recipients)
                    time.sleep(0.2)
            ours, *others = compared
            if not rows:
                head = ["octets", "connections", "ours /s", "CPU µs"]
                for side in others:
                    head += [f"{side.name} {unit}" for unit in ("250 /s", "done /s", "CPU µs")] + ["by 250", "by done"]
                rows.append(head)
            row = [str(size), str(sessions), f"{ours.finished:.0f}", f"{ours.used:.0f}"]
            for side in others:
                row += [f"{side.accepted:.0f}", f"{side.finished:.0f}", f"{side.used:.0f}"]
                row += [f"{ours.finished / side.accepted:.2f}", f"{ours.finished / side.finished:.2f}"]
            rows.append(row)
    print_rows(rows)


@contextmanager
def our_server(folder: Path, *, submission: int = 0, more: str = "") -> Iterator[Server]:
    folder.mkdir(mode=0o700, exist_ok=True)
    smtp, imap = free_ports(2)
    server = Server(folder, smtp=smtp, imap=imap, submission=submission, more=more)
    try:
        yield server
    finally:
        server.stop()


def filed(options: argparse.Namespace, folder: Path) -> None:
    load = peers.generator("load")
    with (
        our_server(folder / "filed") as server,
        Postfix("mx.bench.test", base=folder) as plain,
        Postfix("mx.bench.test", base=folder, in_flow_delay="0") as tuned,
    ):

        def sides() -> list[Side]:
            found = [Side("ours", load.Target(server.target), lambda: None)]
            for name, postfix in (("Postfix", plain), ("tuned", tuned)):
                target = of_postfix(postfix)
                found.append(Side(name, target, lambda target=target: load.drained(target)))  # type: ignore[misc]
            return found

        compare(options, sides)


def relay(options: argparse.Namespace, folder: Path) -> None:
    load = peers.generator("load")
    (port,) = free_ports(1)
    sink = Sink(port)
    try:
        with (
            our_server(folder / "relay") as server,
            Postfix(
                "mx.bench.test", base=folder, relayhost=f"[127.0.0.1]:{port}", virtual_mailbox_domains=""
            ) as postfix,
        ):
            server.command("domain", "set", DOMAIN, f"home=127.0.0.1:{port}", "mode=disabled")
            until = time.monotonic() + 60
            while '"up"' not in server.command("status", DOMAIN, "--json"):
                if time.monotonic() > until:
                    raise SystemExit("our server does not see the sink")
                time.sleep(0.2)
            server.command("report", DOMAIN)  # nothing may be owed: it exits with 1 where the ledger does not add up

            def sides() -> list[Side]:
                target = of_postfix(postfix)
                mine = Side("ours", load.Target(server.target), lambda: None)
                return [mine, Side("Postfix", target, lambda: load.drained(target))]

            compare(options, sides)
    finally:
        sink.stop()


class Submitting:
    """What load.SmtpJob does, after AUTH PLAIN."""

    def __init__(self, address: tuple[str, int], messages: list[bytes], recipients: list[bytes]) -> None:
        self._load = peers.generator("load")
        self._address = address
        self._messages, self._recipients = messages, recipients
        self._next = 0
        self.taken = 0

    def run(self, sessions: int) -> None:
        loop = self._load.Loop()
        for number in range(sessions):
            loop.spawn(self._address, self._script(f"u{number:04}@{DOMAIN}"))
        loop.run(deadline=time.monotonic() + LONGEST)
        if self.taken != len(self._messages):
            raise SystemExit(f"{self.taken} of {len(self._messages)} submitted: {loop.errors[:3]}")

    def _script(self, user: str) -> Generator[Any, bytes, None]:
        one = self._load.replies(1)
        yield b"", one
        yield b"EHLO client.example.org\r\n", one
        answer = yield b"AUTH PLAIN " + plain(user) + b"\r\n", one
        if not answer.startswith(b"235"):
            raise self._load.Fail(f"AUTH {answer!r}")
        while self._next < len(self._messages):
            number = self._next
            self._next += 1
            recipient = self._recipients[number % len(self._recipients)]
            commands = b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (user.encode(), recipient)
            answer = yield commands, self._load.replies(3)
            if b"354" not in answer:
                raise self._load.Fail(f"DATA {answer!r}")
            answer = yield _FROM.sub(b"From: <%s>\r" % user.encode(), self._messages[number], 1), one
            if not answer.startswith(b"250"):
                raise self._load.Fail(f"message {answer!r}")
            self.taken += 1
        yield b"QUIT\r\n", self._load.eof


def plain(user: str) -> bytes:
    return base64.b64encode(f"\0{user}\0{PASSWORD}".encode())


def drain(options: argparse.Namespace, folder: Path) -> None:
    """The queue is filled while nobody listens at the sink's port."""
    rows = [["octets", "domains", "messages", "ours /s", "submitted /s", "Postfix /s", "ratio"]]
    size = options.sizes[0]
    for domains in (1, 20):
        best: dict[str, float] = {"ours": 0.0, "Postfix": 0.0, "submitted": 0.0}
        count = options.messages[0]
        recipients = [f"x@sink{number}.example".encode() for number in range(domains)]
        for turn in range(options.turns):
            messages = mails(count, size, turn)
            submitted, ours = drain_ours(folder / f"drain{domains}.{turn}", messages, recipients)
            best["submitted"] = max(best["submitted"], submitted)
            best["ours"] = max(best["ours"], ours)
            best["Postfix"] = max(best["Postfix"], drain_postfix(folder, messages, recipients))
        figures = [f"{best[name]:.0f}" for name in ("ours", "submitted", "Postfix")]
        rows.append([str(size), str(domains), str(count), *figures, f"{best['ours'] / best['Postfix']:.2f}"])
    print_rows(rows)


def drain_ours(folder: Path, messages: list[bytes], recipients: list[bytes]) -> tuple[float, float]:
    """Submitted, and sent to the sink, per second."""
    port, submission = free_ports(2)
    more = f'[outbound]\nroute = "smtp://127.0.0.1:{port}"\n'
    with our_server(folder, submission=submission, more=more) as server:
        begun = time.perf_counter()
        Submitting(("127.0.0.1", submission), messages, recipients).run(10)
        submitted = time.perf_counter() - begun
        server.stop()
        server.command("queue", "retry")  # due at once
        sink = Sink(port)
        try:
            server.start()
            took = drained(sink, len(messages))
        finally:
            sink.stop()
    return len(messages) / submitted, len(messages) / took


def drain_postfix(folder: Path, messages: list[bytes], recipients: list[bytes]) -> float:
    load = peers.generator("load")
    (port,) = free_ports(1)
    with Postfix(
        "mx.bench.test",
        base=folder,
        relayhost=f"[127.0.0.1]:{port}",
        virtual_mailbox_domains="",
        defer_transports="smtp",
        queue_run_delay="3000s",
        minimal_backoff_time="3000s",
        maximal_backoff_time="3000s",
    ) as postfix:
        target = of_postfix(postfix)
        job = load.SmtpJob(target, target.smtp, messages, recipients, 10, 0).run()
        if job.ok != len(messages):
            raise SystemExit(f"Postfix: {job.ok} of {len(messages)} accepted: {job.loop.errors[:3]}")
        until = time.monotonic() + LONGEST
        while len(list((postfix.folder / "queue" / "deferred").rglob("*/*"))) < len(messages):
            if time.monotonic() > until:
                raise SystemExit("Postfix does not defer")
            time.sleep(0.1)
        postfix.set(defer_transports="")
        sink = Sink(port)
        try:
            postfix.flush()
            return len(messages) / drained(sink, len(messages))
        finally:
            sink.stop()


def drained(sink: Sink, count: int) -> float:
    """Seconds from its first message to its last."""
    return -sink.wait(1) + sink.wait(count)


def idle(options: argparse.Namespace, folder: Path) -> None:
    count = options.idle
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = [["sessions", "opened /s", "KiB each"]]
    for secure in (False, True):
        (submission,) = free_ports(1)
        with our_server(folder / f"idle{secure}", submission=submission) as server:
            # what the first ones cost, or find free in the heap, is no session's
            sessions = [open_session(submission, number, secure=secure) for number in range(count // 4)]
            time.sleep(1)
            before = peers.generator("load").pss_of([server.process.pid])[0]
            begun = time.perf_counter()
            sessions += [open_session(submission, number, secure=secure) for number in range(count)]
            took = time.perf_counter() - begun
            time.sleep(2)
            grown = peers.generator("load").pss_of([server.process.pid])[0] - before
            for session in sessions:
                session.close()
        kind = "logged in, TLS" if secure else "logged in"
        rows.append([f"{count} {kind}", f"{count / took:.0f}", f"{grown / count / 1024:.1f}"])
    print_rows(rows)


def open_session(port: int, number: int, *, secure: bool) -> socket.socket:
    """Logged in."""
    session = socket.create_connection(("127.0.0.1", port), 60)
    reply(session, b"", b"220")
    reply(session, b"EHLO client.example.org\r\n", b"250")
    if secure:
        reply(session, b"STARTTLS\r\n", b"220")
        session = _TLS.wrap_socket(session)
        reply(session, b"EHLO client.example.org\r\n", b"250")
    reply(session, b"AUTH PLAIN " + plain(f"u{number % _USERS:04}@{DOMAIN}") + b"\r\n", b"235")
    return session


def reply(session: socket.socket, command: bytes, expected: bytes) -> None:
    if command:
        session.sendall(command)
    said = b""
    while not said.endswith(b"\r\n") or said.splitlines()[-1][3:4] == b"-":
        piece = session.recv(4096)
        if not piece:
            raise SystemExit(f"{command!r}: hung up after {said!r}")
        said += piece
    if not said.startswith(expected):
        raise SystemExit(f"{command!r}: {said!r}")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench smtp", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--sizes", type=int, nargs="+", default=[4096, 65536])
    parser.add_argument("--messages", type=int, nargs="+", default=[2000, 500], help="for each size; a quarter at one")
    parser.add_argument("--idle", type=int, default=2000, help="sessions")
    parser.add_argument("--folder", help="where all mail is kept meanwhile: the disk that counts")
    options = parser.parse_args()
    peers.install()
    work = {"filed": filed, "relay": relay, "drain": drain, "idle": idle}
    with tempfile.TemporaryDirectory(prefix="bench.", dir=options.folder) as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        for part in options.only:
            print(f"\n{part}\n", flush=True)
            work[part](options, folder)
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
