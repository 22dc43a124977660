"""IMAP as Dovecot's imaptest judges it, where that is to be had (`scripts/conformance`)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "conformance"
SECONDS = 5


@pytest.mark.skipif(
    shutil.which(os.environ.get("IMAPTEST", "imaptest")) is None or "IMAPTEST_TESTS" not in os.environ,
    reason="imaptest could not be had",
)
def test_imaptest_finds_nothing() -> None:
    judged = subprocess.run([SCRIPT, str(SECONDS)], capture_output=True, text=True, timeout=300, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr
