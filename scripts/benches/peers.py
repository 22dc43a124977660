"""The load generator and the peers, which are no part of this project: BENCH_SHARED names their folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.benches.server import ROOT

PACKAGES = "dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-submissiond postfix gcc openssl"
NAMES = "dovecot-maildir,postfix@dovecot-maildir"


def shared() -> Path:
    """../shared/bench beside the checkout where the variable is not set."""
    folder = Path(os.environ.get("BENCH_SHARED", ROOT.parent / "shared/bench")).resolve()
    if not (folder / "run.py").is_file():
        raise SystemExit(f"scripts/bench: no load generator in {folder}; BENCH_SHARED names its folder")
    return folder


def generator(name: str) -> Any:
    """One of its modules: load, corpus, peers."""
    sys.dont_write_bytecode = True
    folder = str(shared())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return __import__(name)


def install() -> None:
    if all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("dovecot", "postfix", "openssl")):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(["apt-get", "install", "-y", "-q", *PACKAGES.split()], env=environment, check=False).returncode:
        raise SystemExit(f"scripts/bench: as root, apt-get install {PACKAGES}; or --peers '' for our server alone")
