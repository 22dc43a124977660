"""Our server beside Dovecot and Postfix in one run: SMTP, SMTP to IMAP, and a client that reads a large mailbox.

The load generator and the peers are not part of this project: BENCH_SHARED names their folder (../shared/bench beside
the checkout otherwise). Our home server is declared out: every message is redirected, that is stored, owed, archived
and tracked.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.benches.server import ROOT, Server, free_ports

PACKAGES = "dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-submissiond postfix gcc openssl"
PEERS = "dovecot-maildir,postfix@dovecot-maildir"
WORKLOADS = "smtp_accept,smtp_to_imap,imap_sync"


def shared() -> Path:
    folder = Path(os.environ.get("BENCH_SHARED", ROOT.parent / "shared/bench")).resolve()
    if not (folder / "run.py").is_file():
        raise SystemExit(f"scripts/bench mail: no load generator in {folder}; BENCH_SHARED names its folder")
    return folder


def install() -> None:
    if all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("dovecot", "postfix", "openssl")):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(["apt-get", "install", "-y", "-q", *PACKAGES.split()], env=environment, check=False).returncode:
        raise SystemExit(f"scripts/bench mail: as root, apt-get install {PACKAGES}; or --peers '' for our server alone")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench mail", description=__doc__)
    parser.add_argument("--peers", default=PEERS, help="what peers.py starts; '' for our server alone")
    parser.add_argument("--only", default=WORKLOADS, help="workloads of the load generator")
    parser.add_argument("--reps", default="3")
    parser.add_argument("--quick", action="store_true", help="small numbers")
    parser.add_argument("--folder", help="where all mail is kept meanwhile: the disk that counts (about 3 GB)")
    parser.add_argument("more", nargs="*", help="further options of run.py, behind --")
    arguments = parser.parse_args()
    generator = shared()
    if arguments.peers:
        install()
    with tempfile.TemporaryDirectory(prefix="bench.", dir=arguments.folder) as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "ours").mkdir(mode=0o700)
        smtp, imap = free_ports(2)
        server = Server(Path(folder) / "ours", smtp=smtp, imap=imap)
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
