"""Messages accepted by SMTP with 250, by turns: our server, Postfix, and Dovecot's LMTP.

Over kept connections with PIPELINING, to 50 recipients. What Postfix says 250 to is in its queue; ours is in INBOX,
owed, archived and tracked. Each cell is the best of all turns; the ratio is ours by theirs. `--ours` alone needs no
peer, and prints what a commit costs our process.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from scripts.benches import peers, slowdisk
from scripts.benches.messages import print_rows
from scripts.benches.server import Server, free_ports


class Result:
    def __init__(self) -> None:
        self.rate = 0.0
        self.used = float("inf")  # µs of the server's processors per message


def measure(target: Any, address: Any, messages: list[bytes], sessions: int, *, lmtp: bool, best: Result) -> None:
    load = peers.generator("load")
    recipients = [target.u(number).encode() for number in range(50)]
    load.drained(target)
    with load.Meter(target) as meter:
        job = load.SmtpJob(target, address, messages, recipients, sessions, 0, lmtp=lmtp).run()
        meter.stop()
    if job.ok != len(messages):
        raise SystemExit(f"{target.name}: {job.ok} of {len(messages)} accepted: {job.loop.errors[:3]}")
    best.rate = max(best.rate, len(messages) / meter.wall)
    best.used = min(best.used, meter.srv / len(messages) * 1e6)


def targets(folder: Path, ours: str, *, alone: bool) -> list[tuple[str, Any, Any, bool]]:
    """Name, target, address, whether it is LMTP."""
    load = peers.generator("load")
    mine = load.Target(ours)
    found: list[tuple[str, Any, Any, bool]] = [("ours", mine, mine.smtp, False)]
    if not alone:
        os.environ["BENCH_TMP"] = str(folder)
        started = peers.generator("peers").Peers(str(folder))
        for name in peers.NAMES.split(","):
            started.start(name)
        other = load.Target(started.target_options()[0])
        found += [("Postfix", other, other.smtp, False), ("Dovecot LMTP", other, other.lmtp, True)]
    return found


def run(options: argparse.Namespace, folder: Path, server: Server) -> None:
    load, corpus = peers.generator("load"), peers.generator("corpus")
    compared = targets(folder, server.target, alone=options.ours)
    names = [name for name, *_ in compared]
    head = ["octets", "connections", *(f"{name} {unit}" for name in names for unit in ("/s", "CPU µs"))]
    rows = [[*head, *(f"by {name}" for name in names[1:])]]
    for size, count in zip(options.sizes, options.messages, strict=True):
        for sessions in options.sessions:
            best = {name: Result() for name in names}
            for turn in range(options.turns):
                few = count if sessions > 1 else count // 4
                mails = [load.stuff(corpus.sized(turn * 100_000 + number, size)) for number in range(few)]
                for name, target, address, lmtp in compared:
                    measure(target, address, mails, sessions, lmtp=lmtp, best=best[name])
                    time.sleep(0.2)
            row = [str(size), str(sessions)]
            for name in names:
                row += [f"{best[name].rate:.0f}", f"{best[name].used:.0f}"]
            rows.append([*row, *(f"{best['ours'].rate / best[name].rate:.2f}" for name in names[1:])])
    print_rows(rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench accept", description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--sizes", type=int, nargs="+", default=[4096, 65536])
    parser.add_argument("--messages", type=int, nargs="+", default=[2000, 500], help="for each size; a quarter at one")
    parser.add_argument("--ours", action="store_true", help="our server alone")
    parser.add_argument("--delay", type=float, default=0, help="milliseconds added to each of our flushes, not theirs")
    parser.add_argument("--folder", help="where all mail is kept meanwhile: the disk that counts")
    options = parser.parse_args()
    if not options.ours:
        peers.install()
    with tempfile.TemporaryDirectory(prefix="bench.", dir=options.folder) as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        (folder / "ours").mkdir(mode=0o700)
        smtp, imap = free_ports(2)
        server = Server(folder / "ours", smtp=smtp, imap=imap, environment=slowdisk.environment(folder, options.delay))
        try:
            run(options, folder, server)
        finally:
            server.stop()
            if not options.ours:
                peers.generator("peers").Peers(str(folder)).stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
