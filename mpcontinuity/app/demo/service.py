"""The service of the demo: a real server on a temporary folder, used by the commands that an administrator uses."""

from __future__ import annotations

import json
import os
import re
import signal
import smtplib
import ssl
import subprocess
import sys
import time
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

_CONFIGURATION = """\
hostname = "localhost"

[listen]
smtp = ["tcp:0:interface=127.0.0.1"]
imaps = ["tcp:0:interface=127.0.0.1"]
imap = []
submission = []
submissions = []
pop3 = []
pop3s = []
web = []
metrics = []

[home]
connect_timeout = 2
reply_timeout = 5
message_timeout = 5
probe_interval = 1

[retry]
first = 1
"""
_STARTS_WITHIN = 60.0


class DemoFailed(Exception):
    """The demo did not show what it promises. The message says what."""


class DemoService:
    """A server with its data in ``folder``, which runs from ``start`` to ``stop``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self._config = folder / "mpcontinuity.toml"
        self._config.write_text(_CONFIGURATION)
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}

    def command(self, *arguments: str, given: str = "") -> str:
        """Returns what `mpcontinuity` prints with these arguments, and ``given`` on standard input. Raises DemoFailed
        with what it says where its exit status is not 0.
        """
        done = subprocess.run(
            self._command(*arguments), input=given, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode != 0:
            raise DemoFailed(f"mpcontinuity {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Returns the rows that a command prints with --json."""
        rows: list[dict[str, Any]] = json.loads(self.command(*arguments, "--json"))
        return rows

    def start(self) -> None:
        """Starts the server and waits until it is ready. Raises DemoFailed with the end of its log."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(self._command("serve"), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + _STARTS_WITHIN
        while "service ready" not in (text := self.log.read_text(errors="replace")):
            if self._process.poll() is not None or time.monotonic() > until:
                raise DemoFailed(f"the server did not start: {text.strip()[-500:]}")
            time.sleep(0.05)
        self._ports = {door: int(port) for door, port in re.findall(r"(\w+) listens at 127\.0\.0\.1:(\d+)", text)}

    def stop(self) -> None:
        """Stops the server, by force if it does not end within 15 s."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def send(self, message: EmailMessage) -> tuple[int, str, float]:
        """Sends as a stranger's mail server would. Returns code and text of the reply to the message (or to its
        recipient, where that was refused) and the seconds it took.
        """
        began = time.monotonic()
        with smtplib.SMTP("127.0.0.1", self._ports["smtp"], "mail.example.com", timeout=60) as smtp:
            smtp.ehlo()
            smtp.mail(message["From"])
            code, text = smtp.rcpt(message["To"])
            if code == 250:
                code, text = smtp.data(message.as_bytes(policy=SMTP))
        return code, text.decode("utf-8", "replace"), time.monotonic() - began

    @property
    def imaps(self) -> int:
        """The port of IMAP with implicit TLS."""
        return self._ports["imaps"]

    def tls(self) -> ssl.SSLContext:
        """Returns a context for a client that trusts the server's own certificate, as a mail client does that was shown
        it once.
        """
        context = ssl.create_default_context(cafile=str(self.folder / "certs" / "server.pem"))
        context.check_hostname = False
        return context

    def _command(self, *arguments: str) -> list[str]:
        start = "from mpcontinuity.app.program import main; main()"
        return [sys.executable, "-c", start, "--config", os.fspath(self._config), *arguments]
