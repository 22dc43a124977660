"""A real Dovecot on loopback: the IMAP server of a home, with a master user who opens every mailbox.

It has a folder of its own with configuration and Maildirs, and reads nothing of /etc/dovecot. Only root may start it;
elsewhere the test is skipped. However the run ends, the server does: a watcher stops it when the process that started
it is gone.

    with Dovecot(folders={"Gesendet": "\\\\Sent"}) as home:
        home.url                       # as `home-imap` takes it, with the master's login
        home.messages("anna@example.org")  # what it has, by folder
"""

from __future__ import annotations

import imaplib
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

_COMMAND = "/usr/sbin/dovecot"
_IMAP = "/usr/lib/dovecot/imap"
MASTER, MASTER_PASSWORD = "master", "of all/mailboxes"
PASSWORD = "secret"

_WATCHER = """
import os, shutil, signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.stdin.read()
subprocess.run(["/usr/sbin/dovecot", "-c", os.path.join(sys.argv[1], "dovecot.conf"), "stop"], capture_output=True)
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""

_CONFIGURATION = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
listen = 127.0.0.1
ssl = {ssl}
{certificate}
disable_plaintext_auth = no
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
default_process_limit = 20
first_valid_uid = 1
auth_master_user_separator = *
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:{folder}/mail/%u
mail_uid = nobody
mail_gid = nogroup
passdb {{
  driver = passwd-file
  deny = yes
  args = username_format=%n {folder}/denied
}}
passdb {{
  driver = passwd-file
  master = yes
  args = scheme=PLAIN {folder}/masters
  pass = yes
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  prefix = {prefix}
  separator = {separator}
{folders}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {secure_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
{more}
"""

_FOLDER = """  mailbox "{name}" {{
    {use}
    auto = subscribe
  }}"""


@dataclass(frozen=True)
class Kept:
    """A message in a folder. ``flags`` are without ``\\Recent``, ``date`` is its INTERNALDATE as IMAP writes it."""

    folder: str
    uid: int
    flags: frozenset[str]
    date: str
    data: bytes

    @property
    def headers(self) -> Message[str, str]:
        return BytesHeaderParser().parsebytes(self.data)

    @property
    def subject(self) -> str:
        return str(self.headers.get("Subject", ""))

    @property
    def id(self) -> str:
        """X-MPContinuity-Id; empty without one."""
        return str(self.headers.get("X-MPContinuity-Id", ""))


class Dovecot:
    """Everybody has a mailbox, by PASSWORD, but who is ``denied``, by the local part. ``folders`` have their special
    use, or an empty one; ``tls`` is a file with certificate and key: then IMAPS is
    offered, and STARTTLS; ``more`` is appended to the configuration."""

    def __init__(
        self,
        *,
        denied: Sequence[str] = (),
        folders: Mapping[str, str] | None = None,
        separator: str = "/",
        prefix: str = "",
        tls: Path | None = None,
        more: str = "",
    ) -> None:
        if not Path(_IMAP).exists():
            pytest.skip("no Dovecot: it is not installed (Debian: dovecot-imapd)")
        if os.geteuid() != 0:
            pytest.skip("no Dovecot: only root may start it")
        self.folder = Path(tempfile.mkdtemp(prefix="mpcontinuity-dovecot-"))
        self.folder.chmod(0o755)
        self.port, self.secure_port = _free_port(), _free_port() if tls else 0
        nobody = pwd.getpwnam("nobody")
        for name in ("mail", "run"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "mail", nobody.pw_uid, nobody.pw_gid)
        certificate = ""
        if tls is not None:
            shutil.copy(tls, self.folder / "tls.pem")
            certificate = f"ssl_cert = <{self.folder}/tls.pem\nssl_key = <{self.folder}/tls.pem"
        (self.folder / "masters").write_text(f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n")
        (self.folder / "denied").write_text("".join(f"{local}:\n" for local in denied))
        self._configuration = self.folder / "dovecot.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                folder=self.folder,
                password=PASSWORD,
                ssl="yes" if tls else "no",
                certificate=certificate,
                prefix=prefix,
                separator=separator,
                port=self.port,
                secure_port=self.secure_port,
                more=more,
                folders="\n".join(
                    _FOLDER.format(name=name, use=f"special_use = {use}" if use else "")
                    for name, use in (folders or {}).items()
                ),
            )
        )
        self._watcher = subprocess.Popen(
            [sys.executable, "-c", _WATCHER, str(self.folder)], stdin=subprocess.PIPE, start_new_session=True
        )

    @property
    def url(self) -> str:
        """As ``home-imap`` takes it, without TLS, with the master's login."""
        password = MASTER_PASSWORD.replace("/", "%2F").replace(" ", "%20")
        return f"imap://{{user}}*{MASTER}:{password}@127.0.0.1:{self.port}"

    @property
    def url_of_nobody(self) -> str:
        """The same, at a port where nobody listens, as if it were away."""
        return self.url.removesuffix(str(self.port)) + str(_free_port())

    def start(self) -> None:
        with (self.folder / "errors").open("wb") as errors:  # no pipe: the server would keep it open
            command = [_COMMAND, "-c", str(self._configuration)]
            done = subprocess.run(command, stdout=errors, stderr=errors, timeout=60, check=False)
        assert done.returncode == 0, f"dovecot: {(self.folder / 'errors').read_text()}{self.log()[-2000:]}"
        self._wait(True)

    def stop(self) -> None:
        """Sessions end, too."""
        subprocess.run([_COMMAND, "-c", str(self._configuration), "stop"], timeout=60, check=True)
        self._wait(False)

    @contextmanager
    def imap(self, user: str) -> Iterator[imaplib.IMAP4]:
        """Logged in as the user."""
        with imaplib.IMAP4("127.0.0.1", self.port, timeout=60) as session:
            session.login(user, PASSWORD)
            yield session

    def folders(self, user: str) -> list[str]:
        """The names of all folders, in modified UTF-7."""
        with self.imap(user) as session:
            return _names(session)

    def subscribed(self, user: str) -> list[str]:
        """The names that the user is subscribed to."""
        with self.imap(user) as session:
            return sorted(_name(line) for line in session.lsub()[1] if isinstance(line, bytes))

    def messages(self, user: str) -> list[Kept]:
        """All messages in all folders."""
        found = []
        with self.imap(user) as session:
            for folder in _names(session):
                opened, count = session.select(f'"{folder}"', readonly=True)
                if opened != "OK" or count == [b"0"]:  # a name that is there for those below it alone, or nothing
                    continue
                _, data = session.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
                found += [_kept(folder, part[0].decode(), part[1]) for part in data if isinstance(part, tuple)]
        return found

    def put(self, user: str, folder: str, data: bytes, flags: str = "") -> None:
        """Puts a message there, as another client of the user does."""
        with self.imap(user) as session:
            code, text = session.append(f'"{folder}"', f"({flags})", "", data)
            assert code == "OK", text

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

    def _wait(self, listens: bool) -> None:
        until = time.monotonic() + 30
        while self._listens() is not listens:
            assert time.monotonic() < until, f"Dovecot: {self.log()[-2000:]}"
            time.sleep(0.02)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _names(session: imaplib.IMAP4) -> list[str]:
    return sorted(_name(line) for line in session.list()[1] if isinstance(line, bytes))


def _name(line: bytes) -> str:
    found = re.fullmatch(rb'\([^)]*\) (?:"[^"]*"|NIL) "?(.*?)"?', line)
    assert found is not None, line
    return found[1].decode()


def _kept(folder: str, told: str, data: bytes) -> Kept:
    flags = re.search(r"FLAGS \(([^)]*)\)", told)
    uid, date = re.search(r"UID (\d+)", told), re.search(r'INTERNALDATE "([^"]*)"', told)
    assert flags is not None
    assert uid is not None
    assert date is not None
    return Kept(folder, int(uid[1]), frozenset(flags[1].split()) - {"\\Recent"}, date[1].strip(), data)
