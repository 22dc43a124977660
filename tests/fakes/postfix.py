"""A real Postfix on loopback: a home server, the next host on the way to the world, or a stranger that sends to us.

It has a folder of its own with configuration, queue and one Maildir for all that it delivers, and reads nothing of
/etc/postfix but the list of its files. Its processes give up root themselves, so only root may start it; elsewhere the
test is skipped. However the run ends, the server does: a watcher stops it when the process that started it is gone.

    with Postfix("home.example") as home:
        home.set(smtpd_recipient_restrictions="check_recipient_access inline:{ { a@b = 450 4.2.0 later } }")
        home.stop(); home.start()      # the port is closed, then open again
        home.mail()                    # what it delivered
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

_COMMAND = "/usr/sbin/postfix"

# Waits for the end of its standard input, that is of the process that holds the other end, then stops the server:
# master and what it started are one process group.
_WATCHER = """
import os, shutil, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.stdin.read()
try:
    os.killpg(int(open(os.path.join(sys.argv[1], "queue", "pid", "master.pid")).read()), signal.SIGKILL)
except (OSError, ValueError):
    pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""

# Everything is delivered, into one Maildir: `Delivered-To` says for whom. Nothing is asked of DNS.
_MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
maillog_file_permissions = 0644
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {hostname}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
message_size_limit = 52428800
virtual_mailbox_limit = 0
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""

_MASTER = """127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Delivered:
    """A file of the Maildir: a message with Return-Path, X-Original-To, Delivered-To and Received in front."""

    data: bytes

    @property
    def headers(self) -> Message[str, str]:
        return BytesHeaderParser().parsebytes(self.data)

    @property
    def recipient(self) -> str:
        return str(self.headers.get("Delivered-To", ""))

    @property
    def subject(self) -> str:
        found = re.search(rb"^Subject: (.*)$", self.data, re.MULTILINE)  # in UTF-8, which `email` hides
        return found[1].decode() if found else ""

    @property
    def id(self) -> str:
        """X-MPContinuity-Id; empty without one."""
        return str(self.headers.get("X-MPContinuity-Id", ""))

    @property
    def body(self) -> bytes:
        """With the line ends of a Maildir."""
        return self.data.partition(b"\n\n")[2]


class Postfix:
    """``settings`` are lines of main.cf; ``tls`` is a file with certificate and key, for STARTTLS; ``base``: where its
    folder is made, if not where temporary files are."""

    def __init__(self, hostname: str, *, tls: Path | None = None, base: Path | None = None, **settings: str) -> None:
        if not Path(_COMMAND).exists():
            pytest.skip("no Postfix: it is not installed (Debian: postfix)")
        if os.geteuid() != 0:
            pytest.skip("no Postfix: only root may start it")
        self.folder = Path(tempfile.mkdtemp(prefix="mpcontinuity-postfix-", dir=base))
        self.folder.chmod(0o755)  # for processes that are not root any more
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        nobody = pwd.getpwnam("nobody")
        for name in ("etc", "queue", "data", "mail"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix", "postfix")
        shutil.chown(self.folder / "mail", nobody.pw_uid, nobody.pw_gid)
        lines = _MAIN.format(folder=self.folder, hostname=hostname, uid=nobody.pw_uid, gid=nobody.pw_gid).splitlines()
        self._settings = dict(line.split(" =", 1) for line in lines)
        if tls is not None:
            shutil.copy(tls, self.folder / "tls.pem")
            self._settings["smtpd_tls_chain_files"] = f"{self.folder}/tls.pem"
            self._settings |= {"smtpd_tls_security_level": "may", "smtpd_tls_received_header": "yes"}
        self._configure(settings)
        (self.folder / "etc" / "master.cf").write_text(_MASTER.format(port=self.port))
        self._watcher = subprocess.Popen(
            [sys.executable, "-c", _WATCHER, str(self.folder)], stdin=subprocess.PIPE, start_new_session=True
        )

    @property
    def address(self) -> str:
        """As ``--home`` takes it."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of its master."""
        return int((self.folder / "queue" / "pid" / "master.pid").read_text())

    @property
    def running(self) -> bool:
        """Whether it accepts connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def start(self) -> None:
        self._postfix("start")
        self._wait(lambda: self.running, "it does not listen")

    def stop(self) -> None:
        """Sessions end, too; what is in its queue stays there."""
        self._postfix("stop")
        self._wait(lambda: not self.running, "it still listens")

    def set(self, **settings: str) -> None:
        """Lines of main.cf. All sessions end: one that is kept would go on under the old ones."""
        self._configure(settings)
        self.stop()
        self.start()

    def mail(self, subject: str = "") -> list[Delivered]:
        """What it delivered, oldest first; perhaps of one subject only."""
        files = sorted((self.folder / "mail" / "all" / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        delivered = [Delivered(path.read_bytes()) for path in files]
        return [each for each in delivered if not subject or each.subject == subject]

    def submit(self, message: bytes, *recipients: str, sender: str) -> None:
        """Into its queue, as its own users do: sendmail(1)."""
        command = ["/usr/sbin/sendmail", "-C", str(self.folder / "etc"), "-f", sender, "-i", "--", *recipients]
        subprocess.run(command, input=message, check=True, timeout=60, env=os.environ | {"MAIL_CONFIG": command[2]})

    def queued(self) -> int:
        """Messages that it has not delivered yet."""
        folders = ("maildrop", "incoming", "active", "deferred", "hold")
        return sum(path.is_file() for name in folders for path in (self.folder / "queue" / name).rglob("*"))

    def flush(self) -> None:
        """All that is queued is tried now."""
        subprocess.run(["/usr/sbin/postqueue", "-c", str(self.folder / "etc"), "-f"], check=True, timeout=60)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
        self._watcher.wait(timeout=30)

    def _configure(self, settings: dict[str, str]) -> None:
        """Each name once: of a second one every process warns, into a log that blocks while nobody writes it."""
        self._settings |= settings
        lines = [f"{name} = {value}\n" for name, value in self._settings.items()]
        (self.folder / "etc" / "main.cf").write_text("".join(lines))

    def _postfix(self, command: str) -> None:
        etc = str(self.folder / "etc")
        done = subprocess.run([_COMMAND, "-c", etc, command], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"postfix {command}: {done.stderr}{self.log()[-2000:]}"

    def _wait(self, condition: Callable[[], bool], why: str) -> None:
        until = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < until, f"Postfix: {why}: {self.log()[-2000:]}"
            time.sleep(0.05)
