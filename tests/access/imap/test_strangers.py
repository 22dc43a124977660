"""Clients that others wrote, over real sockets and TLS: imaplib and mbsync."""

from __future__ import annotations

import imaplib
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


class Server:
    def __init__(self, pid: int, plain: int, secure: int) -> None:
        self.pid = pid
        self.plain = plain
        self.secure = secure

    @contextmanager
    def user(self, name: str = "joe") -> Iterator[imaplib.IMAP4]:
        client = imaplib.IMAP4_SSL("127.0.0.1", self.secure, ssl_context=CONTEXT, timeout=20)
        with client:  # which logs out
            client.login(f"{name}@example.org", "secret")
            yield client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("imap")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.access.imap.server", str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        plain, secure = process.stdout.readline().split()
        yield Server(process.pid, int(plain), int(secure))
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def test_imaplib_by_starttls(server: Server) -> None:
    client = imaplib.IMAP4("127.0.0.1", server.plain, timeout=20)
    assert "LOGINDISABLED" in client.capabilities
    with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
        client.login("joe@example.org", "secret")
    client.starttls(CONTEXT)
    client.authenticate("PLAIN", lambda _: b"\0joe@example.org\0secret")
    assert client.select()[0] == "OK"
    client.logout()


def test_imaplib_lives_a_day(server: Server) -> None:
    with server.user("ann") as client:
        assert client.create("Work")[0] == "OK"
        for number in range(5):
            message = b"Subject: m%d\r\n\r\n%s\r\n" % (number, b"x" * 1000 * number)
            assert client.append("Work", r"(\Flagged)", imaplib.Time2Internaldate(1e9), message)[0] == "OK"
        assert client.select("Work") == ("OK", [b"5"])
        assert client.uid("SEARCH", "SUBJECT", "m3") == ("OK", [b"4"])
        assert client.uid("COPY", "1:2", "Archive")[0] == "OK"
        assert client.store("2:3", "+FLAGS.SILENT", r"\Deleted")[0] == "OK"
        assert client.expunge() == ("OK", [b"3", b"2"])
        assert client.uid("MOVE", "5", "Trash")[0] == "OK"
        data = client.uid("FETCH", "1:*", "(FLAGS BODY[])")[1]
        assert [part[1][:11] for part in data if isinstance(part, tuple)] == [b"Subject: m0", b"Subject: m3"]
        assert client.status("Trash", "(MESSAGES UNSEEN)")[1] == [b'"Trash" (MESSAGES 1 UNSEEN 1)']
        assert client.close()[0] == "OK"
        assert client.rename("Work", "Play")[0] == "OK"
        assert client.delete("Play")[0] == "OK"


def test_a_large_message_goes_in_and_out_while_another_session_stays_quick(server: Server) -> None:
    message = b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 500_000
    with server.user() as slow, server.user() as quick:
        assert slow.append("INBOX", None, None, message)[0] == "OK"
        slow.select()
        slow.send(b"z FETCH * BODY.PEEK[]\r\n")  # and reads nothing yet
        time.sleep(0.3)
        before = memory(server.pid)
        begun = time.monotonic()
        for _ in range(20):
            assert quick.noop()[0] == "OK"
        assert time.monotonic() - begun < 2
        received = 0
        while received < len(message):
            received += len(slow.read(min(1_000_000, len(message) - received)))
            assert memory(server.pid) < before + 16_000
        while not slow.readline().startswith(b"z OK"):
            pass


def memory(pid: int) -> int:
    """KiB in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def test_idle_over_sockets(server: Server) -> None:
    with server.user("ann") as client, server.user("ann") as other:
        client.select()
        client.send(b"i IDLE\r\n")
        assert client.readline().startswith(b"+ ")
        other.append("INBOX", None, None, b"Subject: news\r\n\r\n")
        assert client.readline().endswith(b" EXISTS\r\n")
        assert client.readline().endswith(b" RECENT\r\n")
        client.send(b"DONE\r\nj NOOP\r\n")
        assert client.readline().startswith(b"i OK")
        assert client.readline().startswith(b"j OK")


def test_what_stands_behind_starttls_never_becomes_a_command(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.plain), timeout=10) as raw:
        raw.recv(4096)
        raw.sendall(b"a STARTTLS\r\nb CAPABILITY\r\n")
        received = b""
        while piece := _receive(raw):
            received += piece
        assert received in (b"", b"a OK begin TLS now\r\n")


def _receive(raw: socket.socket) -> bytes:
    try:
        return raw.recv(4096)
    except ConnectionResetError:
        return b""


def test_mbsync_copies_both_ways(server: Server, tmp_path: Path) -> None:
    mbsync = shutil.which("mbsync")
    if mbsync is None:
        pytest.skip("mbsync is not installed")
    with server.user() as client:
        client.create("Sync")
        for number in range(40):
            client.append("Sync", None, None, b"Subject: m%d\r\nMessage-ID: <%d@x>\r\n\r\nhi\r\n" % (number, number))
    (tmp_path / "local").mkdir()
    shown = tmp_path / "shown.pem"  # mbsync has no 'accept anything'
    shown.write_text(ssl.get_server_certificate(("127.0.0.1", server.secure)))
    config = tmp_path / "mbsyncrc"
    config.write_text(
        f"""
IMAPStore remote
Host 127.0.0.1
Port {server.plain}
User joe@example.org
Pass secret
SSLType STARTTLS
CertificateFile {shown}
SystemCertificates no

MaildirStore local
Path {tmp_path}/local/
Inbox {tmp_path}/local/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns Sync
Create Both
Expunge Both
SyncState *
"""
    )
    run = [mbsync, "-c", str(config), "all"]
    subprocess.run(run, check=True, timeout=60, capture_output=True)
    folder = tmp_path / "local" / "Sync"
    messages = sorted((folder / "new").iterdir()) + sorted((folder / "cur").iterdir())
    assert len(messages) == 40
    messages[0].unlink()
    (folder / "cur" / "1.x.y:2,S").write_bytes(b"Subject: from here\n\nwritten offline\n")
    subprocess.run(run, check=True, timeout=60, capture_output=True)
    with server.user() as client:
        assert client.select("Sync") == ("OK", [b"40"])
        assert client.search(None, "SUBJECT", '"from here"', "SEEN")[1] != [b""]
