"""Servers that lie to `doctor`: it ends, says what is wrong, and calls no nonsense good."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from mpcontinuity.app.doctor.smtp import SmtpClient


@contextlib.contextmanager
def server(*said: bytes, every: float = 0.0) -> Iterator[int]:
    """Says these one after the other, until it is not listened to any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                for piece in said:
                    connection.sendall(piece)
                    time.sleep(every)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(10)


def test_a_reply_of_several_lines_is_read_however_it_is_cut() -> None:
    with server(b"22", b"0-home.exa", b"mple\r", b"\n220 ready\r\n250-", b"home\r\n250 SIZE 7\r\n", every=0.01) as port:
        client = SmtpClient(10)
        assert client.connect("127.0.0.1", port) == (220, b"home.example\nready")
        assert client.ehlo("us") == (250, b"home\nSIZE 7")
        assert client.esmtp_features == {"size": "7"}
        client.close()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([b"220-and so on\r\n" * 1000] * 1000, "more than 256 lines"),
        ([b"220 " + b"x" * 65_536] * 1000, "more than 4096 octets"),
        ([b"\x00\xff nonsense\r\n"], "no SMTP reply"),
        ([b"220_home\r\n"], "no SMTP reply"),
        ([b"220-home\r\n"], "closed"),
        ([], "closed"),
    ],
)
def test_what_is_no_reply_is_told_and_not_read_to_its_end(said: list[bytes], why: str) -> None:
    with server(*said) as port, pytest.raises(smtplib.SMTPServerDisconnected, match=why):
        SmtpClient(10).connect("127.0.0.1", port)


def test_octet_by_octet_is_no_way_to_keep_us() -> None:
    with server(*[b"2"] * 100, every=0.05) as port, pytest.raises((smtplib.SMTPServerDisconnected, TimeoutError)):
        SmtpClient(0.5).connect("127.0.0.1", port)
