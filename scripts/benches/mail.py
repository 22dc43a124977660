"""Our server beside Dovecot and Postfix in one run: SMTP, SMTP to IMAP, a client that reads a large mailbox, POP3.

Our home server is declared out: every message is redirected, that is stored, owed, archived
and tracked.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.benches import peers
from scripts.benches.server import Server, free_ports

WORKLOADS = "smtp_accept,smtp_to_imap,imap_sync"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench mail|sync|pop3", description=__doc__)
    parser.add_argument("--peers", default=peers.NAMES, help="what peers.py starts; '' for our server alone")
    parser.add_argument("--only", default=WORKLOADS, help="workloads of the load generator")
    parser.add_argument("--reps", default="3")
    parser.add_argument("--quick", action="store_true", help="small numbers")
    parser.add_argument("--folder", help="where all mail is kept meanwhile: the disk that counts (about 3 GB)")
    parser.add_argument("more", nargs="*", help="further options of run.py, behind --")
    arguments = parser.parse_args()
    generator = peers.shared()
    if arguments.peers:
        peers.install()
    with tempfile.TemporaryDirectory(prefix="bench.", dir=arguments.folder) as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "ours").mkdir(mode=0o700)
        smtp, imap, pop3 = free_ports(3)
        server = Server(Path(folder) / "ours", smtp=smtp, imap=imap, pop3=pop3)
        try:
            command = [sys.executable, "-B", str(generator / "run.py"), "--target", server.target]
            command += ["--only", arguments.only, "--reps", arguments.reps, *arguments.more]
            command += ["--peers", arguments.peers] if arguments.peers else []
            command += ["--quick"] if arguments.quick else []
            return subprocess.run(command, env={**os.environ, "BENCH_TMP": folder}, check=False).returncode
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
